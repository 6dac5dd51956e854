//! Stopping the jail while its terminal is needed for a question.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use nix::unistd::{Pid, getpid};

use crate::approval::peer::Status;
use crate::sys::process;
use crate::sys::procfs::{Standing, descendants};

/// How often it is looked for processes that were started meanwhile.
const MOST_ROUNDS: usize = 20;
/// How long it may take until all stand still.
const PATIENCE: Duration = Duration::from_millis(300);

/// Processes that were stopped, parents before their children. Dropping it
/// continues them.
///
/// A shell stands still before its children are stopped, and is continued after
/// them, so that it never sees them stopped and takes them for stopped by a person.
#[derive(Debug)]
pub(super) struct Stopped(Vec<(Pid, OwnedFd)>);

impl Stopped {
    /// Stops whatever runs under more seccomp filters than this process and
    /// descends from it. What stands still already stays as it is, and so does
    /// what a debugger looks after.
    pub(super) fn jail() -> Stopped {
        let me = getpid();
        let filters = Status::of(me).map_or(0, |status| status.filters);
        let mut stopped = Stopped(Vec::new());
        let mut seen = HashSet::new();
        for _ in 0..MOST_ROUNDS {
            let new: Vec<Standing> = descendants(&Standing::all(), me)
                .into_iter()
                .filter(|found| seen.insert(found.pid))
                .collect();
            if new.is_empty() {
                break;
            }
            let mut generation = HashSet::new();
            for found in new.iter().filter(|found| !"TtZX".contains(found.state)) {
                if generation.contains(&found.parent) {
                    wait(&mut generation.drain());
                }
                if stopped.stop(found.pid, filters) {
                    generation.insert(found.pid);
                }
            }
            wait(&mut generation.drain());
        }
        stopped
    }

    /// Whether it was to be stopped, and could be.
    fn stop(&mut self, pid: Pid, filters: u32) -> bool {
        // The number may have become another's since it was found; behind the
        // descriptor it cannot.
        let Ok(held) = process::open(pid) else { return false };
        let is_jailed = Status::of(pid).is_some_and(|now| now.filters > filters && now.tracer.is_none());
        // It may have ended.
        let is_stopped = is_jailed && process::send(&held, Signal::SIGSTOP).is_ok();
        if is_stopped {
            self.0.push((pid, held));
        }
        is_stopped
    }

    /// Continues it.
    fn resume(&self) {
        for (_, held) in self.0.iter().rev() {
            // It may have been killed.
            let _ = process::send(held, Signal::SIGCONT);
        }
    }

    /// Continues it, and does to those of a process group what Ctrl-Z does: they
    /// can give the terminal back as they found it. Then this process stops like the
    /// command, and when it goes on so do they.
    pub(super) fn suspend(&self, group: Pid) {
        self.resume();
        let members =
            || self.0.iter().filter(|(pid, _)| Standing::of(*pid).is_some_and(|it| it.group == group));
        for (_, held) in members() {
            // It may have been killed.
            let _ = process::send(held, Signal::SIGTSTP);
        }
        wait(&mut members().map(|(pid, _)| *pid));
        let is_command = |it: &Standing| it.parent == getpid() && it.group == group;
        let mut commands = self.0.iter().filter_map(|(pid, _)| Standing::of(*pid)).filter(is_command);
        if commands.any(|command| command.state == 'T') {
            // It cannot fail: this process is this user's.
            let _ = raise(Signal::SIGSTOP);
            self.resume();
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.resume();
    }
}

/// Waits until nothing of some processes runs, so that nothing is shown any more.
/// What waits for an answer (`D`) stops when it has one.
fn wait(processes: &mut dyn Iterator<Item = Pid>) {
    let until = Instant::now() + PATIENCE;
    let runs = |pid: Pid| Standing::of(pid).is_some_and(|found| "RS".contains(found.state));
    for pid in processes {
        while runs(pid) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
