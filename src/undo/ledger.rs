//! What a session changed, by state and not by operation: pure.
//!
//! The journal is folded over a sparse tree of the names that it speaks of, as
//! they are at each moment. A name stands for something that was there before
//! the session, for something that the session made, or for nothing; a name
//! that was never spoken of goes where the directory above it goes.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::entry::{Entry, Identity, Kind, Line, Meta, Object, State};
use super::fold::Fold;

#[cfg(test)]
mod model;

/// What a session changed.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Which session it is.
    pub session: SessionInfo,
    /// The commands that changed something.
    pub commands: Vec<CommandInfo>,
    /// What they changed, by path.
    pub changes: Vec<Change>,
    /// Sessions that took it back, and whether all of it.
    pub undone_by: Vec<(String, bool)>,
    /// Objects that nothing needs to be as it was before.
    pub superfluous: Vec<Object>,
    /// Bytes that are kept, as the session itself said at its end.
    pub saved: Option<u64>,
}

/// Which session a journal belongs to.
#[derive(Debug, Clone, Default)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// Where it worked.
    pub workspace: PathBuf,
    /// The session that it takes back, where it is an undo.
    pub undoes: Option<String>,
    /// When it began, in milliseconds since 1970 (UTC).
    pub started: i64,
    /// When it ended, as far as it says.
    pub ended: i64,
}

/// A command of a session.
#[derive(Debug, Clone)]
pub struct CommandInfo {
    /// Its number.
    pub number: u32,
    /// Its arguments.
    pub argv: Vec<OsString>,
}

/// One thing that the session changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// How it was before; none where the session made it.
    pub before: Option<Before>,
    /// Where it is now; none where it is gone.
    pub after: Option<After>,
    /// Whether it is a directory of which only the times changed, since names in
    /// it came and went.
    pub only_times: bool,
    /// The commands that changed it, sorted.
    pub by: Vec<u32>,
}

/// Something as it was before the session.
#[derive(Debug, Clone)]
pub struct Before {
    /// Its path.
    pub path: PathBuf,
    /// What kind of thing it is.
    pub kind: Kind,
    /// What it is known by.
    pub file: Option<Identity>,
    /// Its metadata, as far as they were saved.
    pub meta: Option<Meta>,
    /// The object with its content.
    pub content: Option<Object>,
    /// The object that is the file itself, or a copy of it.
    pub object: Option<Object>,
    /// Whether that is a copy.
    pub copied: bool,
    /// How many names the file had when it lost this one; 0 where it did not.
    pub links: u32,
}

/// Something as the session left it.
#[derive(Debug, Clone)]
pub struct After {
    /// Its path.
    pub path: PathBuf,
    /// What kind of thing it is.
    pub kind: Kind,
    /// What it is known by.
    pub file: Option<Identity>,
    /// What tells whether somebody changed it since; only where the session came
    /// to its end.
    pub state: Option<State>,
}

impl Change {
    /// The path by which people know it: where it is, or was.
    pub fn path(&self) -> &Path {
        let after = self.after.as_ref().map(|after| after.path.as_path());
        after.or(self.before.as_ref().map(|before| before.path.as_path())).unwrap_or(Path::new(""))
    }
}

impl Ledger {
    /// Folds a journal.
    pub fn of(lines: &[Line]) -> Ledger {
        let failed: HashSet<u64> = lines
            .iter()
            .filter_map(|line| match line.entry {
                Entry::Failed { of } => Some(of),
                _ => None,
            })
            .collect();
        let mut fold = Fold::default();
        for line in lines.iter().filter(|line| !failed.contains(&line.seq)) {
            fold.add(line);
        }
        fold.finish()
    }

    /// How many things were changed, directories' times left out.
    pub fn changed(&self) -> usize {
        self.changes.iter().filter(|change| !change.only_times).count()
    }
}
