//! Sessions that are looked at as one: their journals, the oldest first, are folded as if a
//! single session had written them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::entry::{Entry, Gone, Identity, Kind, Line, Meta, Object, State};
use super::ledger::Ledger;
use super::objects::Objects;
use super::read::Journal;
use super::sessions::undone_by;

/// Journals of sessions that followed each other.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Ids and journals, the oldest first.
    sessions: Vec<(String, Journal)>,
}

impl Chain {
    /// Puts them in order: ids sort by time.
    pub fn of(mut sessions: Vec<(String, Journal)>) -> Chain {
        sessions.sort_by(|one, other| one.0.cmp(&other.0));
        sessions.dedup_by(|one, other| one.0 == other.0);
        Chain { sessions }
    }

    /// The sessions' ids, the oldest first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.sessions.iter().map(|(id, _)| id.as_str())
    }

    /// Whether one of them still runs.
    pub fn is_running(&self) -> bool {
        self.sessions.iter().any(|(_, journal)| journal.is_running)
    }

    /// One of them that was taken back, all or in part.
    pub fn undone(&self, sessions: &Path) -> Option<&str> {
        // What cannot be read may have been.
        let is_undone = |journal: &Journal| !matches!(undone_by(sessions, &journal.ledger()), Ok(None));
        self.sessions.iter().find(|(_, journal)| is_undone(journal)).map(|(id, _)| id.as_str())
    }

    /// A path that somebody changed between two of the sessions, as far as the later one came
    /// upon it: it found something else than the earlier one had left.
    pub fn disturbed(&self) -> Option<PathBuf> {
        let mut left = Left::default();
        self.sessions
            .iter()
            .find_map(|(_, journal)| journal.happened().iter().find_map(|line| left.follow(&line.entry)))
    }

    /// What the sessions changed together. It says of which session it is what the first
    /// one says.
    pub fn ledger(&self) -> Ledger {
        if let [(_, journal)] = &self.sessions[..] {
            return journal.ledger();
        }
        let mut lines: Vec<Line> = Vec::new();
        let (mut seqs, mut commands) = (0, 0);
        for (number, (_, journal)) in self.sessions.iter().enumerate() {
            let happened = journal.happened();
            let own =
                happened.iter().filter(|line| number == 0 || !matches!(line.entry, Entry::Start { .. }));
            lines.extend(own.map(|line| shifted(line, seqs, commands, number)));
            seqs += journal.lines.iter().map(|line| line.seq + 1).max().unwrap_or(0);
            commands += journal.lines.iter().map(|line| line.by + 1).max().unwrap_or(0);
        }
        let mut ledger = Ledger::of(&lines);
        let left = left(&lines);
        for after in ledger.changes.iter_mut().filter_map(|change| change.after.as_mut()) {
            if let Some(state) = after.file.and_then(|file| left.get(&file)) {
                after.state.clone_from(state);
            }
        }
        if !self.sessions.iter().all(|(_, journal)| journal.is_closed) {
            ledger.saved = None;
        }
        ledger
    }

    /// What the sessions keep.
    pub fn objects(&self, sessions: &Path) -> Objects {
        Objects::of_all(sessions, self.sessions.iter().map(|(id, journal)| (id.as_str(), journal)))
    }
}

/// What earlier sessions left, as far as a later one has not come upon it yet.
#[derive(Debug, Default)]
struct Left {
    at: HashMap<PathBuf, State>,
    files: HashMap<Identity, State>,
}

impl Left {
    /// Follows a session's next line; gives the path where it found something else.
    fn follow(&mut self, entry: &Entry) -> Option<PathBuf> {
        match entry {
            Entry::After { path, state: Some(state) } => {
                self.at.insert(path.path().into(), state.clone());
                self.files.insert(state.file, state.clone());
                None
            }
            Entry::Content { path, file, meta, .. } | Entry::Meta { path, file, meta } => {
                self.found(path.path(), *file, Some(meta))
            }
            Entry::Remove { path, gone } => {
                let found = self.found(path.path(), gone.file, Some(&gone.meta));
                self.forget(path.path());
                found
            }
            Entry::Rename { from, to, file, replaced, .. } => {
                let replaced = replaced.as_ref();
                let found = self
                    .found(from.path(), *file, None)
                    .or_else(|| replaced.and_then(|gone| self.found(to.path(), gone.file, Some(&gone.meta))));
                self.forget(from.path());
                self.forget(to.path());
                found
            }
            Entry::Create { path, .. } => self.at.remove(path.path()).map(|_| path.path().into()),
            _ => None,
        }
    }

