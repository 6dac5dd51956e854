//! What must be saved and said before something changes.
//!
//! The caller makes sure that decision, saving and act concern the same thing:
//! it holds the tree still, and passes pinned descriptors.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::unistd::Pid;

use super::commands::Commands;
use super::entry::{Entry, Gone, Identity, Kind, Meta, Object, State};
use super::gone::remove;
use super::journal::Journal;
use super::meta;
use super::sibling::{self, MayLie};
use super::store::{Copied, Store, objects_path};
use crate::audit::Session;
use crate::policy::UndoLimits as Limits;
use crate::sys::errno_of;
use crate::sys::file::Stat;

/// Saves what a session would lose.
#[derive(Debug)]
pub struct Keeper {
    pub(super) journal: Journal,
    pub(super) store: Store,
    commands: Commands,
    main: OnceLock<Pid>,
    known: Mutex<Known>,
    saved_one: Condvar,
    sessions: PathBuf,
    may_lie: Siblings,
}

/// Where stores on other mounts may lie.
struct Siblings(MayLie);

impl fmt::Debug for Siblings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Siblings")
    }
}

/// What needs no second saving.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Files of which the content is saved, or being saved.
    pub(super) content: HashMap<Identity, Progress>,
    /// Copies that were made ahead, of files in that state.
    ahead: HashMap<Identity, (State, Copied)>,
    pub(super) meta: HashSet<Identity>,
    pub(super) dirs: HashSet<Identity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Saving,
    Saved,
}

/// Why something was not saved, so that it must not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaved {
    /// It takes long: [`Keeper::copy_ahead`] first, where nobody has to wait.
    Lengthy,
    /// It cannot be.
    Failed(Errno),
}

/// Whether it was saved.
pub type Saved<T = ()> = Result<T, Unsaved>;

/// Something that has a name in a pinned directory.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// The thread that wants to change it.
    pub caller: Pid,
    /// The thing itself, pinned.
    pub fd: BorrowedFd<'a>,
    /// What it is.
    pub stat: &'a Stat,
    /// Its real path.
    pub path: &'a Path,
    /// Whether to save it at once, however long that takes.
    pub is_patient: bool,
}

impl Keeper {
    /// The keeper of a session whose directory lies in that of all sessions.
    /// Nothing is made before there is something to save. Where files lie on
    /// another mount, a store of theirs may lie at the paths that `may_lie` allows.
    pub fn new(sessions: &Path, session: Session, limits: Limits, may_lie: MayLie) -> Keeper {
        Keeper::of(sessions, session, limits, None, may_lie)
    }

    /// The same for a session that takes an earlier one back.
    pub fn of_undo(sessions: &Path, session: Session, earlier: &str) -> Keeper {
        // Whatever it takes: an undo must not fail half-way for a limit.
        let limits = Limits { max_size: u64::MAX, ..Limits::default() };
        let workspace = session.workspace.clone();
        let may_lie = Box::new(move |path: &Path| !path.starts_with(&workspace));
        Keeper::of(sessions, session, limits, Some(earlier.to_string()), may_lie)
    }

    fn of(
        sessions: &Path,
        session: Session,
        limits: Limits,
        undoes: Option<String>,
        may_lie: MayLie,
    ) -> Keeper {
        Keeper {
            store: Store::new(objects_path(sessions, &session.id), limits),
            journal: Journal::new(sessions, session, undoes),
            commands: Commands::default(),
            main: OnceLock::new(),
            known: Mutex::default(),
            saved_one: Condvar::new(),
            sessions: sessions.to_path_buf(),
            may_lie: Siblings(may_lie),
        }
    }

    /// Says which process is the session's main one.
    pub fn follow(&self, main: Pid) {
        // It is said once.
        let _ = self.main.set(main);
    }

    /// Where the journal is, for messages.
    pub fn journal_path(&self) -> &Path {
        self.journal.path()
    }

