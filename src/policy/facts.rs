//! What resolving a policy needs to know about the machine, injected.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What a name in a directory is, not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// Anything else: regular file, device, FIFO, socket.
    File,
}

/// Read-only questions about the file system.
pub trait Facts {
    /// What `path` is (its last component is not followed), or none where
    /// there is no such name.
    fn kind(&self, path: &Path) -> Option<Kind>;
    /// The entries of a directory with their kinds, sorted by name; none
    /// where it cannot be read.
    fn list(&self, dir: &Path) -> Option<Vec<(OsString, Kind)>>;
    /// The target as written in a symbolic link.
    fn read_link(&self, path: &Path) -> Option<PathBuf>;
    /// The content of a small regular file (a `.git` file, `commondir`), at
    /// most 4 KiB; none where it cannot be read.
    fn read_small(&self, path: &Path) -> Option<Vec<u8>>;
}

/// Facts that are asked for once and remembered, so that one start sees one
/// state of the file system, and at little cost: of a directory that is asked
/// about often everything is learnt at once.
pub struct Remembered<'a> {
    facts: &'a dyn Facts,
    dirs: RefCell<HashMap<OsString, Names>>,
}

/// What is known about the names in a directory.
enum Names {
    /// Those that were asked for.
    Some(Vec<(OsString, Option<Kind>)>),
    /// All there are, sorted.
    All(Vec<(OsString, Kind)>),
}

/// After so many single questions a directory is listed.
const SINGLE_QUESTIONS: usize = 9;

impl<'a> Remembered<'a> {
    /// Remembers what these facts say.
    pub fn new(facts: &'a dyn Facts) -> Remembered<'a> {
        Remembered { facts, dirs: RefCell::default() }
    }
}

impl Names {
    fn kind(&self, name: &OsStr) -> Option<Option<Kind>> {
        match self {
            Names::Some(known) => known.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind),
            Names::All(names) => {
                let found = names.binary_search_by(|(known, _)| known.as_os_str().cmp(name));
                Some(found.ok().map(|place| names[place].1))
            }
        }
    }
}

impl Facts for Remembered<'_> {
    fn kind(&self, path: &Path) -> Option<Kind> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return self.facts.kind(path) };
        let mut dirs = self.dirs.borrow_mut();
        if !dirs.contains_key(dir.as_os_str()) {
            dirs.insert(dir.as_os_str().to_os_string(), Names::Some(Vec::new()));
        }
        let names = dirs.get_mut(dir.as_os_str())?;
        if let Some(kind) = names.kind(name) {
            return kind;
        }
        if matches!(names, Names::Some(known) if known.len() == SINGLE_QUESTIONS)
            && let Some(all) = self.facts.list(dir)
        {
            *names = Names::All(all);
            return names.kind(name).flatten();
        }
        let kind = self.facts.kind(path);
        if let Names::Some(known) = names {
            known.push((name.to_os_string(), kind));
        }
        kind
    }

    fn list(&self, dir: &Path) -> Option<Vec<(OsString, Kind)>> {
        self.facts.list(dir)
    }

    fn read_link(&self, path: &Path) -> Option<PathBuf> {
        self.facts.read_link(path)
    }

    fn read_small(&self, path: &Path) -> Option<Vec<u8>> {
        self.facts.read_small(path)
    }
}
