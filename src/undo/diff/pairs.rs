//! Things before and now, sorted by the paths at which they stand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, ResolveFlag};

use super::super::UndoError;
use super::super::entry::{Identity, Kind};
use super::super::ledger::{Before, Change};
use super::super::spot::look;
use super::{Row, Version};
use crate::sys::errno_of;
use crate::sys::file::{open_path, proc_name};

/// A thing before and now.
#[derive(Debug, Clone)]
struct Pair {
    old: Option<Version>,
    new: Option<Version>,
    by: Vec<u32>,
    is_carried: bool,
}

#[derive(Debug, Default)]
pub(super) struct Pairs {
    all: Vec<Pair>,
    old_at: HashMap<PathBuf, usize>,
    new_at: HashMap<PathBuf, usize>,
}

impl Pairs {
    fn push(&mut self, pair: Pair) {
        let index = self.all.len();
        if let Some(old) = &pair.old {
            self.old_at.insert(old.path.clone(), index);
        }
        if let Some(new) = &pair.new {
            self.new_at.insert(new.path.clone(), index);
        }
        self.all.push(pair);
    }

    pub(super) fn extend(&mut self, change: &Change) -> Result<(), UndoError> {
        let new = match &change.after {
            Some(after) => match look(&after.path) {
                Err(Errno::EACCES) => Some(Version::hidden(after, change.before.as_ref())),
                there => there?.map(|stat| Version::now(&after.path, &stat)).transpose()?,
            },
            None => None,
        };
        let old = match &change.before {
            Some(before) if new.is_none() && is_back(before)? => None,
            Some(before) => Some(Version::before(before, new.as_ref())),
            None => None,
        };
        if old.is_some() || new.is_some() {
            self.push(Pair { old, new, by: change.by.clone(), is_carried: false });
        }
        Ok(())
    }

    /// Adds what went along with directories that were renamed.
    pub(super) fn carry(&mut self, changes: &[Change]) -> Result<(), UndoError> {
        for change in changes {
            let (Some(before), Some(after)) = (&change.before, &change.after) else { continue };
            if before.path != after.path && after.kind == Kind::Dir {
                self.carry_beneath(&before.path, &after.path, &change.by)?;
            }
        }
        Ok(())
    }

    fn carry_beneath(&mut self, from: &Path, to: &Path, by: &[u32]) -> Result<(), UndoError> {
        let mut left = vec![(from.to_path_buf(), to.to_path_buf())];
        while let Some((from, to)) = left.pop() {
            for name in names(&to)? {
                let (from, to) = (from.join(&name), to.join(&name));
                // What has a change of its own has its own origin.
                if self.new_at.contains_key(&to) {
                    continue;
                }
                let Some(stat) = look(&to)? else { continue };
                match Kind::of(stat.mode) {
                    Kind::Dir => left.push((from, to)),
                    Kind::File | Kind::Link => {
                        let new = Version::now(&to, &stat)?;
                        let old = Version { path: from, ..new.clone() };
                        self.push(Pair { old: Some(old), new: Some(new), by: by.into(), is_carried: true });
                    }
                    Kind::Fifo | Kind::Socket | Kind::Device => {}
                }
            }
        }
        Ok(())
    }

    /// What stood at each path, and what stands there now.
    pub(super) fn rows(&self) -> Vec<Row> {
        let paths: BTreeSet<&PathBuf> = self.old_at.keys().chain(self.new_at.keys()).collect();
        let mut rows = BTreeMap::new();
        for path in paths {
            let (old, new) = (self.old_at.get(path), self.new_at.get(path));
            if let Some(row) = self.row(old.map(|old| &self.all[*old]), new.map(|new| &self.all[*new])) {
                rows.insert(path.clone(), Row { is_replaced: row.is_replaced && old != new, ..row });
            }
        }
        rows.into_values().collect()
    }

