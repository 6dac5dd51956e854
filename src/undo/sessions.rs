//! What sessions left behind, and what of it may go.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::entry::{Entry, Line};
use super::journal::journal_path;
use super::ledger::Ledger;
use super::pack::Packed;
use super::read::read;
use super::sibling;
use super::store::objects_path;
use crate::audit::is_session_id;
use crate::policy::UndoLimits;
use crate::sys::file::is_unlocked;

/// What became of a session's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It still runs.
    Running,
    /// They can be undone.
    Undoable,
    /// The same, but the session was killed, so that later changes by others
    /// cannot be told from its own.
    Killed,
    /// This session took a part of them back.
    PartlyUndone(String),
    /// This session took them back.
    Undone(String),
}

/// A session that changed something.
#[derive(Debug, Clone)]
pub struct Overview {
    /// What it changed.
    pub ledger: Ledger,
    /// What became of that.
    pub standing: Standing,
    /// Bytes that its store takes.
    pub kept: u64,
}

/// The ids of the sessions that have a journal, the oldest first.
pub fn journaled(sessions: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(sessions) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let id = name.to_str().filter(|name| is_session_id(name));
        ids.extend(id.filter(|id| journal_path(sessions, id).symlink_metadata().is_ok()).map(str::to_string));
    }
    ids.sort();
    Ok(ids)
}

/// Looks at a session.
pub fn overview(sessions: &Path, id: &str) -> io::Result<Overview> {
    let journal = read(sessions, id)?;
    let ledger = journal.ledger();
    let standing = match undone_by(sessions, &ledger)? {
        _ if journal.is_running => Standing::Running,
        Some((by, true)) => Standing::Undone(by),
        Some((by, false)) => Standing::PartlyUndone(by),
        None if journal.is_closed => Standing::Undoable,
        None => Standing::Killed,
    };
    Ok(Overview { ledger, standing, kept: stored(sessions, id)? })
}

/// The last session that took this one back and was not taken back itself, and
/// whether it did so in full.
pub fn undone_by(sessions: &Path, ledger: &Ledger) -> io::Result<Option<(String, bool)>> {
    for (by, whole) in ledger.undone_by.iter().rev() {
        let undo = match read(sessions, by) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            journal => Some(journal?.ledger()),
        };
        // An undo is younger than what it takes back, so this comes to an end.
        let is_undone = match &undo {
            Some(undo) if undo.session.id > ledger.session.id => undone_by(sessions, undo)?,
            _ => None,
        };
        if !matches!(is_undone, Some((_, true))) {
            return Ok(Some((by.clone(), *whole)));
        }
    }
    Ok(None)
}

/// Bytes that the objects of a session take.
fn stored(sessions: &Path, id: &str) -> io::Result<u64> {
    let siblings = read(sessions, id)?.stores();
    [objects_path(sessions, id)].iter().chain(&siblings).map(|store| stored_in(store)).sum()
}

fn stored_in(store: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    // What has several names is counted in equal parts.
    let share = |found: fs::Metadata| found.blocks().saturating_mul(512) / found.nlink().max(1);
    entries.map(|entry| Ok(share(entry?.metadata()?))).sum()
}

/// The same by what the session said at its end, where it came to it.
fn said_or_stored(sessions: &Path, id: &str) -> io::Result<u64> {
    const TAIL: u64 = 4096;
    let mut file = File::open(journal_path(sessions, id))?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL)))?;
    let mut tail = String::new();
    if file.read_to_string(&mut tail).is_ok()
        && let Some(last) = tail.lines().last()
        && let Ok(Line { entry: Entry::End { saved, .. }, .. }) = serde_json::from_str(last)
    {
        return Ok(saved);
    }
    stored(sessions, id)
}

/// What pruning removed, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Sessions that can no longer be undone, the oldest first.
    pub sessions: Vec<String>,
    /// Bytes that they kept.
    pub bytes: u64,
    /// Bytes that the others keep.
    pub left: u64,
}

/// What pruning leaves.
#[derive(Debug, Clone, Copy)]
pub enum Sparing {
    /// What is no older and no larger than the limits say, and in any case the
    /// newest that keeps anything.
    Within(UndoLimits),
    /// Nothing.
    Nothing,
}

