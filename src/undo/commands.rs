//! Which command did it: each child of the session's main process is one, with
//! all that descends from it.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, getpid};

use super::entry::{Entry, Name};

/// How long it is believed that a thread's number still means the same thread.
const BELIEVED: Duration = Duration::from_secs(2);
/// How many ancestors are looked at.
const MOST_ANCESTORS: usize = 1024;
/// How much is kept of a command line: so many arguments, so many bytes each.
const MOST_ARGUMENTS: usize = 32;
const MOST_BYTES: usize = 200;

/// The commands of a session as far as they have changed anything.
#[derive(Debug, Default)]
pub(super) struct Commands {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Command by root process: its number and when the process began.
    roots: HashMap<Pid, (u32, u64)>,
    callers: HashMap<Pid, (u32, Instant)>,
    next: u32,
}

impl Commands {
    /// The number of the command that a thread belongs to, and what the journal
    /// must say where the command has not changed anything before. `main` is the
    /// session's main process.
    pub(super) fn of(&self, caller: Pid, main: Pid) -> (u32, Option<Entry>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, since)) = known.callers.get(&caller)
            && since.elapsed() < BELIEVED
        {
            return (*number, None);
        }
        known.callers.retain(|_, (_, since)| since.elapsed() < BELIEVED);
        let root = root_of(caller, main);
        let began = began(root);
        let (number, is_new) = match known.roots.get(&root) {
            Some((number, at)) if *at == began => (*number, false),
            _ => {
                // 0 is the main process, whenever it comes.
                let number = if root == main { 0 } else { known.next + 1 };
                known.next = known.next.max(number);
                known.roots.insert(root, (number, began));
                (number, true)
            }
        };
        known.callers.insert(caller, (number, Instant::now()));
        let entry = is_new.then(|| Entry::Command { number, pid: root.as_raw(), argv: arguments(root) });
        (number, entry)
    }
}

/// The ancestor that is a child of the main process, the main process itself,
/// or the topmost one where an orphan came to the broker.
fn root_of(caller: Pid, main: Pid) -> Pid {
    let broker = getpid();
    let mut process = group(caller).unwrap_or(caller);
    for _ in 0..MOST_ANCESTORS {
        if process == main {
            return main;
        }
        match stat_field(process, PARENT).map(|parent| Pid::from_raw(parent.try_into().unwrap_or(0))) {
            Some(parent) if parent == main || parent == broker || parent.as_raw() <= 1 => return process,
            Some(parent) => process = parent,
            None => return process,
        }
    }
    process
}

/// The thread group that a thread belongs to.
fn group(caller: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{caller}/status")).ok()?;
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    group.trim().parse().ok().map(Pid::from_raw)
}

/// Fields of `/proc/PID/stat` behind the name in brackets (`proc_pid_stat(5)`).
const PARENT: usize = 1;
const START_TIME: usize = 19;

fn stat_field(process: Pid, field: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(field)?.parse().ok()
}

/// When a process began, in clock ticks since the machine did; 0 if it is gone.
fn began(process: Pid) -> u64 {
    stat_field(process, START_TIME).unwrap_or(0)
}

fn arguments(process: Pid) -> Vec<Name> {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    let words = line.split(|byte| *byte == 0).take(MOST_ARGUMENTS);
    let cut = |word: &[u8]| word[..word.len().min(MOST_BYTES)].to_vec();
    words.map(|word| Name(std::ffi::OsString::from_vec(cut(word)))).collect()
}
