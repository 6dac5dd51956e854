//! Which session is meant, and which paths: the same for every command that
//! looks at what sessions changed.

use std::path::{Path, PathBuf};

use super::error::CliError;
use super::setup;
use crate::undo::{Journal, UndoError, read, undone_by};

/// Paths as they are in the journal: real and absolute, also of what is gone.
pub(super) fn journaled(path: &Path, current: &Path) -> PathBuf {
    let path = current.join(path);
    match (path.parent(), path.file_name()) {
        // The last name is not followed: it may be a link that the session made.
        (Some(parent), Some(name)) => setup::real_as_far_as_it_exists(parent).join(name),
        _ => path,
    }
}

/// The session and the paths that were named: what has no form of an id, or is
/// there as a file, is a path.
pub(super) fn chosen(
    sessions: &Path,
    what: &[std::ffi::OsString],
) -> Result<(String, Vec<PathBuf>), CliError> {
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let known = journals(sessions)?;
    let mut what = what;
    let mut id = None;
    if let Some((first, rest)) = what.split_first()
        && let Some(text) = first.to_str().filter(|text| crate::audit::is_session_id(text))
        && current.join(text).symlink_metadata().is_err()
    {
        id = Some(find(text, &known)?.clone());
        what = rest;
    }
    let id = match id {
        Some(id) => id,
        None => latest(sessions, &known, &current).ok_or(CliError::NothingChanged)?,
    };
    Ok((id, what.iter().map(|path| journaled(Path::new(path), &current)).collect()))
}

/// The session whose id begins so, of those that changed something.
pub(super) fn find<'a>(text: &str, known: &'a [String]) -> Result<&'a String, CliError> {
    super::log::find(text, known).map_err(|error| match error {
        CliError::UnknownSession(text) => CliError::UnchangedSession(text),
        other => other,
    })
}

/// Reads a session's journal, and says what of it cannot be read.
pub(super) fn opened(sessions: &Path, id: &str) -> Result<Journal, UndoError> {
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
