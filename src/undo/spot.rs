//! A name in a directory, reached without following any symbolic link: the
//! journal's paths are real, and what a session has put in a directory's place
//! must lead nowhere else.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, ResolveFlag};

use crate::sys::file::{self, Stat, open_path};

/// A name in a pinned directory.
#[derive(Debug)]
pub(super) struct Spot {
    dir: OwnedFd,
    name: CString,
    path: PathBuf,
}

impl Spot {
    /// The name at a real path. `ELOOP`: a symbolic link has come into the way.
    pub(super) fn at(path: &Path) -> Result<Spot, Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::EINVAL);
        };
        let how = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let dir = open_path(AT_FDCWD, parent, OFlag::O_DIRECTORY, how)?;
        Ok(Spot { dir, name: c_name(name)?, path: path.to_path_buf() })
    }

    /// The directory.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The directory's path.
    pub(super) fn dir_path(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The name.
    pub(super) fn name(&self) -> &CString {
        &self.name
    }

    /// The path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands there; none where nothing does.
    pub(super) fn stat(&self) -> Result<Option<Stat>, Errno> {
        match file::stat(self.dir(), &self.name) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Pins what stands there.
    pub(super) fn pin(&self) -> Result<OwnedFd, Errno> {
        let name = Path::new(OsStr::from_bytes(self.name.to_bytes()));
        open_path(self.dir(), name, OFlag::O_NOFOLLOW, ResolveFlag::empty())
    }
}

/// What stands at a path; none where nothing does, or where its directory is gone.
pub(super) fn look(path: &Path) -> Result<Option<Stat>, Errno> {
    match Spot::at(path) {
        Ok(spot) => spot.stat(),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn c_name(name: &OsStr) -> Result<CString, Errno> {
    CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)
}
