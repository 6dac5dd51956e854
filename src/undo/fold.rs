//! Folding a journal over a sparse tree of the names that it speaks of: pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::entry::{Entry, Gone, Identity, Kind, Line, Meta, Object, State};
use super::ledger::{After, Before, Change, CommandInfo, Ledger, SessionInfo};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Occupant {
    /// What it stood for before, beneath the directory above it.
    #[default]
    Untouched,
    /// A thing.
    Thing(usize),
    /// Nothing.
    Empty,
}

#[derive(Debug, Default)]
struct Node {
    occupant: Occupant,
    children: BTreeMap<OsString, Node>,
}

/// Something that the journal speaks of.
#[derive(Debug, Default)]
struct Thing {
    before: Option<Before>,
    kind: Option<Kind>,
    file: Option<Identity>,
    state: Option<State>,
    is_gone: bool,
    /// Whether it was there at the end, as far as anybody knows.
    is_left: bool,
    /// Whether its metadata changed by more than names that came and went in it.
    has_new_meta: bool,
    by: BTreeSet<u32>,
}

/// A journal being folded.
#[derive(Debug, Default)]
pub(super) struct Fold {
    ledger: Ledger,
    root: Node,
    things: Vec<Thing>,
    made: HashMap<u64, usize>,
    /// What was saved first of a file, whichever of its names it was reached by.
    first: HashMap<Identity, First>,
}

#[derive(Debug, Default)]
struct First {
    meta: Option<Meta>,
    content: Option<Object>,
}

impl Fold {
    /// Adds a line of which what it says did happen.
    pub(super) fn add(&mut self, line: &Line) {
        let by = line.by;
        if !matches!(line.entry, Entry::Undone { .. }) {
            self.ledger.session.ended = line.time;
        }
        match &line.entry {
            Entry::Start { session, command, workspace, undoes, .. } => {
                self.ledger.session = SessionInfo {
                    id: session.clone(),
                    command: command.iter().map(|word| word.0.clone()).collect(),
                    workspace: PathBuf::from(&workspace.0),
                    undoes: undoes.clone(),
                    started: line.time,
                    ended: line.time,
                };
            }
            Entry::Command { number, argv, .. } => {
                let argv = argv.iter().map(|word| word.0.clone()).collect();
                self.ledger.commands.push(CommandInfo { number: *number, argv });
            }
            Entry::Create { path, kind } => {
                let made = self.thing(Thing { kind: Some(*kind), ..Thing::default() });
                self.things[made].by.insert(by);
                self.made.insert(line.seq, made);
                *self.node(path.path()) = Node { occupant: Occupant::Thing(made), ..Node::default() };
            }
            Entry::Made { of, file } => {
                if let Some(made) = self.made.get(of) {
                    self.things[*made].file = Some(*file);
                }
            }
            Entry::Remove { path, gone } => self.remove(path.path(), gone, by),
            Entry::Rename { from, to, file, kind, exchange, replaced } => {
                if let Some(gone) = replaced {
                    self.remove(to.path(), gone, by);
                }
                if let Some(thing) = self.touch(from.path(), by) {
                    self.things[thing].learn(*file, *kind);
                }
                if *exchange {
                    self.touch(to.path(), by);
                }
                self.rename(from.path(), to.path(), *exchange);
            }
            Entry::Content { path, file, meta, object } => {
                self.saved(path.path(), by, *file, meta, true, Some(*object));
            }
            Entry::Meta { path, file, meta } => self.saved(path.path(), by, *file, meta, true, None),
            Entry::Dir { path, file, meta } => self.saved(path.path(), by, *file, meta, false, None),
            Entry::After { path, state } => {
                if let Occupant::Thing(thing) = self.node(path.path()).occupant {
                    self.things[thing].state.clone_from(state);
                    self.things[thing].is_left = true;
                }
            }
            Entry::Undone { session, whole } => self.ledger.undone_by.push((session.clone(), *whole)),
            Entry::End { saved, .. } => self.ledger.saved = Some(*saved),
            Entry::Store { .. } | Entry::Failed { .. } => {}
        }
    }

    fn thing(&mut self, thing: Thing) -> usize {
        self.things.push(thing);
        self.things.len() - 1
    }

    fn node(&mut self, path: &Path) -> &mut Node {
        let mut node = &mut self.root;
        for name in names(path) {
            node = node.children.entry(name.to_os_string()).or_default();
        }
        node
    }

    /// Where what stands at a path was before the session; none where it was
    /// nowhere.
    fn origin(&self, path: &Path) -> Option<PathBuf> {
        let mut node = Some(&self.root);
        let mut origin = Some(PathBuf::from("/"));
        for name in names(path) {
            node = node.and_then(|node| node.children.get(name));
            origin = match node.map(|node| node.occupant).unwrap_or_default() {
                Occupant::Untouched => origin.map(|origin| origin.join(name)),
                Occupant::Thing(thing) => {
                    self.things[thing].before.as_ref().map(|before| before.path.clone())
                }
                Occupant::Empty => None,
            };
        }
        origin
    }

    /// The thing that stands at a path; none where nothing does.
    fn touch(&mut self, path: &Path, by: u32) -> Option<usize> {
        let thing = match self.node(path).occupant {
            Occupant::Thing(thing) => thing,
            Occupant::Empty => return None,
            Occupant::Untouched => {
                let before = self.origin(path).map(|path| Before {
                    path,
                    kind: Kind::File,
                    file: None,
                    meta: None,
                    content: None,
                    object: None,
                    copied: false,
                    links: 0,
                });
                let thing = self.thing(Thing { before, ..Thing::default() });
                self.node(path).occupant = Occupant::Thing(thing);
                thing
            }
        };
        self.things[thing].by.insert(by);
        Some(thing)
    }