    fn row(&self, old: Option<&Pair>, new: Option<&Pair>) -> Option<Row> {
        Some(match (old, new) {
            (Some(old), Some(new)) => {
                let by: BTreeSet<u32> = old.by.iter().chain(&new.by).copied().collect();
                let is_carried = old.is_carried && new.is_carried;
                let (old, new, by) = (old.old.clone(), new.new.clone(), by.into_iter().collect());
                Row { old, new, by, is_replaced: true, is_carried }
            }
            (None, Some(pair)) => Row {
                old: pair.old.clone().filter(|_| self.is_rename(pair)),
                new: pair.new.clone(),
                by: pair.by.clone(),
                is_replaced: false,
                is_carried: pair.is_carried,
            },
            (Some(pair), None) if !self.is_rename(pair) => Row {
                old: pair.old.clone(),
                new: None,
                by: pair.by.clone(),
                is_replaced: false,
                is_carried: pair.is_carried,
            },
            _ => return None,
        })
    }

    /// Whether something has another name, the old one stands for nothing, and
    /// the new one did.
    fn is_rename(&self, pair: &Pair) -> bool {
        match (&pair.old, &pair.new) {
            (Some(old), Some(new)) => {
                !self.new_at.contains_key(&old.path) && !self.old_at.contains_key(&new.path)
            }
            _ => false,
        }
    }
}

/// Whether something that the session removed or moved was brought back since.
fn is_back(before: &Before) -> Result<bool, Errno> {
    match look(&before.path) {
        Err(Errno::EACCES) => Ok(false),
        there => Ok(there?.is_some_and(|stat| Some(Identity::of(&stat)) == before.file)),
    }
}

/// The names in a directory; none where it is gone, or cannot be looked into.
fn names(dir: &Path) -> Result<Vec<std::ffi::OsString>, UndoError> {
    let how = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let fd = match open_path(AT_FDCWD, dir, OFlag::O_DIRECTORY, how) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => return Ok(Vec::new()),
        other => other?,
    };
    let path = proc_name(fd.as_fd());
    let failed = |error: std::io::Error| errno_of(&error);
    let entries = match std::fs::read_dir(&*path.to_string_lossy()) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    Ok(names.map_err(failed)?)
}

#[cfg(test)]
mod tests {
    use super::super::{NOTHING, Source};
    use super::*;

    fn version(path: &str) -> Option<Version> {
        let source = Source::Nowhere;
        Some(Version { path: path.into(), kind: Kind::File, meta: NOTHING, size: 0, source })
    }

    /// Old path, new path and whether it is another thing, of each row.
    fn rows(pairs: &[(&str, &str)]) -> Vec<(String, String, bool)> {
        let side = |path: &str| version(path).filter(|_| !path.is_empty());
        let mut all = Pairs::default();
        for (number, (old, new)) in (0..).zip(pairs) {
            all.push(Pair { old: side(old), new: side(new), by: vec![number], is_carried: false });
        }
        let name = |path: Option<&Path>| path.map(|path| path.display().to_string()).unwrap_or_default();
        all.rows().iter().map(|row| (name(row.old_path()), name(row.new_path()), row.is_replaced)).collect()
    }

    fn row(old: &str, new: &str, is_replaced: bool) -> (String, String, bool) {
        (old.into(), new.into(), is_replaced)
    }

    #[test]
    fn what_stands_at_a_path_is_compared_with_what_stood_there() {
        assert_eq!(rows(&[("x", "x")]), [row("x", "x", false)]);
        assert_eq!(rows(&[("x", ""), ("", "x")]), [row("x", "x", true)]);
        assert_eq!(rows(&[("x", "y")]), [row("x", "y", false)]);
        assert_eq!(rows(&[("x", "y"), ("y", "x")]), [row("x", "x", true), row("y", "y", true)]);
        assert_eq!(rows(&[("x", "y"), ("y", "")]), [row("x", "", false), row("y", "y", true)]);
        assert_eq!(rows(&[("x", "y"), ("", "x")]), [row("x", "x", true), row("", "y", false)]);
    }
}
