//! Which session is meant, and which paths: the same for every command that
//! looks at what sessions changed.

use std::path::{Path, PathBuf};

use super::error::CliError;
use super::setup;
use crate::undo::{Chain, Journal, UndoError, read, undone_by};

/// Paths as they are in the journal: real and absolute, also of what is gone.
pub(super) fn journaled(path: &Path, current: &Path) -> PathBuf {
    let path = current.join(path);
    match (path.parent(), path.file_name()) {
        // The last name is not followed: it may be a link that the session made.
        (Some(parent), Some(name)) => setup::real_as_far_as_it_exists(parent).join(name),
        _ => path,
    }
}

/// The sessions and the paths that were named, sessions first: what has no form of an id, or
/// is there as a file, is a path. Of further sessions the whole id is wanted.
pub(super) fn chosen(
    sessions: &Path,
    what: &[std::ffi::OsString],
) -> Result<(Vec<String>, Vec<PathBuf>), CliError> {
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let known = journals(sessions)?;
    let id = |word: &std::ffi::OsString| {
        let text = word.to_str().filter(|text| crate::audit::is_session_id(text))?;
        current.join(text).symlink_metadata().is_err().then(|| text.to_string())
    };
    let mut ids = Vec::new();
    let mut rest = what;
    while let Some(text) = rest.first().and_then(id) {
        // Behind a session the beginning of an id could be the name of something that is gone.
        if !ids.is_empty() && !known.contains(&text) {
            break;
        }
        ids.push(find(&text, &known)?.clone());
        rest = &rest[1..];
    }
    if ids.is_empty() {
        ids.push(latest(sessions, &known, &current).ok_or(CliError::NothingChanged)?);
    }
    ids.sort();
    ids.dedup();
    Ok((ids, rest.iter().map(|path| journaled(Path::new(path), &current)).collect()))
}

/// The session whose id begins so, of those that changed something.
pub(super) fn find<'a>(text: &str, known: &'a [String]) -> Result<&'a String, CliError> {
    super::log::find(text, known).map_err(|error| match error {
        CliError::UnknownSession(text) => CliError::UnchangedSession(text),
        other => other,
    })
}

/// Reads sessions' journals, and says what of them cannot be read.
pub(super) fn opened(sessions: &Path, ids: &[String]) -> Result<Chain, CliError> {
    let read = |id: &String| {
        let journal = opened_one(sessions, id).map_err(|error| CliError::Unreadable(id.clone(), error))?;
        Ok((id.clone(), journal))
    };
    ids.iter().map(read).collect::<Result<_, _>>().map(Chain::of)
}

/// Reads a session's journal, and says what of it cannot be read.
pub(super) fn opened_one(sessions: &Path, id: &str) -> Result<Journal, UndoError> {
    let journal = read(sessions, id).map_err(|error| UndoError::Journal(id.to_string(), error))?;
    if let Some((line, why)) = &journal.damage {
        eprintln!(
            "stockade: the journal of session {id} is damaged from line {line} on ({why}); what happened \
             from there on is not known"
        );
    }
    Ok(journal)
}

/// The ids of the sessions that changed something, the oldest first.
pub(super) fn journals(sessions: &Path) -> Result<Vec<String>, CliError> {
    crate::undo::journaled(sessions).map_err(|error| CliError::Record(sessions.to_path_buf(), error))
}

/// The latest session that worked here, above, or beneath, is no undo,
/// and was not undone.
fn latest(sessions: &Path, known: &[String], current: &Path) -> Option<String> {
    let here = current.canonicalize().ok()?;
    known
        .iter()
        .rev()
        .find(|id| {
            read(sessions, id).is_ok_and(|journal| {
                let ledger = journal.ledger();
                let is_undone = matches!(undone_by(sessions, &ledger), Ok(Some((_, true))));
                !is_undone && ledger.session.undoes.is_none() && here.starts_with(&ledger.session.workspace)
            })
        })
        .cloned()
}
