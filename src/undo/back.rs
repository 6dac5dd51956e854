//! What earlier undos of a session have brought back already.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::entry::{Identity, Kind, State};
use super::ledger::{After, Ledger};
use super::read::read;
use crate::sys::file::Stat;

/// What stands again as it did before a session, or as an undo of it left it.
#[derive(Debug, Default)]
pub struct Back {
    /// How undos left what they changed.
    left: HashMap<PathBuf, State>,
    /// What there was before the session.
    before: HashSet<Identity>,
}

impl Back {
    /// Reads the journals of the undos of a session, as far as they are still there.
    pub fn of(sessions: &Path, ledger: &Ledger) -> io::Result<Back> {
        let mut back = Back::default();
        let before = ledger.changes.iter().filter_map(|change| change.before.as_ref()?.file);
        back.before.extend(before);
        for (undo, _) in &ledger.undone_by {
            let journal = match read(sessions, undo) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                journal => journal?,
            };
            let after = journal.ledger().changes.into_iter().filter_map(|change| change.after);
            back.left.extend(after.filter_map(|after| Some((after.path, after.state?))));
        }
        Ok(back)
    }

    /// Whether what stands at a path now is as an undo left it.
    pub(super) fn is_left(&self, path: &Path, now: Option<&Stat>) -> bool {
        match (self.left.get(path), now) {
            (Some(left), Some(now)) => left.is_still(now),
            _ => false,
        }
    }

    /// Whether what stands where the session left something is not that, but
    /// something that was there before it.
    pub(super) fn is_known(&self, after: &After, now: &Stat) -> bool {
        let file = Identity::of(now);
        let is_other = after.file.is_some_and(|left| left != file);
        is_other && (self.before.contains(&file) || self.is_left(&after.path, Some(now)))
    }
}

impl State {
    /// Whether something is as it was. In a directory names may come and go.
    pub(super) fn is_still(&self, now: &Stat) -> bool {
        let now = State::of(now);
        if Kind::of(now.mode) == Kind::Dir {
            (self.file, self.mode) == (now.file, now.mode)
        } else {
            *self == now
        }
    }
}
