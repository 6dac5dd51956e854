//! Taking names away.

use super::decode::Named;
use super::reply::{Reply, Served};
use super::{Call, Shared};
use crate::path::Last;
use crate::policy::Verb;
use crate::sys::Errno;

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
    judge.check(call, &place.path(), Verb::Remove, Some(&stat))?;
    shared.removing(call, &place, &stat, is_dir)?;
    judge.own.unname(&stat);
    if is_dir {
        judge.grants.replaced(&place.path());
    }
    Ok(Reply::Done(0))
}
