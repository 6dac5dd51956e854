//! What resolving a policy needs to know about the machine, injected.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
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
    dirs: RefCell<BTreeMap<OsString, Names>>,
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

/// Where a name is looked up, and the name; none for `/` and what ends in a
/// slash or dots. (`Path::parent` costs more than the rest of a question.)
fn dir_and_name(path: &Path) -> Option<(&OsStr, &OsStr)> {
    let bytes = path.as_os_str().as_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/')?;
    let (dir, name) = (&bytes[..slash.max(1)], &bytes[slash + 1..]);
    let is_name = !matches!(name, b"" | b"." | b"..");
    is_name.then(|| (OsStr::from_bytes(dir), OsStr::from_bytes(name)))
}

impl Facts for Remembered<'_> {
    fn kind(&self, path: &Path) -> Option<Kind> {
        let Some((dir, name)) = dir_and_name(path) else { return self.facts.kind(path) };
        let mut dirs = self.dirs.borrow_mut();
        let names = match dirs.get_mut(dir) {
            Some(names) => names,
            None => dirs.entry(dir.to_os_string()).or_insert_with(|| Names::Some(Vec::new())),
        };
        if let Some(kind) = names.kind(name) {
            return kind;
        }
        if matches!(names, Names::Some(known) if known.len() == SINGLE_QUESTIONS)
            && let Some(all) = self.facts.list(Path::new(dir))
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
