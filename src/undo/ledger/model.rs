//! Random operations on a naive tree, journaled as the broker does it; the
//! ledger must then lead from the final tree back to the first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::undo::entry::{Gone, Name, Object};

/// One name in the tree: a number of its own and the file that it stands for.
type Named = (u32, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inode {
    kind: Kind,
    content: u32,
    mode: u32,
}

#[derive(Debug, Default)]
struct World {
    tree: BTreeMap<PathBuf, Named>,
    /// The tree as it was at first.
    first: BTreeMap<PathBuf, Named>,
    inodes: HashMap<u64, Inode>,
    own: BTreeSet<u64>,
    /// Content of the copies, and the files that were moved to the store.
    copies: HashMap<Object, u32>,
    moved: HashMap<Object, u64>,
    has_content: BTreeSet<u64>,
    has_meta: BTreeSet<u64>,
    has_dir: BTreeSet<u64>,
    lines: Vec<Line>,
    next: u32,
}

fn identity(inode: u64) -> Identity {
    Identity { device: (0, 1), inode, born: Some((inode as i64, 0)) }
}

fn name(path: &Path) -> Name {
    path.into()
}

impl World {
    fn write(&mut self, entry: Entry) -> u64 {
        let seq = self.lines.len() as u64;
        self.lines.push(Line { seq, time: 0, by: (seq % 3) as u32, entry });
        seq
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn insert(&mut self, path: &Path, kind: Kind) -> Named {
        let (token, inode) = (self.number(), u64::from(self.number()));
        self.inodes.insert(inode, Inode { kind, content: self.next, mode: self.next });
        self.tree.insert(path.into(), (token, inode));
        (token, inode)
    }

    fn meta(&self, inode: u64, is_whole: bool) -> Meta {
        let Inode { kind, mode, .. } = self.inodes[&inode];
        let format = if kind == Kind::Dir { 0o040_000 } else { 0o100_000 };
        let xattrs = is_whole.then(Vec::new);
        // The time stands in for the mode, of which there are too few.
        let mtime = (mode.into(), 0);
        Meta { mode: format | 0o600, uid: 0, gid: 0, size: 0, atime: (0, 0), mtime, xattrs }
    }

    fn links(&self, inode: u64) -> u32 {
        self.tree.values().map(|(_, other)| u32::from(*other == inode)).sum()
    }

    fn is_empty(&self, path: &Path) -> bool {
        !self.tree.keys().any(|other| other != path && other.starts_with(path))
    }

    fn keep_dir(&mut self, path: &Path) {
        let Some((_, inode)) = path.parent().and_then(|dir| self.tree.get(dir)).copied() else { return };
        let is_new = !self.own.contains(&inode) && !self.has_meta.contains(&inode);
        if is_new && self.has_dir.insert(inode) {
            let (path, meta) = (name(path.parent().unwrap()), self.meta(inode, false));
            self.write(Entry::Dir { path, file: identity(inode), meta });
        }
        self.inodes.get_mut(&inode).unwrap().mode += 1;
    }

    fn keep_meta(&mut self, path: &Path, inode: u64) {
        if !self.own.contains(&inode) && !self.has_content.contains(&inode) && self.has_meta.insert(inode) {
            let meta = self.meta(inode, true);
            self.write(Entry::Meta { path: name(path), file: identity(inode), meta });
        }
    }

    fn keep_content(&mut self, path: &Path, inode: u64) {
        if !self.own.contains(&inode) && self.has_content.insert(inode) {
            let (meta, object) = (self.meta(inode, true), Object::File(self.number().into()));
            self.copies.insert(object, self.inodes[&inode].content);
            self.write(Entry::Content { path: name(path), file: identity(inode), meta, object });
        }
    }

    fn gone(&mut self, inode: u64) -> Gone {
        let (kind, own) = (self.inodes[&inode].kind, self.own.contains(&inode));
        let (mut object, links) = (None, self.links(inode));
        if kind == Kind::File && !own && !self.has_content.contains(&inode) {
            let number = Object::File(self.number().into());
            if links > 1 {
                self.copies.insert(number, self.inodes[&inode].content);
            } else {
                self.moved.insert(number, inode);
            }
            object = Some(number);
        }
        let meta = self.meta(inode, kind == Kind::Dir);
        let copied = object.is_some() && links > 1;
        Gone { file: identity(inode), kind, meta, object, copied, own, links }
    }

    fn make(&mut self, path: &Path, kind: Kind) {
        if self.tree.contains_key(path) {
            return;
        }
        self.keep_dir(path);
        let of = self.write(Entry::Create { path: name(path), kind });
        let (_, inode) = self.insert(path, kind);
        self.own.insert(inode);
        self.write(Entry::Made { of, file: identity(inode) });
    }

    fn link(&mut self, from: &Path, to: &Path) {
        let (_, inode) = self.tree[from];
        if self.tree.contains_key(to) || self.inodes[&inode].kind == Kind::Dir {
            return;
        }
        self.keep_meta(from, inode);
        self.keep_dir(to);
        let of = self.write(Entry::Create { path: name(to), kind: Kind::File });
        let token = self.number();
        self.tree.insert(to.into(), (token, inode));
        self.write(Entry::Made { of, file: identity(inode) });
    }

    fn remove(&mut self, path: &Path, says_so: bool) {
        let (_, inode) = self.tree[path];
        if !self.is_empty(path) {
            return;
        }
        let gone = self.gone(inode);
        if !gone.own || says_so {
            self.keep_dir(path);
            self.write(Entry::Remove { path: name(path), gone });
        }
        self.tree.remove(path);
    }

    fn fail(&mut self, path: &Path) {
        let (_, inode) = self.tree[path];
        let gone = self.gone(inode);
        let of = self.write(Entry::Remove { path: name(path), gone });
        self.write(Entry::Failed { of });
    }

    fn rename(&mut self, from: &Path, to: &Path, exchange: bool) {
        let (_, inode) = self.tree[from];
        let kind = self.inodes[&inode].kind;
        let target = self.tree.get(to).map(|(_, inode)| *inode);
        let fits = match target {
            _ if to.starts_with(from) || from.starts_with(to) || target == Some(inode) => false,
            Some(_) if exchange => true,
            Some(target) => self.inodes[&target].kind == kind && self.is_empty(to),
            None => !exchange,
        };
        if !fits {
            return;
        }
        self.keep_dir(to);
        let replaced = target.filter(|_| !exchange).map(|target| self.gone(target));
        self.keep_dir(from);
        let file = identity(inode);
        self.write(Entry::Rename { from: name(from), to: name(to), file, kind, exchange, replaced });
        let mut moved = BTreeMap::new();
        for (path, named) in std::mem::take(&mut self.tree) {
            let under = |from: &Path, to: &Path| {
                path.strip_prefix(from)
                    .ok()
                    .map(|rest| if rest == Path::new("") { to.into() } else { to.join(rest) })
            };
            match (under(from, to), under(to, from)) {
                (Some(path), _) => drop(moved.insert(path, named)),
                (None, Some(path)) if exchange => drop(moved.insert(path, named)),
                (None, Some(_)) => {}
                (None, None) => drop(moved.insert(path, named)),
            }
        }
        self.tree = moved;
    }

    /// Puts something back where it was at first, or makes another in its place.
    fn reuse(&mut self, moves_back: bool, number: usize) {
        let has_room = |path: &Path| {
            let parent = path.parent().and_then(|parent| self.tree.get(parent));
            !self.tree.contains_key(path) && parent.is_some_and(|(_, i)| self.inodes[i].kind == Kind::Dir)
        };
        let free: Vec<_> = self.first.iter().filter(|(path, _)| has_room(path)).collect();
        let Some((path, (token, inode))) = free.get(number % free.len().max(1)).copied() else { return };
        let (path, kind) = (path.clone(), self.inodes[inode].kind);
        let now = self.tree.iter().find(|(_, (other, _))| other == token).map(|(now, _)| now.clone());
        match now {
            Some(now) if moves_back => self.rename(&now, &path, false),
            _ => self.make(&path, kind),
        }
    }

    fn step(&mut self, op: u8, first: usize, second: usize, new: u8) {
        let paths: Vec<PathBuf> = self.tree.keys().skip(1).cloned().collect();
        let dirs: Vec<PathBuf> = self
            .tree
            .iter()
            .filter(|(_, n)| self.inodes[&n.1].kind == Kind::Dir)
            .map(|(p, _)| p.clone())
            .collect();
        let fresh = dirs[second % dirs.len()].join(format!("n{}", new % 4));
        if op == 0 || op == 1 || paths.is_empty() {
            return self.make(&fresh, if op == 0 { Kind::Dir } else { Kind::File });
        }
        if op >= 12 {
            return self.reuse(op == 12, first);
        }
        let path = paths[first % paths.len()].clone();
        let (_, inode) = self.tree[&path];
        match op {
            2 | 3 => self.remove(&path, new.is_multiple_of(2)),
            4 => self.rename(&path, &paths[second % paths.len()], false),
            5 | 6 => self.rename(&path, &fresh, false),
            7 => self.rename(&path, &paths[second % paths.len()], true),
            8 if self.inodes[&inode].kind == Kind::File => {
                self.keep_content(&path, inode);
                self.inodes.get_mut(&inode).unwrap().content += 1;
            }
            9 => {
                self.keep_meta(&path, inode);
                self.inodes.get_mut(&inode).unwrap().mode += 1;
            }
            10 => self.link(&path, &fresh),
            _ => self.fail(&path),
        }
    }
}

fn first_world(shape: &[(bool, usize)]) -> World {
    let mut world = World::default();
    world.insert(Path::new("/w"), Kind::Dir);
    for (number, (is_dir, place)) in shape.iter().enumerate() {
        let dirs: Vec<PathBuf> = world
            .tree
            .iter()
            .filter(|(_, n)| world.inodes[&n.1].kind == Kind::Dir)
            .map(|(p, _)| p.clone())
            .collect();
        let path = dirs[place % dirs.len()].join(format!("o{number}"));
        let twin = world.tree.values().map(|(_, inode)| *inode).find(|i| world.inodes[i].kind == Kind::File);
        match twin.filter(|_| !is_dir && number % 3 == 2) {
            Some(inode) => {
                let token = world.number();
                world.tree.insert(path, (token, inode));
            }
            None => drop(world.insert(&path, if *is_dir { Kind::Dir } else { Kind::File })),
        }
    }
    world
}

/// Where a name was before the session, as the ledger has it.
fn origin(changes: &[Change], path: &Path) -> Option<PathBuf> {
    let change = path.ancestors().find_map(|dir| {
        let is_here = |change: &&Change| change.after.as_ref().is_some_and(|after| after.path == dir);
        changes.iter().find(is_here).map(|change| (dir, change))
    });
    match change {
        None => Some(path.into()),
        Some((dir, Change { before, .. })) => before
            .as_ref()
            .map(|before| before.path.join(path.strip_prefix(dir).unwrap()).components().collect()),
    }
}

fn check(shape: &[(bool, usize)], steps: &[(u8, usize, usize, u8)]) -> Result<(), TestCaseError> {
    let mut world = first_world(shape);
    let (first, inodes) = (world.tree.clone(), world.inodes.clone());
    world.first.clone_from(&first);
    for (op, a, b, new) in steps {
        world.step(*op, *a, *b, *new);
    }
    let ledger = Ledger::of(&world.lines);
    let changes = &ledger.changes;
    let tokens: HashMap<u32, &PathBuf> = first.iter().map(|(path, (token, _))| (*token, path)).collect();
    // Each name that is there came from where the ledger says.
    for (path, (token, _)) in &world.tree {
        let expected = tokens.get(token).map(|path| (*path).clone());
        prop_assert_eq!(origin(changes, path), expected, "origin of {:?}", path);
    }
    // Exactly the names that are gone are said to be gone, and can come back.
    let left: BTreeSet<u32> = world.tree.values().map(|(token, _)| *token).collect();
    let lost: Vec<&PathBuf> =
        first.iter().filter(|(_, (token, _))| !left.contains(token)).map(|(path, _)| path).collect();
    let mut said: Vec<&PathBuf> = Vec::new();
    for change in changes.iter().filter(|change| change.after.is_none()) {
        said.extend(change.before.as_ref().map(|before| &before.path));
    }
    said.sort();
    prop_assert_eq!(said, lost);
    for change in changes {
        prop_assert!(!change.by.is_empty() && change.by.is_sorted());
        let Some(before) = &change.before else { continue };
        let (_, inode) = first[&before.path];
        prop_assert_eq!(before.file.is_none_or(|file| file == identity(inode)), true);
        let saved = match (before.content, before.object) {
            (Some(copy), _) => Some(world.copies[&copy]),
            (None, Some(copy)) if before.copied => Some(world.copies[&copy]),
            (None, Some(object)) => Some(world.inodes[&world.moved[&object]].content),
            (None, None) if change.after.is_some() => Some(world.inodes[&inode].content),
            (None, None) => None,
        };
        let original = inodes[&inode];
        // An exchange does not say what the second name stands for: then a file's
        // other names tell what was saved of it.
        if original.kind == Kind::File && before.file.is_some() {
            prop_assert_eq!(saved, Some(original.content), "content of {:?}", before);
        }
        // Only names of a file that have to do with anything know its metadata.
        if let Some(meta) = &before.meta {
            prop_assert_eq!(meta.mtime.0, i64::from(original.mode), "metadata of {:?}", before);
        }
    }
    // Whatever is another file now than it was is told of.
    for (_, (_, inode)) in first.iter().filter(|(_, (_, inode))| world.inodes[inode] != inodes[inode]) {
        let is_told = |change: &&Change| {
            change.before.as_ref().is_some_and(|b| b.file == Some(identity(*inode)) && b.meta.is_some())
        };
        prop_assert!(changes.iter().any(|change| is_told(&change)), "{:?} changed untold", inode);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn the_ledger_leads_back(
        shape in prop::collection::vec((any::<bool>(), any::<usize>()), 0..10),
        steps in prop::collection::vec((0_u8..15, any::<usize>(), any::<usize>(), any::<u8>()), 0..40),
    ) {
        check(&shape, &steps)?;
    }
}
