//! Copies of files: content with its holes, and extended attributes.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::LazyLock;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use nix::sys::signal::Signal;
use nix::unistd::{Whence, ftruncate, lseek64};

use super::process::interrupt_with;
use super::{check, file::proc_name};

/// How much is copied with one call, so that a signal is noticed in between.
const PIECE: i64 = 64 << 20;

/// Makes the second file's content the first one's: shared where the file system
/// can (`ioctl_ficlone(2)`), else copied in the kernel, leaving holes as holes.
/// Both are regular files, and the second is empty.
pub fn copy_content(from: BorrowedFd<'_>, to: BorrowedFd<'_>, size: u64) -> Result<(), Errno> {
    // SAFETY: the arguments are descriptors.
    let cloned = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
    if cloned == 0 {
        return Ok(());
    }
    let size = i64::try_from(size).map_err(|_| Errno::EFBIG)?;
    let mut at = 0;
    while at < size {
        let (start, end) = match extent(from, at)? {
            Some((start, end)) => (start, end.min(size)),
            None => break,
        };
        copy_range(from, to, start, end)?;
        at = end;
    }
    ftruncate(to, size)
}

/// The next part of a file that is no hole, from an offset on.
fn extent(file: BorrowedFd<'_>, at: i64) -> Result<Option<(i64, i64)>, Errno> {
    match lseek64(file, at, Whence::SeekData) {
        Ok(start) => Ok(Some((start, lseek64(file, start, Whence::SeekHole)?))),
        // Nothing but a hole is left, or the file has become shorter.
        Err(Errno::ENXIO) => Ok(None),
        // The file system knows of no holes.
        Err(Errno::EINVAL) => Ok(Some((at, i64::MAX))),
        Err(errno) => Err(errno),
    }
}

