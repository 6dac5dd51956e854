//! Executing, which Landlock governs in full: it is only looked at, where it is learnt
//! what programs ask for, and always continued.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::OFlag;

use super::decode::Named;
use super::reply::{Reply, Served};
use super::{Call, Shared};
use crate::path::{self, Name, Target};
use crate::policy::Verb;
use crate::sys::{Errno, file};

/// The longest first line of a script (`BINPRM_BUF_SIZE` of the kernel).
const FIRST_LINE: usize = 256;
/// Bits of a mode.
const ANYBODY_EXECUTES: u32 = 0o111;

/// Records what Landlock is about to refuse: the program, or the one that its first
/// line names.
pub(super) fn watch(shared: &Shared, call: &Call, at: &Named) -> Served {
    let path = at.path.as_deref().map_err(|errno| *errno)?;
    record(shared, call, Target::Path { dir: at.dir, path, follow: true }, true);
    Ok(Reply::Continue)
}

fn record(shared: &Shared, call: &Call, target: Target<'_>, is_program: bool) {
    // What cannot be found the kernel tells the caller best.
    let _ = try_record(shared, call, target, is_program);
}

fn try_record(shared: &Shared, call: &Call, target: Target<'_>, is_program: bool) -> Result<(), Errno> {
    let judge = &shared.judge;
    let pinned = path::pin(call.caller, target)?;
    shared.confirm(call)?;
    let Name::Path(path) = pinned.name() else { return Ok(()) };
    let stat = file::stat(pinned.as_fd(), c"")?;
    if !stat.is(libc::S_IFREG) || stat.mode & ANYBODY_EXECUTES == 0 {
        return Ok(());
    }
    if !judge.native(path).execute {
        let decision = judge.policy.decide(path, Verb::Execute);
        if !judge.permits(decision.effect) {
            judge.refuse(call, path, None, Verb::Execute, &decision);
        }
        // Nothing is told of what a hidden file says.
        return Ok(());
    }
    if let Some(interpreter) = is_program.then(|| interpreter(&pinned)).flatten() {
        let target = Target::Path { dir: libc::AT_FDCWD, path: &interpreter, follow: true };
        record(shared, call, target, false);
    }
    Ok(())
}

/// The program that a script names in its first line.
fn interpreter(pinned: &path::Pinned) -> Option<CString> {
    let script = std::fs::File::from(file::reopen(pinned.as_fd(), OFlag::O_RDONLY).ok()?);
    let mut line = [0; FIRST_LINE];
    let length = script.read_at(&mut line, 0).ok()?;
    let rest = line[..length].strip_prefix(b"#!")?;
    let words = rest.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
    let word = words.split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    Path::new(std::ffi::OsStr::from_bytes(word)).is_absolute().then(|| CString::new(word).ok()).flatten()
}
