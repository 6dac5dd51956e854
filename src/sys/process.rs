//! Processes: starting them, descriptors of others, what is closed and what is inherited.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::unistd::Pid;

use super::{SysError, check};

/// What a child knows, and what it does with that.
type Start<'a, T> = (&'a T, fn(&T) -> !);

/// Starts a child that shares this process's memory, and waits until it has
/// executed a program or ended (`clone(2)` with `CLONE_VM` and `CLONE_VFORK`).
/// That spares both the copying of memory. All but memory is the child's own.
///
/// The child does what this thread could do in its place, which waits: so it
/// may allocate and take locks. What it has made when it executes stays here.
pub fn start_sharing_memory<T>(child: &T, run: fn(&T) -> !) -> Result<Pid, SysError> {
    const STACK: usize = 256 * 1024;
    extern "C" fn enter<T>(start: *mut libc::c_void) -> libc::c_int {
        // SAFETY: it is what is handed over below, and lives as long as the caller waits.
        let (child, run) = unsafe { *start.cast::<Start<'_, T>>() };
        run(child)
    }
    let failed = |errno| SysError::new("clone(CLONE_VM|CLONE_VFORK)", errno);
    let length = NonZeroUsize::new(STACK).ok_or_else(|| failed(Errno::EINVAL))?;
    let (access, kind) =
        (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK);
    // SAFETY: a new mapping, of which nobody else knows.
    let stack = unsafe { mmap_anonymous(None, length, access, kind) }.map_err(failed)?;
    let mut start: Start<'_, T> = (child, run);
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack grows down from its end, and is the child's alone until
    // it has another one. This thread, whose thread-local data the child uses
    // as well, does nothing until then.
    let result = unsafe {
        let top = stack.as_ptr().byte_add(STACK);
        libc::clone(enter::<T>, top, flags, (&raw mut start).cast())
    };
    let pid = check(result.into()).map_err(failed);
    // SAFETY: the child uses it no more. A failure would only waste it.
    let _ = unsafe { munmap(stack, STACK) };
    Ok(Pid::from_raw(libc::c_int::try_from(pid?).map_err(|_| failed(Errno::EINVAL))?))
}

/// Starts a program in a session of its own, without a terminal, that is told to end
/// (`SIGTERM`) when the thread that started it does (`prctl(2)`, `PR_SET_PDEATHSIG`).
pub fn start_apart(command: &mut Command) -> io::Result<Child> {
    let apart = || {
        nix::unistd::setsid()?;
        Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?)
    };
    // SAFETY: it only makes system calls, between fork and exec.
    unsafe { command.pre_exec(apart) }.spawn()
}

/// Keeps all signals waiting that can be, until [`let_signals_come`]. Gives
/// which ones were kept before.
pub fn keep_signals_waiting() -> Result<SigSet, SysError> {
    SigSet::all()
        .thread_swap_mask(SigmaskHow::SIG_SETMASK)
        .map_err(|errno| SysError::new("pthread_sigmask(SIG_SETMASK, ~[])", errno))
}

/// Keeps only these signals waiting.
pub fn let_signals_come(waiting: &SigSet) -> Result<(), SysError> {
    waiting.thread_set_mask().map_err(|errno| SysError::new("pthread_sigmask(SIG_SETMASK)", errno))
}

/// A descriptor that stands for a process (`pidfd_open(2)`, Linux 5.3).
pub fn open(process: Pid) -> Result<OwnedFd, Errno> {
    pidfd_open(process, 0)
}

/// Whether the process behind such a descriptor still lives.
pub fn is_alive(process: &OwnedFd) -> bool {
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut ended, PollTimeout::ZERO) == Ok(0)
}

/// Sends a signal to the process behind such a descriptor (`pidfd_send_signal(2)`,
/// Linux 5.1). `ESRCH`: it has ended.
pub fn send(process: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    let (fd, signal) = (process.as_raw_fd(), signal as libc::c_int);
    // SAFETY: no information goes with the signal.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    check(result).map(drop)
}

pub(super) fn pidfd_open(pid: Pid, flags: libc::c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: two integers; the new descriptor is nobody else's.
    check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), flags) }).map(owned)
}

/// `_exit(2)`: ends the process without running what the parent registered.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(status) }
}

/// Marks every descriptor above 2 close-on-exec (`close_range(2)`, Linux 5.11).
pub fn close_on_exec_above_2() -> Result<(), SysError> {
    // SAFETY: no memory is read.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    let call = "close_range(3, ~0, CLOSE_RANGE_CLOEXEC)";
    check(result).map(drop).map_err(|errno| SysError::new(call, errno))
}

/// Takes over a descriptor that a system call just made.
pub(super) fn owned(result: libc::c_long) -> OwnedFd {
    // A descriptor fits an int.
    take(RawFd::try_from(result).unwrap_or(-1))
}

