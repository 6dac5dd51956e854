//! Stores on other mounts than the session's own directory: a file can be moved
//! or linked within a mount alone (`rename(2)`, `EXDEV`).
//!
//! Such a store lies at the top of the mount, where no jail reaches it, and only
//! the user does. Which there are is noted beside the sessions, so that jails
//! that start later hide them whatever their profile grants.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, ResolveFlag};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::geteuid;

use crate::sys::errno_of;
use crate::sys::file::{self, open_path};

/// Says whether a store may lie at a path: no jail must reach it there.
pub type MayLie = Box<dyn Fn(&Path) -> bool + Send + Sync>;

/// Beside the directory of all sessions: a path for each line, ended by a zero byte.
fn registry(sessions: &Path) -> PathBuf {
    sessions.with_file_name("stores")
}

/// The directories of the user's stores on other mounts.
pub fn known(sessions: &Path) -> io::Result<Vec<PathBuf>> {
    let text = match fs::read(registry(sessions)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let mut paths: Vec<PathBuf> = text
        .split(|byte| *byte == 0)
        .filter(|path| path.starts_with(b"/"))
        .map(|path| std::ffi::OsString::from_vec(path.to_vec()).into())
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn note(sessions: &Path, path: &Path) -> io::Result<()> {
    if known(sessions)?.iter().any(|known| known == path) {
        return Ok(());
    }
    let mut line = path.as_os_str().as_bytes().to_vec();
    line.push(0);
    OpenOptions::new().append(true).create(true).mode(0o600).open(registry(sessions))?.write_all(&line)
}

/// Makes a store for a session at the top of a mount and gives its path. None
/// where there can be none: then files there are copied.
pub(super) fn open(sessions: &Path, id: &str, mount: u64, may_lie: &MayLie) -> Option<(PathBuf, OwnedFd)> {
    let top = top_of(mount).ok().flatten()?;
    let name = format!(".stockade-{}", geteuid());
    let path = top.join(&name);
    if !may_lie(&path) {
        return None;
    }
    let made = make(&top, &name, mount).and_then(|dir| {
        note(sessions, &path).map_err(|error| errno_of(&error))?;
        Ok((path.join(id), make_private(dir.as_fd(), id, mount)?))
    });
    made.inspect_err(|errno| tracing::debug!(%errno, "no store on that mount")).ok()
}

fn make(top: &Path, name: &str, mount: u64) -> Result<OwnedFd, Errno> {
    let top = open_path(AT_FDCWD, top, OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW, ResolveFlag::empty())?;
    make_private(top.as_fd(), name, mount)
}

/// A directory that belongs to the user alone, made where it is missing.
fn make_private(dir: BorrowedFd<'_>, name: &str, mount: u64) -> Result<OwnedFd, Errno> {
    match mkdirat(dir, name, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let made = nix::fcntl::openat(dir, name, flags, Mode::empty())?;
    let stat = file::stat(made.as_fd(), c"")?;
    let is_private = stat.owner == geteuid().as_raw() && stat.mode & 0o077 == 0 && stat.mount == mount;
    if is_private { Ok(made) } else { Err(Errno::EPERM) }
}

/// Where a mount begins (`proc_pid_mountinfo(5)`).
fn top_of(mount: u64) -> io::Result<Option<PathBuf>> {
    let text = fs::read("/proc/self/mountinfo")?;
    let found = text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = std::str::from_utf8(fields.next()?).ok()?.parse::<u64>().ok()?;
        // Behind the parent's id, the device and the root within the file system.
        (id == mount).then(|| fields.nth(3)).flatten()
    });
    Ok(found.map(|field| std::ffi::OsString::from_vec(unescaped(field)).into()))
}

/// Without the kernel's octal escapes for blanks and backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, behind)) = rest.split_first() {
        let octal = behind.get(..3).filter(|_| *first == b'\\');
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &behind[3..] } else { behind };
    }
    bytes
}

/// Removes a session's store on another mount, and what is above it if that
/// is empty then.
pub(super) fn remove(store: &Path) -> io::Result<()> {
    let ours = format!(".stockade-{}", geteuid());
    if store.parent().and_then(Path::file_name) != Some(ours.as_ref()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a journal names something that is no store"));
    }
    match fs::remove_dir_all(store) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let Some(dir) = store.parent() else { return Ok(()) };
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Other sessions keep something there.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_found_with_their_escapes() -> io::Result<()> {
        assert_eq!(unescaped(b"/a\\040b\\134c\\x"), b"/a b\\c\\x");
        let root = file::stat(AT_FDCWD, c"/").map_err(io::Error::from)?;
        assert_eq!(top_of(root.mount)?, Some(PathBuf::from("/")));
        assert_eq!(top_of(u64::MAX)?, None);
        Ok(())
    }

    #[test]
    fn a_directory_of_others_is_not_used() -> Result<(), Errno> {
        let dir = tempfile::tempdir().map_err(|_| Errno::EIO)?;
        let open = file::open_path(AT_FDCWD, dir.path(), OFlag::O_DIRECTORY, ResolveFlag::empty())?;
        let mount = file::stat(open.as_fd(), c"")?.mount;
        make_private(open.as_fd(), "store", mount)?;
        make_private(open.as_fd(), "store", mount)?;
        mkdirat(open.as_fd(), "open", Mode::from_bits_truncate(0o755))?;
        assert_eq!(make_private(open.as_fd(), "open", mount).err(), Some(Errno::EPERM));
        std::os::unix::fs::symlink("store", dir.path().join("link")).map_err(|_| Errno::EIO)?;
        assert!(make_private(open.as_fd(), "link", mount).is_err());
        Ok(())
    }
}