/// Removes what sessions keep: what is older than the limits say, and then the
/// oldest until the rest is as small as they say. What runs stays.
pub fn prune(sessions: &Path, sparing: Sparing, dry_run: bool) -> io::Result<Pruned> {
    let (limits, spares_newest) = match sparing {
        Sparing::Within(limits) => (limits, true),
        Sparing::Nothing => (UndoLimits { keep_days: 0, max_size: 0, ..UndoLimits::default() }, false),
    };
    let oldest = Duration::from_secs(u64::from(limits.keep_days) * 24 * 60 * 60);
    let now = SystemTime::now();
    let mut found = Vec::new();
    for id in journaled(sessions)? {
        let journal = File::open(journal_path(sessions, &id))?;
        let age = now.duration_since(journal.metadata()?.modified()?).unwrap_or_default();
        let is_running = !is_unlocked(&journal)?;
        found.push((said_or_stored(sessions, &id)?, age > oldest || !spares_newest, is_running, id));
    }
    let newest = found.iter().rposition(|(bytes, ..)| *bytes > 0).filter(|_| spares_newest);
    let mut pruned = Pruned { left: found.iter().map(|(bytes, ..)| bytes).sum(), ..Pruned::default() };
    for (index, (bytes, is_old, is_running, id)) in found.into_iter().enumerate() {
        let is_too_much = bytes > 0 && pruned.left > limits.max_size;
        if is_running || Some(index) == newest || !(is_old || is_too_much) {
            continue;
        }
        if !dry_run {
            forget(sessions, &id)?;
        }
        pruned.left -= bytes;
        pruned.bytes += bytes;
        pruned.sessions.push(id);
    }
    Ok(pruned)
}

/// Makes what sessions keep smaller that have ended; gives the bytes that got free.
pub fn pack(sessions: &Path) -> io::Result<u64> {
    let mut packed = Packed::default();
    let mut freed = 0;
    for id in journaled(sessions)? {
        let journal = read(sessions, &id)?;
        if !journal.is_running {
            let stores: Vec<PathBuf> =
                iter::once(objects_path(sessions, &id)).chain(journal.stores()).collect();
            freed += packed.pack(&journal, &stores)?;
        }
    }
    Ok(freed)
}

/// Removes a session's journal and objects. The journal goes first, so that
/// nothing is half there; the record of refusals stays.
fn forget(sessions: &Path, id: &str) -> io::Result<()> {
    let siblings = read(sessions, id)?.stores();
    fs::remove_file(journal_path(sessions, id))?;
    siblings.iter().try_for_each(|store| sibling::remove(store))?;
    match fs::remove_dir_all(objects_path(sessions, id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let dir: PathBuf = sessions.join(id);
    match fs::remove_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Session;
    use crate::undo::entry::Kind;
    use crate::undo::keeper::Keeper;

    fn session(dir: &Path, id: &str, bytes: usize) -> io::Result<()> {
        let session = Session {
            id: id.to_string(),
            started: jiff::Timestamp::now(),
            command: vec!["true".into()],
            workspace: "/w".into(),
        };
        let keeper = Keeper::new(dir, session, UndoLimits::default(), Box::new(|_| false));
        keeper
            .before_create(nix::unistd::getpid(), Path::new("/w/x"), Kind::File)
            .map_err(|_| io::Error::other("not written"))?;
        if bytes > 0 {
            fs::create_dir_all(objects_path(dir, id))?;
            fs::write(objects_path(dir, id).join("0"), vec![7; bytes])?;
        }
        Ok(())
    }

    #[test]
    fn the_oldest_go_until_the_rest_is_small_enough() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        for id in ["1", "2", "3", "4"] {
            session(dir.path(), id, 100 << 10)?;
        }
        session(dir.path(), "5", 0)?;
        let limits = UndoLimits { max_size: 250 << 10, ..UndoLimits::default() };
        let would = prune(dir.path(), Sparing::Within(limits), true)?;
        assert_eq!(would.sessions, ["1", "2"]);
        assert_eq!(journaled(dir.path())?.len(), 5);
        assert_eq!(prune(dir.path(), Sparing::Within(limits), false)?, would);
        assert_eq!(journaled(dir.path())?, ["3", "4", "5"]);
        assert!(!dir.path().join("1").exists());
        let none = UndoLimits { max_size: 0, ..limits };
        assert_eq!(
            prune(dir.path(), Sparing::Within(none), false)?.sessions,
            ["3"],
            "the newest that keeps something stays"
        );
        assert_eq!(prune(dir.path(), Sparing::Nothing, false)?.sessions, ["4", "5"]);
        assert!(journaled(dir.path())?.is_empty());
        Ok(())
    }

    #[test]
    fn what_is_too_old_goes_but_what_runs() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        for id in ["1", "2", "3"] {
            session(dir.path(), id, 4096)?;
        }
        let running = File::open(journal_path(dir.path(), "2"))?;
        crate::sys::file::lock(&running)?;
        let limits = UndoLimits { keep_days: 0, ..UndoLimits::default() };
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(prune(dir.path(), Sparing::Within(limits), false)?.sessions, ["1"]);
        assert_eq!(journaled(dir.path())?, ["2", "3"]);
        Ok(())
    }
}
