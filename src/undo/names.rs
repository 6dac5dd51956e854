//! Files of several names: which of them are still there, so that a name that
//! comes back is one of the same file again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::entry::{Identity, Kind};
use super::ledger::Before;
use super::plan::Item;
use super::spot::look;
use crate::sys::file::Stat;

/// Names of the files that are wanted.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<Identity, Found>,
}

#[derive(Debug)]
struct Found {
    path: PathBuf,
    /// What stands there, where the undo does not care for it.
    other: Option<Stat>,
}

impl Names {
    /// Looks for files: first where the items of an undo are, then in the whole
    /// workspace.
    pub(super) fn of(mut wanted: HashSet<Identity>, items: &[Item], workspace: &Path) -> Names {
        let mut names = Names::default();
        if wanted.is_empty() {
            return names;
        }
        for item in items.iter().filter(|item| item.before.is_some()) {
            if let Ok(Some(stat)) = look(&item.path)
                && wanted.remove(&Identity::of(&stat))
            {
                names.known.insert(Identity::of(&stat), Found { path: item.path.clone(), other: None });
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
                names.known.insert(Identity::of(&stat), Found { path, other: Some(stat) });
            }
        }
        names
    }

    /// A name of the file that something was. One that a person has changed
    /// since is not the same any more.
    pub(super) fn find(&self, before: &Before) -> Option<&Path> {
        let found = self.known.get(&before.file?)?;
        let is_as_it_was = match (&found.other, &before.meta) {
            (None, _) => true,
            (Some(now), Some(meta)) => (now.size, now.mtime) == (meta.size, meta.mtime),
            (Some(_), None) => false,
        };
        is_as_it_was.then_some(found.path.as_path())
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
    pub(super) fn file_of_several_names(&self) -> Option<Identity> {
        let before = self.before.as_ref().filter(|before| before.kind != Kind::Dir && self.now.is_none())?;
        before.file.filter(|_| before.links > 1)
    }

    /// Whether a name comes back, and with it not the very file that had it.
    pub(super) fn is_made_anew(&self) -> bool {
        let before = self.before.as_ref().filter(|_| self.now.is_none());
        before.is_some_and(|before| before.kind != Kind::Dir && (before.object.is_none() || before.copied))
    }
}
