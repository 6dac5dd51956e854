//! A file tree in memory, for [`Facts`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::policy::facts::{Facts, Kind};

/// A tree. Paths are absolute; the root is always there.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Dir,
    /// A directory that cannot be listed.
    Sealed,
    File(Vec<u8>),
    Link(PathBuf),
}

impl Tree {
    /// A tree from lines: `/dir/`, `/file`, `/file = content`, `/link -> target`.
    /// Directories above need no line of their own.
    pub(super) fn of(lines: &str) -> Tree {
        let mut tree = Tree::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some((link, target)) = line.split_once(" -> ") {
                tree.add_link(link, target);
            } else if let Some((file, content)) = line.split_once(" = ") {
                tree.add_file(file, content);
            } else if line.ends_with('/') {
                tree.add_dir(line);
            } else {
                tree.add_file(line, "");
            }
        }
        tree
    }

    pub(super) fn add_dir(&mut self, path: impl AsRef<Path>) {
        self.add(path.as_ref(), Node::Dir);
    }

    pub(super) fn add_file(&mut self, path: impl AsRef<Path>, content: &str) {
        self.add(path.as_ref(), Node::File(content.into()));
    }

    pub(super) fn add_link(&mut self, path: impl AsRef<Path>, target: impl Into<PathBuf>) {
        self.add(path.as_ref(), Node::Link(target.into()));
    }

    /// Makes a directory that nobody can list.
    pub(super) fn seal(&mut self, path: impl AsRef<Path>) {
        if let Some(node @ Node::Dir) = self.nodes.get_mut(path.as_ref()) {
            *node = Node::Sealed;
        }
    }

    /// Adds a node, unless something is there, or something above is no directory.
    fn add(&mut self, path: &Path, node: Node) {
        let path: PathBuf = path.components().collect();
        let above = || path.ancestors().skip(1).filter(|above| *above != Path::new("/"));
        if above().any(|above| self.nodes.get(above).is_some_and(|node| node.kind() != Kind::Dir)) {
            return;
        }
        for above in above() {
            self.nodes.entry(above.into()).or_insert(Node::Dir);
        }
        self.nodes.entry(path).or_insert(node);
    }

    /// Every path with its kind, but for the root.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Path, Kind)> {
        self.nodes.iter().map(|(path, node)| (path.as_path(), node.kind()))
    }

    pub(super) fn is_sealed(&self, path: &Path) -> bool {
        matches!(self.nodes.get(path), Some(Node::Sealed))
    }

    /// The node of a path whose directories may be reached through links.
    fn node(&self, path: &Path) -> Option<&Node> {
        let above = self.real(path.parent()?, 0)?;
        self.nodes.get(&above.join(path.file_name()?))
    }

    fn real(&self, dir: &Path, links: usize) -> Option<PathBuf> {
        let mut real = PathBuf::from("/");
        for component in dir.components() {
            match component {
                Component::Normal(name) => real.push(name),
                Component::ParentDir => drop(real.pop()),
                _ => continue,
            }
            match self.nodes.get(&real) {
                Some(Node::Link(target)) if links < 8 => {
                    let target = real.parent()?.join(target);
                    real = self.real(&target, links + 1)?;
                }
                Some(Node::Dir | Node::Sealed) => {}
                _ if real == Path::new("/") => {}
                _ => return None,
            }
        }
        Some(real)
    }
}

impl Node {
    fn kind(&self) -> Kind {
        match self {
            Node::Dir | Node::Sealed => Kind::Dir,
            Node::File(_) => Kind::File,
            Node::Link(_) => Kind::Symlink,
        }
    }
}

impl Facts for Tree {
    fn kind(&self, path: &Path) -> Option<Kind> {
        if path == Path::new("/") { Some(Kind::Dir) } else { self.node(path).map(Node::kind) }
    }

    fn list(&self, dir: &Path) -> Option<Vec<(OsString, Kind)>> {
        if self.kind(dir)? != Kind::Dir || self.is_sealed(dir) {
            return None;
        }
        let entries = self.nodes.iter().filter(|(path, _)| path.parent() == Some(dir));
        Some(entries.map(|(path, node)| (path.file_name().unwrap_or_default().into(), node.kind())).collect())
    }

    fn read_link(&self, path: &Path) -> Option<PathBuf> {
        match self.node(path)? {
            Node::Link(target) => Some(target.clone()),
            _ => None,
        }
    }

    fn read_small(&self, path: &Path) -> Option<Vec<u8>> {
        match self.node(path)? {
            Node::File(content) => Some(content.clone()),
            _ => None,
        }
    }
}
