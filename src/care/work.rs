//! Work that exists nowhere else: what no commit has, and commits that no remote has.
//!
//! What was staged counts as safe where the file is still as it was staged, since its
//! content lies in `.git`, which no jail changes. Files are compared with the index by size
//! and time, as git does first.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::index::{Entry, Index};
use super::repository::Repository;
use super::walk::New;
use super::{Purse, Reason, read};
use crate::policy::size;
use crate::sys::file::{self, Stat};

/// From how many files on uncommitted work is a reason.
pub(super) const MANY_FILES: usize = 20;
/// From how many bytes on.
pub(super) const MANY_BYTES: u64 = 256 << 10;
/// From how many commits on.
const MANY_COMMITS: usize = 5;
/// How many files are compared between two looks at the clock.
const STRIDE: usize = 64;

/// What work there is that a mistake could lose.
pub(super) fn judge(repository: Option<&Repository>, new: &New, purse: &mut Purse) -> Vec<Reason> {
    let Some(repository) = repository else {
        let what = format!("{} in no repository ({})", files(new.files, ""), size(new.bytes));
        return Reason::of_work(what).when(is_much(new.files, new.bytes));
    };
    let Changed { files: changed, bytes } = changed(repository, purse);
    let (count, bytes) = (new.files + changed, new.bytes.saturating_add(bytes));
    if repository.has_commit == Some(false) {
        let tracked = repository.tracked.len();
        let all = new.files + tracked;
        let what = format!("a repository without a commit, and {} in it", files(all, ""));
        return Reason::of_work(what).when(is_much(all, bytes));
    }
    let what = format!("{} in no commit ({})", files(count, "new or changed "), size(bytes));
    let mut reasons = Reason::of_work(what).when(is_much(count, bytes));
    if repository.remotes.is_empty() {
        reasons.extend(
            Reason::of_work("a repository without a remote: its work exists nowhere else").when(true),
        );
    } else {
        let what = format!("{} commits that no remote has", repository.unshared);
        reasons.extend(Reason::of_work(what).when(repository.unshared >= MANY_COMMITS));
    }
    reasons
}

impl Reason {
    fn when(self, holds: bool) -> Vec<Reason> {
        if holds { vec![self] } else { Vec::new() }
    }
}

fn is_much(files: usize, bytes: u64) -> bool {
    files >= MANY_FILES || bytes >= MANY_BYTES
}

fn files(count: usize, which: &str) -> String {
    if count == 1 { format!("1 {which}file") } else { format!("{count} {which}files") }
}

/// Tracked files that are not as git knows them.
struct Changed {
    files: usize,
    bytes: u64,
}

fn changed(repository: &Repository, purse: &mut Purse) -> Changed {
    let mut changed = Changed { files: 0, bytes: 0 };
    let Some(index) = &repository.index else { return changed };
    let mut dir = Opened { path: Vec::new(), fd: repository.root.try_clone().ok() };
    for (count, (entry, path)) in entries(index, repository).enumerate() {
        if count % STRIDE == 0 && !purse.has_time() {
            break;
        }
        let cut = path.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = cut.map_or((&[][..], path), |slash| (&path[..slash], &path[slash + 1..]));
        if dir.path != parent {
            let fd = read::dir(repository.root.as_fd(), Path::new(OsStr::from_bytes(parent))).ok();
            dir = Opened { path: parent.to_vec(), fd };
        }
        let (Some(fd), Ok(name)) = (&dir.fd, CString::new(name)) else { continue };
        let Ok(stat) = file::stat(fd.as_fd(), &name) else { continue };
        if is_changed(entry, &stat) {
            changed.files += 1;
            changed.bytes = changed.bytes.saturating_add(stat.size);
        }
    }
    changed
}

/// Entries of files in the workspace.
fn entries<'a>(index: &'a Index, repository: &Repository) -> impl Iterator<Item = (&'a Entry, &'a [u8])> {
    index.entries(repository.tracked).filter(|(entry, _)| entry.is_file)
}

/// The directory of the entry before, kept open: most have the same.
struct Opened {
    path: Vec<u8>,
    fd: Option<OwnedFd>,
}

/// Whether a file differs from what git saw last. The index has 32 bits for each number,
/// and no nanoseconds where the program that wrote it knows none.
fn is_changed(entry: &Entry, stat: &Stat) -> bool {
    let (seconds, nanoseconds) = stat.mtime;
    let is_same_time =
        entry.mtime.0 == seconds as u32 && (entry.mtime.1 == 0 || entry.mtime.1 == nanoseconds);
    stat.is(libc::S_IFREG) && (entry.is_new || entry.size != stat.size as u32 || !is_same_time)
}
