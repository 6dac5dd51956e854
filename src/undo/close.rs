//! The end of a session's journal: how it left what it changed, so that later
//! changes by others can be told from its own.

use std::io;
use std::path::Path;

use super::entry::{Entry, Line, State};
use super::keeper::Keeper;
use super::ledger::Ledger;
use super::read::{Journal, read};
use super::spot::look;

/// What a session came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Closed {
    /// Things that it changed and left so.
    pub changed: usize,
}

impl Keeper {
    /// Writes how everything was left, and the last line. A session that changed
    /// nothing has no journal.
    pub fn close(&self, sessions: &Path, id: &str, status: u8) -> io::Result<Closed> {
        if !self.has_begun() {
            return Ok(Closed::default());
        }
        let Journal { lines, .. } = read(sessions, id)?;
        let ledger = Ledger::of(&lines);
        let mut changed = 0;
        for change in &ledger.changes {
            let now = change.after.as_ref().map(|after| (after, look(&after.path)));
            // What the session made and removed again is no change. A directory
            // that cannot be searched hides what is in it.
            let is_there = change.before.is_some() || !matches!(now, Some((_, Ok(None))));
            changed += usize::from(is_there && !change.only_times);
            if let Some((after, look)) = now
                && !matches!(look, Ok(None))
            {
                let state = look.ok().flatten().as_ref().map(State::of);
                self.write_last(Entry::After { path: after.path.as_path().into(), state })?;
            }
        }
        for object in &ledger.superfluous {
            self.drop_object(*object)?;
        }
        self.write_last(Entry::End { status, saved: self.saved() })?;
        Ok(Closed { changed })
    }

    /// Says in the journal of an earlier session that another one took it back, all or in part.
    pub fn mark_undone(sessions: &Path, earlier: &str, by: &str, whole: bool) -> io::Result<()> {
        let journal = super::journal::journal_path(sessions, earlier);
        let mut file = crate::audit::Appended::reopen(&journal)?;
        let seq = file.lines();
        let time = jiff::Timestamp::now().as_millisecond();
        file.append(&Line { seq, time, by: 0, entry: Entry::Undone { session: by.to_string(), whole } })
    }

    fn write_last(&self, entry: Entry) -> io::Result<()> {
        self.journal.write(0, entry).map(drop)
    }
}
