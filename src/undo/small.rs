//! The content of small files, one behind the other in one file of the store:
//! to make a file costs more than to copy what is in a small one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;

use super::entry::{Kind, Object};
use crate::sys::errno_of;
use crate::sys::file::{self, Stat};

/// The file's name in the store.
pub(super) const NAME: &str = "small";
/// Up to how many bytes a file is small.
const MOST: u64 = 64 << 10;

/// The file, which is made when it is needed.
#[derive(Debug, Default)]
pub(super) struct Small {
    file: Mutex<Option<Arc<OwnedFd>>>,
    end: AtomicU64,
}

impl Small {
    /// Whether content belongs here. What has holes is to keep them.
    pub(super) fn admits(stat: &Stat) -> bool {
        Kind::of(stat.mode) == Kind::File && stat.size <= MOST && stat.allocated >= stat.size
    }

    /// Appends the content of a file, and gives what it was written to, which
    /// lies in a directory.
    pub(super) fn add(
        &self,
        dir: BorrowedFd<'_>,
        from: OwnedFd,
        size: u64,
    ) -> Result<(Object, Arc<OwnedFd>), Errno> {
        let mut content = Vec::with_capacity(usize::try_from(size).map_err(|_| Errno::EFBIG)?);
        File::from(from).take(size).read_to_end(&mut content).map_err(|error| errno_of(&error))?;
        let file = self.file(dir)?;
        if file::stat(file.as_fd(), c"")?.links == 0 {
            // Somebody has removed it, and with it what is written now.
            return Err(Errno::EIO);
        }
        let length = content.len() as u64;
        let offset = self.end.fetch_add(length, Ordering::Relaxed);
        let whole = File::from(file.try_clone().map_err(|error| errno_of(&error))?);
        whole.write_all_at(&content, offset).map_err(|error| errno_of(&error))?;
        Ok((Object::Piece { offset, length }, file))
    }

    fn file(&self, dir: BorrowedFd<'_>) -> Result<Arc<OwnedFd>, Errno> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let made = Arc::new(openat(dir, NAME, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        *file = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// A piece of the file, as a file of its own without a name.
pub(super) fn piece(small: &File, offset: u64, length: u64) -> io::Result<OwnedFd> {
    let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    small.read_exact_at(&mut content, offset)?;
    let mut file = File::from(memfd_create(c"piece", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&content)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_what_was_added() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = File::open(dir.path())?;
        let small = Small::default();
        let mut pieces = Vec::new();
        for text in ["one", "", "three"] {
            std::fs::write(dir.path().join("from"), text)?;
            let from = File::open(dir.path().join("from"))?.into();
            pieces.push((text, small.add(store.as_fd(), from, 100)?.0));
        }
        let whole = File::open(dir.path().join(NAME))?;
        for (text, object) in pieces {
            let Object::Piece { offset, length } = object else { panic!("{object:?}") };
            let mut found = String::new();
            File::from(piece(&whole, offset, length)?).read_to_string(&mut found)?;
            assert_eq!(found, text);
        }
        assert!(piece(&whole, 4, 100).is_err(), "there is not so much");
        Ok(())
    }

    #[test]
    fn nothing_is_added_to_a_file_that_was_removed() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let store = File::open(dir.path())?;
        std::fs::write(dir.path().join("from"), "text")?;
        let from = || File::open(dir.path().join("from")).map(OwnedFd::from);
        let small = Small::default();
        small.add(store.as_fd(), from()?, 4)?;
        std::fs::remove_file(dir.path().join(NAME))?;
        assert_eq!(small.add(store.as_fd(), from()?, 4).err(), Some(Errno::EIO));
        Ok(())
    }
}
