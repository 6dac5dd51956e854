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

/// An error and what caused it, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
