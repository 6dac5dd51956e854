//! What the author changed, from the journals of its sessions and not from git.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::error::CliError;
use super::super::session::opened;
use crate::audit::{self, Record};
use crate::policy::{Policy, Verb};
use crate::undo::diff::{Paint, Row, Seen, What, quoted, shown};
use crate::undo::{Selection, UndoError};

/// What several sessions changed together.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// As a unified diff.
    pub(super) patch: String,
    /// Every path that is, or was, where something changed.
    pub(super) paths: BTreeSet<PathBuf>,
    /// What was refused, as the record has it.
    pub(super) refusals: Vec<String>,
    /// Files of which no reader is shown the content.
    pub(super) withheld: Vec<String>,
    lines: Vec<String>,
}

impl Changes {
    /// Those of sessions, the oldest first, for readers with this policy.
    pub(super) fn of(sessions: &Path, ids: &[String], readers: &Policy) -> Result<Changes, CliError> {
        let mut changes = Changes::default();
        if ids.is_empty() {
            return Ok(changes);
        }
        let failed = |error| CliError::Diff(ids.join(" "), error);
        let chain = opened(sessions, ids)?;
        if chain.is_running() {
            return Err(failed(UndoError::Running));
        }
        let ledger = chain.ledger();
        let objects = chain.objects(sessions);
        for change in ledger.changes.iter().filter(|change| !change.only_times) {
            changes.paths.extend(change.before.iter().map(|before| before.path.clone()));
            changes.paths.extend(change.after.iter().map(|after| after.path.clone()));
        }
        let base = &ledger.session.workspace;
        for row in ledger.rows(&Selection::default()).map_err(failed)? {
            changes.paths.extend(row.old_path().into_iter().chain([row.path()]).map(Path::to_path_buf));
            if let Some(seen) = row.look(&objects, base) {
                changes.tell(&row, &seen, base, readers);
            }
        }
        for id in ids {
            changes.refusals.extend(refusals(sessions, id)?);
        }
        Ok(changes)
    }

    fn tell(&mut self, row: &Row, seen: &Seen, base: &Path, readers: &Policy) {
        // What lies elsewhere is named in full.
        let name = |path: &Path| match path.starts_with(base) {
            true => quoted("", shown(path, base)),
            false => quoted("", path),
        };
        // A directory's new name says it for all that is in it.
        if !(row.is_carried && seen.what == What::Renamed) {
            let what = serde_json::to_value(seen.what).ok();
            let what = what.as_ref().and_then(|what| what.as_str()).unwrap_or_default();
            self.lines.push(match row.old_path().filter(|old| *old != row.path()) {
                Some(old) => format!("{what} {} (was {})", name(row.path()), name(old)),
                None => format!("{what} {}", name(row.path())),
            });
        }
        let sides = row.old_path().into_iter().chain([row.path()]);
        if sides.into_iter().any(|path| is_secret(path, base, readers)) {
            let name = name(row.path());
            self.patch.push_str(&format!("# {name}: changed; its content is secret and not shown\n"));
            self.withheld.push(name);
        } else {
            self.patch.push_str(&seen.text(row, base, Paint::default()));
        }
    }

    /// A line for each file.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }
}

/// Whether a rule hides a path from readers, or all in the workspace that they may not read.
fn is_secret(path: &Path, workspace: &Path, readers: &Policy) -> bool {
    let decision = readers.decide(path, Verb::Read);
    decision.effect.is_refusal() && (decision.rule.is_some() || path.starts_with(workspace))
}

/// Where a session worked.
pub(super) fn workspace(sessions: &Path, id: &str) -> Result<PathBuf, CliError> {
    Ok(opened(sessions, &[id.to_string()])?.ledger().session.workspace)
}

/// The session, if it changed anything.
pub(super) fn is_there(sessions: &Path, id: &str) -> Option<String> {
    let known = crate::undo::journaled(sessions).unwrap_or_default();
    known.into_iter().find(|known| known == id)
}

/// What a session was refused, as its record has it.
fn refusals(sessions: &Path, id: &str) -> Result<Vec<String>, CliError> {
    let recorded = match audit::read(sessions, id) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        recorded => recorded.map_err(|error| CliError::Record(sessions.join(id), error))?,
    };
    let calls = recorded.lines.into_iter().filter(|line| matches!(line.record, Record::Call(_)));
    Ok(calls.map(|line| line.text).collect())
}

/// Removes the files of a review whose names end so.
pub(super) fn remove_files(dir: &Path, end: &str) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_files(&path, end);
        } else if path.to_string_lossy().ends_with(end) {
            // It is of no more use, and harms nobody.
            let _ = fs::remove_file(&path);
        }
    }
}
