//! `seccomp(2)` and its listener (`seccomp_unotify(2)`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::{SysError, check, process::owned};

/// One instruction, as the kernel takes it.
pub type Instruction = libc::sock_filter;

/// What the listener hands over (`struct seccomp_notif`).
pub type Notification = libc::seccomp_notif;

fn set_filter(program: &[Instruction], flags: libc::c_ulong) -> Result<libc::c_long, Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel copies `len` instructions and does not write to them.
    check(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) })
}

/// Installs a filter for the calling thread, which must have `no_new_privs`.
pub fn install(program: &[Instruction]) -> Result<(), SysError> {
    let failed = |errno| SysError::new("seccomp(SECCOMP_SET_MODE_FILTER)", errno);
    set_filter(program, 0).map(drop).map_err(failed)
}

/// Installs a filter and gives its listener. A received call can then only be
/// interrupted by a deadly signal (`WAIT_KILLABLE_RECV`, Linux 5.19).
pub fn install_with_listener(program: &[Instruction]) -> Result<OwnedFd, SysError> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let call = "seccomp(SECCOMP_SET_MODE_FILTER, NEW_LISTENER|WAIT_KILLABLE_RECV)";
    set_filter(program, flags).map(owned).map_err(|errno| SysError::new(call, errno))
}

/// The supervising end of a filter.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
}

/// Answers to a notification, as the jailed process sees them.
pub type Outcome = Result<i64, Errno>;

impl Listener {
    /// Takes over a listener's descriptor and asks the kernel to wake the
    /// other side on the same CPU where it can (`SYNC_WAKE_UP`, Linux 6.6).
    pub fn new(fd: OwnedFd) -> Listener {
        const SYNC_WAKE_UP: libc::c_ulong = 1;
        // SAFETY: the argument is a value. Older kernels say EINVAL and are just slower.
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
        Listener { fd }
    }

    /// Waits for a call. `ENOENT`: its thread died meanwhile.
    pub fn receive(&self) -> Result<Notification, Errno> {
        // SAFETY: all zeroes is a valid notification, and what the kernel asks for.
        let mut notification: Notification = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel fills the struct.
        let result = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notification)
        };
        check(result.into()).map(|_| notification)
    }

    /// Whether the call still waits, so that its process is still the one that made it.
    pub fn is_waiting(&self, id: u64) -> bool {
        // SAFETY: the kernel reads the id.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) == 0 }
    }

    /// Answers a call. `ENOENT`: its thread died meanwhile.
    pub fn reply(&self, id: u64, outcome: Outcome) -> Result<(), Errno> {
        let (val, error) = match outcome {
            Ok(value) => (value, 0),
            Err(errno) => (0, -(errno as i32)),
        };
        let mut response = libc::seccomp_notif_resp { id, val, error, flags: 0 };
        // SAFETY: the kernel reads the struct.
        let result =
            unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response) };
        check(result.into()).map(drop)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
