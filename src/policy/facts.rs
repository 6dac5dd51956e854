//! What resolving a policy needs to know about the machine, injected.

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
