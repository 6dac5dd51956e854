//! The clerk: receives the calls that seccomp hands over, decides on pinned
//! descriptors, performs what policy allows, and answers in one place.
//!
//! Plain threads that block in receiving (`seccomp_unotify(2)`). What Landlock
//! grants and governs in full is continued; everything else is performed here
//! or refused.

mod aside;
mod ask;
mod bind;
mod bulk;
mod caller;
mod connect;
mod create;
mod crew;
mod decode;
mod execute;
mod fifo;
mod front;
mod grants;
mod index_lock;
mod judge;
mod keep;
mod memory;
mod meta;
mod open;
mod own;
mod remove;
mod rename;
mod reply;
mod socket;
mod umask;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::approval::notify::{Notice, Notifier};
use crate::approval::server::Server;
use crate::approval::terminal::{Prompter, Remember};
use crate::audit::Log;
use crate::path::{Place, UNSEEN};
use crate::policy::plan::Plan;
use crate::sys::Errno;
use crate::sys::process::interrupt_with;
use crate::sys::seccomp::{Listener, Notification};
use crate::sys::terminal::Terminal;
use crate::undo::Keeper;
use ask::{ASKED, Questions};
use crew::Crew;
use decode::{Named, Operation};
use front::Front;
use judge::Judge;
use keep::Lengthy;
use reply::{INTERRUPTED, LENGTHY, Reply, Served};
use umask::Umasks;

/// Wakes a thread out of a blocking receive. Nobody sends it to a process that
/// has no urgent data to expect, and by default it does nothing.
const WAKE: Signal = Signal::SIGURG;

/// How often a call is tried that ends for a signal to the thread that performs it.
const MOST_TRIES: u32 = 64;

/// A running broker. Dropping it stops it.
pub struct Broker {
    shared: Arc<Shared>,
    /// Tells of questions, and takes answers.
    server: Option<Server>,
    /// Asks on the session's own terminal.
    prompter: Option<Prompter>,
    /// Tells a person who is elsewhere.
    notifier: Option<Notifier>,
}

/// What all threads work with.
#[derive(Debug)]
struct Shared {
    listener: Arc<Listener>,
    /// Made by the first thread that needs it, while the command starts.
    calls: LazyLock<decode::Calls>,
    judge: Judge,
    umasks: Umasks,
    sockets: socket::Rules,
    keeper: Arc<Keeper>,
    /// Large files that calls wait for, by call.
    lengthy: Mutex<HashMap<u64, Lengthy>>,
    crew: Crew,
}

/// A call that waits.
#[derive(Debug, Clone, Copy)]
struct Call {
    /// The notification.
    id: u64,
    /// The thread that waits.
    caller: Pid,
    /// The system call.
    name: &'static str,
    /// Whether it may keep others waiting.
    is_patient: bool,
}

/// Where a session writes what happens in it.
#[derive(Debug, Clone)]
pub struct Records {
    /// What was refused.
    pub log: Arc<Log>,
    /// What was changed.
    pub keeper: Arc<Keeper>,
    /// The session's id.
    pub session: String,
    /// Who answers what is asked.
    pub channels: Channels,
}

/// Where a person may be asked; nowhere: what asks is refused.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    /// The directory in which there is to be a socket for whoever answers.
    pub sockets: Option<PathBuf>,
    /// Whether the session's own terminal may be used, if it has one, and what then
    /// keeps in mind what holds always.
    pub terminal: Option<Remember>,
    /// How a person who is elsewhere is told.
    pub notice: Option<Notice>,
}

