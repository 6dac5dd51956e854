//! The umask of callers, applied by hand: the broker's own is shared by its
//! threads, so it is 0.
//!
//! A caller's umask stands in `/proc/PID/status`, which takes long to read; so
//! the one of the start is taken for everybody's until somebody in the jail
//! sets another.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use super::caller;
use crate::path::UNSEEN;
use crate::sys::{Errno, file};

/// How long after a change nothing is remembered, since the change itself
/// happens after the broker heard of it.
const SETTLING: Duration = Duration::from_millis(20);
/// How long a process's umask is remembered: much shorter than the time in
/// which process numbers come round again.
const REMEMBERED: Duration = Duration::from_secs(1);

/// What is known about umasks.
#[derive(Debug)]
pub(super) struct Umasks {
    initial: Mode,
    changes: Mutex<Option<Changes>>,
}

/// Known since somebody set one.
#[derive(Debug)]
struct Changes {
    last: Instant,
    known: HashMap<Pid, (Mode, Instant)>,
}

impl Umasks {
    /// Everybody has that of this process, which itself has none from now on.
    pub(super) fn taken_from_this_process() -> Umasks {
        Umasks { initial: umask(Mode::empty()), changes: Mutex::default() }
    }

    /// Somebody is about to set one.
    pub(super) fn will_change(&self) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes = Some(Changes { last: Instant::now(), known: HashMap::new() });
    }

    /// The mode with which something is made for a caller in a directory.
    /// Where the directory has a default ACL, that takes the umask's place
    /// (`umask(2)`, `acl(5)`).
    pub(super) fn apply(&self, caller: Pid, dir: BorrowedFd<'_>, mode: u32) -> Result<u32, Errno> {
        let mask = self.of(caller)?.bits();
        if mode & mask == 0 || file::has_default_acl(dir) { Ok(mode) } else { Ok(mode & !mask) }
    }

    /// The umask of a thread.
    pub(super) fn of(&self, thread: Pid) -> Result<Mode, Errno> {
        let now = Instant::now();
        {
            let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(changes) = &*changes else { return Ok(self.initial) };
            if let Some((mode, since)) = changes.known.get(&thread)
                && now - *since < REMEMBERED
            {
                return Ok(*mode);
            }
        }
        // A caller that cannot be looked at gets nothing made.
        let mode = caller::umask(thread).ok_or(UNSEEN)?;
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changes) = &mut *changes
            && now.saturating_duration_since(changes.last) > SETTLING
        {
            if changes.known.len() >= 1024 {
                changes.known.clear();
            }
            changes.known.insert(thread, (mode, now));
        }
        Ok(mode)
    }
}
