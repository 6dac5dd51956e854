//! Which command did it: each child of the session's main process is one, with
//! all that descends from it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::entry::{Entry, Name};
use crate::sys::procfs;

/// How long it is believed that a thread's number still means the same thread.
const BELIEVED: Duration = Duration::from_secs(2);
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
        let root = procfs::command_of(procfs::group(caller).unwrap_or(caller), main);
        // 0 if it is gone.
        let began = procfs::start_time(root).unwrap_or(0);
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

fn arguments(process: Pid) -> Vec<Name> {
    let cut = |word: OsString| {
        let mut bytes = word.into_vec();
        bytes.truncate(MOST_BYTES);
        Name(OsString::from_vec(bytes))
    };
    procfs::arguments(process, MOST_ARGUMENTS).into_iter().map(cut).collect()
}
