//! Making names: directories, special files, links.

use std::ffi::CStr;
use std::os::fd::AsFd;

use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};
use nix::unistd::symlinkat;

use super::decode::{Named, Subject};
use super::reply::{Reply, Served};
use super::{Call, Shared};
use crate::path::{self, Last, Name, Place};
use crate::policy::{Access, Verb};
use crate::sys::file::Stat;
use crate::sys::{Errno, file};
use crate::undo::entry::Kind;

/// Serves `mkdir`.
pub(super) fn make_dir(shared: &Shared, call: &Call, at: &Named, mode: u32) -> Served {
    make(shared, call, at, Kind::Dir, |place| {
        let mode = shared.umasks.apply(call.caller, place.dir(), mode)?;
        mkdirat(place.dir(), place.written().as_c_str(), Mode::from_bits_truncate(mode))?;
        shared.judge.grants.replaced(&place.path());
        Ok(())
    })
}

/// Serves `mknod`. The broker has no more right to make devices than the caller.
pub(super) fn make_node(shared: &Shared, call: &Call, at: &Named, mode: u32, device: u64) -> Served {
    make(shared, call, at, Kind::of(mode), |place| {
        let format = SFlag::from_bits_truncate(mode & libc::S_IFMT);
        let mode = shared.umasks.apply(call.caller, place.dir(), mode)?;
        let mode = Mode::from_bits_truncate(mode);
        mknodat(place.dir(), place.written().as_c_str(), format, mode, device)
    })
}

/// Serves `symlink`. Where the link leads to is decided when it is followed.
pub(super) fn symlink(shared: &Shared, call: &Call, text: &CStr, at: &Named) -> Served {
    make(shared, call, at, Kind::Link, |place| symlinkat(text, place.dir(), place.written().as_c_str()))
}

fn make(
    shared: &Shared,
    call: &Call,
    at: &Named,
    kind: Kind,
    act: impl FnOnce(&Place) -> Result<(), Errno>,
) -> Served {
    let judge = &shared.judge;
    let _tree = judge.hold_tree();
    let place = shared.place(call, at)?;
    if judge.native(place.dir_path()).make {
        return Ok(Reply::Continue);
    }
    free(&place, kind == Kind::Dir)?;
    judge.check(call, &place.path(), Verb::Create, None)?;
    shared.creating(call, &place, kind, || {
        act(&place)?;
        // Only what nobody can have put there in its place.
        let stat = place.stat()?;
        stat.iter().for_each(|stat| judge.adopt(stat));
        Ok(((), stat))
    })?;
    Ok(Reply::Done(0))
}

/// Makes sure that a name is not taken, and can be (`filename_create` of the kernel).
fn free(place: &Place, is_dir: bool) -> Result<(), Errno> {
    if place.last() != Last::Name || place.stat()?.is_some() {
        return Err(Errno::EEXIST);
    }
    let needs_dir = place.ends_in_slash() && !is_dir;
    if needs_dir || place.is_removed() { Err(Errno::ENOENT) } else { Ok(()) }
}

/// Serves `link`: a second name must not give more than the first.
pub(super) fn link(shared: &Shared, call: &Call, from: &Subject, to: &Named) -> Served {
    let judge = &shared.judge;
    let _tree = judge.hold_tree();
    let pinned = path::pin(call.caller, from.target())?;
    let place = shared.place(call, to)?;
    let is_native = |path| judge.native(path).make;
    let source = match pinned.name() {
        Name::Path(path) => Some(path.as_path()),
        Name::Nameless => None,
    };
    if is_native(place.dir_path()) && source.and_then(std::path::Path::parent).is_none_or(is_native) {
        return Ok(Reply::Continue);
    }
    free(&place, false)?;
    let stat = file::stat(pinned.as_fd(), c"")?;
    if stat.mount != file::stat(place.dir(), c"")?.mount {
        return Err(Errno::EXDEV);
    }
    if stat.is(libc::S_IFDIR) {
        // No kernel does; this one says whether for that reason or another.
        return file::link(pinned.as_fd(), place.dir(), place.written().as_c_str()).and(Err(Errno::EPERM));
    }
    let path = place.path();
    judge.check(call, &path, Verb::Create, None)?;
    let there = judge.access(&path, Some(&stat));
    if let Some(source) = source
        && gives_more(judge.access(source, Some(&stat)), there)
    {
        let decision = judge.policy.decide(source, Verb::Modify);
        judge.refuse(call, source, Some(&path), Verb::Modify, &decision);
        // As Landlock says it, so that programs copy instead.
        return Err(Errno::EXDEV);
    }
    if let Some(source) = source {
        // What is written through the new name belongs to the old one as well.
        shared.keep_meta(call, &pinned, source)?;
    }
    shared.creating(call, &place, Kind::of(stat.mode), || {
        file::link(pinned.as_fd(), place.dir(), place.written().as_c_str())?;
        adopt_from_scratch(shared, source, &stat);
        Ok(((), Some(stat)))
    })?;
    Ok(Reply::Done(0))
}

/// What the session could change freely where it came from it may change
/// freely where it goes.
fn adopt_from_scratch(shared: &Shared, source: Option<&std::path::Path>, stat: &Stat) {
    let judge = &shared.judge;
    match source {
        None => judge.own.add(stat),
        Some(source) if judge.policy.access(source) == Access::SCRATCH => judge.adopt(stat),
        Some(_) => {}
    }
}

/// Whether a file's content can be reached in a way under the second access
/// that is stricter under the first.
pub(super) fn gives_more(here: Access, there: Access) -> bool {
    [Verb::Read, Verb::Execute, Verb::Modify].into_iter().any(|verb| there.effect(verb) < here.effect(verb))
}
