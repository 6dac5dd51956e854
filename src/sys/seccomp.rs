//! `seccomp(2)` and its listener (`seccomp_unotify(2)`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

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

    /// Whether a call waits that nobody has received yet.
    pub fn has_waiting(&self) -> bool {
        self.events(PollFlags::POLLIN).contains(PollFlags::POLLIN)
    }

    /// Whether nobody is left under the filter.
    pub fn is_deserted(&self) -> bool {
        self.events(PollFlags::empty()).contains(PollFlags::POLLHUP)
    }

    fn events(&self, wanted: PollFlags) -> PollFlags {
        let mut listener = [PollFd::new(self.as_fd(), wanted)];
        // A failure, such as a lack of memory, is no event.
        let ready = poll(&mut listener, PollTimeout::ZERO).is_ok();
        let events = if ready { listener[0].revents() } else { None };
        events.unwrap_or(PollFlags::empty())
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
        self.send(libc::seccomp_notif_resp { id, val, error, flags: 0 })
    }

    /// Lets a call run as if it had not been received, under all other rules.
    pub fn proceed(&self, id: u64) -> Result<(), Errno> {
        let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        self.send(libc::seccomp_notif_resp { id, val: 0, error: 0, flags })
    }

    /// Ends a call for a signal that waits for its thread: the kernel restarts
    /// it afterwards or says `EINTR`, as the signal's handler wants
    /// (`-ERESTARTSYS`, which never reaches the thread).
    pub fn interrupt(&self, id: u64) -> Result<(), Errno> {
        const ERESTARTSYS: i32 = 512;
        self.send(libc::seccomp_notif_resp { id, val: 0, error: -ERESTARTSYS, flags: 0 })
    }

    fn send(&self, mut response: libc::seccomp_notif_resp) -> Result<(), Errno> {
        // SAFETY: the kernel reads the struct.
        let result =
            unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response) };
        check(result.into()).map(drop)
    }

    /// Gives the waiting process a descriptor of the same open file, and says
    /// its number there (`SECCOMP_IOCTL_NOTIF_ADDFD`, Linux 5.9). The call
    /// still waits. `EMFILE`: its table is full.
    pub fn inject(&self, id: u64, file: BorrowedFd<'_>, close_on_exec: bool) -> Result<i64, Errno> {
        let newfd_flags = if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 };
        let srcfd = file.as_raw_fd().cast_unsigned();
        let mut request = libc::seccomp_notif_addfd { id, flags: 0, srcfd, newfd: 0, newfd_flags };
        // SAFETY: the kernel reads the struct.
        let result =
            unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut request) };
        check(result.into())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
