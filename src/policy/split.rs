//! From rules to grants. A grant covers a subtree and nothing takes away from
//! it, so where a stricter rule lies beneath, the siblings are granted instead,
//! at every level down to the hole.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::facts::{Facts, Kind};
use super::plan::{Grant, Rights, Split};
use super::rules::Policy;
use super::walk::Walk;
use super::{Note, Origin};

/// How many holes a split names.
const HOLES_NAMED: usize = 8;

/// What Landlock is to grant.
pub(super) struct Grants {
    /// Sorted by path.
    pub(super) grants: Vec<Grant>,
    /// Directories whose grant was split.
    pub(super) splits: Vec<Split>,
    /// What went otherwise than the policy says.
    pub(super) notes: Vec<Note>,
}

/// Compiles the grants of a policy.
pub(super) fn grants(policy: &Policy, facts: &dyn Facts) -> Grants {
    let mut survey = Survey { facts, path: PathBuf::from("/"), notes: Vec::new() };
    let root = survey.visit(policy.start(), Some(Kind::Dir));
    let notes = survey.notes;
    let mut grants = Grants { grants: Vec::new(), splits: Vec::new(), notes };
    emit(&root, Path::new("/"), Rights::NONE, facts, &mut grants);
    grants.grants.sort();
    grants.grants.dedup();
    grants
}

/// A path that some rule may treat otherwise than its directory.
struct Node {
    /// None where it does not exist.
    kind: Option<Kind>,
    /// What the policy gives here with nobody watching.
    native: Rights,
    /// What it gives here and everywhere beneath.
    uniform: Rights,
    /// Entries that matter; all others are like this directory.
    children: Vec<(OsString, Node)>,
}

impl Node {
    /// What a grant above may cover without giving this node too much.
    fn ceiling(&self) -> Rights {
        let Rights { remove, make, .. } = self.uniform;
        match self.kind {
            Some(Kind::Dir) => self.uniform,
            // Files are not listed. Neither are names that do not exist.
            Some(Kind::File) | None => Rights { list: true, ..self.uniform },
            // A link has no content of its own.
            Some(Kind::Symlink) => Rights { remove, make, ..Rights::ALL },
        }
    }

    /// Whether it is just like any other entry of a directory with these rights.
    fn is_like(&self, native: Rights) -> bool {
        self.native == native && self.uniform == native && self.children.is_empty()
    }
}

struct Survey<'a> {
    facts: &'a dyn Facts,
    path: PathBuf,
    notes: Vec<Note>,
}

impl Survey<'_> {
    fn visit(&mut self, walk: Walk<'_>, kind: Option<Kind>) -> Node {
        let native = Rights::native(walk.access());
        let mut node = Node { kind, native, uniform: native, children: Vec::new() };
        let mut named: Vec<&OsStr> = walk.named_below().collect();
        named.sort_unstable();
        named.dedup();
        for name in &named {
            let kind = if kind == Some(Kind::Dir) { self.facts.kind(&self.path.join(name)) } else { None };
            // Where nothing is granted, what does not exist takes nothing away.
            if kind.is_none() && native.is_empty() {
                continue;
            }
            self.enter(&walk, name, kind, &mut node);
        }
        if kind == Some(Kind::Dir) {
            self.visit_wildcards(&walk, &named, &mut node);
        }
        node.uniform =
            node.children.iter().fold(node.uniform, |uniform, (_, child)| uniform.and(child.ceiling()));
        node
    }

    /// Looks at every entry, but only where a rule with a wildcard could treat
    /// one of them otherwise.
    fn visit_wildcards(&mut self, walk: &Walk<'_>, named: &[&OsStr], node: &mut Node) {
        let (mut removable, mut addable) = (Rights::NONE, Rights::NONE);
        walk.each_wildcard_below(&mut |access| {
            let rights = Rights::native(access);
            removable = removable.or(node.native.minus(rights));
            addable = addable.or(rights.minus(node.native));
        });
        if removable.is_empty() && addable.is_empty() {
            return;
        }
        let Some(entries) = self.facts.list(&self.path) else {
            node.uniform = node.uniform.minus(removable);
            if !removable.is_empty() {
                let rights: Vec<&str> = removable.names().collect();
                let path = self.path.display();
                let text = format!("{path} cannot be listed, so it is not granted: {}", rights.join(", "));
                self.notes.push(Note { origin: Origin::default(), text });
            }
            return;
        };
        for (name, kind) in entries {
            if named.binary_search(&name.as_os_str()).is_err() {
                self.enter(walk, &name, Some(kind), node);
            }
        }
    }

    /// Looks at an entry, and keeps it if it matters.
    fn enter(&mut self, walk: &Walk<'_>, name: &OsStr, kind: Option<Kind>, node: &mut Node) {
        self.path.push(name);
        let child = self.visit(walk.at(name), kind);
        self.path.pop();
        if !child.is_like(node.native) {
            node.children.push((name.to_os_string(), child));
        }
    }
}

/// Grants a node what holds for its whole subtree, and its entries the rest.
fn emit(node: &Node, path: &Path, given: Rights, facts: &dyn Facts, out: &mut Grants) {
    let is_dir = match node.kind {
        Some(Kind::Dir) => true,
        Some(Kind::File) => false,
        Some(Kind::Symlink) | None => return,
    };
    if !is_dir {
        // Names cannot be changed in a file, nor can it be listed.
        let rights = Rights { remove: false, make: false, list: false, ..node.native }.minus(given);
        push(out, path, false, rights);
        return;
    }
    let whole = node.uniform.minus(given);
    push(out, path, true, whole);
    let given = given.or(whole);
    let rest = node.native.minus(given);
    if !rest.is_empty() {
        split(node, path, given, rest, facts, out);
    }
    for (name, child) in &node.children {
        emit(child, &path.join(name), given, facts, out);
    }
}

/// Grants the entries that no rule singles out what their directory cannot have.
fn split(node: &Node, path: &Path, given: Rights, rest: Rights, facts: &dyn Facts, out: &mut Grants) {
    let holes = node.children.iter().filter(|(_, child)| !rest.minus(child.ceiling()).is_empty());
    let holes = holes.map(|(name, _)| name.clone()).take(HOLES_NAMED).collect();
    out.splits.push(Split { path: path.to_path_buf(), lost: rest, holes });
    let singled_out = |name: &OsStr| node.children.iter().any(|(known, _)| known == name);
    let Some(entries) = facts.list(path) else { return };
    for (name, kind) in entries.iter().filter(|(name, _)| !singled_out(name)) {
        // Entries that no rule singles out have the rights of their directory.
        let entry =
            Node { kind: Some(*kind), native: node.native, uniform: node.native, children: Vec::new() };
        emit(&entry, &path.join(name), given, facts, out);
    }
}

fn push(out: &mut Grants, path: &Path, is_dir: bool, rights: Rights) {
    if !rights.is_empty() {
        out.grants.push(Grant { path: path.to_path_buf(), is_dir, rights });
    }
}