fn copy_range(from: BorrowedFd<'_>, to: BorrowedFd<'_>, start: i64, end: i64) -> Result<(), Errno> {
    let (mut read, mut written) = (start, start);
    while read < end {
        let size = usize::try_from((end - read).min(PIECE)).map_err(|_| Errno::EFBIG)?;
        match copy_file_range(from, Some(&mut read), to, Some(&mut written), size) {
            // The file has become shorter.
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            // Between file systems, before Linux 5.19, or where it is not built in.
            Err(Errno::EXDEV | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EINVAL) => {
                return copy_through_memory(from, to, read, end);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn copy_through_memory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, start: i64, end: i64) -> Result<(), Errno> {
    let mut buffer = vec![0; 256 << 10];
    let mut at = start;
    while at < end {
        let most = usize::try_from(end - at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = match nix::sys::uio::pread(from, &mut buffer[..most], at) {
            Ok(0) => return Ok(()),
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let mut piece = &buffer[..read];
        while !piece.is_empty() {
            let written = match nix::sys::uio::pwrite(to, piece, at) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            piece = &piece[written..];
            at += i64::try_from(written).map_err(|_| Errno::EFBIG)?;
        }
    }
    Ok(())
}

/// Whether somebody else may have a file open: the kernel gives a write lease
/// only where nobody has (`fcntl(2)`, `F_SETLEASE`). Where it cannot be asked,
/// which is about the files of others and some file systems, somebody may.
/// `file` must be open for reading alone; `EBADF` where it is only a path.
pub fn may_be_open(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    // Whoever opens it just then makes the kernel send `SIGIO`, which would kill.
    static IS_HARMLESS: LazyLock<bool> = LazyLock::new(|| interrupt_with(Signal::SIGIO).is_ok());
    if !*IS_HARMLESS {
        return Ok(true);
    }
    let fd = file.as_raw_fd();
    // SAFETY: the arguments are values.
    let lease = |kind: libc::c_int| check(unsafe { libc::fcntl(fd, libc::F_SETLEASE, kind) }.into());
    match lease(libc::F_WRLCK) {
        // Closing the file would give it back as well.
        Ok(_) => lease(libc::F_UNLCK).map(|_| false),
        Err(Errno::EBADF) => Err(Errno::EBADF),
        Err(_) => Ok(true),
    }
}

/// The extended attributes of a pinned file that this process may see, with
/// their values. None where the file system has no such thing. `EACCES`: it has
/// some of users' own (`user.`), which may be read only by who may read the file.
pub fn xattrs(fd: BorrowedFd<'_>) -> Result<Vec<(OsString, Vec<u8>)>, Errno> {
    let path = proc_name(fd);
    let names = match sized(|buffer, size| {
        // SAFETY: a C string, and a buffer of its size (or none, of size 0).
        unsafe { libc::listxattr(path.as_ptr(), buffer.cast(), size) }
    }) {
        Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut found = Vec::new();
    for name in names.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let value = sized(|buffer, size| {
            // SAFETY: C strings, and a buffer of its size (or none, of size 0).
            unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), buffer.cast(), size) }
        });
        match value {
            Ok(value) => found.push((OsStr::from_bytes(name.to_bytes()).to_os_string(), value)),
            Err(Errno::EACCES) if name.to_bytes().starts_with(b"user.") => return Err(Errno::EACCES),
            // Removed meanwhile, or not for this process.
            Err(Errno::ENODATA | Errno::EPERM | Errno::EACCES | Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

/// Calls something that says the size it needs when it is given none.
fn sized(mut call: impl FnMut(*mut u8, usize) -> isize) -> Result<Vec<u8>, Errno> {
    loop {
        let size = call(std::ptr::null_mut(), 0);
        let Ok(size) = usize::try_from(size) else { return Err(Errno::last()) };
        if size == 0 {
            return Ok(Vec::new());
        }
        let mut buffer = vec![0; size];
        let got = call(buffer.as_mut_ptr(), size);
        match usize::try_from(got) {
            Ok(got) => {
                buffer.truncate(got);
                return Ok(buffer);
            }
            // It has grown meanwhile.
            Err(_) if Errno::last() == Errno::ERANGE => {}
            Err(_) => return Err(Errno::last()),
        }
    }
}

/// A name as the kernel takes it.
pub fn c_name(name: &OsStr) -> Result<CString, Errno> {
    CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)
}

/// Bytes as a name.
pub fn os_name(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{Seek, SeekFrom, Write};
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn content_is_copied_with_its_holes() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let mut from = File::options().create_new(true).read(true).write(true).open(dir.path().join("a"))?;
        from.write_all(b"start")?;
        from.seek(SeekFrom::Start(64 << 20))?;
        from.write_all(&[7; 9000])?;
        from.set_len(100 << 20)?;
        let to = File::create_new(dir.path().join("b"))?;
        copy_content(from.as_fd(), to.as_fd(), 100 << 20)?;
        assert!(fs::read(dir.path().join("a"))? == fs::read(dir.path().join("b"))?);
        to.sync_all()?;
        assert!(to.metadata()?.blocks() < 1000, "{}", to.metadata()?.blocks());
        Ok(())
    }

    #[test]
    fn who_has_it_open_is_noticed() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("a");
        let writer = File::create_new(&path)?;
        let reader = || File::open(&path);
        assert!(may_be_open(reader()?.as_fd())?);
        drop(writer);
        assert!(!may_be_open(reader()?.as_fd())?);
        let other = reader()?;
        assert!(may_be_open(reader()?.as_fd())?);
        drop(other);
        // The lease is gone: nobody has to wait for it.
        assert!(!may_be_open(reader()?.as_fd())?);
        File::options().write(true).open(&path)?;
        Ok(())
    }

    #[test]
    fn who_opens_it_meanwhile_harms_nobody() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("a");
        fs::write(&path, "content")?;
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    File::open(&path)?;
                }
                Ok(())
            });
            for _ in 0..20_000 {
                may_be_open(File::open(&path)?.as_fd())?;
            }
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            opening.join().unwrap_or_else(|_| Err(std::io::Error::other("it panicked")))
        })
    }
}
