//! Saving before acting, where policy says to keep.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, RenameFlags, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::reply::{LENGTHY, Served};
use super::{Call, Shared};
use crate::path::{Pinned, Place};
use crate::sys::Errno;
use crate::sys::file::{self, Stat};
use crate::undo::entry::{Gone, Kind};
use crate::undo::{Keeper, Named, Unsaved};

/// A large file that has to be copied before its call goes on.
#[derive(Debug)]
pub(super) struct Lengthy {
    file: OwnedFd,
    stat: Stat,
}

impl Shared {
    /// Whether what happens at a path is journaled, so that it can be undone.
    pub(super) fn keeps(&self, path: &Path) -> bool {
        self.judge.policy.access(path).keeps()
    }

    /// The same for what is there: what the session made has nothing to be saved.
    pub(super) fn keeps_it(&self, path: &Path, stat: &Stat) -> bool {
        self.keeps(path) && !self.judge.own.has(stat)
    }

    fn named<'a>(&self, call: &Call, fd: BorrowedFd<'a>, stat: &'a Stat, path: &'a Path) -> Named<'a> {
        Named { caller: call.caller, fd, stat, path, is_patient: call.is_patient }
    }

    /// What the caller gets where something could not be saved.
    fn unsaved(&self, call: &Call, it: Named<'_>, why: Unsaved) -> Errno {
        match why {
            Unsaved::Failed(errno) => self.judge.unsaved(call, it.path, errno),
            Unsaved::Lengthy => match it.fd.try_clone_to_owned() {
                Ok(file) => {
                    self.lengthy().insert(call.id, Lengthy { file, stat: *it.stat });
                    LENGTHY
                }
                Err(_) => Errno::EMFILE,
            },
        }
    }

    /// Copies what a call has to wait for; the call then begins anew.
    pub(super) fn copy_ahead(&self, call: &Call) -> Result<(), Errno> {
        let Some(Lengthy { file, stat }) = self.lengthy().remove(&call.id) else { return Ok(()) };
        self.keeper.copy_ahead(file.as_fd(), &stat).map_err(|why| match why {
            Unsaved::Failed(errno) => self.judge.unsaved(call, Path::new(""), errno),
            Unsaved::Lengthy => Errno::EAGAIN,
        })
    }

    /// Makes a name, and journals it where that is wanted. `make` also says
    /// what is the session's own now, and gives what stands there, if it still does.
    pub(super) fn creating<T>(
        &self,
        call: &Call,
        place: &Place,
        kind: Kind,
        make: impl FnOnce() -> Result<(T, Option<Stat>), Errno>,
    ) -> Result<T, Errno> {
        let path = place.path();
        let walk = self.judge.policy.walk(&path);
        let (keeps, counts) = (walk.access().keeps(), self.judge.counts(&walk));
        let make = || {
            let made = {
                let _making = self.judge.own.making();
                make()?
            };
            if counts {
                self.judge.is_made(call, &path);
            }
            Ok(made)
        };
        if !keeps {
            return make().map(|(made, _)| made);
        }
        self.keep_names(call, place)?;
        let number = self.keeper.before_create(call.caller, &path, kind);
        let number = number.map_err(|why| self.unsaved_name(call, &path, why))?;
        match make() {
            Ok((made, stat)) => {
                if let Some(stat) = stat {
                    self.keeper.made(call.caller, number, &stat);
                }
                Ok(made)
            }
            Err(errno) => {
                self.keeper.failed(call.caller, number);
                Err(errno)
            }
        }
    }

    fn unsaved_name(&self, call: &Call, path: &Path, why: Unsaved) -> Errno {
        match why {
            Unsaved::Failed(errno) => self.judge.unsaved(call, path, errno),
            Unsaved::Lengthy => Errno::EAGAIN,
        }
    }

    /// The times of a directory, before names in it change.
    pub(super) fn keep_names(&self, call: &Call, place: &Place) -> Result<(), Errno> {
        let stat = file::stat(place.dir(), c"")?;
        if self.judge.own.has(&stat) {
            return Ok(());
        }
        let it = self.named(call, place.dir(), &stat, place.dir_path());
        self.keeper.before_names(it).map_err(|why| self.unsaved(call, it, why))
    }

    /// The content, before a file is opened for writing or cut.
    pub(super) fn keep_content(
        &self,
        call: &Call,
        pinned: &Pinned,
        path: &Path,
        stat: &Stat,
    ) -> Result<(), Errno> {
        if !self.keeps_it(path, stat) {
            return Ok(());
        }
        let it = self.named(call, pinned.as_fd(), stat, path);
        self.keeper.before_write(it).map_err(|why| self.unsaved(call, it, why))
    }

    /// Mode, owner, times and attributes, before one of them changes.
    pub(super) fn keep_meta(&self, call: &Call, pinned: &Pinned, path: &Path) -> Result<(), Errno> {
        if !self.keeps(path) {
            return Ok(());
        }
        let stat = file::stat(pinned.as_fd(), c"")?;
        if self.judge.own.has(&stat) {
            return Ok(());
        }
        let it = self.named(call, pinned.as_fd(), &stat, path);
        self.keeper.before_meta(it).map_err(|why| self.unsaved(call, it, why))
    }

    /// Takes a name away; what it stood for is kept where policy says so.
    pub(super) fn removing(
        &self,
        call: &Call,
        place: &Place,
        stat: &Stat,
        is_dir: bool,
    ) -> Result<(), Errno> {
        let path = place.path();
        // What a trailing slash or the wrong kind of call makes fail changes nothing.
        let fits = is_dir == stat.is(libc::S_IFDIR) && (is_dir || !place.ends_in_slash());
        if !fits || !self.keeps_it(&path, stat) {
            let flags = if is_dir { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
            return unlinkat(place.dir(), place.written().as_c_str(), flags);
        }
        self.keep_names(call, place)?;
        let held = hold(place, stat)?;
        let it = self.named(call, held.as_fd(), stat, &path);
        if !is_dir {
            let removed = self.keeper.remove(it, place.dir(), place.name());
            return removed.map_err(|why| self.unsaved(call, it, why))?;
        }
        let number = self.keeper.before_rmdir(it).map_err(|why| self.unsaved(call, it, why))?;
        let removed = unlinkat(place.dir(), place.written().as_c_str(), UnlinkatFlags::RemoveDir);
        match removed {
            Ok(()) => self.keeper.removed_dir(stat),
            Err(_) => self.keeper.failed(call.caller, number),
        }
        removed
    }

    /// Moves a name by `act`; what is replaced is kept, and the move journaled,
    /// where policy says so.
    pub(super) fn renaming(
        &self,
        call: &Call,
        (from, source): (&Place, &Stat),
        (to, target): (&Place, Option<&Stat>),
        flags: RenameFlags,
        act: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let exchange = flags.contains(RenameFlags::RENAME_EXCHANGE);
        let (old, new) = (from.path(), to.path());
        if !self.keeps(&new) {
            return act();
        }
        self.keep_names(call, to)?;
        let replaced = target.filter(|_| !exchange).map(|target| self.replaced(call, to, &new, target));
        let replaced = replaced.transpose()?;
        if !self.keeps(&old) {
            // It comes from where nothing is kept, so it is new here.
            return self.arriving(call, to, source, replaced, act);
        }
        self.keep_names(call, from)?;
        if exchange {
            // So that the journal knows what it is that goes the other way.
            self.keep_meta(call, &to.pin()?, &new)?;
        }
        let pinned = from.pin()?;
        let it = self.named(call, pinned.as_fd(), source, &old);
        let object = replaced.as_ref().and_then(|gone| gone.object);
        let number = self.keeper.before_rename(it, &new, exchange, replaced);
        let number = number.map_err(|why| self.unsaved(call, it, why))?;
        // The kernel leaves a device where it was.
        let leaves_one = flags.contains(RenameFlags::RENAME_WHITEOUT);
        let acted = if leaves_one {
            self.creating(call, from, Kind::Device, || {
                act()?;
                Ok(((), from.stat()?))
            })
        } else {
            act()
        };
        acted.inspect_err(|_| {
            self.keeper.failed(call.caller, number);
            self.keeper.not_replaced(object);
        })
    }

    fn replaced(&self, call: &Call, to: &Place, path: &Path, target: &Stat) -> Result<Gone, Errno> {
        if self.judge.own.has(target) {
            return Ok(Keeper::gone_own(target));
        }
        let pinned = to.pin()?;
        let it = self.named(call, pinned.as_fd(), target, path);
        self.keeper.before_replace(it).map_err(|why| self.unsaved(call, it, why))
    }

    fn arriving(
        &self,
        call: &Call,
        to: &Place,
        source: &Stat,
        replaced: Option<Gone>,
        act: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let path = to.path();
        let object = replaced.as_ref().and_then(|gone| gone.object);
        let said = self.keeper.before_arrival(call.caller, &path, Kind::of(source.mode), replaced);
        let (gone, number) = said.map_err(|why| self.unsaved_name(call, &path, why))?;
        act().inspect(|()| self.keeper.made(call.caller, number, source)).inspect_err(|_| {
            gone.into_iter().chain([number]).for_each(|number| self.keeper.failed(call.caller, number));
            self.keeper.not_replaced(object);
        })
    }
}

/// What stands at a place: open where it is a file that can be read, which saves
/// opening it again to learn who else has it open. Nobody in the jail puts another
/// thing there meanwhile.
fn hold(place: &Place, stat: &Stat) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOATIME | OFlag::O_CLOEXEC;
    if stat.is(libc::S_IFREG)
        && let Ok(file) = openat(place.dir(), place.name(), flags, Mode::empty())
    {
        return Ok(file);
    }
    place.pin().map(OwnedFd::from)
}

/// How often a call begins anew because a large file changed while it was copied.
const MOST_COPIES: usize = 3;

/// Serves a call that has to wait for copies.
pub(super) fn serve_later(shared: &Shared, call: Call, serve: impl Fn(&Call) -> Served) -> Served {
    for _ in 0..MOST_COPIES {
        shared.copy_ahead(&call)?;
        match serve(&call) {
            Err(LENGTHY) => {}
            served => return served,
        }
    }
    // Its last try waits for the copy, and lets everybody wait with it.
    serve(&Call { is_patient: true, ..call })
}
