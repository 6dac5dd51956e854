//! Another process's directory descriptor and string → a pinned descriptor and
//! the real path behind it.
//!
//! The string is resolved once, by the kernel, into an `O_PATH` descriptor.
//! Whatever is renamed or relinked afterwards, decision and act concern that
//! one file.

mod place;
mod walk;

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use nix::fcntl::{AT_FDCWD, OFlag, ResolveFlag, readlinkat};
use nix::sys::stat::{fstat, lstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::Pid;

pub use place::{Last, Place};

use crate::sys::Errno;
use crate::sys::file::open_path;

/// The error for what the broker cannot look at, though its caller may be able to.
/// No call about a path ever ends with it; the caller gets `EACCES`.
pub const UNSEEN: Errno = Errno::ENOTUNIQ;

/// What a call is about, as its caller named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A descriptor, which must not be `O_PATH`.
    Fd(RawFd),
    /// A descriptor of any kind, or `AT_FDCWD` (an empty path with `AT_EMPTY_PATH`).
    AnyFd(RawFd),
    /// A path.
    Path {
        /// Where a relative path starts: a descriptor, or `AT_FDCWD`.
        dir: RawFd,
        /// The path.
        path: &'a CStr,
        /// Whether a symbolic link as the last component is followed.
        follow: bool,
    },
}

/// A file, held.
#[derive(Debug)]
pub struct Pinned {
    fd: OwnedFd,
    name: Name,
    through: Option<RawFd>,
}

/// Where a pinned file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Its real path at the time it was asked for, or the last it had.
    Path(PathBuf),
    /// It never had one, or has none left: a pipe, a socket, a memory file, a
    /// file of which the last name was removed.
    Nameless,
}

impl Pinned {
    /// Where the file is.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The caller's own descriptor, where the path ended in its link in
    /// `/proc/self/fd`, so that the caller has this very file open already.
    pub fn through(&self) -> Option<RawFd> {
        self.through
    }
}

impl From<Pinned> for OwnedFd {
    fn from(pinned: Pinned) -> OwnedFd {
        pinned.fd
    }
}

impl AsFd for Pinned {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Pins what a thread's call is about, as that thread sees it.
///
/// Errors are those that the kernel would give the caller, or [`UNSEEN`]. The caller of this
/// function must make sure afterwards that `thread` still is who it was.
pub fn pin(thread: Pid, target: Target<'_>) -> Result<Pinned, Errno> {
    let (fd, through) = match target {
        Target::Fd(fd) => (descriptor(thread, fd, false)?, None),
        Target::AnyFd(AT_FDCWD_RAW) => (current_dir(thread)?, None),
        Target::AnyFd(fd) => (descriptor(thread, fd, true)?, None),
        Target::Path { dir, path, follow } => {
            let path = as_path(path)?;
            by_path(thread, start_dir(thread, dir, path)?, path, follow)?
        }
    };
    let name = name_of(fd.as_fd())?;
    Ok(Pinned { fd, name, through })
}

/// Pins what a path leads to under the restrictions of `openat2(2)`.
pub fn pin_restricted(
    thread: Pid,
    dir: RawFd,
    path: &CStr,
    follow: bool,
    resolve: ResolveFlag,
) -> Result<Pinned, Errno> {
    let path = as_path(path)?;
    let start = restricted_start(thread, dir, path, resolve)?;
    let fd = by_path_restricted(start.as_ref(), path, follow, resolve)?;
    let name = name_of(fd.as_fd())?;
    Ok(Pinned { fd, name, through: None })
}

/// A path as the caller wrote it, which must not be empty.
fn as_path(path: &CStr) -> Result<&Path, Errno> {
    if path.is_empty() { Err(Errno::ENOENT) } else { Ok(Path::new(OsStr::from_bytes(path.to_bytes()))) }
}

const AT_FDCWD_RAW: RawFd = libc::AT_FDCWD;

/// Opens a magic link of the thread's own directory in `/proc`.
fn open_magic(thread: Pid, name: &str) -> Result<OwnedFd, Errno> {
    let path = format!("/proc/{thread}/{name}");
    open_path(AT_FDCWD, Path::new(&path), OFlag::empty(), ResolveFlag::empty())
}

fn current_dir(thread: Pid) -> Result<OwnedFd, Errno> {
    open_magic(thread, "cwd").map_err(unreachable_process)
}

/// The file behind a thread's descriptor.
fn descriptor(thread: Pid, fd: RawFd, path_only_too: bool) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    let pinned = open_magic(thread, &format!("fd/{fd}")).map_err(|errno| match errno {
        Errno::ENOENT => Errno::EBADF,
        other => unreachable_process(other),
    })?;
    if !path_only_too && is_path_only(thread, fd)? {
        return Err(Errno::EBADF);
    }
    Ok(pinned)
}

/// Whether a descriptor was opened with `O_PATH`. Its link in `/proc/PID/fd`
/// has no permission then, for it is open for neither reading nor writing;
/// whether that is all, `/proc/PID/fdinfo` tells (`proc(5)`).
fn is_path_only(thread: Pid, fd: RawFd) -> Result<bool, Errno> {
    let link = lstat(Path::new(&format!("/proc/{thread}/fd/{fd}"))).map_err(|_| Errno::EBADF)?;
    if link.st_mode & 0o700 != 0 {
        return Ok(false);
    }
    let text = std::fs::read_to_string(format!("/proc/{thread}/fdinfo/{fd}")).map_err(|_| Errno::EBADF)?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| i32::from_str_radix(octal.trim(), 8).ok()).ok_or(Errno::EBADF)?;
    Ok(flags & libc::O_PATH != 0)
}

