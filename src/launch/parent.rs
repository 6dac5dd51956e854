//! The parent's steps while the command runs: following its stops, passing
//! signals on, and leaving nothing alive.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::{Pid, getpid};

use crate::sys::SysError;
use crate::sys::process::{self, ChildEvent};
use crate::sys::procfs::{self, Standing};

/// Signals about reading and writing in the background: the command gets them
/// itself, and this process goes by what it does.
const IGNORED: [Signal; 2] = [Signal::SIGTTIN, Signal::SIGTTOU];
/// Signals that are meant for the command when a process sends them to this
/// one. When the terminal sends them, the command has got them already.
const PASSED_ON: [Signal; 8] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// Lets the command decide about signals.
pub(super) fn leave_signals_to(command: Pid) -> Result<(), SysError> {
    for signal in IGNORED {
        process::ignore_signal(signal)
            .map_err(|errno| SysError::new(format!("sigaction({signal})"), errno))?;
    }
    for signal in PASSED_ON {
        process::pass_on(signal, command)
            .map_err(|errno| SysError::new(format!("sigaction({signal})"), errno))?;
    }
    Ok(())
}

/// Waits for the command to end and gives its status as a shell would. While
/// `is_asking` the command may stand still without having been stopped by anybody.
pub(super) fn wait(command: Pid, is_asking: impl Fn() -> bool) -> Result<u8, SysError> {
    loop {
        let changed = process::wait_for_child(true).map_err(|errno| SysError::new("waitpid(-1)", errno))?;
        // Others are orphans of the jail.
        let Some((_, event)) = changed.filter(|(pid, _)| *pid == command) else { continue };
        let status = match event {
            ChildEvent::Stopped => {
                if !is_asking() && Standing::of(command).is_some_and(|command| command.state == 'T') {
                    stop_with(command);
                }
                continue;
            }
            ChildEvent::Exited(status) => status,
            ChildEvent::Killed(signal) => 128 + signal,
        };
        process::stop_passing_on();
        return Ok(u8::try_from(status).unwrap_or(u8::MAX));
    }
}

/// The command stopped: this process stops too, so that the shell notices, and
/// when it is continued so is the command.
fn stop_with(command: Pid) {
    // Neither can fail: both processes are this user's and exist.
    let _ = raise(Signal::SIGSTOP);
    let _ = kill(command, Signal::SIGCONT);
}

/// Kills what is left of the jail. Orphans become children of this process,
/// which is a subreaper, so there is an end to it.
pub(super) fn kill_the_rest() {
    loop {
        match process::wait_for_child(false) {
            Err(_) => return,
            Ok(Some(_)) => {}
            Ok(None) => {
                for child in children() {
                    // ESRCH: it was reaped meanwhile.
                    let _ = kill(child, Signal::SIGKILL);
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// The children of this process, as far as the kernel tells.
fn children() -> Vec<Pid> {
    let mut pids = Vec::new();
    let mut listed = false;
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        if let Ok(text) = fs::read_to_string(task.path().join("children")) {
            listed = true;
            pids.extend(text.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw));
        }
    }
    // Some kernels do not list them.
    if listed { pids } else { procfs::children(getpid()) }
}
