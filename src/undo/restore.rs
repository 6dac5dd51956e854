//! Taking back what a session did.
//!
//! Every step is saved and journaled like a step of a jail, in a session of its
//! own, so that an undo can be undone, also one that was killed half-way.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, renameat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Pid, UnlinkatFlags, ftruncate, getpid, unlinkat};

use super::entry::{Gone, Kind, Meta, Object};
use super::keeper::{Keeper, Named, Unsaved};
use super::ledger::Before;
use super::objects::Objects;
use super::opening::{OWNER_CHANGES, OWNER_WRITES, is_closed, is_own};
use super::plan::{Conflict, Item, Plan};
use super::spot::Spot;
use super::steps::Work;
use super::{UndoError, meta};
use crate::sys::copy::copy_content;
use crate::sys::file::{self, Stat, reopen};

/// What to do where a person changed something since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Leave it as it is.
    Skip,
    /// Undo it all the same; what is there now is saved.
    Overwrite,
    /// Leave it, and put what was there before the session beside it.
    Copy,
}

/// How an undo went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Things that are as they were before the session.
    pub undone: usize,
    /// What was left alone, and why.
    pub skipped: Vec<(PathBuf, Conflict)>,
    /// Old versions that were put beside what is there now.
    pub copies: Vec<PathBuf>,
    /// What could not be undone, and why.
    pub failed: Vec<(PathBuf, UndoError)>,
}

impl Outcome {
    /// Whether nothing was left out.
    pub fn is_complete(&self) -> bool {
        self.skipped.is_empty() && self.failed.is_empty()
    }
}

/// An undo at work.
pub struct Undo<'a> {
    /// Saves what the undo itself changes.
    pub keeper: &'a Keeper,
    /// What the session had saved.
    pub objects: &'a Objects,
    /// How names of copies end: the session's id.
    pub session: &'a str,
    /// Directories in which the undo changed names, as they were before.
    pub(super) touched: RefCell<BTreeMap<PathBuf, Stat>>,
}

pub(super) type Step<T = ()> = Result<T, UndoError>;