/// A process that made itself undumpable, or is gone, cannot be served.
fn unreachable_process(errno: Errno) -> Errno {
    match errno {
        Errno::ENOENT | Errno::EACCES | Errno::EPERM | Errno::ESRCH => UNSEEN,
        other => other,
    }
}

/// Where a relative path starts; none for an absolute one, which needs nothing.
fn start_dir(thread: Pid, dir: RawFd, path: &Path) -> Result<Option<OwnedFd>, Errno> {
    match dir {
        _ if path.is_absolute() => Ok(None),
        AT_FDCWD_RAW => current_dir(thread).map(Some),
        dir => descriptor(thread, dir, true).map(Some),
    }
}

/// Resolves a path from a pinned directory, or from the root. Beside the file,
/// the caller's descriptor that it was reached through, if it was.
fn by_path(
    thread: Pid,
    start: Option<OwnedFd>,
    path: &Path,
    follow: bool,
) -> Result<(OwnedFd, Option<RawFd>), Errno> {
    let flags = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
    // `/proc/self` means the broker here, so whatever ends in procfs or goes
    // through one of its magic links is walked by hand.
    let from = start.as_ref().map_or(AT_FDCWD, OwnedFd::as_fd);
    match open_path(from, path, flags, ResolveFlag::RESOLVE_NO_MAGICLINKS) {
        Ok(fd) if !is_in_proc(fd.as_fd())? => Ok((fd, None)),
        // `ENOENT`: names beneath `/proc/self` may exist for the caller alone.
        Ok(_) | Err(Errno::ELOOP | Errno::ENOENT) => walk::walk(thread, start, path, follow),
        Err(errno) => Err(errno),
    }
}

/// Where a restricted path starts: with `RESOLVE_IN_ROOT` even an absolute one
/// starts at the descriptor.
fn restricted_start(
    thread: Pid,
    dir: RawFd,
    path: &Path,
    resolve: ResolveFlag,
) -> Result<Option<OwnedFd>, Errno> {
    let in_root = resolve.contains(ResolveFlag::RESOLVE_IN_ROOT);
    start_dir(thread, dir, if in_root { Path::new(".") } else { path })
}

/// Resolves a restricted path. Whoever restricts has no use for the magic
/// links of procfs, and other names there speak of the broker.
fn by_path_restricted(
    start: Option<&OwnedFd>,
    path: &Path,
    follow: bool,
    resolve: ResolveFlag,
) -> Result<OwnedFd, Errno> {
    let flags = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
    let from = start.map_or(AT_FDCWD, OwnedFd::as_fd);
    let fd = open_path(from, path, flags, resolve | ResolveFlag::RESOLVE_NO_MAGICLINKS)?;
    if is_in_proc(fd.as_fd())? { Err(UNSEEN) } else { Ok(fd) }
}

fn root() -> Result<OwnedFd, Errno> {
    open_path(AT_FDCWD, Path::new("/"), OFlag::O_DIRECTORY, ResolveFlag::empty())
}

fn is_in_proc(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(fstatfs(fd)?.filesystem_type() == PROC_SUPER_MAGIC)
}

/// `/proc/self/fd`, held open to be looked up but once.
static OWN_DESCRIPTORS: LazyLock<Result<OwnedFd, Errno>> = LazyLock::new(|| {
    open_path(AT_FDCWD, Path::new("/proc/self/fd"), OFlag::O_DIRECTORY, ResolveFlag::empty())
});

/// The kernel's own name for an open file.
fn link_of(fd: BorrowedFd<'_>) -> Result<OsString, Errno> {
    let name = fd.as_raw_fd().to_string();
    match &*OWN_DESCRIPTORS {
        Ok(dir) => readlinkat(dir, Path::new(&name)),
        Err(errno) => Err(*errno),
    }
}

fn name_of(fd: BorrowedFd<'_>) -> Result<Name, Errno> {
    const DELETED: &[u8] = b" (deleted)";
    let link = link_of(fd)?.into_vec();
    if !link.starts_with(b"/") {
        // `pipe:[7]`, `socket:[7]`, `anon_inode:[eventfd]`; but what stands in a
        // detached mount is `(unreachable)`, and cannot be decided about.
        let is_anonymous = link.starts_with(b"anon_inode:") || link.windows(2).any(|pair| pair == b":[");
        return if is_anonymous && !link.starts_with(b"(") { Ok(Name::Nameless) } else { Err(UNSEEN) };
    }
    let Some(before) = link.strip_suffix(DELETED) else {
        return Ok(path_name(&link));
    };
    // Either a removed name, or a name that ends like one.
    let (held, named) = (fstat(fd)?, lstat(Path::new(OsStr::from_bytes(&link))));
    if named.is_ok_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)) {
        return Ok(path_name(&link));
    }
    Ok(if held.st_nlink == 0 { Name::Nameless } else { path_name(before) })
}

fn path_name(bytes: &[u8]) -> Name {
    Name::Path(PathBuf::from(OsString::from_vec(bytes.to_vec())))
}

#[cfg(test)]
mod tests;
