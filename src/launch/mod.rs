//! From a plan to a running command, and back to a clean machine.

mod child;
mod dirs;
pub mod env;
mod error;
pub mod facts;
mod handshake;
mod parent;

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::thread;

use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, getpid};

pub use error::LaunchError;

use crate::broker::{self, Broker, Records};
use crate::landlock::{self, rights};
use crate::policy::plan::{Mode, Plan};
use crate::seccomp::{self, Config};
use crate::sys::{SysError, process};
use child::Child;
use dirs::Made;
use handshake::{End, Message, Waiting};

/// What to run, and in which jail.
#[derive(Debug)]
pub struct Request<'a> {
    /// The jail.
    pub plan: &'a Plan,
    /// The command and its arguments; at least the command.
    pub argv: &'a [OsString],
    /// Start even where this kernel cannot keep every promise.
    pub best_effort: bool,
    /// Where it is recorded what was refused, and saved what was changed.
    pub records: Records,
}

impl Request<'_> {
    /// The command as typed.
    fn command(&self) -> &OsStr {
        self.argv.first().map_or(OsStr::new(""), OsString::as_os_str)
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, or 128 + n where signal n ended it.
    pub status: u8,
}

/// Runs a command in a jail. The calling process must have one thread, for
/// others would keep their capabilities; it loses its own, and its signal
/// handling is the command's until it returns.
pub fn run(request: Request<'_>) -> Result<Ended, LaunchError> {
    let plan = request.plan;
    let abi = landlock::abi();
    check_kernel(plan, abi, request.best_effort)?;
    let filter = seccomp::compile(&Config::of(plan, abi))?;
    let argv = c_strings(request.argv)?;

    // From here on there is something to clean up, which dropping it does.
    let _made = Made::new(plan, &request.records.log)?;
    let ruleset = landlock::prepare(plan, abi)?;
    prctl::set_child_subreaper(true)
        .map_err(|errno| SysError::new("prctl(PR_SET_CHILD_SUBREAPER)", errno))?;
    let (ours, theirs) = handshake::pair()?;
    let child = Child {
        parent: getpid(),
        socket: theirs,
        settings: &plan.policy.settings,
        ruleset,
        filter,
        command: request.command(),
        argv,
        signals: process::keep_signals_waiting()?,
    };
    let signals = child.signals;
    let ended =
        start(child, &ours, &request).and_then(|(pid, broker)| supervise(pid, &ours, broker, &request));
    if ended.is_err() {
        parent::kill_the_rest();
    }
    // Also where nothing came of it.
    process::let_signals_come(&signals)?;
    ended
}

/// Starts the child, which shares this process's memory until it executes the
/// command. This thread waits for that, so where there is a broker another one
/// starts it and gives the child the go.
fn start(
    child: Child<'_>,
    socket: &End,
    request: &Request<'_>,
) -> Result<(Pid, Option<Broker>), LaunchError> {
    let signals = child.signals;
    thread::scope(|scope| {
        let host = child.filter.notifies.then(|| {
            let work = move || host(socket, &signals, request);
            thread::Builder::new().name("host".into()).spawn_scoped(scope, work)
        });
        let host = host.transpose().map_err(LaunchError::Broker)?;
        let pid = process::start_sharing_memory(&child, Child::run);
        // The child's end must be closed here, to notice when the child closes it.
        drop(child);
        let pid = pid?;
        child::drop_power().map_err(LaunchError::Capabilities)?;
        parent::leave_signals_to(pid)?;
        process::let_signals_come(&signals)?;
        let Some(host) = host else {
            return match socket.receive()? {
                Message::Ready(..) => Ok((pid, None)),
                other => Err(failure(other, request.command())),
            };
        };
        // A panic of the thread was printed when it happened.
        let broker = host.join().map_err(|_| LaunchError::Vanished)??;
        Ok((pid, Some(broker)))
    })
}

/// Starts the broker once the jail stands, and gives the child the go. Where
/// that fails the child learns it, for the thread that started it waits.
fn host(socket: &End, signals: &SigSet, request: &Request<'_>) -> Result<Broker, LaunchError> {
    let waiting = Waiting::at(socket);
    // Each thread has capabilities of its own, and gives them to those it starts.
    child::drop_power().map_err(LaunchError::Capabilities)?;
    process::let_signals_come(signals)?;
    let (listener, pid) = match socket.receive()? {
        Message::Ready(Some(listener), pid) => (listener, pid),
        other => return Err(failure(other, request.command())),
    };
    request.records.keeper.follow(pid);
    let broker = broker::start(listener, request.plan, landlock::abi(), request.records.clone(), pid)
        .map_err(LaunchError::Broker)?;
    socket.send(&Message::Go)?;
    waiting.sent();
    Ok(broker)
}

/// The parent's part, from when the command is about to be executed to its end.
fn supervise(
    pid: Pid,
    socket: &End,
    broker: Option<Broker>,
    request: &Request<'_>,
) -> Result<Ended, LaunchError> {
    match socket.receive()? {
        Message::Closed => {}
        other => return Err(failure(other, request.command())),
    }
    // While the command runs there is time for what is left of other runs.
    dirs::remove_stale(request.plan);
    let is_asking = || broker.as_ref().is_some_and(Broker::has_stopped_the_jail);
    let status = parent::wait(pid, is_asking)?;
    // What is left of the jail may be waiting for the broker, so it goes first.
    parent::kill_the_rest();
    drop(broker);
    Ok(Ended { status })
}

fn failure(message: Message, command: &OsStr) -> LaunchError {
    match message {
        Message::Failed(text) => LaunchError::Child(text),
        Message::ListenerTaken => LaunchError::ListenerTaken,
        Message::Capabilities(text) => LaunchError::Capabilities(text),
        Message::Exec(errno) => LaunchError::Exec(command.to_os_string(), errno),
        Message::Ready(..) | Message::Go | Message::Closed => LaunchError::Vanished,
    }
}

/// Refuses to start where a promise cannot be kept, unless that was asked for;
/// then says what is lost.
fn check_kernel(plan: &Plan, abi: u32, best_effort: bool) -> Result<(), LaunchError> {
    if abi < rights::OLDEST {
        return Err(landlock::LandlockError::Unsupported.into());
    }
    let lost: Vec<String> =
        rights::shortfalls(abi).filter(|shortfall| shortfall.is_loss).map(|loss| loss.to_string()).collect();
    if !lost.is_empty() {
        if !best_effort {
            return Err(LaunchError::Shortfall(lost));
        }
        lost.iter().for_each(|loss| eprintln!("stockade: {loss}"));
    }
    if plan.mode == Mode::Brokered {
        let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
        if let Ok(scope @ 2..) = scope.trim().parse() {
            return Err(LaunchError::Yama(scope));
        }
    }
    Ok(())
}

fn c_strings(argv: &[OsString]) -> Result<Vec<CString>, LaunchError> {
    argv.iter()
        .map(|text| CString::new(text.as_bytes()).map_err(|_| LaunchError::Nul(text.clone())))
        .collect()
}
