//! What an earlier session has kept, to be given back.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, openat, readlinkat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::entry::{Entry, Line};
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
    pub fn of(sessions: &Path, id: &str, lines: &[Line]) -> Objects {
        let others = lines.iter().filter_map(|line| match &line.entry {
            Entry::Store { path } => Some(PathBuf::from(&path.0)),
            _ => None,
        });
        let places = [objects_path(sessions, id)].into_iter().chain(others);
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
        self.find(object).is_ok()
    }

    /// What an object is.
    pub fn stat(&self, object: u64) -> Result<Stat, Errno> {
        self.find(object).map(|(_, _, stat)| stat)
    }

    /// Opens a regular file's content.
    pub fn open(&self, object: u64) -> Result<OwnedFd, Errno> {
        let (dir, name, _) = self.find(object)?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        openat(dir, name.as_c_str(), flags, Mode::empty())
    }

    /// The text of a symbolic link.
    pub fn read_link(&self, object: u64) -> Result<std::ffi::OsString, Errno> {
        let (dir, name, _) = self.find(object)?;
        readlinkat(dir, name.as_c_str())
    }

    /// Whether an object can be moved to a place in one step.
    pub(super) fn can_give(&self, object: u64, spot: &Spot) -> bool {
        let there = file::stat(spot.dir(), c"");
        matches!((self.find(object), there), (Ok((_, _, stat)), Ok(there)) if stat.mount == there.mount)
    }

    /// Moves an object to a name; copies it where it lies on another file system.
    pub(super) fn give(&self, object: u64, spot: &Spot, flags: RenameFlags) -> Result<(), Errno> {
        let (dir, name, stat) = self.find(object)?;
        match renameat2(dir, name.as_c_str(), spot.dir(), spot.name().as_c_str(), flags) {
            Err(Errno::EXDEV) => {}
            other => return other,
        }
        if flags.is_empty() {
            unlinkat(spot.dir(), spot.name().as_c_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        if stat.is(libc::S_IFREG) {
            let from = self.open(object)?;
            let create = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let to = openat(spot.dir(), spot.name().as_c_str(), create, Mode::S_IRUSR | Mode::S_IWUSR)?;
            copy_content(from.as_fd(), to.as_fd(), stat.size)
        } else if stat.is(libc::S_IFLNK) {
            symlinkat(self.read_link(object)?.as_os_str(), spot.dir(), spot.name().as_c_str())
        } else {
            let fd = open_path(
                dir.as_fd(),
                Path::new(&*name.to_string_lossy()),
                OFlag::O_NOFOLLOW,
                nix::fcntl::ResolveFlag::empty(),
            )?;
            copy_special(spot.dir(), fd.as_fd(), &stat, spot.name())
        }
    }
}