/// Starts serving a listener. `abi` is Landlock's, and `main` the session's main
/// process.
pub fn start(listener: OwnedFd, plan: &Plan, abi: u32, records: Records, main: Pid) -> io::Result<Broker> {
    interrupt_with(WAKE)?;
    let listener = Arc::new(Listener::new(listener));
    let watching = Arc::<AtomicUsize>::default();
    let timeout = plan.policy.settings.approvals.timeout;
    let questions = Questions::new(main, records.session.clone(), timeout, Arc::clone(&watching));
    let shared = Arc::new(Shared {
        listener: Arc::clone(&listener),
        calls: LazyLock::new(decode::Calls::native as fn() -> _),
        judge: Judge::new(plan, abi, records.log, listener, questions, main),
        umasks: Umasks::taken_from_this_process(),
        sockets: socket::Rules::new(plan),
        keeper: records.keeper,
        lengthy: Mutex::default(),
        crew: Crew::default(),
    });
    let mut broker = Broker { shared, server: None, prompter: None, notifier: None };
    broker.shared.crew.grow(&broker.shared)?;
    broker.ask_at(records.channels, &records.session, &watching);
    Ok(broker)
}

impl Broker {
    /// Opens the channels on which a person is asked. What asks is refused where
    /// that fails.
    fn ask_at(&mut self, channels: Channels, session: &str, watching: &Arc<AtomicUsize>) {
        let front = Arc::new(Front::new(Arc::clone(&self.shared)));
        let front = || Arc::clone(&front);
        if let Some(dir) = &channels.sockets {
            match Server::start(dir, session, front(), Arc::clone(watching)) {
                Ok(server) => self.server = Some(server),
                Err(error) => eprintln!("stockade: `stockade approve` cannot answer: {error}"),
            }
        }
        if let Some(remember) = channels.terminal
            && let Ok(terminal) = Terminal::controlling()
        {
            let has_stopped = Arc::clone(&self.shared.judge.questions.has_stopped);
            match Prompter::start(terminal, front(), remember, Arc::clone(watching), has_stopped) {
                Ok(prompter) => self.prompter = Some(prompter),
                Err(error) => eprintln!("stockade: nobody can be asked on the terminal: {error}"),
            }
        }
        // It points to those who answer at the socket.
        if let Some(notice) = channels.notice.filter(|_| self.server.is_some()) {
            match Notifier::start(notice, front(), watching) {
                Ok(notifier) => self.notifier = Some(notifier),
                Err(error) => eprintln!("stockade: nobody can be told of questions: {error}"),
            }
        }
    }

    /// Whether the jail stands still for a question, and not since a person
    /// stopped it.
    pub fn has_stopped_the_jail(&self) -> bool {
        self.shared.judge.questions.has_stopped.load(Ordering::SeqCst)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.server.take());
        self.shared.refuse_the_rest();
        drop(self.prompter.take());
        drop(self.notifier.take());
        self.shared.crew.stop();
    }
}

impl Shared {
    fn serve(self: &Arc<Shared>) {
        LazyLock::force(&self.calls);
        while !self.crew.is_stopping() {
            match self.listener.receive() {
                Ok(notification) => {
                    let serving = self.crew.begin(self);
                    self.answer(&notification);
                    drop(serving);
                }
                // The caller died while it was being handed over, or all did.
                Err(Errno::ENOENT) if self.listener.is_deserted() => break,
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(errno) => {
                    tracing::error!(%errno, "the broker cannot receive");
                    break;
                }
            }
            if self.crew.is_surplus() {
                return;
            }
        }
        self.crew.leave();
    }

    fn answer(self: &Arc<Shared>, notification: &Notification) {
        self.settle(notification.id, self.served(notification));
    }

    /// Answers a call, now or when its time comes.
    fn settle(self: &Arc<Shared>, id: u64, served: Served) {
        match served {
            Ok(Reply::Held) => {}
            Ok(Reply::Later(job)) => {
                let shared = Arc::clone(self);
                let thread = std::thread::Builder::new().name("waiting".into()).stack_size(256 << 10);
                let spawned = thread.spawn(move || {
                    let served = job(&shared);
                    reply::send(&shared, id, served);
                });
                if spawned.is_err() {
                    reply::send(self, id, Err(Errno::EAGAIN));
                }
            }
            served => reply::send(self, id, served),
        }
    }

