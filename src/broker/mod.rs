//! The clerk: receives the calls that seccomp hands over, decides on pinned
//! descriptors, performs what policy allows, and answers in one place.
//!
//! Plain threads that block in receiving (`seccomp_unotify(2)`). Nothing is
//! ever continued: Landlock governs none of the calls that arrive here.

mod decode;
mod memory;
mod meta;

#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::os::fd::AsFd;

use crate::audit::Log;
use crate::policy::Policy;
use crate::sys::Errno;
use crate::sys::process::interrupt_with;
use crate::sys::seccomp::{Listener, Notification, Outcome};

/// How many threads receive. Two, so that one slow file system holds nobody up.
const THREADS: usize = 2;
/// Wakes a thread out of a blocking receive. Nobody sends it to a process that
/// has no urgent data to expect, and by default it does nothing.
const WAKE: Signal = Signal::SIGURG;

/// A running broker. Dropping it stops it.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    listener: Listener,
    /// Made by the first thread that needs it, while the command starts.
    calls: LazyLock<decode::Calls>,
    policy: Arc<Policy>,
    log: Arc<Log>,
    stopping: AtomicBool,
}

/// Starts serving a listener.
pub fn start(listener: OwnedFd, policy: Arc<Policy>, log: Arc<Log>) -> io::Result<Broker> {
    interrupt_with(WAKE)?;
    let listener = Listener::new(listener);
    let calls = LazyLock::new(decode::Calls::native as fn() -> _);
    let shared = Arc::new(Shared { listener, calls, policy, log, stopping: AtomicBool::new(false) });
    let mut broker = Broker { shared, threads: Vec::with_capacity(THREADS) };
    for _ in 0..THREADS {
        let shared = Arc::clone(&broker.shared);
        let thread = std::thread::Builder::new().name("broker".into()).stack_size(256 << 10);
        broker.threads.push(thread.spawn(move || shared.serve())?);
    }
    Ok(broker)
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // The signal may come just before the thread blocks, so again.
            while !thread.is_finished() {
                // ESRCH: it ended meanwhile, which is what is wanted.
                let _ = pthread_kill(thread.as_pthread_t(), WAKE);
                std::thread::sleep(Duration::from_micros(50));
            }
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self) {
        LazyLock::force(&self.calls);
        while !self.stopping.load(Ordering::SeqCst) {
            match self.listener.receive() {
                Ok(notification) => self.answer(&notification),
                // The caller died while it was being handed over, or all did.
                Err(Errno::ENOENT) if self.is_deserted() => return,
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(errno) => {
                    tracing::error!(%errno, "the broker cannot receive");
                    return;
                }
            }
        }
    }

    /// Whether nobody is left under the filter.
    fn is_deserted(&self) -> bool {
        let mut listener = [PollFd::new(self.listener.as_fd(), PollFlags::empty())];
        let ready = poll(&mut listener, PollTimeout::ZERO);
        ready.is_ok() && listener[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }

    /// The only place that replies.
    fn answer(&self, notification: &Notification) {
        let outcome = self.outcome(notification);
        match self.listener.reply(notification.id, outcome) {
            // The caller was killed meanwhile.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => tracing::error!(%errno, "the broker cannot reply"),
        }
    }

    fn outcome(&self, notification: &Notification) -> Outcome {
        let caller = Pid::from_raw(notification.pid.cast_signed());
        // A caller in another PID namespace cannot be looked at.
        if caller.as_raw() <= 0 {
            return Err(Errno::EACCES);
        }
        let is_waiting = || self.listener.is_waiting(notification.id);
        let request = self.calls.decode(caller, &notification.data)?;
        meta::perform(&request, &self.policy, &self.log, &is_waiting)
    }
}
