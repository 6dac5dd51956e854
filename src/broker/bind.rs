//! Binding.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::decode::{Address, Named, Unix};
use super::reply::{Reply, Served};
use super::socket::{Taken, check_internet};
use super::{Call, Shared};
use crate::landlock;
use crate::path::{self, Last, Name, Pinned, Place, Target, UNSEEN};
use crate::policy::Verb;
use crate::sys::file::Stat;
use crate::sys::{Errno, socket};

/// Serves `bind`. The order of checks is the kernel's.
pub(super) fn bind(shared: &Shared, call: &Call, fd: RawFd, address: Result<Address, Errno>) -> Served {
    let taken = Taken::of(Taken::take(shared, call, fd)?)?;
    let address = address?;
    match (taken.family, address.unix()) {
        (libc::AF_UNIX, Unix::Path(path)) => return to_path(shared, call, &taken, path.as_c_str()),
        // Names without a file are the session's to use, as under Landlock.
        (libc::AF_UNIX | libc::AF_NETLINK, _) => {}
        (libc::AF_INET | libc::AF_INET6, _) => check_internet(shared, call, &address)?,
        // Inherited, for no other can be made.
        _ => return Err(Errno::EACCES),
    }
    socket::bind(taken.as_fd(), address.bytes())?;
    Ok(Reply::Done(0))
}

/// Binds a socket to a name in the file system, which is made by that.
fn to_path(shared: &Shared, call: &Call, taken: &Taken, path: &CStr) -> Served {
    let judge = &shared.judge;
    // Nobody in the jail gives a directory on the way another name meanwhile.
    let _everything = judge.hold_everything();
    let place = shared.place(call, &Named { dir: libc::AT_FDCWD, path: Ok(path.to_owned()) })?;
    if place.last() != Last::Name || place.stat()?.is_some() {
        return Err(Errno::EADDRINUSE);
    }
    if place.ends_in_slash() {
        return Err(Errno::ENOENT);
    }
    judge.check(call, &place.path(), Verb::Create, None)?;
    let ruleset = landlock::only_sockets_beneath(place.dir()).map_err(|_| UNSEEN)?;
    let umask = shared.umasks.of(call.caller)?;
    let cwd = path::pin(call.caller, Target::AnyFd(libc::AT_FDCWD))?;
    shared.confirm(call)?;
    let (text, start) = way(shared, &place, path, &cwd);
    let address = socket::unix_address(&text)?;
    socket::bind_apart(taken.as_fd(), &address, start, ruleset.as_fd(), umask)?;
    match bound_file(taken, &place) {
        Ok(stat) => judge.own.add_socket(&stat),
        Err(errno) => tracing::warn!(
            %errno,
            "it cannot be told which file a socket was bound to, so the jail may not connect to it"
        ),
    }
    Ok(Reply::Done(0))
}

/// The path to bind by, and the directory where it starts: the caller's own
/// path where nobody in the jail could lead it elsewhere, for it is what
/// `getsockname` says; else the real path, or, where that is too long, the name.
///
/// Where the jail could lead it elsewhere but Landlock lets it make whatever
/// it likes in the directory and beneath, it could have made the socket there.
fn way<'a>(shared: &Shared, place: &'a Place, path: &CStr, cwd: &'a Pinned) -> (CString, BorrowedFd<'a>) {
    let written = Path::new(OsStr::from_bytes(path.to_bytes()));
    let (is_bare, is_absolute) = (!path.to_bytes().contains(&b'/'), written.is_absolute());
    let parent = written.parent().unwrap_or(written);
    // A real path has no links in it and no `..`.
    let is_real = match cwd.name() {
        _ if is_absolute => parent == place.dir_path(),
        Name::Path(cwd) => cwd.join(parent) == place.dir_path(),
        Name::Nameless => false,
    };
    let is_native = || shared.judge.native(place.dir_path()).make;
    if is_bare || is_real || is_native() {
        return (path.to_owned(), if is_absolute { place.dir() } else { cwd.as_fd() });
    }
    let real = CString::new(place.path().into_os_string().into_vec()).ok();
    let real = real.filter(|real| socket::unix_address(real).is_ok());
    (real.unwrap_or_else(|| place.name().to_owned()), place.dir())
}

/// The file that a socket was bound to, by the kernel's own word: at the place
/// where it was made somebody may have put another.
fn bound_file(taken: &Taken, place: &Place) -> Result<Stat, Errno> {
    let inode = socket::bound_inode(taken.as_fd())?;
    let stat = place.stat()?.ok_or(Errno::ENOENT)?;
    let is_it = stat.is(libc::S_IFSOCK) && stat.inode as u32 == inode;
    if is_it { Ok(stat) } else { Err(Errno::ESTALE) }
}