impl<'a> Undo<'a> {
    /// An undo of a session, which saves through the keeper of another one.
    pub fn new(keeper: &'a Keeper, objects: &'a Objects, session: &'a str) -> Undo<'a> {
        Undo { keeper, objects, session, touched: RefCell::default() }
    }

    /// Does what a plan says. `resolve` is asked about conflicts, `progress`
    /// told how many items are done.
    pub fn run(
        &self,
        plan: Plan,
        mut resolve: impl FnMut(&Item) -> Resolution,
        mut progress: impl FnMut(usize),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut items = Vec::new();
        for mut item in plan.items {
            let resolution = item.conflict.map(|conflict| (conflict, resolve(&item)));
            match resolution {
                None => items.push(item),
                Some((_, Resolution::Overwrite)) => {
                    item.conflict = None;
                    items.push(item);
                }
                Some((_, Resolution::Copy)) if item.has_content() => match self.copy_beside(&item) {
                    Ok(path) => outcome.copies.push(path),
                    Err(error) => outcome.failed.push((item.path, error)),
                },
                Some((conflict, _)) => outcome.skipped.push((item.path, conflict)),
            }
        }
        let session = &plan.session;
        Work { undo: self, session, items, done: 0, progress: &mut progress, outcome }.run()
    }

    fn caller() -> Pid {
        getpid()
    }

    pub(super) fn named<'f>(fd: &'f OwnedFd, stat: &'f Stat, path: &'f Path) -> Named<'f> {
        Named { caller: Self::caller(), fd: fd.as_fd(), stat, path, is_patient: true }
    }

    fn keep_names(&self, spot: &Spot) -> Step {
        let dir = spot.dir().try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
        let stat = file::stat(spot.dir(), c"")?;
        let it = Self::named(&dir, &stat, spot.dir_path());
        self.touched.borrow_mut().entry(spot.dir_path().to_path_buf()).or_insert(stat);
        if self.open_up(it, OWNER_CHANGES)? {
            return Ok(());
        }
        Ok(self.keeper.before_names(it)?)
    }

    /// Removes a name that is no directory's; what it stood for is saved.
    pub(super) fn remove(&self, spot: &Spot, stat: &Stat) -> Step {
        self.keep_names(spot)?;
        let fd = spot.pin()?;
        self.keeper.remove(Self::named(&fd, stat, spot.path()), spot.dir(), spot.name())??;
        Ok(())
    }

    pub(super) fn remove_dir(&self, spot: &Spot, stat: &Stat) -> Step {
        self.keep_names(spot)?;
        let fd = spot.pin()?;
        let number = self.keeper.before_rmdir(Self::named(&fd, stat, spot.path()))?;
        unlinkat(spot.dir(), spot.name().as_c_str(), UnlinkatFlags::RemoveDir)
            .inspect_err(|_| self.keeper.failed(Self::caller(), number))?;
        Ok(())
    }

    pub(super) fn rename(&self, from: &Spot, to: &Spot, stat: &Stat) -> Step {
        self.keep_names(from)?;
        self.keep_names(to)?;
        let fd = from.pin()?;
        let it = Self::named(&fd, stat, from.path());
        let number = self.keeper.before_rename(it, to.path(), false, None)?;
        let flags = RenameFlags::RENAME_NOREPLACE;
        renameat2(from.dir(), from.name().as_c_str(), to.dir(), to.name().as_c_str(), flags)
            .inspect_err(|_| self.keeper.failed(Self::caller(), number))?;
        Ok(())
    }

    /// Gives an object a name, in place of what stands there if that is given.
    pub(super) fn put(&self, object: Object, spot: &Spot, kind: Kind, replaced: Option<Gone>) -> Step {
        self.keep_names(spot)?;
        let flags = if replaced.is_some() { RenameFlags::empty() } else { RenameFlags::RENAME_NOREPLACE };
        let kept = replaced.as_ref().and_then(|gone| gone.object);
        let arrival = self.keeper.before_arrival(Self::caller(), spot.path(), kind, replaced)?;
        match self.objects.give(object, spot, flags) {
            Ok(()) => {}
            Err(errno) => {
                arrival.0.into_iter().chain([arrival.1]).for_each(|number| {
                    self.keeper.failed(Self::caller(), number);
                });
                self.keeper.not_replaced(kept);
                return Err(errno.into());
            }
        }
        if let Some(stat) = spot.stat()? {
            self.keeper.made(Self::caller(), arrival.1, &stat);
        }
        Ok(())
    }

    /// Gives a file a further name.
    pub(super) fn link(&self, from: &Spot, to: &Spot, kind: Kind) -> Step {
        self.keep_names(to)?;
        let fd = from.pin()?;
        let stat = file::stat(fd.as_fd(), c"")?;
        // What changes by the new name belongs to the old one as well.
        self.keeper.before_meta(Self::named(&fd, &stat, from.path()))?;
        let number = self.keeper.before_create(Self::caller(), to.path(), kind)?;
        file::link(fd.as_fd(), to.dir(), to.name())
            .inspect_err(|_| self.keeper.failed(Self::caller(), number))?;
        self.keeper.made(Self::caller(), number, &file::stat(fd.as_fd(), c"")?);
        Ok(())
    }

    pub(super) fn make_dir(&self, spot: &Spot) -> Step {
        self.keep_names(spot)?;
        let number = self.keeper.before_create(Self::caller(), spot.path(), Kind::Dir)?;
        mkdirat(spot.dir(), spot.name().as_c_str(), Mode::S_IRWXU)
            .inspect_err(|_| self.keeper.failed(Self::caller(), number))?;
        if let Some(stat) = spot.stat()? {
            self.keeper.made(Self::caller(), number, &stat);
        }
        Ok(())
    }

    /// Puts the old content where the new one is: at once, by another file of
    /// the same name, unless it has other names or another owner, which would
    /// not come along.
    pub(super) fn rewrite(&self, spot: &Spot, stat: &Stat, object: Object) -> Step {
        let fd = spot.pin()?;
        let it = Self::named(&fd, stat, spot.path());
        if stat.links == 1 && is_own(stat) {
            let gone = self.keeper.before_replace(it)?;
            return self.put(object, spot, Kind::File, Some(gone));
        }
        self.open_up(it, OWNER_WRITES)?;
        self.keeper.before_write(it)?;
        let old = self.objects.open(object)?;
        let size = file::stat(old.as_fd(), c"")?.size;
        let new = reopen(fd.as_fd(), OFlag::O_WRONLY)?;
        ftruncate(&new, 0)?;
        Ok(copy_content(old.as_fd(), new.as_fd(), size)?)
    }

    pub(super) fn set_meta(&self, spot: &Spot, stat: &Stat, wanted: &Meta) -> Step {
        let fd = spot.pin()?;
        let it = Self::named(&fd, stat, spot.path());
        let is_same = (wanted.mode, wanted.uid, wanted.gid) == (stat.mode, stat.owner, stat.group);
        if is_same && wanted.xattrs.is_none() && stat.is(libc::S_IFDIR) {
            self.keeper.before_names(it)?;
        } else {
            self.keeper.before_meta(it)?;
        }
        let has_others = |xattrs: &Vec<_>| meta::xattrs(fd.as_fd()).as_ref() != Ok(xattrs);
        let can_have = matches!(Kind::of(stat.mode), Kind::File | Kind::Dir);
        let is_closed = can_have && is_closed(stat, OWNER_WRITES);
        if is_closed && wanted.xattrs.as_ref().is_some_and(has_others) {
            self.open_up(it, OWNER_WRITES)?;
            // Now those that are there can be read and saved.
            self.keeper.before_meta(it)?;
        }
        match meta::apply(fd.as_fd(), wanted, stat).into_iter().next() {
            Some((what, errno)) => Err(UndoError::Metadata(what, errno)),
            None => Ok(()),
        }
    }

    /// Puts the old version beside what is there now.
    fn copy_beside(&self, item: &Item) -> Step<PathBuf> {
        let Some(before) = &item.before else { return Err(Errno::ENOENT.into()) };
        let object = before.content.or(before.object).ok_or(Errno::ENOENT)?;
        let mut name = item.path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".before-{}", self.session));
        let path = item.path.with_file_name(name);
        let spot = Spot::at(&path)?;
        self.put(object, &spot, before.kind, None)?;
        if let (Some(meta), Some(stat)) = (&before.meta, spot.stat()?) {
            self.set_meta(&spot, &stat, meta)?;
        }
        Ok(path)
    }
}

impl Before {
    /// Gives a copy the mode and times that the file had.
    pub fn give_metadata(&self, copy: &File) -> io::Result<()> {
        let Some(wanted) = &self.meta else { return Ok(()) };
        let now = file::stat(copy.as_fd(), c"")?;
        // Whose the copy is, is the business of who makes it.
        let wanted = Meta { uid: now.owner, gid: now.group, ..wanted.clone() };
        match meta::apply(copy.as_fd(), &wanted, &now).into_iter().next() {
            Some((_, errno)) => Err(errno.into()),
            None => Ok(()),
        }
    }
}

impl Item {
    fn has_content(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.content.or(before.object).is_some())
    }
}

impl From<Unsaved> for UndoError {
    fn from(unsaved: Unsaved) -> UndoError {
        match unsaved {
            Unsaved::Failed(errno) => UndoError::Unsaved(errno),
            Unsaved::Lengthy => UndoError::Unsaved(Errno::EAGAIN),
        }
    }
}

impl From<Errno> for UndoError {
    fn from(errno: Errno) -> UndoError {
        UndoError::System(errno)
    }
}
