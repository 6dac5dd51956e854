//! Snapshots of files and trees: content and everything that metadata calls change.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::os;

/// One file, directory or link as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type and permission bits.
    pub mode: u32,
    owner: (u32, u32),
    content: Vec<u8>,
    attributes: Vec<u8>,
    /// Absent where only the look of a tree counts.
    identity: Option<Identity>,
}

/// What any touch of an inode changes; times are seconds and nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    inode: u64,
    links: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A tree by relative path, links not followed.
#[derive(Clone, PartialEq, Eq)]
pub struct Tree(BTreeMap<PathBuf, Entry>);

impl Entry {
    /// The entry at a path, with its times.
    pub fn of(path: &Path) -> Entry {
        let meta = path.symlink_metadata().unwrap_or_else(|e| panic!("stat {}: {e}", path.display()));
        let content = if meta.is_symlink() {
            fs::read_link(path).expect("read a link").as_os_str().as_bytes().to_vec()
        } else if meta.is_file() {
            // a file without rights is compared by all else
            fs::read(path).unwrap_or_else(|e| e.to_string().into_bytes())
        } else {
            Vec::new()
        };
        Entry {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            content,
            attributes: attributes(path),
            identity: Some(Identity {
                inode: meta.ino(),
                links: if meta.is_dir() { 0 } else { meta.nlink() },
                modified: (meta.mtime(), meta.mtime_nsec()),
                changed: (meta.ctime(), meta.ctime_nsec()),
            }),
        }
    }
}

/// Extended attributes, names and values in a row.
fn attributes(path: &Path) -> Vec<u8> {
    let path = os::c(path);
    let mut names = vec![0_u8; 4096];
    let length = os::call(libc::SYS_llistxattr, &[os::at(&path), names.as_mut_ptr() as i64, 4096]);
    names.truncate(usize::try_from(length).unwrap_or(0));
    let mut all = names.clone();
    for name in names.split_inclusive(|b| *b == 0) {
        let mut value = vec![0_u8; 4096];
        let args = [os::at(&path), name.as_ptr() as i64, value.as_mut_ptr() as i64, 4096];
        let length = os::call(libc::SYS_lgetxattr, &args);
        value.truncate(usize::try_from(length).unwrap_or(0));
        all.extend(value);
    }
    all
}

impl Tree {
    /// Everything as it is: a refused change leaves this equal. The root's
    /// own times are left out, since scratch directories come and go in it.
    pub fn exact(root: &Path) -> Tree {
        let mut entries = BTreeMap::new();
        collect(root, root, &mut entries);
        if let Some(entry) = entries.get_mut(Path::new("")) {
            entry.identity = None;
        }
        Tree(entries)
    }

    /// What outlasts a restoring: all but inode numbers and times of change. Which
    /// names are one file is told by the first of them.
    pub fn lasting(root: &Path) -> Tree {
        let mut tree = Tree::exact(root);
        let mut first = BTreeMap::new();
        for (number, entry) in (0..).zip(tree.0.values_mut()) {
            if let Some(identity) = &mut entry.identity {
                identity.inode = *first.entry(identity.inode).or_insert(number);
                identity.changed = (0, 0);
            }
        }
        tree
    }

    /// How the tree looks, whenever it was made: equal for equal work in two places.
    pub fn shape(root: &Path) -> Tree {
        let mut tree = Tree::exact(root);
        tree.0.values_mut().for_each(|entry| entry.identity = None);
        tree
    }

    /// What was in an older snapshot, and is here still; directories without
    /// their times, since names may have come. Equal to [`Tree::without_dir_times`]
    /// of the older one where nothing that was there has changed.
    #[must_use]
    pub fn of_old(mut self, old: &Tree) -> Tree {
        self.0.retain(|path, _| old.0.contains_key(path));
        self.without_dir_times()
    }

    /// The tree with the times of directories left out.
    #[must_use]
    pub fn without_dir_times(mut self) -> Tree {
        let is_dir = |entry: &Entry| entry.mode & libc::S_IFMT == libc::S_IFDIR;
        self.0.values_mut().filter(|entry| is_dir(entry)).for_each(|entry| entry.identity = None);
        self
    }

    /// The paths alone, each with its type.
    pub fn names(&self) -> Vec<(&Path, u32)> {
        self.0.iter().map(|(path, entry)| (path.as_path(), entry.mode & libc::S_IFMT)).collect()
    }

    /// The tree without what lies at or beneath some paths.
    #[must_use]
    pub fn without(mut self, paths: &[&str]) -> Tree {
        self.0.retain(|path, _| !paths.iter().any(|p| path.starts_with(p)));
        self
    }
}

/// Prints only what differs from nothing: paths and modes.
impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(path, e)| (path, format!("{:o}", e.mode)))).finish()
    }
}

fn collect(root: &Path, path: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let name = path.strip_prefix(root).expect("beneath the root").to_owned();
    let entry = Entry::of(path);
    let is_dir = entry.mode & libc::S_IFMT == libc::S_IFDIR;
    entries.insert(name, entry);
    if is_dir {
        for child in fs::read_dir(path).into_iter().flatten() {
            collect(root, &child.expect("list a directory").path(), entries);
        }
    }
}

/// Asserts that two snapshots are equal and names what differs.
#[track_caller]
pub fn assert_same(before: &Tree, after: &Tree) {
    let mut differences = String::new();
    for (path, entry) in &before.0 {
        match after.0.get(path) {
            None => writeln!(differences, "gone: {}", path.display()).expect("write to a string"),
            Some(now) if now != entry => {
                writeln!(differences, "changed: {}\n  {entry:?}\n  {now:?}", path.display()).expect("write")
            }
            Some(_) => {}
        }
    }
    for path in after.0.keys().filter(|path| !before.0.contains_key(*path)) {
        writeln!(differences, "new: {}", path.display()).expect("write to a string");
    }
    assert!(differences.is_empty(), "the trees differ:\n{differences}");
}
