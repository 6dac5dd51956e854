//! Metadata of files, taken and given back.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

use super::entry::{Meta, Name};
use crate::sys::copy::{self, c_name, os_name};
use crate::sys::file::{self, Stat, TimeSpec};

/// Everything about a pinned file; without its extended attributes where they
/// cannot be read, nor changed then, before its mode is another.
pub(super) fn whole(fd: BorrowedFd<'_>, stat: &Stat) -> Result<Meta, Errno> {
    let xattrs = match xattrs(fd) {
        Err(Errno::EACCES) => None,
        xattrs => Some(xattrs?),
    };
    Ok(Meta { xattrs, ..Meta::of(stat) })
}

/// The extended attributes of a pinned file.
pub(super) fn xattrs(fd: BorrowedFd<'_>) -> Result<Vec<(Name, Name)>, Errno> {
    let found = copy::xattrs(fd)?;
    Ok(found.into_iter().map(|(name, value)| (Name(name), Name(os_name(value)))).collect())
}

/// Gives a pinned file its metadata back; says what could not be given.
pub(super) fn apply(fd: BorrowedFd<'_>, wanted: &Meta, now: &Stat) -> Vec<(&'static str, Errno)> {
    let mut failed = Vec::new();
    let mut note = |what, result: Result<(), Errno>| {
        if let Err(errno) = result {
            failed.push((what, errno));
        }
    };
    if (wanted.uid, wanted.gid) != (now.owner, now.group) {
        note("owner", file::chown(fd, wanted.uid, wanted.gid));
    }
    if let Some(xattrs) = &wanted.xattrs {
        note("extended attributes", apply_xattrs(fd, xattrs));
    }
    // Behind the owner, which takes set-id bits away, and the ACL, which changes
    // the mode. A symbolic link has none of its own.
    if now.mode & libc::S_IFMT != libc::S_IFLNK {
        note("mode", file::chmod(fd, wanted.mode & 0o7777));
    }
    let spec = |(seconds, nanoseconds): (i64, u32)| TimeSpec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    note("times", file::set_times(fd, Some(&[spec(wanted.atime), spec(wanted.mtime)])));
    failed
}

fn apply_xattrs(fd: BorrowedFd<'_>, wanted: &[(Name, Name)]) -> Result<(), Errno> {
    use std::os::unix::ffi::OsStrExt;
    let now = xattrs(fd)?;
    for (name, _) in now.iter().filter(|(name, _)| !wanted.iter().any(|(other, _)| other == name)) {
        file::remove_xattr(fd, &c_name(&name.0)?)?;
    }
    for (name, value) in wanted.iter().filter(|wanted| !now.contains(wanted)) {
        file::set_xattr(fd, &c_name(&name.0)?, value.0.as_bytes(), 0)?;
    }
    Ok(())
}

/// The same for a copy of a special file in the store, which is given the rest when it is restored.
pub(super) fn apply_as_far_as_possible(fd: BorrowedFd<'_>, wanted: &Meta) {
    match file::stat(fd, c"") {
        Ok(now) => {
            for (what, errno) in apply(fd, wanted, &now) {
                tracing::debug!(%errno, "{what} of a copy cannot be set");
            }
        }
        Err(errno) => tracing::debug!(%errno, "a copy cannot be looked at"),
    }
}