    fn remove(&mut self, path: &Path, gone: &Gone, by: u32) {
        let thing = self.touch(path, by);
        *self.node(path) = Node { occupant: Occupant::Empty, ..Node::default() };
        self.keep_first(gone.file, &gone.meta, None);
        let Some(thing) = thing.map(|thing| &mut self.things[thing]) else { return };
        thing.is_gone = true;
        thing.learn(gone.file, gone.kind);
        if gone.own {
            // It was made by the session in a way of which nothing was said.
            thing.before = None;
        }
        match &mut thing.before {
            Some(before) => {
                before.object = gone.object;
                before.copied = gone.copied;
                before.links = gone.links;
                merge(&mut before.meta, &gone.meta);
            }
            // A further name that the session had given a file, for example.
            None => self.ledger.superfluous.extend(gone.object),
        }
    }

    fn rename(&mut self, from: &Path, to: &Path, exchange: bool) {
        let moved = std::mem::take(self.node(from));
        let there = std::mem::replace(self.node(to), moved);
        *self.node(from) =
            if exchange { there } else { Node { occupant: Occupant::Empty, ..Node::default() } };
    }

    /// What was saved of something before it changed: only the first time counts.
    fn saved(
        &mut self,
        path: &Path,
        by: u32,
        file: Identity,
        meta: &Meta,
        is_new: bool,
        content: Option<Object>,
    ) {
        self.keep_first(file, meta, content);
        let Some(thing) = self.touch(path, by) else { return };
        let thing = &mut self.things[thing];
        thing.learn(file, Kind::of(meta.mode));
        thing.has_new_meta |= is_new;
        if let Some(before) = &mut thing.before {
            before.content = before.content.or(content);
            merge(&mut before.meta, meta);
        }
    }

    fn keep_first(&mut self, file: Identity, meta: &Meta, content: Option<Object>) {
        let first = self.first.entry(file).or_default();
        merge(&mut first.meta, meta);
        first.content = first.content.or(content);
    }

    /// A file of several names was before what was saved of it first by any.
    fn share_first(&mut self) {
        for before in self.things.iter_mut().filter_map(|thing| thing.before.as_mut()) {
            if let Some(first) = before.file.and_then(|file| self.first.get(&file)) {
                before.meta = first.meta.clone();
                before.content = first.content;
            }
        }
    }

    /// What it comes to.
    pub(super) fn finish(mut self) -> Ledger {
        self.share_first();
        let mut places = HashMap::new();
        collect(&self.root, &self.things, PathBuf::from("/"), Some(PathBuf::from("/")), &mut places);
        for (index, thing) in self.things.into_iter().enumerate() {
            let (path, origin) = places.remove(&index).filter(|_| !thing.is_gone).unzip();
            // Something may be where it was while the directory there is another.
            let is_strange = thing
                .before
                .as_ref()
                .is_some_and(|before| origin.is_some_and(|origin| origin.as_ref() != Some(&before.path)));
            let after = path.map(|path| After {
                path,
                kind: thing.kind.unwrap_or(Kind::File),
                file: thing.file,
                state: thing.state,
            });
            let has_moved = match (&thing.before, &after) {
                (None, None) => continue,
                // Made and removed again, of which nothing needs to be said.
                (None, Some(_)) if self.ledger.saved.is_some() && !thing.is_left => continue,
                (Some(before), Some(after)) => before.path != after.path || is_strange,
                _ => true,
            };
            let has_content = thing.before.as_ref().is_some_and(|before| before.content.is_some());
            let has_meta = thing.before.as_ref().is_some_and(|before| before.meta.is_some());
            if !has_moved && !has_content && !has_meta {
                continue;
            }
            let only_times = !has_moved && !has_content && !thing.has_new_meta;
            let by = thing.by.into_iter().collect();
            self.ledger.changes.push(Change { before: thing.before, after, only_times, by });
        }
        self.ledger.changes.sort_by(|one, other| one.path().cmp(other.path()));
        self.ledger
    }
}

impl Thing {
    fn learn(&mut self, file: Identity, kind: Kind) {
        self.file = Some(file);
        self.kind = Some(kind);
        if let Some(before) = &mut self.before {
            before.file = Some(file);
            before.kind = kind;
        }
    }
}

/// Adds what was not known before.
fn merge(known: &mut Option<Meta>, more: &Meta) {
    match known {
        None => *known = Some(more.clone()),
        Some(known) => known.xattrs = known.xattrs.take().or_else(|| more.xattrs.clone()),
    }
}

fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

/// Where each thing is, and where it would have been before if it had never been
/// spoken of.
fn collect(
    node: &Node,
    things: &[Thing],
    path: PathBuf,
    origin: Option<PathBuf>,
    places: &mut HashMap<usize, (PathBuf, Option<PathBuf>)>,
) {
    let own = match node.occupant {
        Occupant::Untouched => origin.clone(),
        Occupant::Thing(thing) => things[thing].before.as_ref().map(|before| before.path.clone()),
        Occupant::Empty => None,
    };
    for (name, child) in &node.children {
        let origin = own.as_ref().map(|origin| origin.join(name));
        collect(child, things, path.join(name), origin, places);
    }
    if let Occupant::Thing(thing) = node.occupant {
        places.insert(thing, (path, origin));
    }
}
