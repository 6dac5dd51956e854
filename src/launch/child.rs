//! The child's steps, from `fork` to `execve`, in the only order that works:
//! what needs a right comes before that right is given up.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use caps::{CapSet, Capability};
use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, execve, getpid, getppid, getuid};

use super::env;
use super::handshake::{End, Message};
use crate::landlock::Prepared;
use crate::policy::{Limits, Settings};
use crate::seccomp::Program;
use crate::sys::{self, Errno, SysError, process};

/// Everything the child needs, made ready by the parent, whose it stays: the
/// child shares the parent's memory.
pub(super) struct Child<'a> {
    pub(super) parent: Pid,
    pub(super) socket: End,
    pub(super) settings: &'a Settings,
    pub(super) ruleset: Prepared,
    pub(super) filter: Program,
    /// The command as typed; the first of `argv`.
    pub(super) command: &'a OsStr,
    pub(super) argv: Vec<CString>,
    /// The signals that are kept from the command, as they were from the parent.
    pub(super) signals: SigSet,
}

impl Child<'_> {
    /// Restricts this process and becomes the command.
    pub(super) fn run(&self) -> ! {
        let failure = match self.restrict() {
            Err(failure) => failure,
            Ok(listener) => match self.start(listener) {
                Err(error) => Message::Failed(error.to_string()),
                Ok(image) => Message::Exec(execute(&image.candidates, &self.argv, &image.environment)),
            },
        };
        // If the parent is gone there is nobody to tell.
        let _ = self.socket.send(&failure);
        process::exit_now(125)
    }

    fn restrict(&self) -> Result<Option<OwnedFd>, Message> {
        let failed = |error: &dyn std::fmt::Display| Message::Failed(error.to_string());
        let system =
            |call: &'static str| move |errno| Message::Failed(SysError::new(call, errno).to_string());
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(system("prctl(PR_SET_PDEATHSIG)"))?;
        if getppid() != self.parent {
            return Err(Message::Failed("the launcher is gone".into()));
        }
        // Rust programs start with SIGPIPE ignored, which the command must not inherit.
        process::default_signal(Signal::SIGPIPE).map_err(system("sigaction(SIGPIPE)"))?;
        set_limits(&self.settings.limits).map_err(|error| failed(&error))?;
        process::close_on_exec_above_2().map_err(|error| failed(&error))?;
        prctl::set_no_new_privs().map_err(system("prctl(PR_SET_NO_NEW_PRIVS)"))?;
        drop_capabilities().map_err(Message::Capabilities)?;
        self.ruleset.apply().map_err(|error| Message::Failed(sys::with_causes(&error)))?;
        if !self.filter.notifies {
            sys::seccomp::install(&self.filter.instructions).map_err(|error| failed(&error))?;
            return Ok(None);
        }
        match sys::seccomp::install_with_listener(&self.filter.instructions) {
            Ok(listener) => Ok(Some(listener)),
            Err(SysError { errno: Errno::EBUSY, .. }) => Err(Message::ListenerTaken),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Tells the parent that the jail stands. With a listener it waits for the
    /// go; meanwhile there is time to work out the environment.
    fn start(&self, listener: Option<OwnedFd>) -> Result<Image, SysError> {
        let waits = listener.is_some();
        self.socket.send(&Message::Ready(listener, getpid()))?;
        let environment = env::build(&self.settings.env, std::env::vars_os());
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let candidates = candidates(self.command, path);
        let image = Image { environment: env::for_exec(&environment), candidates };
        if waits && !matches!(self.socket.receive()?, Message::Go) {
            return Err(SysError::new("waiting for the launcher", Errno::EPIPE));
        }
        process::let_signals_come(&self.signals)?;
        Ok(image)
    }
}

/// What is left to know before `execve`.
struct Image {
    environment: Vec<CString>,
    /// Where to look for the command, in order.
    candidates: Vec<CString>,
}

fn set_limits(limits: &Limits) -> Result<(), SysError> {
    let all = [
        (limits.processes, Resource::RLIMIT_NPROC, "RLIMIT_NPROC"),
        (limits.open_files, Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE"),
        (limits.memory, Resource::RLIMIT_AS, "RLIMIT_AS"),
        (limits.file_size, Resource::RLIMIT_FSIZE, "RLIMIT_FSIZE"),
        (limits.cpu_seconds, Resource::RLIMIT_CPU, "RLIMIT_CPU"),
        (limits.core, Resource::RLIMIT_CORE, "RLIMIT_CORE"),
    ];
    for (value, resource, name) in all {
        if let Some(value) = value {
            process::set_limit(resource, value)
                .map_err(|errno| SysError::new(format!("setrlimit({name}, {value})"), errno))?;
        }
    }
    Ok(())
}

/// Empties the four sets that give a process power. What is in the ambient set
/// is in the permitted and the inheritable set as well (`capabilities(7)`), so
/// that it need not be looked at once these are empty.
pub(super) fn drop_power() -> Result<(), String> {
    caps::clear(None, CapSet::Ambient).map_err(|error| format!("{:?}: {error}", CapSet::Ambient))?;
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|error| format!("{set:?}: {error}"))?;
        if !caps::read(None, set).is_ok_and(|capabilities| capabilities.is_empty()) {
            return Err(format!("{set:?} is not empty afterwards"));
        }
    }
    Ok(())
}

