//! Who receives: one thread while that is enough, more while calls wait.
//!
//! With several threads in receive the kernel hands each call to the one that
//! has waited longest, whose stack and caches have gone cold: with four a round
//! trip takes nearly twice as long as with one. So there is one, and a watcher
//! that looks now and then whether calls wait that nobody has received, because
//! the receiver is busy for long or because there are many callers.

use std::num::NonZero;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use std::{io, thread};

use nix::sys::pthread::pthread_kill;

use super::{Shared, WAKE};

/// How many threads receive at most: each may be held up by a slow file system.
const MOST: usize = 64;
/// How often the watcher looks while calls come.
const TICK: Duration = Duration::from_millis(2);
/// How many ticks without a waiting call make a receiver superfluous, and how
/// many without any call let the watcher rest.
const CALM: u32 = 25;
/// What receiving threads are called.
const RECEIVER: &str = "broker";
/// Bytes of stack for each thread.
const STACK: usize = 256 << 10;

/// The receiving threads and their watcher.
#[derive(Debug, Default)]
pub(super) struct Crew {
    threads: Mutex<Vec<JoinHandle<()>>>,
    watcher: OnceLock<Thread>,
    /// Threads that receive or serve what they received.
    receivers: AtomicUsize,
    /// How many there should be.
    wanted: AtomicUsize,
    /// Calls that were received and not answered yet.
    serving: AtomicUsize,
    /// Calls that were answered.
    served: AtomicUsize,
    /// Whether the watcher is awake.
    is_watched: AtomicBool,
    is_stopping: AtomicBool,
}

/// A call that is being served.
pub(super) struct Serving<'a>(&'a Crew);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.served.fetch_add(1, Ordering::SeqCst);
        self.0.serving.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Crew {
    /// Adds a thread that receives.
    pub(super) fn grow(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let receivers = self.receivers.fetch_add(1, Ordering::SeqCst) + 1;
        self.wanted.store(receivers, Ordering::SeqCst);
        let serving = Arc::clone(shared);
        self.spawn(RECEIVER, move || {
            serving.serve();
        })
        .inspect_err(|_| {
            self.receivers.fetch_sub(1, Ordering::SeqCst);
        })
        .map(drop)
    }

    /// Says that a call was received, so that somebody watches.
    pub(super) fn begin(&self, shared: &Arc<Shared>) -> Serving<'_> {
        self.serving.fetch_add(1, Ordering::SeqCst);
        if !self.is_watched.swap(true, Ordering::SeqCst) {
            self.wake_watcher(shared);
        }
        Serving(self)
    }

    /// Whether the thread that asks is one too many; it must end then.
    pub(super) fn is_surplus(&self) -> bool {
        let wanted = self.wanted.load(Ordering::SeqCst);
        self.receivers.load(Ordering::SeqCst) > wanted
            && self
                .receivers
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| (count > wanted).then(|| count - 1))
                .is_ok()
    }

    /// Says that a thread receives no more for another reason.
    pub(super) fn leave(&self) {
        self.receivers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether the broker ends.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Ends all threads and waits for them.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        let next = || self.threads.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(thread) = next() {
            // The signal may come just before the thread blocks, so again.
            while !thread.is_finished() {
                thread.thread().unpark();
                // ESRCH: it ended meanwhile, which is what is wanted.
                let _ = pthread_kill(thread.as_pthread_t(), WAKE);
                thread::sleep(Duration::from_micros(50));
            }
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        let handle = thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work)?;
        let thread = handle.thread().clone();
        threads.push(handle);
        Ok(thread)
    }

    fn wake_watcher(&self, shared: &Arc<Shared>) {
        if let Some(watcher) = self.watcher.get() {
            return watcher.unpark();
        }
        let watched = Arc::clone(shared);
        match self.spawn("watcher", move || watched.crew.watch(&watched)) {
            // Nobody else gets here: `is_watched` stays true until it rests.
            Ok(watcher) => drop(self.watcher.set(watcher)),
            Err(error) => {
                tracing::warn!(%error, "nobody watches whether calls wait");
                self.is_watched.store(false, Ordering::SeqCst);
            }
        }
    }

    fn watch(&self, shared: &Arc<Shared>) {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let (mut calm, mut idle, mut served) = (0, 0, 0);
        while !self.is_stopping() {
            thread::park_timeout(TICK);
            if shared.listener.has_waiting() {
                (calm, idle) = (0, 0);
                // More than there are processors help only where all are held up.
                let before = std::mem::replace(&mut served, self.served.load(Ordering::SeqCst));
                let most = if served == before { MOST } else { processors };
                if self.receivers.load(Ordering::SeqCst) < most
                    && let Err(error) = self.grow(shared)
                {
                    tracing::warn!(%error, "no further thread receives");
                }
                continue;
            }
            let is_idle = self.serving.load(Ordering::SeqCst) == 0;
            calm += 1;
            if calm >= CALM {
                calm = 0;
                self.shrink(is_idle);
            }
            idle = if is_idle { idle + 1 } else { 0 };
            if idle >= CALM && self.receivers.load(Ordering::SeqCst) <= 1 {
                idle = 0;
                self.rest();
            }
        }
    }

    /// Lets half of the receivers go. They do so behind a call, so where none
    /// comes they are woken. A call may just have come, which is why whatever is
    /// done for one begins anew where such a signal disturbs it.
    fn shrink(&self, is_idle: bool) {
        let receivers = self.receivers.load(Ordering::SeqCst);
        let wanted = receivers.div_ceil(2).max(1);
        self.wanted.store(wanted, Ordering::SeqCst);
        if is_idle && wanted < receivers {
            let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            for thread in threads.iter().filter(|thread| thread.thread().name() == Some(RECEIVER)) {
                // ESRCH: it ended meanwhile, which is what is wanted.
                let _ = pthread_kill(thread.as_pthread_t(), WAKE);
            }
        }
    }

    /// Sleeps until a call comes. One that comes just now sees that nobody
    /// watches, or is seen here.
    fn rest(&self) {
        self.is_watched.store(false, Ordering::SeqCst);
        while !self.is_stopping()
            && self.serving.load(Ordering::SeqCst) == 0
            && !self.is_watched.load(Ordering::SeqCst)
        {
            thread::park();
        }
        self.is_watched.store(true, Ordering::SeqCst);
    }
}
