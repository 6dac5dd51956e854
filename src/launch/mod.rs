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

use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::unistd::{ForkResult, Pid, getpid};

pub use error::LaunchError;

use crate::broker::{self, Broker, Records};
use crate::landlock::{self, rights};
use crate::policy::plan::{Mode, Plan};
use crate::seccomp::{self, Config};
use crate::sys::{SysError, process};
use child::Child;
use dirs::Made;
use handshake::{End, Message};

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

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, or 128 + n where signal n ended it.
    pub status: u8,
}

/// Runs a command in a jail. The calling process must have one thread; it
/// loses its capabilities, and its signal handling is the command's until it
/// returns.
pub fn run(request: Request<'_>) -> Result<Ended, LaunchError> {
    let plan = request.plan;
    let abi = landlock::abi();
    check_kernel(plan, abi, request.best_effort)?;
    let filter = seccomp::compile(&Config::of(plan, abi))?;
    let argv = c_strings(request.argv)?;
    let command = request.argv.first().map_or(OsStr::new(""), OsString::as_os_str);

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
        command,
        argv,
        signals: process::keep_signals_waiting()?,
    };
    let signals = child.signals;
    let started = start(&child);
    // The child's end must be closed here, to notice when the child closes it.
    drop(child);
    let ended = started.and_then(|pid| {
        let ended = supervise(pid, &ours, &signals, &request, command);
        if ended.is_err() {
            parent::kill_the_rest();
        }
        ended
    });
    // Also where nothing came of it.
    process::let_signals_come(&signals)?;
    ended
}

/// Starts the child. Where it waits for nothing it can share this process's
/// memory until it executes the command.
fn start(child: &Child<'_>) -> Result<Pid, LaunchError> {
    if !child.filter.notifies {
        return Ok(process::start_sharing_memory(child, Child::run)?);
    }
    match process::fork_single_threaded()? {
        ForkResult::Child => child.run(),
        ForkResult::Parent { child } => Ok(child),
    }
}

/// The parent's part, from the start of the child to the command's end.
fn supervise(
    pid: Pid,
    socket: &End,
    signals: &SigSet,
    request: &Request<'_>,
    command: &OsStr,
) -> Result<Ended, LaunchError> {
    child::drop_power().map_err(LaunchError::Capabilities)?;
    parent::leave_signals_to(pid)?;
    process::let_signals_come(signals)?;
    let listener = match socket.receive()? {
        Message::Ready(listener) => listener,
        other => return Err(failure(other, command)),
    };
    let mut broker: Option<Broker> = None;
    if let Some(listener) = listener {
        request.records.keeper.follow(pid);
        let records = request.records.clone();
        let started = broker::start(listener, request.plan, landlock::abi(), records, pid);
        broker = Some(started.map_err(LaunchError::Broker)?);
        socket.send(&Message::Go)?;
    }
    match socket.receive()? {
        Message::Closed => {}
        other => return Err(failure(other, command)),
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
        Message::Ready(_) | Message::Go | Message::Closed => LaunchError::Vanished,
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
