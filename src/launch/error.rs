//! Why a jail was not built, or its command not started.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::landlock::LandlockError;
use crate::seccomp::FilterError;
use crate::sys::{Errno, SysError};

/// A launch that failed. Nothing of the command has run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A promise cannot be kept on this kernel.
    #[error("this kernel cannot keep every promise: {}", .0.join("; "))]
    Shortfall(Vec<String>),
    /// Yama forbids looking into other processes.
    #[error("the broker may not look into the jail: kernel.yama.ptrace_scope is {0}")]
    Yama(u32),
    /// Somebody else already supervises this process with a listener.
    #[error("a broker cannot be used here: this process is already under a seccomp listener")]
    ListenerTaken,
    /// Root that cannot give up its capabilities.
    #[error("root cannot give up its capabilities here: {0}")]
    Capabilities(String),
    /// The private temporary directory cannot be made.
    #[error("the temporary directory {} cannot be made", .0.display())]
    TmpDir(PathBuf, #[source] io::Error),
    /// The Landlock ruleset.
    #[error(transparent)]
    Landlock(#[from] LandlockError),
    /// The filters.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A system call of the launcher.
    #[error("the jail cannot be built: {0}")]
    System(#[from] SysError),
    /// The broker's threads.
    #[error("the broker cannot be started")]
    Broker(#[source] io::Error),
    /// The jail failed to build itself; the message is the child's.
    #[error("the jail cannot be built: {0}")]
    Child(String),
    /// The child vanished before it could say anything.
    #[error("the jail cannot be built: its first process ended before the command started")]
    Vanished,
    /// An argument holds a NUL byte.
    #[error("the command's argument {} holds a NUL byte", .0.display())]
    Nul(OsString),
    /// The command cannot be executed.
    #[error("{}: {}", .0.display(), .1.desc())]
    Exec(OsString, Errno),
}

impl LaunchError {
    /// 127 where the command was not found, 126 where it could not be
    /// executed, else 125.
    pub fn status(&self) -> u8 {
        match self {
            LaunchError::Exec(_, Errno::ENOENT) => 127,
            LaunchError::Exec(..) => 126,
            _ => 125,
        }
    }

    /// What the person can do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            LaunchError::Shortfall(_) => {
                Some("--best-effort starts all the same; `stockade doctor` tells more")
            }
            LaunchError::Yama(_) => Some("use --static, or set kernel.yama.ptrace_scope to 1"),
            LaunchError::ListenerTaken => Some("use --static, which needs no listener"),
            LaunchError::Landlock(LandlockError::Unsupported) => {
                Some("it needs Linux 5.13 or later, with landlock in the kernel parameter lsm=")
            }
            LaunchError::Capabilities(_) => Some("run it as a user other than root"),
            LaunchError::Exec(_, Errno::EACCES) => {
                Some("is it executable, and may the jail read it? `stockade why execute PATH` tells")
            }
            _ => None,
        }
    }
}
