//! Failed system calls, printed the way strace prints them.

use std::fmt;

use nix::errno::Errno;

/// A system call that failed: `openat2(5, "a/b", O_PATH) = ELOOP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysError {
    /// The call with its arguments, without the result.
    pub call: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl SysError {
    /// A failed call.
    pub fn new(call: impl Into<String>, errno: Errno) -> SysError {
        SysError { call: call.into(), errno }
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?} ({})", self.call, self.errno, self.errno.desc())
    }
}

impl std::error::Error for SysError {}
