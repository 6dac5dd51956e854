//! What an earlier session has kept, to be given back.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, ResolveFlag, openat, readlinkat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::pack;
use super::read::Journal;
use super::spot::Spot;
use super::store::{copy_special, objects_path};
use crate::sys::copy::copy_content;
use crate::sys::file::{self, Stat, open_path};

/// The objects of a session.
#[derive(Debug)]
pub struct Objects {
    dirs: Vec<OwnedFd>,
}

impl Objects {
    /// Those of a session in the directory of all sessions, with what its
    /// journal says of other places.
    pub fn of(sessions: &Path, id: &str, journal: &Journal) -> Objects {
        let places = [objects_path(sessions, id)].into_iter().chain(journal.stores());
        // One that is not there holds nothing.
        Objects { dirs: places.filter_map(|path| File::open(path).ok()).map(OwnedFd::from).collect() }
    }

    fn find(&self, object: u64) -> Result<(&OwnedFd, CString, Stat), Errno> {
        let name = CString::new(object.to_string()).map_err(|_| Errno::EINVAL)?;
        for dir in &self.dirs {
            match file::stat(dir.as_fd(), &name) {
                Ok(stat) => return Ok((dir, name, stat)),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::ENOENT)
    }

    /// Whether an object is there.
    pub fn has(&self, object: u64) -> bool {
        self.find(object).is_ok() || self.dirs.iter().any(|dir| pack::has(dir, object))
    }

    /// Opens a regular file's content.
    pub fn open(&self, object: u64) -> Result<OwnedFd, Errno> {
        match self.find(object) {
            Ok((dir, name, _)) => {
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                openat(dir, name.as_c_str(), flags, Mode::empty())
            }
            Err(Errno::ENOENT) => self.unpack(object),
            Err(errno) => Err(errno),
        }
    }

    fn unpack(&self, object: u64) -> Result<OwnedFd, Errno> {
        for dir in &self.dirs {
            let found = pack::open(dir, object).map_err(|error| {
                tracing::error!(%error, object, "an object cannot be unpacked");
                error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
            })?;
            if let Some(file) = found {
                return Ok(file);
            }
        }
        Err(Errno::ENOENT)
    }

    /// The text of a symbolic link.
    pub fn read_link(&self, object: u64) -> Result<std::ffi::OsString, Errno> {
        let (dir, name, _) = self.find(object)?;
        readlinkat(dir, name.as_c_str())
    }

    /// Gives an object a name: moves it there, or a copy of it where it lies on
    /// another mount or is packed.
    pub(super) fn give(&self, object: u64, spot: &Spot, flags: RenameFlags) -> Result<(), Errno> {
        let copied = draft_name();
        let draft = copied.as_c_str();
        match self.find(object) {
            Err(Errno::ENOENT) => copy_to(&self.unpack(object)?, spot, draft)?,
            Err(errno) => return Err(errno),
            Ok((dir, name, stat)) => {
                match renameat2(dir, name.as_c_str(), spot.dir(), spot.name().as_c_str(), flags) {
                    Err(Errno::EXDEV) => {}
                    other => return other,
                }
                if stat.is(libc::S_IFREG) {
                    copy_to(&self.open(object)?, spot, draft)?;
                } else {
                    let name = Path::new(OsStr::from_bytes(name.to_bytes()));
                    let fd = open_path(dir.as_fd(), name, OFlag::O_NOFOLLOW, ResolveFlag::empty())?;
                    copy_special(spot.dir(), fd.as_fd(), &stat, &copied)?;
                }
            }
        }
        // At once, so that nobody sees half of it.
        renameat2(spot.dir(), draft, spot.dir(), spot.name().as_c_str(), flags)
            .inspect_err(|_| discard(spot, draft))
    }
}

/// What a copy is called until it is complete.
fn draft_name() -> CString {
    CString::new(format!(".stockade-undo-{}-copy", std::process::id())).unwrap_or_default()
}

fn copy_to(from: &OwnedFd, spot: &Spot, draft: &CStr) -> Result<(), Errno> {
    let create = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let to = openat(spot.dir(), draft, create, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let size = file::stat(from.as_fd(), c"")?.size;
    copy_content(from.as_fd(), to.as_fd(), size).inspect_err(|_| discard(spot, draft))
}

fn discard(spot: &Spot, draft: &CStr) {
    if let Err(errno) = unlinkat(spot.dir(), draft, UnlinkatFlags::NoRemoveDir) {
        tracing::warn!(%errno, path = %spot.dir_path().display(), "half a copy stays");
    }
}
