//! The patterns of a layer as one trie by path components, so that a decision
//! is one walk down the path, however many rules there are.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::facts::{Facts, Kind};
use super::pattern::{Component, Pattern, Wildcard};
use super::rules::Rule;

/// A node's number; the root is 0.
pub(super) type NodeId = usize;

/// The patterns of a layer, by components.
#[derive(Debug, Clone)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

/// What patterns have in common up to here.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Where a name leads, sorted by name.
    literals: Vec<(OsString, NodeId)>,
    /// Where names that match lead.
    wild: Vec<(Wildcard, NodeId)>,
    /// The node behind `**`.
    any_depth: Option<NodeId>,
    /// Whether this is the node behind a `**`, which every name leads back to.
    pub(super) repeats: bool,
    /// Whether there is a `**` on the way here, so that this node may be met
    /// at any depth.
    pub(super) floats: bool,
    /// Rules of which a pattern ends here.
    pub(super) rules: Vec<usize>,
}

impl Node {
    /// The node behind `**`, which stands at the same place as this one.
    pub(super) fn any_depth(&self) -> Option<NodeId> {
        self.any_depth
    }

    /// Names that patterns go on with.
    pub(super) fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.literals.iter().map(|(name, _)| name.as_os_str())
    }

    /// The nodes that a name leads to.
    pub(super) fn next(&self, name: &OsStr) -> impl Iterator<Item = NodeId> {
        let found = self.literals.binary_search_by(|(known, _)| known.as_os_str().cmp(name));
        let literal = found.ok().map(|place| self.literals[place].1);
        let wild = self.wild.iter().filter(move |(wildcard, _)| wildcard.matches(name));
        literal.into_iter().chain(wild.map(|(_, node)| *node))
    }

    /// The nodes behind names, and those behind wildcards.
    pub(super) fn children(&self) -> (impl Iterator<Item = NodeId>, impl Iterator<Item = NodeId>) {
        (self.literals.iter().map(|(_, node)| *node), self.wild.iter().map(|(_, node)| *node))
    }
}

impl Trie {
    /// The trie of these rules, which are known by their index.
    pub(super) fn of(rules: &[Rule]) -> Trie {
        let mut nodes = Vec::with_capacity(2 * rules.len());
        nodes.push(Node::default());
        let mut trie = Trie { nodes };
        rules.iter().enumerate().for_each(|(index, rule)| trie.add(&rule.pattern, index));
        trie
    }

    /// Adds a pattern under which a rule holds.
    pub(super) fn add(&mut self, pattern: &Pattern, rule: usize) {
        let end = pattern.components().fold(0, |node, component| self.child(node, component));
        self.nodes[end].rules.push(rule);
    }

    /// A node by its number.
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    fn child(&mut self, at: NodeId, component: Component<'_>) -> NodeId {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let floats = node.floats || component == Component::AnyDepth;
        let repeats = component == Component::AnyDepth;
        match component {
            Component::Literal(name) => {
                match node.literals.binary_search_by(|(known, _)| known.as_os_str().cmp(&name)) {
                    Ok(found) => return node.literals[found].1,
                    Err(place) => node.literals.insert(place, (name.into_owned(), new)),
                }
            }
            Component::Wild(text) => {
                if let Some((_, found)) = node.wild.iter().find(|(known, _)| known.text() == text) {
                    return *found;
                }
                // A pattern that could be parsed once can be parsed again.
                let Ok(wildcard) = Wildcard::parse(text) else { return at };
                node.wild.push((wildcard, new));
            }
            Component::AnyDepth if node.repeats => return at,
            Component::AnyDepth => match node.any_depth {
                Some(found) => return found,
                None => node.any_depth = Some(new),
            },
        }
        self.nodes.push(Node { repeats, floats, ..Node::default() });
        new
    }

    /// The rules whose path in front of the first wildcard leads through a
    /// symbolic link, sorted.
    pub(super) fn behind_links(&self, facts: &dyn Facts) -> Vec<usize> {
        let mut found = Vec::new();
        self.look_for_links(0, &mut PathBuf::from("/"), facts, &mut found);
        found.sort_unstable();
        found
    }

    fn look_for_links(&self, at: NodeId, path: &mut PathBuf, facts: &dyn Facts, found: &mut Vec<usize>) {
        for (name, child) in &self.nodes[at].literals {
            path.push(name);
            match facts.kind(path) {
                Some(Kind::Dir) => self.look_for_links(*child, path, facts, found),
                Some(Kind::Symlink) => self.each_rule_from(*child, &mut |rule| found.push(rule)),
                Some(Kind::File) | None => {}
            }
            path.pop();
        }
    }

    /// Visits the rules whose pattern ends at a node or goes on from it.
    pub(super) fn each_rule_from(&self, at: NodeId, visit: &mut dyn FnMut(usize)) {
        let node = &self.nodes[at];
        node.rules.iter().for_each(|rule| visit(*rule));
        let (names, wild) = node.children();
        names.chain(wild).chain(node.any_depth).for_each(|child| self.each_rule_from(child, visit));
    }
}
