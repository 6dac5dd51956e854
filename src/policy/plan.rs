//! Policy and facts compiled into plain data: what each kernel layer and the
//! broker are to do.

use std::path::PathBuf;

/// Who stays behind to serve what Landlock cannot decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A broker outside the jail serves the calls that the kernel's rules do not cover.
    Brokered,
    /// Nobody: what would have been brokered is refused by the kernel.
    Static,
}

/// What Landlock is told to grant beneath one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Real path; the rule covers its whole subtree.
    pub path: PathBuf,
    /// Reading files and listing directories.
    pub read: bool,
    /// Executing.
    pub execute: bool,
    /// Writing to, truncating and device ioctls on what exists.
    pub write: bool,
    /// Everything that scratch gives: making, renaming, linking and removing
    /// names (implies `write`).
    pub change: bool,
}
