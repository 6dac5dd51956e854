//! Reading journals, whole or not.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::cut::what_happened;
use super::entry::{Entry, Line};
use super::journal::journal_path;
use super::ledger::Ledger;
use crate::audit::chain::{self, Link};
use crate::audit::is_session_id;
use crate::sys::file::{is_unlocked, open_regular};

/// A session's journal as it is.
#[derive(Debug, Clone)]
pub struct Journal {
    /// The lines up to the first that is not as it was written.
    pub lines: Vec<Line>,
    /// Whether the session came to its end.
    pub is_closed: bool,
    /// Whether the session still runs.
    pub is_running: bool,
    /// What is wrong: the number of the line, from 1, and why.
    pub damage: Option<(usize, String)>,
}

impl Journal {
    /// What the session changed, as far as it came.
    pub fn ledger(&self) -> Ledger {
        Ledger::of(&self.happened())
    }

    /// The lines of which what they say did happen.
    pub(super) fn happened(&self) -> Cow<'_, [Line]> {
        if self.is_closed || self.is_running {
            return Cow::Borrowed(&self.lines);
        }
        what_happened(&self.lines)
    }

    /// The directories on other mounts in which the session keeps objects.
    pub fn stores(&self) -> Vec<PathBuf> {
        let path = |line: &Line| match &line.entry {
            Entry::Store { path } => Some(PathBuf::from(&path.0)),
            _ => None,
        };
        self.lines.iter().filter_map(path).collect()
    }
}

/// Reads the journal of a session in the directory of all sessions.
pub fn read(sessions: &Path, id: &str) -> io::Result<Journal> {
    if !is_session_id(id) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = open_regular(&journal_path(sessions, id))?;
    let is_running = !is_unlocked(&file)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let (mut lines, mut damage) = parse(&text);
    let is_closed = lines.iter().any(|line| matches!(line.entry, Entry::End { .. }));
    if is_running {
        // Its last line may be on its way.
        damage = None;
    }
    lines.shrink_to_fit();
    Ok(Journal { lines, is_closed, is_running, damage })
}

fn parse(text: &[u8]) -> (Vec<Line>, Option<(usize, String)>) {
    let (whole, torn) = chain::lines(text);
    let mut link = Link::start();
    let mut lines = Vec::new();
    for line in whole {
        match next(&link, line, lines.len()) {
            Ok((line, behind)) => {
                lines.push(line);
                link = behind;
            }
            Err(why) => {
                let number = lines.len() + 1;
                return (lines, Some((number, why)));
            }
        }
    }
    let number = lines.len() + 1;
    (lines, (!torn.is_empty()).then(|| (number, "the line is not whole".to_string())))
}

fn next(link: &Link, line: &[u8], index: usize) -> Result<(Line, Link), String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let behind = chain::unseal(link, text).map_err(|fault| fault.to_string())?;
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if line.seq != index as u64 {
        return Err("the line is out of place".to_string());
    }
    Ok((line, behind))
}
