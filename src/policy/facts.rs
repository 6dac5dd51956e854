//! What resolving a policy needs to know about the machine, injected.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
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
    kinds: RefCell<HashMap<OsString, Option<Kind>>>,
    dirs: RefCell<HashMap<OsString, Dir>>,
}

/// What is known about a directory.
enum Dir {
    /// So many of its names were asked for one by one.
    Asked(u32),
    /// All its names are known.
    Listed,
}

/// After so many single questions a directory is listed.
const SINGLE_QUESTIONS: u32 = 3;

impl<'a> Remembered<'a> {
    /// Remembers what these facts say.
    pub fn new(facts: &'a dyn Facts) -> Remembered<'a> {
        Remembered { facts, kinds: RefCell::default(), dirs: RefCell::default() }
    }

    fn ask(&self, path: &Path) -> Option<Kind> {
        let Some(parent) = path.parent() else { return self.facts.kind(path) };
        // Nothing is beneath what is not there.
        if matches!(self.kinds.borrow().get(parent.as_os_str()), Some(None | Some(Kind::File))) {
            return None;
        }
        let mut dirs = self.dirs.borrow_mut();
        let dir = dirs.entry(parent.as_os_str().to_os_string()).or_insert(Dir::Asked(0));
        match dir {
            Dir::Listed => return None,
            Dir::Asked(count) => *count += 1,
        }
        if matches!(dir, Dir::Asked(SINGLE_QUESTIONS))
            && let Some(entries) = self.facts.list(parent)
        {
            *dir = Dir::Listed;
            let mut kinds = self.kinds.borrow_mut();
            for (name, kind) in entries {
                kinds.insert(parent.join(name).into_os_string(), Some(kind));
            }
            return kinds.get(path.as_os_str()).copied().flatten();
        }
        self.facts.kind(path)
    }
}

impl Facts for Remembered<'_> {
    fn kind(&self, path: &Path) -> Option<Kind> {
        let known = self.kinds.borrow().get(path.as_os_str()).copied();
        known.unwrap_or_else(|| {
            let kind = self.ask(path);
            self.kinds.borrow_mut().insert(path.as_os_str().to_os_string(), kind);
            kind
        })
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
