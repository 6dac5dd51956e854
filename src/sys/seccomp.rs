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
        self.undisturbed(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut { id }).is_ok()
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
        self.undisturbed(libc::SECCOMP_IOCTL_NOTIF_SEND, &mut response).map(drop)
    }

    /// Asks the kernel until no signal for this thread comes in between: each
    /// request waits for the listener's lock, which says `EINTR` then, and an
    /// `ADDFD` also for the caller. Nothing was done in that case.
    fn undisturbed<T>(&self, request: libc::Ioctl, argument: &mut T) -> Result<i64, Errno> {
        loop {
            // SAFETY: each caller gives the struct that its request reads.
            let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), request, &raw mut *argument) };
            match check(result.into()) {
                Err(Errno::EINTR) => {}
                done => return done,
            }
        }
    }

    /// Gives the waiting process a descriptor of the same open file, and says
    /// its number there (`SECCOMP_IOCTL_NOTIF_ADDFD`, Linux 5.9). The call
    /// still waits. `EMFILE`: its table is full.
    pub fn inject(&self, id: u64, file: BorrowedFd<'_>, close_on_exec: bool) -> Result<i64, Errno> {
        let newfd_flags = if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 };
        let srcfd = file.as_raw_fd().cast_unsigned();
        let mut request = libc::seccomp_notif_addfd { id, flags: 0, srcfd, newfd: 0, newfd_flags };
        self.undisturbed(libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut request)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::thread::JoinHandleExt;
    use std::sync::mpsc;
    use std::thread;

    use nix::sys::pthread::pthread_kill;
    use nix::sys::signal::Signal;

    use super::*;
    use crate::sys::process::interrupt_with;

    /// The call that is answered, which nothing else here makes.
    const CALL: libc::c_long = libc::SYS_inotify_init1;
    const TIMES: usize = 500;

    /// Notifies of one call.
    fn filter() -> [Instruction; 4] {
        let statement = |code: u32, k: u32| Instruction { code: code as u16, jt: 0, jf: 0, k };
        let give = |value| statement(libc::BPF_RET | libc::BPF_K, value);
        let is_call = Instruction {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, u32::try_from(CALL).expect("a number"))
        };
        let number = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0);
        [number, is_call, give(libc::SECCOMP_RET_USER_NOTIF), give(libc::SECCOMP_RET_ALLOW)]
    }

    /// Gives a descriptor to whoever asks, as often as expected.
    fn serve(listener: &Listener) {
        let null = File::open("/dev/null").expect("open /dev/null");
        for _ in 0..TIMES {
            let asked = loop {
                match listener.receive() {
                    Err(Errno::EINTR) => {}
                    received => break received.expect("receive"),
                }
            };
            assert!(listener.is_waiting(asked.id));
            let number = listener.inject(asked.id, null.as_fd(), true);
            listener.reply(asked.id, number).expect("reply");
        }
    }

    #[test]
    fn a_signal_for_the_one_who_answers_reaches_nobody_else() {
        interrupt_with(Signal::SIGURG).expect("set the handler");
        let (send, receive) = mpsc::channel();
        let server = thread::spawn(move || serve(&receive.recv().expect("get the listener")));
        let asker = thread::spawn(move || {
            // SAFETY: the arguments are values.
            assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
            let listener = install_with_listener(&filter()).expect("install the filter");
            send.send(Listener::new(listener)).expect("hand over the listener");
            for turn in 0..TIMES {
                // SAFETY: the argument is a value, and the descriptor is nobody else's.
                let given = unsafe { libc::syscall(CALL, libc::IN_CLOEXEC) };
                assert!(given >= 0, "turn {turn}: {}", Errno::last());
                drop(owned(given));
            }
        });
        while !asker.is_finished() && !server.is_finished() {
            // ESRCH: it ended meanwhile.
            let _ = pthread_kill(server.as_pthread_t(), Signal::SIGURG);
        }
        asker.join().expect("everybody was answered");
        server.join().expect("everybody was received");
    }
}
