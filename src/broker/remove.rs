//! Taking names away.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::decode::Named;
use super::judge::Judge;
use super::rename::{entries, is_one_zone};
use super::reply::{Reply, Served};
use super::{Call, Shared};
use crate::path::{Last, Place};
use crate::policy::{Verb, Walk};
use crate::sys::Errno;
use crate::sys::file::{self, Stat};

/// Serves `unlink`, `rmdir` and `unlinkat`.
pub(super) fn remove(shared: &Shared, call: &Call, at: &Named, is_dir: bool) -> Served {
    let judge = &shared.judge;
    let _tree = judge.hold_tree();
    let place = shared.place(call, at)?;
    if judge.native(place.dir_path()).remove {
        return Ok(Reply::Continue);
    }
    match (place.last(), is_dir) {
        (Last::Name, _) => {}
        (Last::Dot, true) => return Err(Errno::EINVAL),
        (Last::DotDot, true) => return Err(Errno::ENOTEMPTY),
        (Last::Root, true) => return Err(Errno::EBUSY),
        (_, false) => return Err(Errno::EISDIR),
    }
    let stat = place.stat()?.ok_or(Errno::ENOENT)?;
    if place.ends_in_slash() && !is_dir {
        return Err(if stat.is(libc::S_IFDIR) { Errno::EISDIR } else { Errno::ENOTDIR });
    }
    let path = place.path();
    let walk = judge.policy.walk(&path);
    if check(judge, call, &place, &walk, &stat, is_dir)? == Allowed::ByItself && judge.counts(&walk) {
        let fails = || fails_anyway(judge, &place, &stat, is_dir);
        judge.remove_many(call, &[&path], judge.own.has(&stat), fails)?;
    }
    let is_own = || judge.own.has(&stat);
    shared.removing(call, &place, &stat, is_dir).inspect_err(|_| judge.is_left(call, &path, is_own()))?;
    judge.own.unname(&stat);
    judge.aside.forget(place.dir(), place.name());
    if is_dir {
        judge.grants.replaced(&path);
    }
    Ok(Reply::Done(0))
}

/// How it comes that a name may be taken away.
#[derive(PartialEq, Eq)]
enum Allowed {
    /// The policy lets it happen.
    ByItself,
    /// Something has its place, or a person said yes.
    Otherwise,
}

/// Whether a name may be taken away.
///
/// An editor may give a file another name, write the new content to a file of
/// the old name, and then remove the first. That comes to the same as replacing
/// the file by a rename, which is `modify`, so it is decided as that.
fn check(
    judge: &Judge,
    call: &Call,
    place: &Place,
    walk: &Walk<'_>,
    stat: &Stat,
    is_dir: bool,
) -> Result<Allowed, Errno> {
    let path = place.path();
    if judge.allows_at(walk, Verb::Remove, Some(stat)) {
        return Ok(Allowed::ByItself);
    }
    if let Some(before) = replaced(judge, place, stat)? {
        let before = place.dir_path().join(OsStr::from_bytes(before.to_bytes()));
        let is_one_zone = is_one_zone(walk, &judge.policy.walk(&before));
        if is_one_zone && judge.allows(&before, Verb::Modify, Some(stat)) {
            return Ok(Allowed::Otherwise);
        }
    }
    if let Some(errno) = fails_anyway(judge, place, stat, is_dir) {
        return Err(errno);
    }
    if judge.is_by_git(call, &path) {
        return Ok(Allowed::ByItself);
    }
    judge.check(call, &path, Verb::Remove, Some(stat)).map(|()| Allowed::Otherwise)
}

/// What the kernel would say where it would take nothing away: programs try to
/// remove directories to learn whether they are empty, and need no refusal.
fn fails_anyway(judge: &Judge, place: &Place, stat: &Stat, is_dir: bool) -> Option<Errno> {
    match (stat.is(libc::S_IFDIR), is_dir) {
        (true, false) => Some(Errno::EISDIR),
        (false, true) => Some(Errno::ENOTDIR),
        (false, false) => None,
        (true, true) => {
            let is_listed = judge.allows(&place.path(), Verb::Read, None);
            let is_full = is_listed && entries(place, Path::new("")).is_ok_and(|names| !names.is_empty());
            is_full.then_some(Errno::ENOTEMPTY)
        }
    }
}

/// The name that a file had before it was put aside in the same directory,
/// where a file that the session made has that name now.
fn replaced(judge: &Judge, place: &Place, stat: &Stat) -> Result<Option<CString>, Errno> {
    if judge.aside.is_empty() {
        return Ok(None);
    }
    let dir = file::stat(place.dir(), c"")?;
    let Some(before) = judge.aside.name_before(&dir, place.name(), stat) else { return Ok(None) };
    match file::stat(place.dir(), &before) {
        Ok(new) if !new.is(libc::S_IFDIR) && judge.own.has(&new) => Ok(Some(before)),
        Ok(_) | Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