/// Takes over a descriptor that the kernel just handed to this process, and
/// that nobody else knows.
pub fn take(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller got the number from the kernel and keeps no copy.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Reads another process's memory, as far as it goes: how many bytes came.
pub fn read_memory(pid: Pid, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let remote = nix::sys::uio::RemoteIoVec { base, len: buffer.len() };
    nix::sys::uio::process_vm_readv(pid, &mut [std::io::IoSliceMut::new(buffer)], &[remote])
}

/// Bytes that a process may make a file long (`RLIMIT_FSIZE`, `prlimit(2)`);
/// none where there is no limit or it cannot be asked for.
pub fn file_size_limit(pid: Pid) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: nothing is set, and the kernel fills the struct.
    let result = unsafe { libc::prlimit(pid.as_raw(), libc::RLIMIT_FSIZE, std::ptr::null(), &raw mut limit) };
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Sets a resource limit to `value`, never above what the hard limit allows.
pub fn set_limit(resource: nix::sys::resource::Resource, value: u64) -> Result<(), Errno> {
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    let value = value.min(hard);
    nix::sys::resource::setrlimit(resource, value, value)
}

/// Ignores a signal.
pub fn ignore_signal(signal: Signal) -> Result<(), Errno> {
    // SAFETY: no function of ours is installed.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) }.map(drop)
}

/// Gives a signal its default effect back.
pub fn default_signal(signal: Signal) -> Result<(), Errno> {
    // SAFETY: no function of ours is installed.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.map(drop)
}

/// Whom [`pass_on`] passes signals to; 0 for nobody.
static RECEIVER: AtomicI32 = AtomicI32::new(0);
/// How many signals were passed on.
static PASSED: AtomicU32 = AtomicU32::new(0);

/// Sends a signal that another process sends to this one on to a child, which
/// must not have been waited for yet. What the kernel sends, the terminal's
/// signals above all, goes to the whole group anyway and is not passed on.
pub fn pass_on(signal: Signal, receiver: Pid) -> Result<(), Errno> {
    extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        let receiver = RECEIVER.load(Ordering::SeqCst);
        // SAFETY: with SA_SIGINFO the kernel gives a valid siginfo. Its code is
        // positive where the kernel sent the signal (`sigaction(2)`).
        let is_from_process = unsafe { (*info).si_code } <= 0;
        if receiver > 0 && is_from_process {
            // SAFETY: kill is async-signal-safe, and cannot fail in a way that
            // changes errno: the child exists and is this user's.
            unsafe { libc::kill(receiver, signal) };
            PASSED.fetch_add(1, Ordering::SeqCst);
        }
    }
    RECEIVER.store(receiver.as_raw(), Ordering::SeqCst);
    let action = SigAction::new(SigHandler::SigAction(handler), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler is async-signal-safe.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// How many signals were passed on until now; it wraps around.
pub fn passed_on() -> u32 {
    PASSED.load(Ordering::SeqCst)
}

/// Nobody gets signals passed on any more: the receiver's number is free.
pub fn stop_passing_on() {
    RECEIVER.store(0, Ordering::SeqCst);
}

/// Makes a signal interrupt blocking calls of the thread that gets it, and
/// nothing else.
pub fn interrupt_with(signal: Signal) -> Result<(), Errno> {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// Signals that came and that nobody has asked about, a bit each.
static NOTED: AtomicU64 = AtomicU64::new(0);

/// Makes a signal leave a note in place of what it does by itself.
pub fn note(signal: Signal) -> Result<(), Errno> {
    extern "C" fn handler(signal: libc::c_int) {
        NOTED.fetch_or(1 << signal, Ordering::SeqCst);
    }
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler is async-signal-safe.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// Whether a signal that leaves notes came since this was last asked.
pub fn has_come(signal: Signal) -> bool {
    let bit = 1 << signal as libc::c_int;
    NOTED.fetch_and(!bit, Ordering::SeqCst) & bit != 0
}

/// What happened to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildEvent {
    /// It ended by itself, with this status.
    Exited(i32),
    /// This signal ended it; real-time signals among them, for which `nix` has no name.
    Killed(i32),
    /// It stopped.
    Stopped,
}

/// Waits for any child (`waitpid(2)`, `WUNTRACED`). None where none has
/// changed and `wait` is false. `ECHILD`: there are no children.
pub fn wait_for_child(wait: bool) -> Result<Option<(Pid, ChildEvent)>, Errno> {
    let mut status = 0;
    let flags = if wait { libc::WUNTRACED } else { libc::WNOHANG };
    loop {
        // SAFETY: the kernel writes the status.
        let pid = match check(unsafe { libc::waitpid(-1, &raw mut status, flags) }.into()) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let pid = Pid::from_raw(i32::try_from(pid).map_err(|_| Errno::EINVAL)?);
        let event = if libc::WIFEXITED(status) {
            ChildEvent::Exited(libc::WEXITSTATUS(status))
        } else if libc::WIFSIGNALED(status) {
            ChildEvent::Killed(libc::WTERMSIG(status))
        } else {
            ChildEvent::Stopped
        };
        return Ok((pid.as_raw() > 0).then_some((pid, event)));
    }
}
