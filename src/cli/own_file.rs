//! A file among the user's settings, which no jail can change. It is written by
//! Stockade alone, outside every jail, as a whole, and never through a symbolic link.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{profiles, setup};

/// Such a file, in its directory, which is held open.
pub(super) struct OwnFile {
    dir: File,
    name: OsString,
}

impl OwnFile {
    /// None where there is no directory and none is to be made.
    pub(super) fn open(path: &Path, make: bool) -> io::Result<Option<OwnFile>> {
        let dir = path.parent().unwrap_or(path);
        if make {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match nix::fcntl::open(dir, flags, Mode::empty()) {
            Ok(held) => {
                let dir = File::from(held);
                profiles::check_own(&dir.metadata()?)?;
                Ok(Some(OwnFile { dir, name: path.file_name().unwrap_or_default().to_os_string() }))
            }
            Err(nix::Error::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn name(&self) -> &OsStr {
        &self.name
    }

    /// While this is held nobody else changes the file.
    pub(super) fn lock(&self) -> io::Result<Flock<File>> {
        Flock::lock(self.dir.try_clone()?, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
    }

    /// Writes the file anew: whoever reads it sees the old or the new text.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        let mut new = OsString::from(".");
        new.push(self.name());
        new.push(format!(".{:016x}", setup::random()));
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(0o600);
        let mut file = File::from(openat(&self.dir, new.as_os_str(), flags, mode)?);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let written =
            written.and_then(|()| Ok(renameat(&self.dir, new.as_os_str(), &self.dir, self.name())?));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = unlinkat(&self.dir, new.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
        written.and_then(|()| self.dir.sync_all())
    }

    /// The file's text; none where there is none.
    pub(super) fn read(&self) -> io::Result<Option<String>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.dir, self.name(), flags, Mode::empty()) {
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

    /// Removes the file.
    pub(super) fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(&self.dir, self.name(), UnlinkatFlags::NoRemoveDir)?)
    }
}
