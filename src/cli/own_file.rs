//! A file among the user's settings, which no jail can change: read with care, written
//! as a whole, and never through a symbolic link.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{profiles, setup};

/// The file's name in its directory, which is held open.
pub(super) struct OwnFile {
    dir: File,
    name: OsString,
}

impl OwnFile {
    /// None where there is no directory and none is to be made.
    pub(super) fn open(path: &Path, make: bool) -> io::Result<Option<OwnFile>> {
        let name = path.file_name().unwrap_or_default().to_os_string();
        let dir = path.parent().unwrap_or(path);
        if make {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match nix::fcntl::open(dir, flags, Mode::empty()) {
            Ok(held) => {
                let held = File::from(held);
                profiles::check_own(&held.metadata()?)?;
                Ok(Some(OwnFile { dir: held, name }))
            }
            Err(nix::Error::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// While this is held nobody else changes the file.
    pub(super) fn lock(&self) -> io::Result<Flock<File>> {
        Flock::lock(self.dir.try_clone()?, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
    }

    /// Writes the file anew: whoever reads it sees the old or the new text.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let name = format!(".{}.{:016x}", self.name.display(), setup::random());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&self.dir, name.as_str(), flags, Mode::from_bits_truncate(0o600))?);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let written =
            written.and_then(|()| Ok(renameat(&self.dir, name.as_str(), &self.dir, self.name.as_os_str())?));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = unlinkat(&self.dir, name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written.and_then(|()| self.dir.sync_all())
    }

    /// Removes the file.
    pub(super) fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(&self.dir, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir)?)
    }

    /// The file's text; none where there is none.
    pub(super) fn read(&self) -> io::Result<Option<String>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.dir, self.name.as_os_str(), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(nix::Error::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file of one name"));
        }
        profiles::check_own(&metadata)?;
        let mut text = String::new();
        file.take(profiles::LARGEST).read_to_string(&mut text)?;
        Ok(Some(text))
    }
}