    fn served(&self, notification: &Notification) -> Served {
        let caller = Pid::from_raw(notification.pid.cast_signed());
        // A caller in another PID namespace cannot be looked at.
        if caller.as_raw() <= 0 {
            return Err(Errno::EACCES);
        }
        let name = self.calls.name(&notification.data)?;
        let call = Call { id: notification.id, caller, name, is_patient: false };
        let operation = self.calls.decode(caller, &notification.data);
        let operation = operation.map_err(|errno| self.seen(&call, errno, String::new))?;
        self.attempt(call, operation)
    }

    /// Performs a call, unless it has to wait for something.
    fn attempt(&self, call: Call, operation: Operation) -> Served {
        match self.perform(&call, &operation) {
            Err(ASKED) => self.hold(call, operation),
            Err(LENGTHY) => Ok(Reply::Later(Box::new(move |shared| {
                keep::serve_later(shared, call, |call| shared.perform(call, &operation))
            }))),
            served => served,
        }
    }

    fn perform(&self, call: &Call, operation: &Operation) -> Served {
        for _ in 0..MOST_TRIES {
            match self.act(call, operation) {
                Err(INTERRUPTED) if self.is_undisturbed(call) => {}
                served => return served.map_err(|errno| self.seen(call, errno, || operation.shown())),
            }
        }
        Err(Errno::EIO)
    }

    /// Whether nothing has come for the caller, so that a signal which ended a
    /// system call here was for this thread alone.
    fn is_undisturbed(&self, call: &Call) -> bool {
        self.confirm(call).is_ok() && !caller::has_pending_signal(call.caller)
    }

    /// What the caller gets; that something could not be decided about is recorded.
    fn seen(&self, call: &Call, errno: Errno, what: impl FnOnce() -> String) -> Errno {
        if errno == UNSEEN { self.judge.undecided(call, &what()) } else { errno }
    }

    fn act(&self, call: &Call, operation: &Operation) -> Served {
        match operation {
            Operation::Change { subject, change } => meta::change(self, call, subject, change),
            Operation::Open { at, how } => open::open(self, call, at, *how),
            Operation::Execute { at } => execute::watch(self, call, at),
            Operation::Internet => Err(socket::refuse_internet(self, call)),
            Operation::Truncate { at, length } => open::truncate(self, call, at, *length),
            Operation::Remove { at, is_dir } => remove::remove(self, call, at, *is_dir),
            Operation::Rename { from, to, flags } => rename::rename(self, call, from, to, *flags),
            Operation::Link { from, to } => create::link(self, call, from, to),
            Operation::Symlink { text, at } => create::symlink(self, call, text, at),
            Operation::MakeDir { at, mode } => create::make_dir(self, call, at, *mode),
            Operation::MakeNode { at, mode, device } => create::make_node(self, call, at, *mode, *device),
            Operation::Umask => {
                self.umasks.will_change();
                Ok(Reply::Continue)
            }
            Operation::Bind { fd, address } => bind::bind(self, call, *fd, address.clone()),
            Operation::Connect { fd, address } => connect::connect(self, call, *fd, address.clone()),
            Operation::Listen { fd, backlog } => socket::listen(self, call, *fd, *backlog),
        }
    }

    fn lengthy(&self) -> MutexGuard<'_, HashMap<u64, Lengthy>> {
        self.lengthy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place that a call names.
    fn place(&self, call: &Call, at: &Named) -> Result<Place, Errno> {
        let path = at.path.as_deref().map_err(|errno| *errno)?;
        let place = Place::find(call.caller, at.dir, path)?;
        self.confirm(call).map(|()| place)
    }

    /// Makes sure that the caller still is the thread that made the call, and
    /// not a later one with its number: whatever was read until now was its.
    fn confirm(&self, call: &Call) -> Result<(), Errno> {
        if self.listener.is_waiting(call.id) { Ok(()) } else { Err(Errno::EINTR) }
    }
}