/// Empties all five sets. The bounding set comes first, since shrinking it
/// needs a capability; a user who has none cannot shrink it and need not, but
/// with uid 0 an execve would fill the other sets again from it.
fn drop_capabilities() -> Result<(), String> {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        empty_bounding_set()?;
    } else if getuid().is_root() && !caps::read(None, CapSet::Bounding).is_ok_and(|set| set.is_empty()) {
        return Err("the bounding set cannot be emptied without CAP_SETPCAP".into());
    }
    drop_power()
}

/// Takes every capability out of the bounding set without asking first whether
/// it is there. Those that this kernel does not know cannot be taken out, and
/// are not there.
fn empty_bounding_set() -> Result<(), String> {
    for capability in caps::all() {
        if let Err(error) = caps::drop(None, CapSet::Bounding, capability)
            && caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false)
        {
            return Err(format!("bounding set: {error}"));
        }
    }
    Ok(())
}

/// Where `execvp(3)` would look for a command.
fn candidates(command: &OsStr, path: Option<&OsStr>) -> Vec<CString> {
    const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
    let c_string = |path: &OsStr| CString::new(path.as_bytes()).ok();
    if command.is_empty() || command.as_bytes().contains(&b'/') {
        return c_string(command).into_iter().collect();
    }
    let dirs = std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
    let here = Path::new(".");
    let dirs = dirs.map(|dir| if dir.as_os_str().is_empty() { here.to_path_buf() } else { dir });
    dirs.filter_map(|dir| c_string(dir.join(command).as_os_str())).collect()
}

/// Tries the candidates as `execvp(3)` does; the error that says most.
fn execute(candidates: &[CString], argv: &[CString], environment: &[CString]) -> Errno {
    let mut denied = false;
    for path in candidates {
        let Err(errno) = execve(path, argv, environment);
        match errno {
            Errno::EACCES => denied = true,
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::ENOEXEC => return run_as_script(path, argv, environment),
            other => return other,
        }
    }
    if denied { Errno::EACCES } else { Errno::ENOENT }
}

/// A text file without `#!` is a shell script, as in `execvp(3)`.
fn run_as_script(path: &CString, argv: &[CString], environment: &[CString]) -> Errno {
    let shell = c"/bin/sh".to_owned();
    let rest = argv.iter().skip(1).cloned();
    let script: Vec<CString> = [shell.clone(), path.clone()].into_iter().chain(rest).collect();
    let Err(errno) = execve(&shell, &script, environment);
    errno
}
