//! The walk through a workspace: breadth first, so that what lies near the top is seen
//! whatever lies beneath, and sorted within each directory, so that it comes out the same
//! each time (but in directories of which only a part fits the budget). Directories that git
//! ignores come last. No link is followed.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::dir::{Dir, Type};
use nix::errno::Errno;

use super::files::{self, Place};
use super::ignore::{Ignored, Patterns};
use super::index::{Beneath, Index};
use super::repository::Repository;
use super::{Purse, Reason, read};
use crate::sys::file;

/// How deep the walk goes. Paths of real work are not half as long.
const DEEPEST: usize = 100;
/// How many new files are asked for their size.
const MOST_MEASURED: usize = 1000;
/// How many reasons are kept until they are sorted.
const MOST_REASONS: usize = 10_000;
/// How many entries are listed between two looks at the clock.
const STRIDE: usize = 256;

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) reasons: Vec<Reason>,
    pub(super) work: New,
}

/// Files that no commit can have.
#[derive(Debug, Default)]
pub(super) struct New {
    pub(super) files: usize,
    /// The bytes of the first of them.
    pub(super) bytes: u64,
    measured: usize,
}

/// A directory to look into.
struct Pending {
    path: PathBuf,
    /// What holds around it: its own place is worked out when its turn comes.
    around: Option<Rc<Place>>,
    /// What git tracks there; none where what is new there is not asked.
    tracked: Option<Beneath>,
    ignored: Option<Rc<Ignored>>,
    is_ignored: bool,
}

impl Pending {
    fn place(&self) -> Place {
        let name = self.path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        self.around.as_ref().map_or_else(Place::default, |around| around.enter(name, &self.path))
    }
}

/// An entry of a directory.
struct Entry {
    name: CString,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Dir,
    Other,
}

/// Walks through a workspace.
pub(super) fn walk(workspace: &Path, repository: Option<&Repository>, purse: &mut Purse) -> Found {
    let mut found = Found::default();
    let Some(root) = read::real_dir(workspace) else {
        purse.is_enough = false;
        return found;
    };
    let nothing = Index::default();
    let (index, tracked) = match repository {
        // Without a repository everything is new.
        None => (&nothing, Some(nothing.all())),
        Some(repository) => match &repository.index {
            Some(index) => (index, Some(repository.tracked)),
            None => (&nothing, None),
        },
    };
    let inner = repository.map(|repository| repository.inner.as_slice()).unwrap_or_default();
    let mut walk = Walker { root, index, inner, purse, found: &mut found };
    let mut next = VecDeque::from([Pending {
        path: PathBuf::new(),
        around: None,
        tracked,
        ignored: repository.and_then(|repository| repository.ignored.clone()),
        is_ignored: false,
    }]);
    let mut last = VecDeque::new();
    while let Some(dir) = next.pop_front().or_else(|| last.pop_front()) {
        if walk.purse.entries == 0 || !walk.purse.has_time() {
            walk.purse.is_enough = false;
            break;
        }
        for inside in walk.look_into(dir) {
            if inside.is_ignored { last.push_back(inside) } else { next.push_back(inside) }
        }
    }
    found
}

struct Walker<'a> {
    root: OwnedFd,
    index: &'a Index,
    inner: &'a [Vec<u8>],
    purse: &'a mut Purse,
    found: &'a mut Found,
}

