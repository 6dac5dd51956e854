//! Mode, owner, times and attributes: decided on the pinned file, performed on
//! it, and never continued, for Landlock governs none of them.

use std::os::fd::AsFd;

use super::decode::{Change, Subject};
use super::reply::{Reply, Served};
use super::{Call, Shared};
use crate::path::{self, Name, Pinned};
use crate::policy::{Effect, Verb};
use crate::sys::{Errno, file};

/// Serves `chmod`, `chown`, `utime`, `setxattr` and their kin.
pub(super) fn change(shared: &Shared, call: &Call, subject: &Subject, change: &Change) -> Served {
    if matches!(change, Change::Nothing) {
        return Ok(Reply::Done(0));
    }
    let judge = &shared.judge;
    let _tree = judge.hold_tree();
    let pinned = path::pin(call.caller, subject.target())?;
    shared.confirm(call)?;
    // Nobody but those who hold it open can reach a nameless file, and the
    // caller held or opened it under Landlock's rules.
    if let Name::Path(path) = pinned.name()
        && judge.policy.decide(path, Verb::Modify).effect != Effect::Allow
    {
        let stat = file::stat(pinned.as_fd(), c"")?;
        judge.check(call, path, Verb::Modify, Some(&stat))?;
    }
    if let Name::Path(path) = pinned.name() {
        shared.keep_meta(call, &pinned, path)?;
    }
    act(&pinned, change).map(|()| Reply::Done(0))
}

fn act(pinned: &Pinned, change: &Change) -> Result<(), Errno> {
    let fd = pinned.as_fd();
    match change {
        Change::Mode(mode) => file::chmod(fd, *mode),
        Change::Owner(owner, group) => file::chown(fd, *owner, *group),
        Change::Times(times) => file::set_times(fd, times.as_ref()),
        Change::SetAttr { name, value, flags } => file::set_xattr(fd, name, value, *flags),
        Change::RemoveAttr(name) => file::remove_xattr(fd, name),
        Change::FileAttr(attributes) => file::set_file_attributes(fd, attributes),
        Change::Nothing => Ok(()),
    }
}