    /// Whether anything was written.
    pub fn has_begun(&self) -> bool {
        self.journal.has_begun()
    }

    /// Drops an object that nothing needs.
    pub(super) fn drop_object(&self, object: Object) -> io::Result<()> {
        match self.store.drop_object(object) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Bytes that are kept.
    pub fn saved(&self) -> u64 {
        self.store.saved()
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to the journal, and gives its number.
    pub(super) fn say(&self, caller: Pid, entry: Entry) -> io::Result<u64> {
        let main = self.main.get().copied().unwrap_or(caller);
        let (by, command) = self.commands.of(caller, main);
        if let Some(command) = command {
            self.journal.write(by, command)?;
        }
        self.journal.write(by, entry)
    }

    pub(super) fn write(&self, caller: Pid, entry: Entry) -> Saved<u64> {
        self.say(caller, entry).map_err(|error| {
            tracing::error!(%error, "the journal cannot be written");
            Unsaved::Failed(reason(errno_of(&error)))
        })
    }

    /// Says something for which it is not too late where it cannot be said.
    fn mention(&self, caller: Pid, entry: Entry) {
        // The failure was logged, and what is missing makes undo ask, not lose.
        let _ = self.write(caller, entry);
    }

    /// A name is about to be made. Gives the number to say how that went.
    pub fn before_create(&self, caller: Pid, path: &Path, kind: Kind) -> Saved<u64> {
        self.write(caller, Entry::Create { path: path.into(), kind })
    }

    /// Something that was not journaled where it was is about to get a name.
    /// Gives the numbers of what it replaces, if anything, and of itself.
    pub fn before_arrival(
        &self,
        caller: Pid,
        path: &Path,
        kind: Kind,
        replaced: Option<Gone>,
    ) -> Saved<(Option<u64>, u64)> {
        let gone = replaced.map(|gone| self.write(caller, remove(path, gone))).transpose()?;
        Ok((gone, self.before_create(caller, path, kind)?))
    }

    /// It was made.
    pub fn made(&self, caller: Pid, number: u64, stat: &Stat) {
        self.mention(caller, Entry::Made { of: number, file: Identity::of(stat) });
    }

    /// What a number stands for did not happen.
    pub fn failed(&self, caller: Pid, number: u64) {
        self.mention(caller, Entry::Failed { of: number });
    }

    /// What was kept since it would be replaced was not.
    pub fn not_replaced(&self, gone: Option<Object>) {
        if let Some(Err(error)) = gone.map(|object| self.drop_object(object)) {
            tracing::warn!(%error, "an object that nothing needs stays");
        }
    }

    /// Names in a directory are about to change, and with them its times.
    pub fn before_names(&self, dir: Named<'_>) -> Saved {
        let file = Identity::of(dir.stat);
        let known = self.known();
        if known.dirs.contains(&file) || known.meta.contains(&file) {
            return Ok(());
        }
        drop(known);
        self.write(dir.caller, Entry::Dir { path: dir.path.into(), file, meta: Meta::of(dir.stat) })?;
        self.known().dirs.insert(file);
        Ok(())
    }

    /// Metadata is about to change.
    pub fn before_meta(&self, it: Named<'_>) -> Saved {
        let file = Identity::of(it.stat);
        let known = self.known();
        if known.meta.contains(&file) || known.content.get(&file) == Some(&Progress::Saved) {
            return Ok(());
        }
        drop(known);
        let meta = meta::whole(it.fd, it.stat).map_err(failed)?;
        let is_whole = meta.xattrs.is_some();
        self.write(it.caller, Entry::Meta { path: it.path.into(), file, meta })?;
        if is_whole {
            self.known().meta.insert(file);
        }
        Ok(())
    }

    /// The content is about to change, or may from now on.
    pub fn before_write(&self, it: Named<'_>) -> Saved {
        if Kind::of(it.stat.mode) != Kind::File {
            // A FIFO has times that change with what goes through it.
            return self.before_meta(it);
        }
        let file = Identity::of(it.stat);
        let mut known = self.known();
        loop {
            match known.content.get(&file) {
                Some(Progress::Saved) => return Ok(()),
                Some(Progress::Saving) => {
                    known = self.saved_one.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
                None => break,
            }
        }
        known.content.insert(file, Progress::Saving);
        drop(known);
        let saved = self.save_content(it);
        let mut known = self.known();
        match saved {
            Ok(()) => known.content.insert(file, Progress::Saved),
            Err(_) => known.content.remove(&file),
        };
        drop(known);
        self.saved_one.notify_all();
        saved
    }

    fn save_content(&self, it: Named<'_>) -> Saved {
        let meta = meta::whole(it.fd, it.stat).map_err(failed)?;
        let object = self.copy(it)?;
        let file = Identity::of(it.stat);
        self.write(it.caller, Entry::Content { path: it.path.into(), file, meta, object })?;
        Ok(())
    }

    /// Copies something, or finds the copy that was made ahead.
    pub(super) fn copy(&self, it: Named<'_>) -> Saved<Object> {
        let ahead = self.known().ahead.remove(&Identity::of(it.stat));
        let copied = match ahead {
            Some((state, copied)) if state == State::of(it.stat) => copied,
            stale => {
                // Nothing speaks of it yet.
                let stale = stale.map(|(_, copied)| self.store.drop_object(copied.object));
                stale.transpose().map_err(failed)?;
                self.copy_now(it)?
            }
        };
        copied.file.into_iter().for_each(|file| self.journal.sync_along(file));
        Ok(copied.object)
    }

    fn copy_now(&self, it: Named<'_>) -> Saved<Copied> {
        if !it.is_patient && !Store::is_quick(it.stat) {
            return Err(Unsaved::Lengthy);
        }
        if Store::needs_place(it.stat) {
            self.settle(it)?;
        }
        self.store.copy(it.fd, it.stat).map_err(failed)
    }

    /// Finds out where files of a mount are kept, and says so.
    pub(super) fn settle(&self, it: Named<'_>) -> Saved {
        let mount = it.stat.mount;
        if self.store.is_settled(mount).map_err(failed)? {
            return Ok(());
        }
        let sibling = sibling::open(&self.sessions, self.journal.id(), mount, &self.may_lie.0);
        if let Some((path, _)) = &sibling {
            self.write(it.caller, Entry::Store { path: path.as_path().into() })?;
        }
        self.store.settle(mount, sibling.map(|(_, dir)| dir));
        Ok(())
    }

    /// Copies a large file where nobody waits for it, for the next
    /// [`Keeper::before_write`] to find.
    pub fn copy_ahead(&self, fd: BorrowedFd<'_>, stat: &Stat) -> Saved {
        let copied = self.store.copy(fd, stat).map_err(failed)?;
        let before = self.known().ahead.insert(Identity::of(stat), (State::of(stat), copied));
        before.map_or(Ok(()), |(_, copied)| self.store.drop_object(copied.object).map_err(failed))
    }

    /// A name is about to become another.
    pub fn before_rename(
        &self,
        it: Named<'_>,
        to: &Path,
        exchange: bool,
        replaced: Option<Gone>,
    ) -> Saved<u64> {
        let (from, to, file, kind) =
            (it.path.into(), to.into(), Identity::of(it.stat), Kind::of(it.stat.mode));
        self.write(it.caller, Entry::Rename { from, to, file, kind, exchange, replaced })
    }
}

pub(super) fn failed(errno: Errno) -> Unsaved {
    tracing::warn!(%errno, "what would be lost cannot be saved");
    Unsaved::Failed(reason(errno))
}

/// What the caller is told: why nothing can be kept where it can be said, else
/// that there was a failure.
fn reason(errno: Errno) -> Errno {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT | Errno::EROFS | Errno::EACCES | Errno::EFBIG => errno,
        _ => Errno::EIO,
    }
}
