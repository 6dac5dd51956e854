//! Keeping what loses its name.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::entry::{Entry, Gone, Identity, Kind, Meta, Object};
use super::keeper::{Keeper, Named, Progress, Saved, failed};
use super::meta;
use super::store::has_other_users;
use crate::sys::file::Stat;

impl Keeper {
    /// Takes a name away that is no directory's, and keeps what it stood for.
    /// Fails as `unlinkat` would, or because it cannot be kept.
    pub fn remove(&self, it: Named<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Saved<Result<(), Errno>> {
        let mut gone = gone(it.stat, None);
        match self.fate(it) {
            Fate::Known => {}
            Fate::Copied => self.copy_gone(it, &mut gone)?,
            Fate::Kept => match self.take(it, dir, name)? {
                Err(Errno::EXDEV) => self.copy_gone(it, &mut gone)?,
                taken => return Ok(taken),
            },
        }
        let object = gone.object;
        let number = self.write(it.caller, remove(it.path, gone))?;
        let removed = unlinkat(dir, name, UnlinkatFlags::NoRemoveDir);
        if let (Err(_), Some(object)) = (removed, object) {
            self.store.drop_object(object).map_err(failed)?;
        }
        Ok(self.ended(it, number, removed))
    }

    /// Moves a name into the store.
    fn take(&self, it: Named<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Saved<Result<(), Errno>> {
        self.settle(it)?;
        let object = self.store.number();
        self.store.admit(it.stat).map_err(failed)?;
        let number = self.write(it.caller, remove(it.path, gone(it.stat, Some(Object::File(object)))))?;
        let taken = self.store.take(dir, name, it.stat, object);
        if let Err(errno) = &taken
            && *errno != Errno::EXDEV
            && self.store.is_at_fault(it.stat, *errno)
        {
            self.failed(it.caller, number);
            return Err(failed(*errno));
        }
        if let Ok(Some(was)) = &taken
            && Identity::of(was) != Identity::of(it.stat)
        {
            // Something that came there meanwhile.
            self.failed(it.caller, number);
            self.write(it.caller, remove(it.path, gone(was, Some(Object::File(object)))))?;
            return Ok(Ok(()));
        }
        Ok(self.ended(it, number, taken.map(drop)))
    }

    /// Says how an act went whose line has this number.
    fn ended(&self, it: Named<'_>, number: u64, result: Result<(), Errno>) -> Result<(), Errno> {
        if result.is_err() {
            self.failed(it.caller, number);
        } else if it.stat.links <= 1 {
            self.forget(&Identity::of(it.stat));
        }
        result
    }

    fn forget(&self, file: &Identity) {
        let mut known = self.known();
        known.content.remove(file);
        known.meta.remove(file);
        known.dirs.remove(file);
    }

    /// A directory, which is empty or will stay, is about to be removed.
    pub fn before_rmdir(&self, it: Named<'_>) -> Saved<u64> {
        let mut gone = gone(it.stat, None);
        gone.meta = meta::whole(it.fd, it.stat).map_err(failed)?;
        self.write(it.caller, remove(it.path, gone))
    }

    /// A directory was removed.
    pub fn removed_dir(&self, stat: &Stat) {
        self.forget(&Identity::of(stat));
    }

    /// What stands at a name is about to be replaced: it is kept, and stays
    /// where it is for now.
    pub fn before_replace(&self, it: Named<'_>) -> Saved<Gone> {
        if Kind::of(it.stat.mode) == Kind::Dir {
            return Ok(Gone { meta: meta::whole(it.fd, it.stat).map_err(failed)?, ..gone(it.stat, None) });
        }
        let mut gone = gone(it.stat, None);
        match self.fate(it) {
            Fate::Known => {}
            Fate::Copied => self.copy_gone(it, &mut gone)?,
            Fate::Kept => {
                self.settle(it)?;
                let object = self.store.number();
                self.store.admit(it.stat).map_err(failed)?;
                match self.store.link(it.fd, it.stat, object) {
                    Ok(()) => gone.object = Some(Object::File(object)),
                    // Another file system, one without links, or a file of somebody else.
                    Err(Errno::EXDEV | Errno::EPERM | Errno::EMLINK | Errno::EACCES) => {
                        self.copy_gone(it, &mut gone)?;
                    }
                    Err(errno) => return Err(failed(errno)),
                }
            }
        }
        Ok(gone)
    }

    /// What something gone was, the session's own: it need not come back.
    pub fn gone_own(stat: &Stat) -> Gone {
        Gone { own: true, ..gone(stat, None) }
    }

    /// What becomes of something that loses its name.
    fn fate(&self, it: Named<'_>) -> Fate {
        if self.known().content.get(&Identity::of(it.stat)) == Some(&Progress::Saved) {
            Fate::Known
        } else if has_other_users(it.fd, it.stat) {
            Fate::Copied
        } else {
            Fate::Kept
        }
    }

    fn copy_gone(&self, it: Named<'_>, gone: &mut Gone) -> Saved {
        gone.meta = meta::whole(it.fd, it.stat).map_err(failed)?;
        gone.object = Some(self.copy(it)?);
        gone.copied = true;
        Ok(())
    }
}

/// What becomes of something that loses its name.
enum Fate {
    /// Its content was saved before.
    Known,
    /// It is copied.
    Copied,
    /// It lives on in the store.
    Kept,
}

pub(super) fn remove(path: &Path, gone: Gone) -> Entry {
    Entry::Remove { path: path.into(), gone }
}

fn gone(stat: &Stat, object: Option<Object>) -> Gone {
    Gone {
        file: Identity::of(stat),
        kind: Kind::of(stat.mode),
        meta: Meta::of(stat),
        object,
        copied: false,
        own: false,
        links: stat.links,
    }
}