impl Walker<'_> {
    /// Looks at what is in a directory; gives the directories in it.
    fn look_into(&mut self, mut dir: Pending) -> Vec<Pending> {
        let listed = read::dir(self.root.as_fd(), &dir.path).and_then(Dir::from_fd);
        let mut listing = match listed {
            Ok(listing) => listing,
            // It was replaced by something else meanwhile.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Vec::new(),
            Err(_) => {
                self.purse.is_enough = false;
                return Vec::new();
            }
        };
        let entries = self.entries(&mut listing);
        let has = |name: &[u8]| entries.binary_search_by(|entry| entry.name.to_bytes().cmp(name)).is_ok();
        let is_top = dir.path.as_os_str().is_empty();
        // Another repository's work is another's, and so is what git keeps in a bare one.
        let is_bare = has(b"HEAD") && has(b"objects") && has(b"refs");
        if !is_top && has(b".git") || is_bare {
            dir.tracked = None;
        }
        let place = Rc::new(dir.place());
        let together = files::together(&place, &dir.path, has);
        self.add(together);
        if dir.tracked.is_some() && has(b".gitignore") {
            self.add_ignored(&mut dir);
        }
        let above: Vec<&[u8]> =
            self.inner.iter().map(Vec::as_slice).chain(dir.path.iter().map(OsStr::as_bytes)).collect();
        let mut path = above.clone();
        let mut inside = Vec::new();
        for entry in &entries {
            let name = entry.name.to_bytes();
            path.truncate(above.len());
            path.push(name);
            let is_ignored = dir.is_ignored
                || dir.ignored.as_ref().is_some_and(|ignored| ignored.has(&path, entry.kind == Kind::Dir));
            match entry.kind {
                Kind::Dir if is_bare && matches!(name, b"objects" | b"refs") || files::is_skipped(name) => {}
                Kind::Dir if above.len() >= DEEPEST => self.purse.is_enough = false,
                Kind::Dir => inside.push(self.pending(&dir, &place, name, is_ignored)),
                // What points to the repository.
                Kind::File if name == b".git" => {}
                Kind::File => {
                    if let Some(tracked) = dir.tracked.filter(|_| !is_ignored) {
                        self.count(&listing, &entry.name, tracked);
                    }
                    self.judge(&dir, &place, name);
                }
                Kind::Other => {}
            }
        }
        inside
    }

    fn pending(&self, dir: &Pending, place: &Rc<Place>, name: &[u8], is_ignored: bool) -> Pending {
        let path = dir.path.join(OsStr::from_bytes(name));
        let around = Some(Rc::clone(place));
        let tracked = dir.tracked.map(|tracked| self.index.enter(tracked, name));
        // A submodule has an entry of its own; what is in it is another repository's.
        let tracked = tracked.filter(|_| !dir.tracked.is_some_and(|tracked| self.index.has(tracked, name)));
        Pending { path, around, tracked, ignored: dir.ignored.clone(), is_ignored }
    }

    /// The entries of a directory, sorted, as far as they fit the budget.
    fn entries(&mut self, listing: &mut Dir) -> Vec<Entry> {
        let most = self.purse.entries.min(self.purse.per_directory);
        let mut entries = Vec::new();
        let mut unknown = Vec::new();
        for entry in listing.iter() {
            let Ok(entry) = entry else {
                self.purse.is_enough = false;
                break;
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if entries.len() == most || entries.len() % STRIDE == STRIDE - 1 && !self.purse.has_time() {
                self.purse.is_enough = false;
                break;
            }
            let kind = match entry.file_type() {
                Some(Type::Directory) => Kind::Dir,
                Some(Type::File) => Kind::File,
                Some(_) => Kind::Other,
                None => {
                    unknown.push(entries.len());
                    Kind::Other
                }
            };
            entries.push(Entry { name: name.to_owned(), kind });
        }
        // Some file systems do not tell the type.
        for at in unknown {
            if let Ok(stat) = file::stat(listing.as_fd(), &entries[at].name) {
                let is = |format| stat.is(format);
                entries[at].kind = match () {
                    () if is(libc::S_IFDIR) => Kind::Dir,
                    () if is(libc::S_IFREG) => Kind::File,
                    () => Kind::Other,
                };
            }
        }
        self.purse.entries -= entries.len();
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    fn add_ignored(&self, dir: &mut Pending) {
        let path = dir.path.join(".gitignore");
        let text = read::file(self.root.as_fd(), &path, read::MOST).ok().flatten().unwrap_or_default();
        let depth = self.inner.len() + dir.path.components().count();
        dir.ignored = Ignored::with(dir.ignored.take(), Patterns::parse(&text.bytes), depth);
    }

    /// Counts a file that git does not track.
    fn count(&mut self, listing: &Dir, name: &CString, tracked: Beneath) {
        if self.index.has(tracked, name.to_bytes()) {
            return;
        }
        let new = &mut self.found.work;
        new.files += 1;
        if new.measured < MOST_MEASURED {
            new.measured += 1;
            new.bytes += file::stat(listing.as_fd(), name).map_or(0, |stat| stat.size);
        }
    }

    /// Adds a reason; many that are the same come one after the other.
    fn add(&mut self, reason: Option<Reason>) {
        let reasons = &mut self.found.reasons;
        let is_new = reason.is_some() && reason.as_ref() != reasons.last();
        reasons.extend(reason.filter(|_| is_new && reasons.len() < MOST_REASONS));
    }

    fn judge(&mut self, dir: &Pending, place: &Place, name: &[u8]) {
        let Some(interest) = files::interest(place, name) else { return };
        let path = dir.path.join(OsStr::from_bytes(name));
        if !interest.needs_content() {
            return self.add(interest.judge(place, &path, &[], false));
        }
        if !self.purse.take_read() {
            return;
        }
        match read::file(self.root.as_fd(), &path, read::MOST) {
            Ok(Some(content)) => {
                let reason = interest.judge(place, &path, &content.bytes, content.is_cut);
                self.add(reason);
            }
            Ok(None) => {}
            Err(_) => self.purse.is_enough = false,
        }
    }
}
