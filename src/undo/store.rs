//! Where a session keeps what it saves: numbered objects in a directory that
//! nobody but the user can reach, and no jail.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::DirBuilder;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, ResolveFlag, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, symlinkat, unlinkat};

use super::entry::{Kind, Meta, Object};
use super::meta;
use super::small::Small;
use crate::policy::UndoLimits as Limits;
use crate::sys::copy::{copy_content, may_be_open};
use crate::sys::errno_of;
use crate::sys::file::{self, Stat, open_path, reopen};

/// Where a session's objects lie in the directory of all sessions.
pub(super) fn objects_path(sessions: &Path, id: &str) -> PathBuf {
    sessions.join(id).join("objects")
}

/// The objects of one session. The directory is made with the first of them.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    limits: Limits,
    dir: Mutex<Option<Arc<OwnedFd>>>,
    /// The directory's mount.
    mount: OnceLock<u64>,
    /// On other mounts: none where there can be none.
    siblings: Mutex<HashMap<u64, Option<Arc<OwnedFd>>>>,
    small: Small,
    next: AtomicU64,
    saved: AtomicU64,
}

impl Store {
    pub(super) fn new(path: PathBuf, limits: Limits) -> Store {
        Store {
            path,
            limits,
            dir: Mutex::default(),
            mount: OnceLock::new(),
            siblings: Mutex::default(),
            small: Small::default(),
            next: AtomicU64::new(0),
            saved: AtomicU64::new(0),
        }
    }

    /// A number for a new object.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Bytes that are kept.
    pub(super) fn saved(&self) -> u64 {
        self.saved.load(Ordering::Relaxed)
    }

    /// Whether it is known where files of a mount are kept.
    pub(super) fn is_settled(&self, mount: u64) -> Result<bool, Errno> {
        let dir = self.dir()?;
        // No mount has the number 0.
        let own = *self.mount.get_or_init(|| file::stat(dir.as_fd(), c"").map_or(0, |stat| stat.mount));
        Ok(own == mount || self.siblings().contains_key(&mount))
    }

    /// Says where files of a mount are kept; none: here, as copies.
    pub(super) fn settle(&self, mount: u64, dir: Option<OwnedFd>) {
        self.siblings().entry(mount).or_insert(dir.map(Arc::new));
    }

    fn siblings(&self) -> MutexGuard<'_, HashMap<u64, Option<Arc<OwnedFd>>>> {
        self.siblings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory for files of a mount.
    fn on(&self, mount: u64) -> Result<Arc<OwnedFd>, Errno> {
        let sibling = self.siblings().get(&mount).cloned().flatten();
        sibling.map_or_else(|| self.dir(), Ok)
    }

