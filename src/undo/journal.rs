//! The journal of one session: made at the first change, only ever appended to,
//! and written before what it speaks of happens.
//!
//! A line is with the kernel before the change is made, so that a killed broker
//! loses nothing; a thread takes lines and copies to the disk about once a
//! second, so that a power cut costs no more than that.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;

use super::entry::{Entry, Line, Name, SCHEMA};
use crate::audit::{Appended, Session};
use crate::sys::file::lock;

/// How often what was written is taken to the disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Where a session's journal lies in the directory of all sessions.
pub(super) fn journal_path(sessions: &Path, id: &str) -> PathBuf {
    sessions.join(id).join("journal.jsonl")
}

/// A journal that is being written.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    session: Session,
    undoes: Option<String>,
    state: Mutex<State>,
    syncer: Arc<Syncer>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<Appended>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be taken to the disk.
#[derive(Debug, Default)]
struct Syncer {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    is_dirty: bool,
    copies: HashMap<RawFd, Arc<OwnedFd>>,
    is_stopping: bool,
}

impl Journal {
    /// The journal of a session in the directory of all sessions, which need
    /// not exist.
    pub(super) fn new(sessions: &Path, session: Session, undoes: Option<String>) -> Journal {
        let path = journal_path(sessions, &session.id);
        Journal { path, session, undoes, state: Mutex::default(), syncer: Arc::default() }
    }

    /// Writes what is about to happen and gives the line's number. Where this
    /// fails it must not happen.
    pub(super) fn write(&self, by: u32, entry: Entry) -> io::Result<u64> {
        let mut state = self.state();
        if state.file.is_none() {
            let file = self.begin()?;
            let syncer = Arc::clone(&self.syncer);
            let journal = file.file().try_clone()?;
            let thread = std::thread::Builder::new().name("syncer".into()).stack_size(128 << 10);
            state.thread = Some(thread.spawn(move || syncer.run(&journal))?);
            state.file = Some(file);
        }
        let Some(file) = &mut state.file else { return Err(io::ErrorKind::NotFound.into()) };
        if file.is_removed()? {
            return Err(Errno::EIO.into());
        }
        let seq = file.lines();
        file.append(&line(seq, by, entry))?;
        drop(state);
        self.syncer.note(None);
        Ok(seq)
    }

    /// The session's id.
    pub(super) fn id(&self) -> &str {
        &self.session.id
    }

    /// Whether anything was written.
    pub(super) fn has_begun(&self) -> bool {
        self.state().file.is_some()
    }

    /// A file with copies that must reach the disk with the lines about them.
    pub(super) fn sync_along(&self, copy: Arc<OwnedFd>) {
        self.syncer.note(Some(copy));
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn begin(&self) -> io::Result<Appended> {
        let mut file = Appended::create(&self.path)?;
        let begun = lock(file.file()).map_err(io::Error::from).and_then(|()| {
            let start = Entry::Start {
                schema: SCHEMA,
                session: self.session.id.clone(),
                command: self.session.command.iter().cloned().map(Name).collect(),
                workspace: self.session.workspace.as_path().into(),
                undoes: self.undoes.clone(),
            };
            file.append(&Line { time: self.session.started.as_millisecond(), ..line(0, 0, start) })
        });
        if let Err(error) = begun {
            // The next change begins anew.
            let _ = std::fs::remove_file(&self.path);
            return Err(error);
        }
        Ok(file)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn line(seq: u64, by: u32, entry: Entry) -> Line {
    Line { seq, time: Timestamp::now().as_millisecond(), by, entry }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.syncer.stop();
        if let Some(thread) = self.state().thread.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Syncer {
    fn note(&self, copy: Option<Arc<OwnedFd>>) {
        let mut waiting = self.waiting();
        waiting.copies.extend(copy.map(|copy| (copy.as_raw_fd(), copy)));
        if !std::mem::replace(&mut waiting.is_dirty, true) {
            self.changed.notify_one();
        }
    }

    fn stop(&self) {
        self.waiting().is_stopping = true;
        self.changed.notify_one();
    }

    fn run(&self, journal: &File) {
        loop {
            let mut waiting = self.waiting();
            while !waiting.is_dirty && !waiting.is_stopping {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            if !waiting.is_stopping {
                let stops = |waiting: &mut Waiting| !waiting.is_stopping;
                let rested = self.changed.wait_timeout_while(waiting, SYNC_EVERY, stops);
                waiting = rested.unwrap_or_else(PoisonError::into_inner).0;
            }
            let copies = std::mem::take(&mut waiting.copies);
            let (is_dirty, is_last) = (std::mem::take(&mut waiting.is_dirty), waiting.is_stopping);
            drop(waiting);
            if is_dirty {
                sync(copies.into_values(), journal);
            }
            if is_last {
                return;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies first, so that no line on the disk speaks of one that is not there.
fn sync(copies: impl Iterator<Item = Arc<OwnedFd>>, journal: &File) {
    let failed = copies
        .filter_map(|copy| nix::unistd::fdatasync(copy).err())
        .map(io::Error::from)
        .chain(journal.sync_data().err());
    for error in failed {
        tracing::error!(%error, "what is saved for undo may not have reached the disk");
    }
}
