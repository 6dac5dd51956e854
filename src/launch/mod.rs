//! From a plan to a running command, and back to a clean machine.

mod blueprint;
mod child;
mod dirs;
pub mod env;
mod error;
pub mod facts;
mod handshake;
mod parent;

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::unistd::{ForkResult, Pid, getpid};

pub use error::LaunchError;

use crate::audit::Log;
use crate::broker::{self, Broker};
use crate::landlock::{self, rights};
use crate::policy::plan::{Mode, Plan};
use crate::seccomp::{self, Config, Program};
use crate::sys::{Errno, SysError, process};
use blueprint::Blueprint;
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
    /// Where refusals are recorded.
    pub log: Arc<Log>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, or 128 + n where signal n ended it.
    pub status: u8,
}

/// A child that waits to be told what to become. It is forked while this
/// process is small and has one thread, and gives up its privileges while the
/// plan is made. Dropped, it ends.
#[derive(Debug)]
pub struct Zygote {
    pid: Pid,
    socket: End,
}

impl Zygote {
    /// Forks. The calling process must have one thread, and becomes a child
    /// subreaper.
    pub fn fork() -> Result<Zygote, LaunchError> {
        prctl::set_child_subreaper(true)
            .map_err(|errno| SysError::new("prctl(PR_SET_CHILD_SUBREAPER)", errno))?;
        let (ours, theirs) = handshake::pair()?;
        let parent = getpid();
        match process::fork_single_threaded()? {
            ForkResult::Child => {
                drop(ours);
                child::run(parent, &theirs)
            }
            // The child's end is closed here, to notice when the child closes it.
            ForkResult::Parent { child: pid } => Ok(Zygote { pid, socket: ours }),
        }
    }
}

/// Runs a command in a jail. The calling process loses its capabilities, and
/// its signal handling is the command's until it returns.
pub fn run(zygote: Zygote, request: Request<'_>) -> Result<Ended, LaunchError> {
    let Zygote { pid, socket } = zygote;
    let ended = supervise(pid, socket, &request);
    // After an error the child may be at any step; with its socket closed, or
    // the signal, it ends.
    parent::kill_the_rest();
    ended
}

/// From the plan to the command's end.
fn supervise(pid: Pid, socket: End, request: &Request<'_>) -> Result<Ended, LaunchError> {
    let plan = request.plan;
    let abi = landlock::abi();
    check_kernel(plan, abi, request.best_effort)?;
    let command = request.argv.first().map_or(OsStr::new(""), OsString::as_os_str);
    // From here on there is something to clean up, which dropping it does.
    let (blueprint, made, ruleset) = thread::scope(|scope| {
        let blueprint = scope.spawn(|| blueprint(request, abi, command));
        let made = Made::new(plan);
        let ruleset = made.is_ok().then(|| landlock::ruleset(plan, abi));
        (blueprint.join(), made, ruleset)
    });
    let _made = made?;
    let blueprint = blueprint.unwrap_or_else(|panic| resume_unwind(panic))?;
    let ruleset = ruleset.transpose()?.ok_or(LaunchError::Vanished)?;
    let blueprint = in_memory(&blueprint.encode())?;
    parent::leave_signals_to(pid)?;
    // Where this fails because the child has, the child's own words come next.
    let sent = socket.send(&Message::Build([ruleset, blueprint]));
    child::drop_power().map_err(LaunchError::Capabilities)?;
    let listener = match socket.receive()? {
        Message::Ready(listener) => listener,
        Message::Closed => return Err(sent.err().map_or(LaunchError::Vanished, LaunchError::from)),
        other => return Err(failure(other, command)),
    };
    let broker: Option<Broker> = match listener {
        Some(listener) => {
            let policy = Arc::clone(&plan.policy);
            let log = Arc::clone(&request.log);
            Some(broker::start(listener, policy, log).map_err(LaunchError::Broker)?)
        }
        None => None,
    };
    socket.send(&Message::Go)?;
    match socket.receive()? {
        Message::Closed => {}
        other => return Err(failure(other, command)),
    }
    // While the command runs there is time for what is left of other runs.
    dirs::remove_stale(&plan.policy.places.tmpdir);
    let status = parent::wait(pid)?;
    // What is left of the jail may be waiting for the broker, so it goes first.
    parent::kill_the_rest();
    drop(broker);
    Ok(Ended { status })
}

/// What the child is to become.
fn blueprint(request: &Request<'_>, abi: u32, command: &OsStr) -> Result<Blueprint, LaunchError> {
    let plan = request.plan;
    let Program { instructions, notifies } = seccomp::compile(&Config::of(plan, abi))?;
    let environment = env::build(&plan.policy.settings.env, std::env::vars_os());
    let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
    Ok(Blueprint {
        limits: plan.policy.settings.limits,
        instructions,
        notifies,
        argv: c_strings(request.argv)?,
        candidates: child::candidates(command, path),
        environment: env::for_exec(&environment),
    })
}

/// A memory file with this content, to be read from its start.
fn in_memory(content: &[u8]) -> Result<OwnedFd, LaunchError> {
    let failed = |errno| LaunchError::System(SysError::new("memfd_create() and writing to it", errno));
    let fd = memfd_create(c"blueprint", MFdFlags::MFD_CLOEXEC).map_err(failed)?;
    let mut file = File::from(fd);
    let written = file.write_all(content).and_then(|()| file.rewind());
    written.map_err(|error| failed(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))))?;
    Ok(file.into())
}

fn failure(message: Message, command: &OsStr) -> LaunchError {
    match message {
        Message::Failed(text) => LaunchError::Child(text),
        Message::ListenerTaken => LaunchError::ListenerTaken,
        Message::Capabilities(text) => LaunchError::Capabilities(text),
        Message::Exec(errno) => LaunchError::Exec(command.to_os_string(), errno),
        Message::Build(_) | Message::Ready(_) | Message::Go | Message::Closed => LaunchError::Vanished,
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