    fn dir(&self) -> Result<Arc<OwnedFd>, Errno> {
        let mut dir = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = &*dir {
            return Ok(Arc::clone(dir));
        }
        let failed = |error: std::io::Error| errno_of(&error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(failed)?;
        let opened = std::fs::File::open(&self.path).map_err(failed)?;
        let opened = Arc::new(OwnedFd::from(opened));
        *dir = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Makes sure that there is room for so many bytes more: `EDQUOT` where the
    /// session may keep no more, `ENOSPC` where the file system is nearly full.
    fn reserve(&self, dir: BorrowedFd<'_>, bytes: u64, is_copy: bool) -> Result<(), Errno> {
        let before = self.saved.fetch_add(bytes, Ordering::Relaxed);
        let refused = if before.saturating_add(bytes) > self.limits.max_size {
            Some(Errno::EDQUOT)
        } else if is_copy && free(dir)? < self.limits.min_free.saturating_add(bytes) {
            Some(Errno::ENOSPC)
        } else {
            None
        };
        match refused {
            None => Ok(()),
            Some(errno) => {
                self.saved.fetch_sub(bytes, Ordering::Relaxed);
                Err(errno)
            }
        }
    }

    /// Makes sure that a file may be moved here, which needs no space but keeps it.
    pub(super) fn admit(&self, stat: &Stat) -> Result<(), Errno> {
        self.reserve(self.on(stat.mount)?.as_fd(), stat.allocated, false)
    }

    /// Moves a name, which is no directory's, here: the file loses its name and
    /// is saved in one step. Gives what was moved, where that can be told.
    /// `EXDEV`: it lies on another file system.
    pub(super) fn take(
        &self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        object: u64,
    ) -> Result<Option<Stat>, Errno> {
        let (store, kept) = (self.on(stat.mount)?, object_name(object));
        renameat(dir, name, store.as_fd(), kept.as_c_str())?;
        Ok(file::stat(store.as_fd(), &kept).ok())
    }

    /// Whether it is for this directory that something could not be moved here.
    pub(super) fn is_at_fault(&self, stat: &Stat, errno: Errno) -> bool {
        let Ok(dir) = self.on(stat.mount) else { return true };
        let is_removed = file::stat(dir.as_fd(), c"").is_ok_and(|stat| stat.links == 0);
        let is_closed = || faccessat(&*dir, c".", AccessFlags::W_OK, AtFlags::AT_EACCESS).is_err();
        matches!(errno, Errno::ENOSPC | Errno::EDQUOT) || is_removed || is_closed()
    }

    /// Gives a file a second name here. `EXDEV`, `EPERM`, `EMLINK`: it cannot have one.
    pub(super) fn link(&self, fd: BorrowedFd<'_>, stat: &Stat, object: u64) -> Result<(), Errno> {
        file::link(fd, self.on(stat.mount)?.as_fd(), &object_name(object))
    }

    /// Forgets an object. A piece of the file for small ones stays where it is.
    pub(super) fn drop_object(&self, object: Object) -> Result<(), Errno> {
        let Object::File(object) = object else { return Ok(()) };
        let siblings: Vec<Arc<OwnedFd>> = self.siblings().values().flatten().cloned().collect();
        let mut dropped = Err(Errno::ENOENT);
        for dir in siblings.into_iter().chain([self.dir()?]) {
            dropped = unlinkat(dir.as_fd(), object_name(object).as_c_str(), UnlinkatFlags::NoRemoveDir);
            if dropped != Err(Errno::ENOENT) {
                break;
            }
        }
        dropped
    }

    /// Whether a copy of a file would need a file of its own.
    pub(super) fn needs_place(stat: &Stat) -> bool {
        !Small::admits(stat)
    }

    /// Whether a file can be saved at once, without holding others up.
    pub(super) fn is_quick(stat: &Stat) -> bool {
        const QUICK: u64 = 1 << 20;
        stat.allocated.min(stat.size) <= QUICK
    }

    /// Copies a pinned file here: a regular file's content alone. What it was
    /// written to is given back, to be taken to the disk.
    pub(super) fn copy(&self, fd: BorrowedFd<'_>, stat: &Stat) -> Result<Copied, Errno> {
        let is_small = Small::admits(stat);
        let dir = if is_small { self.dir()? } else { self.on(stat.mount)? };
        self.reserve(dir.as_fd(), stat.allocated, true)?;
        let copied = if is_small {
            let added = open_to_read(fd).and_then(|from| self.small.add(dir.as_fd(), from, stat.size));
            added.map(|(object, file)| Copied { object, file: Some(file) })
        } else {
            self.copy_to(dir.as_fd(), fd, stat)
        };
        copied.inspect_err(|_| {
            self.saved.fetch_sub(stat.allocated, Ordering::Relaxed);
        })
    }

    fn copy_to(&self, dir: BorrowedFd<'_>, fd: BorrowedFd<'_>, stat: &Stat) -> Result<Copied, Errno> {
        let number = self.number();
        let name = object_name(number);
        let copied = match Kind::of(stat.mode) {
            Kind::File => copy_file(dir, fd, stat, &name).map(|file| Some(Arc::new(file))),
            _ => copy_special(dir, fd, stat, &name).map(|()| None),
        };
        let copied = copied.inspect_err(|_| {
            // What is left of it, if anything, has no line in the journal.
            let _ = unlinkat(dir, name.as_c_str(), UnlinkatFlags::NoRemoveDir);
        });
        Ok(Copied { object: Object::File(number), file: copied? })
    }
}

/// A copy.
#[derive(Debug)]
pub(super) struct Copied {
    /// Where it is.
    pub(super) object: Object,
    /// What is to reach the disk.
    pub(super) file: Option<Arc<OwnedFd>>,
}

fn copy_file(dir: BorrowedFd<'_>, fd: BorrowedFd<'_>, stat: &Stat, name: &CStr) -> Result<OwnedFd, Errno> {
    let from = open_to_read(fd)?;
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let to = openat(dir, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
    copy_content(from.as_fd(), to.as_fd(), stat.size)?;
    Ok(to)
}

/// A special file is made anew: it has no content.
pub(super) fn copy_special(
    dir: BorrowedFd<'_>,
    fd: BorrowedFd<'_>,
    stat: &Stat,
    name: &CString,
) -> Result<(), Errno> {
    if Kind::of(stat.mode) == Kind::Link {
        let text = readlinkat(fd, c"")?;
        symlinkat(text.as_os_str(), dir, name.as_c_str())?;
    } else {
        let device = libc::makedev(stat.special.0, stat.special.1);
        let kind = SFlag::from_bits_truncate(stat.mode & libc::S_IFMT);
        mknodat(dir, name.as_c_str(), kind, Mode::from_bits_truncate(stat.mode & 0o7777), device)?;
    }
    let made = open_path(dir, Path::new(&*name.to_string_lossy()), OFlag::O_NOFOLLOW, ResolveFlag::empty())?;
    let mut metadata = Meta::of(stat);
    metadata.xattrs = Some(meta::xattrs(fd)?);
    meta::apply_as_far_as_possible(made.as_fd(), &metadata);
    Ok(())
}

/// Whether somebody could tell, or change what is kept, if a pinned file that
/// loses its name lived on in the store: by another name, of which the number of
/// links would say one too many, or by a descriptor. It is copied then.
pub(super) fn has_other_users(fd: BorrowedFd<'_>, stat: &Stat) -> bool {
    match Kind::of(stat.mode) {
        Kind::Dir => false,
        // What cannot be opened for reading cannot be copied either.
        Kind::File => {
            stat.links > 1
                || may_be_open(fd).unwrap_or_else(|_| match open_to_read(fd) {
                    Ok(file) => may_be_open(file.as_fd()).unwrap_or(true),
                    // Somebody else is just finding that out.
                    Err(errno) => errno == Errno::EAGAIN,
                })
        }
        _ => stat.links > 1,
    }
}

/// Opens a pinned regular file to read it, without its time of access changing
/// where that can be had.
fn open_to_read(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
    match reopen(fd, flags | OFlag::O_NOATIME) {
        Err(Errno::EPERM) => reopen(fd, flags),
        other => other,
    }
}

fn free(dir: BorrowedFd<'_>) -> Result<u64, Errno> {
    let found = fstatvfs(dir)?;
    Ok(found.blocks_available().saturating_mul(found.fragment_size()))
}

/// The name of the object with a number: long, so that few fit a block, which
/// ext4 searches from its beginning.
pub(super) fn name_of(object: u64) -> String {
    format!("{object:064}")
}

fn object_name(object: u64) -> CString {
    CString::new(name_of(object)).unwrap_or_default()
}
