//! The slow way: component by component, for paths that lead through procfs,
//! where the same name means another thing for another process.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::{OFlag, ResolveFlag, readlinkat};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::Pid;

use super::{UNSEEN, is_in_proc, link_of, root};
use crate::sys::file::open_path;
use crate::sys::{Errno, procfs};

/// As the kernel (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// Resolves a path as `thread` would. Beside the file, the thread's descriptor
/// that it was reached through, where the path ended in its magic link.
pub(super) fn walk(
    thread: Pid,
    start: Option<OwnedFd>,
    path: &Path,
    follow: bool,
) -> Result<(OwnedFd, Option<RawFd>), Errno> {
    let at = match start {
        Some(start) => start,
        None => root()?,
    };
    let mut walk = Walk { thread, at, through: None, rest: VecDeque::new(), must_be_dir: false, links: 0 };
    walk.push_front(path.as_os_str());
    while let Some(name) = walk.rest.pop_front() {
        walk.enter(&name, follow)?;
    }
    if walk.must_be_dir && !is_dir(walk.at.as_fd())? {
        return Err(Errno::ENOTDIR);
    }
    Ok((walk.at, walk.through))
}

struct Walk {
    thread: Pid,
    /// Where it stands.
    at: OwnedFd,
    /// The thread's descriptor whose link it just followed.
    through: Option<RawFd>,
    /// Components still to go.
    rest: VecDeque<OsString>,
    /// Whether the path ends in a slash.
    must_be_dir: bool,
    links: usize,
}

impl Walk {
    fn push_front(&mut self, path: &OsStr) {
        let bytes = path.as_bytes();
        if self.rest.is_empty() && bytes.ends_with(b"/") {
            self.must_be_dir = true;
        }
        let names = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        for name in names.rev() {
            self.rest.push_front(OsStr::from_bytes(name).to_os_string());
        }
    }

    fn enter(&mut self, name: &OsStr, follow: bool) -> Result<(), Errno> {
        let is_last = self.rest.is_empty();
        self.through = None;
        let next = self.open(name, OFlag::O_NOFOLLOW, ResolveFlag::empty())?;
        if !is_link(next.as_fd())? || (is_last && !follow && !self.must_be_dir) {
            self.at = next;
            return Ok(());
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::ELOOP);
        }
        if is_in_proc(next.as_fd())? { self.follow_in_proc(name) } else { self.follow_link(&next) }
    }

    fn open(&self, name: &OsStr, flags: OFlag, resolve: ResolveFlag) -> Result<OwnedFd, Errno> {
        open_path(self.at.as_fd(), Path::new(name), flags, resolve)
    }

    fn follow_link(&mut self, link: &OwnedFd) -> Result<(), Errno> {
        let target = readlinkat(link, Path::new(""))?;
        self.go_to(&target)
    }

    fn go_to(&mut self, target: &OsStr) -> Result<(), Errno> {
        if target.as_bytes().starts_with(b"/") {
            self.at = root()?;
        }
        self.push_front(target);
        Ok(())
    }

    fn follow_in_proc(&mut self, name: &OsStr) -> Result<(), Errno> {
        match self.open(name, OFlag::empty(), ResolveFlag::RESOLVE_NO_MAGICLINKS) {
            Err(Errno::ELOOP) => self.follow_magic(name),
            // An ordinary link, and in procfs those speak of the one who reads them.
            _ => {
                let target = match name.as_bytes() {
                    b"self" => self.group()?.to_string().into(),
                    b"thread-self" => format!("{}/task/{}", self.group()?, self.thread).into(),
                    _ => readlinkat(&self.at, Path::new(name))?,
                };
                self.go_to(&target)
            }
        }
    }

    /// Follows `cwd`, `root`, `exe` or `fd/N`, but only of the caller itself:
    /// the broker may look into processes that the caller may not.
    fn follow_magic(&mut self, name: &OsStr) -> Result<(), Errno> {
        let at = link_of(self.at.as_fd())?;
        let is_of = |task: Pid| Path::new(&at).starts_with(format!("/proc/{task}"));
        if !is_of(self.group()?) && !is_of(self.thread) {
            return Err(UNSEEN);
        }
        self.at = self.open(name, OFlag::empty(), ResolveFlag::empty())?;
        let is_descriptor = Path::new(&at).file_name() == Some(OsStr::new("fd"));
        self.through = name.to_str().filter(|_| is_descriptor).and_then(|number| number.parse().ok());
        Ok(())
    }

    /// The thread's group, which is what `/proc/self` names.
    fn group(&self) -> Result<Pid, Errno> {
        procfs::group(self.thread).ok_or(UNSEEN)
    }
}

fn format(fd: BorrowedFd<'_>) -> Result<SFlag, Errno> {
    Ok(SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT)
}

fn is_link(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(format(fd)? == SFlag::S_IFLNK)
}

fn is_dir(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(format(fd)? == SFlag::S_IFDIR)
}
