//! Reading what others wrote: regular files alone, never through a symbolic link, never
//! waiting for a FIFO, and no more than was asked for.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::sys::errno_of;

/// How much of a file is read.
pub(super) const MOST: u64 = 64 << 10;

/// The beginning of a file.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Whether there is more.
    pub(super) is_cut: bool,
}

/// How a path is opened: beneath the directory, and without links.
fn how(flags: OFlag) -> OpenHow {
    let flags =
        flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_NOFOLLOW;
    OpenHow::new().flags(flags).resolve(
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    )
}

/// A directory beneath another; the other itself where the path is empty.
pub(super) fn dir(at: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    openat2(at, path, how(OFlag::O_DIRECTORY))
}

/// A directory by its path, in which links are followed.
pub(super) fn real_dir(path: &Path) -> Option<OwnedFd> {
    let flags = libc::O_DIRECTORY | libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(path).ok().map(OwnedFd::from)
}

/// The beginning of a file beneath a directory; none where there is no regular file.
pub(super) fn file(at: BorrowedFd<'_>, path: &Path, most: u64) -> Result<Option<Content>, Errno> {
    let file = match openat2(at, path, how(OFlag::empty())) {
        Ok(fd) => File::from(fd),
        // ENXIO: a socket.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENXIO | Errno::EXDEV) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    content(file, most)
}

/// The end of such a file.
pub(super) fn end_of_file(at: BorrowedFd<'_>, path: &Path, most: u64) -> Option<Vec<u8>> {
    let mut file = File::from(openat2(at, path, how(OFlag::empty())).ok()?);
    let length = file.metadata().ok().filter(|metadata| metadata.is_file())?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most))).ok()?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The beginning of a file of the user's own, which may be a link.
pub(super) fn own_file(path: &Path) -> Option<Vec<u8>> {
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    content(file, MOST).ok()?.map(|content| content.bytes)
}

fn content(file: File, most: u64) -> Result<Option<Content>, Errno> {
    let metadata = file.metadata().map_err(|error| errno_of(&error))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(most) + 1).unwrap_or(0));
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| errno_of(&error))?;
    let is_cut = bytes.len() as u64 > most;
    bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(Some(Content { bytes, is_cut }))
}