    fn found(&mut self, path: &Path, file: Identity, meta: Option<&Meta>) -> Option<PathBuf> {
        let is_other = self.at.get(path).is_some_and(|left| left.file != file);
        // From its first line on the session itself changes it.
        let known = self.files.remove(&file).zip(meta);
        let is_changed = known.is_some_and(|(left, meta)| {
            Kind::of(meta.mode) != Kind::Dir && (left.mtime, left.size) != (meta.mtime, meta.size)
        });
        (is_other || is_changed).then(|| path.into())
    }

    fn forget(&mut self, path: &Path) {
        self.at.retain(|known, _| !known.starts_with(path));
    }
}

/// How files were left, by whichever of their names a later session reached them. Of one that
/// it touched and does not speak of at its end nothing is known but when it ended.
fn left(lines: &[Line]) -> HashMap<Identity, Option<State>> {
    let mut left = HashMap::new();
    for line in lines {
        match &line.entry {
            Entry::After { state: Some(state), .. } => {
                left.insert(state.file, Some(state.clone()));
            }
            Entry::Made { file, .. }
            | Entry::Content { file, .. }
            | Entry::Meta { file, .. }
            | Entry::Dir { file, .. } => {
                left.insert(*file, None);
            }
            Entry::Remove { gone, .. } => {
                left.insert(gone.file, None);
            }
            Entry::Rename { file, replaced, .. } => {
                left.insert(*file, None);
                left.extend(replaced.iter().map(|gone| (gone.file, None)));
            }
            _ => {}
        }
    }
    left
}

/// A line as it stands behind those of other sessions.
fn shifted(line: &Line, seqs: u64, commands: u32, session: usize) -> Line {
    let kept = |gone: &mut Gone| gone.object = gone.object.map(|object| object.kept_by(session));
    let mut entry = line.entry.clone();
    match &mut entry {
        Entry::Made { of, .. } | Entry::Failed { of } => *of += seqs,
        Entry::Command { number, .. } => *number += commands,
        Entry::Remove { gone, .. } | Entry::Rename { replaced: Some(gone), .. } => kept(gone),
        Entry::Content { object, .. } => *object = Object::kept_by(*object, session),
        _ => {}
    }
    Line { seq: line.seq + seqs, by: line.by + commands, entry, ..*line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Session;
    use crate::policy::UndoLimits;
    use crate::undo::{Keeper, read};

    #[test]
    fn objects_say_whose_they_are() {
        for object in [Object::File(7), Object::Piece { offset: 9, length: 3 }] {
            for session in [0, 1, 40_000] {
                assert_eq!(object.kept_by(session).apart(), (session, object));
            }
        }
    }

    #[test]
    fn what_one_made_and_another_removed_is_no_change() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let files = tempfile::tempdir()?;
        let made = files.path().join("made");
        let pid = nix::unistd::getpid();
        let failed = |_| std::io::Error::other("not written");
        let keeper = |id: &str| {
            let session = Session {
                id: id.into(),
                started: jiff::Timestamp::now(),
                command: vec![id.into()],
                workspace: files.path().into(),
            };
            Keeper::new(dir.path(), session, UndoLimits::default(), Box::new(|_| false))
        };
        for id in ["1", "2"] {
            let keeper = keeper(id);
            keeper.before_create(pid, &made.with_extension(id), Kind::File).map_err(failed)?;
            std::fs::write(made.with_extension(id), "")?;
            keeper.close(dir.path(), id, 0)?;
        }
        let journals = |ids: &[&str]| -> std::io::Result<Chain> {
            let read = ids.iter().map(|id| Ok(((*id).to_string(), read(dir.path(), id)?)));
            Ok(Chain::of(read.collect::<std::io::Result<_>>()?))
        };
        let chain = journals(&["2", "1", "2"])?;
        assert_eq!(chain.ids().collect::<Vec<_>>(), ["1", "2"]);
        let ledger = chain.ledger();
        assert_eq!(ledger.session.id, "1");
        let commands: Vec<u32> = ledger.changes.iter().flat_map(|change| change.by.clone()).collect();
        assert_eq!(ledger.changes.len(), 2);
        assert_ne!(commands[0], commands[1], "each has commands of its own");
        assert!(ledger.saved.is_some());
        Ok(())
    }
}
