//! Files of several names: which of them are still there, so that a name that
//! comes back is one of the same file again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::entry::{Identity, Kind};
use super::ledger::{Before, SessionInfo};
use super::plan::Item;
use super::spot::look;
use crate::sys::file::Stat;

/// Names of the files that are wanted.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Files of which names come back that were not their only ones.
    wanted: HashSet<Identity>,
    known: HashMap<Identity, Found>,
    /// Files that nobody had changed since the session when the undo began.
    untouched: HashSet<Identity>,
    /// When the session ended, in milliseconds since 1970.
    ended: i64,
}

#[derive(Debug)]
struct Found {
    path: PathBuf,
    /// What stands there, where the undo does not care for it.
    other: Option<Stat>,
}

impl Names {
    /// Before the undo does anything: when names of a file go, that says that it
    /// was changed now.
    pub(super) fn new(items: &[Item], session: &SessionInfo) -> Names {
        let wanted: HashSet<Identity> = items.iter().filter_map(Item::file_of_several_names).collect();
        let mut names = Names { wanted, ended: session.ended, ..Names::default() };
        if names.wanted.is_empty() {
            return names;
        }
        for path in items.iter().filter_map(|item| item.now.as_deref()) {
            if let Ok(Some(now)) = look(path)
                && names.wanted.contains(&Identity::of(&now))
                && now.changed_at() <= names.ended
            {
                names.untouched.insert(Identity::of(&now));
            }
        }
        names
    }

    /// Whether what comes back is one of several names of a file, and made anew.
    pub(super) fn wants(&self, item: &Item) -> bool {
        let file = item.before.as_ref().and_then(|before| before.file);
        item.is_made_anew() && file.is_some_and(|file| self.wanted.contains(&file))
    }

    /// Looks for files: first where the items of an undo are, then in the whole
    /// workspace.
    pub(super) fn find_all(&mut self, items: &[Item], workspace: &Path) {
        let mut wanted = std::mem::take(&mut self.wanted);
        if wanted.is_empty() {
            return;
        }
        for item in items.iter().filter(|item| item.before.is_some()) {
            if let Ok(Some(stat)) = look(&item.path)
                && wanted.remove(&Identity::of(&stat))
            {
                self.known.insert(Identity::of(&stat), Found { path: item.path.clone(), other: None });
            }
        }
        // What cannot be looked into holds no name that could be used.
        let entries = WalkDir::new(workspace).same_file_system(true).into_iter().flatten();
        for entry in entries {
            if wanted.is_empty() {
                break;
            }
            if !entry.file_type().is_dir()
                && let Ok(Some(stat)) = look(entry.path())
                && wanted.remove(&Identity::of(&stat))
            {
                let path = entry.into_path();
                self.known.insert(Identity::of(&stat), Found { path, other: Some(stat) });
            }
        }
    }

    /// A name of the file that something was. One that a person has changed
    /// since is not the same any more.
    pub(super) fn find(&self, before: &Before) -> Option<&Path> {
        let found = self.known.get(&before.file?)?;
        let is_as_it_was = |now: &Stat| {
            before.meta.as_ref().is_some_and(|meta| (now.size, now.mtime) == (meta.size, meta.mtime))
        };
        let is_nobody_elses =
            |now: &Stat| now.changed_at() <= self.ended || self.untouched.contains(&Identity::of(now));
        let is_same = found.other.as_ref().is_none_or(|now| is_as_it_was(now) || is_nobody_elses(now));
        is_same.then_some(found.path.as_path())
    }

    /// What something was is at this path again.
    pub(super) fn add(&mut self, before: &Before, path: &Path) {
        if let Some(file) = before.file {
            self.known.insert(file, Found { path: path.to_path_buf(), other: None });
        }
    }
}

impl Item {
    /// The file of which a name comes back that was not its only one.
    fn file_of_several_names(&self) -> Option<Identity> {
        let before = self.before.as_ref().filter(|before| before.kind != Kind::Dir && self.now.is_none())?;
        before.file.filter(|_| before.links > 1)
    }

    /// Whether a name comes back, and with it not the very file that had it.
    fn is_made_anew(&self) -> bool {
        let before = self.before.as_ref().filter(|_| self.now.is_none());
        before.is_some_and(|before| before.kind != Kind::Dir && (before.object.is_none() || before.copied))
    }
}
