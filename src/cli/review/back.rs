//! Taking work back that several sessions did.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::error::CliError;
use super::super::session::opened;
use super::visible_lines;

/// Takes sessions back, the newest first; whether all of it is.
pub(super) fn take_back(dir: &Path, sessions: &[String]) -> Result<bool, CliError> {
    let mut later: BTreeSet<PathBuf> = BTreeSet::new();
    for id in sessions.iter().rev() {
        let paths = paths(dir, id)?;
        // Later sessions changed these as well, and are undone: so what is there is what this
        // one left, but not the very same file.
        let is_dir = |path: &&PathBuf| path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        let shared: Vec<&PathBuf> = paths.intersection(&later).filter(|path| !is_dir(path)).collect();
        let is_back = shared.is_empty() || undo(dir, id, "theirs", &shared)?;
        if !is_back || !undo(dir, id, "skip", &[])? {
            return Ok(false);
        }
        later.extend(paths);
    }
    Ok(true)
}

/// Every path where a session changed something.
fn paths(dir: &Path, id: &str) -> Result<BTreeSet<PathBuf>, CliError> {
    let journal = opened(dir, id).map_err(|error| CliError::Diff(id.into(), error))?;
    let changes = journal.ledger().changes.into_iter();
    let sides = changes
        .flat_map(|change| [change.before.map(|before| before.path), change.after.map(|after| after.path)]);
    Ok(sides.flatten().collect())
}

fn undo(dir: &Path, id: &str, on_conflict: &str, paths: &[&PathBuf]) -> Result<bool, CliError> {
    let myself = std::env::current_exe().map_err(CliError::CurrentDirectory)?;
    let mut command = Command::new(myself);
    command.args(["undo", "--yes", "--on-conflict", on_conflict, id]).args(paths);
    let output = command.output().map_err(|error| CliError::Review(dir.into(), error))?;
    if !output.status.success() {
        eprint!("{}", visible_lines(&output.stderr));
    }
    Ok(output.status.success())
}
