//! Git at work: while it holds the `index.lock` that it made, it takes files of the
//! work tree away to put others in their place, or because the other revision
//! has none (`checkout`, `reset`, `merge`, `rebase`, `rm`). Where `git: commit` lets
//! history change, such a removal is kept for undo and not asked about.
//!
//! This tells git from `rm` and `git clean`, not friend from foe: whoever makes
//! such a lock can remove as git can, a few at a time, and what goes is kept.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;

use nix::fcntl::AT_FDCWD;
use nix::unistd::Pid;

use super::Call;
use super::ask::lock;
use super::judge::Judge;
use crate::approval::Process;
use crate::path::Place;
use crate::policy::Verb;
use crate::sys::file::{self, Stat};
use crate::sys::procfs;

const NAME: &CStr = c"index.lock";

/// The locks that processes of the jail have made.
#[derive(Debug, Default)]
pub(super) struct IndexLocks(Mutex<Vec<Held>>);

#[derive(Debug)]
struct Held {
    by: Process,
    path: CString,
    lock: Stat,
}

impl Held {
    fn stands(&self) -> bool {
        file::stat(AT_FDCWD, &self.path)
            .is_ok_and(|now| now.is_same_file(&self.lock) && now.born == self.lock.born)
    }
}

/// The process of a thread.
fn process(thread: Pid) -> Option<Process> {
    Process::of(procfs::group(thread)?)
}

impl Judge {
    /// A file was made: it may be such a lock.
    pub(super) fn may_be_index_lock(&self, call: &Call, place: &Place, lock_file: &Stat) {
        if place.name() != NAME || !self.policy.is_git_dir(place.dir_path()) {
            return;
        }
        let path = CString::new(place.path().as_os_str().as_bytes());
        // Of what cannot be told apart from another nothing is believed.
        if let (Some(by), Ok(path)) = (process(call.caller), path)
            && self.listener().is_waiting(call.id)
        {
            let mut locks = lock(&self.index_locks.0);
            locks.retain(|held| held.path != path);
            locks.push(Held { by, path, lock: *lock_file });
        }
    }

    /// Whether a removal that the user's rules ask about is git's.
    pub(super) fn is_by_git(&self, call: &Call, path: &Path) -> bool {
        let locks = lock(&self.index_locks.0);
        if locks.is_empty()
            || !path.starts_with(&self.policy.places.workspace)
            || !self.policy.only_user_asks(path, Verb::Remove)
        {
            return false;
        }
        let by = process(call.caller);
        let is_held = locks.iter().any(|held| Some(held.by) == by && held.stands());
        is_held && self.listener().is_waiting(call.id)
    }
}
