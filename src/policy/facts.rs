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
/// state of the file system, and at little cost.
pub struct Remembered<'a> {
    facts: &'a dyn Facts,
    kinds: RefCell<HashMap<OsString, Option<Kind>>>,
}

impl<'a> Remembered<'a> {
    /// Remembers what these facts say.
    pub fn new(facts: &'a dyn Facts) -> Remembered<'a> {
        Remembered { facts, kinds: RefCell::default() }
    }

    /// Whether the directory of this path is known not to be one.
    fn has_no_parent(&self, path: &Path) -> bool {
        let parent = path.parent().map(|parent| parent.as_os_str());
        parent.is_some_and(|parent| matches!(self.kinds.borrow().get(parent), Some(None | Some(Kind::File))))
    }
}

impl Facts for Remembered<'_> {
    fn kind(&self, path: &Path) -> Option<Kind> {
        if let Some(kind) = self.kinds.borrow().get(path.as_os_str()) {
            return *kind;
        }
        let kind = if self.has_no_parent(path) { None } else { self.facts.kind(path) };
        self.kinds.borrow_mut().insert(path.as_os_str().to_os_string(), kind);
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
