//! The patterns of a layer as one trie by path components, so that a decision
//! is one walk down the path, however many rules there are.

use std::ffi::{OsStr, OsString};

use super::pattern::{Component, Wildcard};
use super::rules::{Force, Layer, Rule};
use super::{Access, Decision, Effect, RuleId, Verb};

/// The patterns of a layer, by components.
#[derive(Debug, Clone, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Sorted by name.
    literals: Vec<(OsString, usize)>,
    wild: Vec<(Wildcard, usize)>,
    /// The node behind `**`, which also stays where it is.
    any_depth: Option<usize>,
    /// Whether this node is one behind `**`.
    repeats: bool,
    /// Rules whose pattern ends here, in order.
    rules: Vec<usize>,
}

impl Trie {
    pub(super) fn of(rules: &[Rule]) -> Trie {
        let mut trie = Trie { nodes: vec![Node::default()] };
        for (index, rule) in rules.iter().enumerate() {
            let end = rule.pattern.components().iter().fold(0, |node, component| trie.child(node, component));
            trie.nodes[end].rules.push(index);
        }
        trie
    }

    fn child(&mut self, node: usize, component: &Component) -> usize {
        let new = self.nodes.len();
        match component {
            Component::Literal(name) => {
                let literals = &mut self.nodes[node].literals;
                match literals.binary_search_by(|(known, _)| known.cmp(name)) {
                    Ok(found) => return literals[found].1,
                    Err(place) => literals.insert(place, (name.clone(), new)),
                }
            }
            Component::Wild(wildcard) => {
                let wild = &mut self.nodes[node].wild;
                if let Some((_, found)) = wild.iter().find(|(known, _)| known.text() == wildcard.text()) {
                    return *found;
                }
                wild.push((wildcard.clone(), new));
            }
            Component::AnyDepth => {
                if self.nodes[node].repeats {
                    return node;
                }
                if let Some(found) = self.nodes[node].any_depth {
                    return found;
                }
                self.nodes[node].any_depth = Some(new);
            }
        }
        self.nodes.push(Node { repeats: matches!(component, Component::AnyDepth), ..Node::default() });
        new
    }
}

/// A position in the file tree, as the policy sees it.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    layers: Vec<LayerWalk<'a>>,
}

#[derive(Clone)]
pub(super) struct LayerWalk<'a> {
    layer: &'a Layer,
    /// Nodes of the trie that the path so far leads to.
    active: Vec<usize>,
    /// The same for the directory above; kept for its memory.
    before: Vec<usize>,
    depth: usize,
    /// The last normal or command-line rule, by its index.
    last: Option<usize>,
    /// The strictest floor so far, the deepest rule in it, and its depth.
    floor: Option<(Access, usize, usize)>,
    /// The last command-line rule and its depth.
    named: Option<(usize, usize)>,
}

impl<'a> Walk<'a> {
    /// A walk that stands at the root directory.
    pub(super) fn start(layers: &'a [Layer]) -> Walk<'a> {
        Walk { layers: layers.iter().map(LayerWalk::start).collect() }
    }

    /// Goes down to an entry of this directory.
    pub(super) fn enter(&mut self, name: &OsStr) {
        self.layers.iter_mut().for_each(|layer| layer.enter(name));
    }

    /// The access here: the strictest of all layers.
    pub(super) fn access(&self) -> Access {
        let accesses = self.layers.iter().map(LayerWalk::access);
        // No layer at all must not mean that everything is allowed.
        accesses.reduce(Access::strictest).unwrap_or(Access::HIDDEN)
    }

    /// The decision here.
    pub(super) fn decide(&self, verb: Verb) -> Decision {
        let mut decision = Decision { effect: Effect::Allow, rule: None };
        let mut first = true;
        for (index, layer) in self.layers.iter().enumerate() {
            let (effect, rule) = layer.decide(verb);
            if first || effect > decision.effect || (effect == decision.effect && decision.rule.is_none()) {
                decision = Decision { effect, rule: rule.map(|rule| RuleId { layer: index, index: rule }) };
            }
            first = false;
        }
        if first {
            decision.effect = Effect::Deny;
        }
        decision
    }

    /// Names of entries that some rule's pattern goes on with, and that have no
    /// `**` in front of them.
    pub(super) fn named_below(&self) -> impl Iterator<Item = &OsStr> {
        let nodes = self.layers.iter().flat_map(LayerWalk::nodes).filter(|node| !node.repeats);
        nodes.flat_map(|node| node.literals.iter().map(|(name, _)| name.as_os_str()))
    }

    /// Visits the accesses of rules that a wildcard in their pattern could make
    /// hold for an entry of this directory or something beneath it.
    pub(super) fn each_wildcard_below(&self, visit: &mut dyn FnMut(Access)) {
        for layer in &self.layers {
            for node in layer.nodes() {
                node.wild.iter().for_each(|(_, child)| layer.each_rule_from(*child, visit));
                if node.repeats {
                    node.literals.iter().for_each(|(_, child)| layer.each_rule_from(*child, visit));
                }
            }
        }
    }
}

impl<'a> LayerWalk<'a> {
    /// A walk of one layer that stands at the root directory.
    pub(super) fn start(layer: &'a Layer) -> LayerWalk<'a> {
        let (active, before) = (Vec::with_capacity(8), Vec::with_capacity(8));
        let mut walk = LayerWalk { layer, active, before, depth: 0, last: None, floor: None, named: None };
        walk.arrive(0);
        walk
    }

    fn nodes(&self) -> impl Iterator<Item = &'a Node> {
        self.active.iter().map(|node| &self.layer.trie().nodes[*node])
    }

    /// Goes down to an entry of this directory.
    pub(super) fn enter(&mut self, name: &OsStr) {
        self.depth += 1;
        std::mem::swap(&mut self.active, &mut self.before);
        self.active.clear();
        let trie = self.layer.trie();
        for place in 0..self.before.len() {
            let index = self.before[place];
            let node = &trie.nodes[index];
            if node.repeats {
                self.arrive(index);
                self.apply_all(&node.rules);
            }
            if let Ok(found) = node.literals.binary_search_by(|(known, _)| known.as_os_str().cmp(name)) {
                self.arrive(node.literals[found].1);
            }
            for (wildcard, child) in &node.wild {
                if wildcard.matches(name) {
                    self.arrive(*child);
                }
            }
        }
    }

    fn arrive(&mut self, index: usize) {
        if self.active.contains(&index) {
            return;
        }
        self.active.push(index);
        let node = &self.layer.trie().nodes[index];
        if !node.repeats {
            self.apply_all(&node.rules);
        }
        if let Some(behind) = node.any_depth {
            self.arrive(behind);
        }
    }

    fn apply_all(&mut self, rules: &[usize]) {
        rules.iter().for_each(|rule| self.apply(*rule));
    }

    fn apply(&mut self, index: usize) {
        let rule = &self.layer.rules[index];
        match rule.force {
            Force::Normal => self.last = self.last.max(Some(index)),
            Force::CommandLine => {
                self.last = self.last.max(Some(index));
                if self.named.is_none_or(|(known, _)| known <= index) {
                    self.named = Some((index, self.depth));
                }
            }
            Force::Final => {
                let access = self.floor.map_or(rule.access, |(floor, _, _)| floor.strictest(rule.access));
                self.floor = Some((access, index, self.depth));
            }
        }
    }

    /// The floor, unless a person named this path or one beneath the floor's.
    fn standing_floor(&self) -> Option<(Access, usize)> {
        let (floor, rule, depth) = self.floor?;
        let lifted = self.named.is_some_and(|(index, named)| named >= depth && self.last == Some(index));
        (!lifted).then_some((floor, rule))
    }

    /// What the layer says here.
    pub(super) fn access(&self) -> Access {
        let access = self.last.map_or(self.layer.default, |index| self.layer.rules[index].access);
        self.standing_floor().map_or(access, |(floor, _)| access.strictest(floor))
    }

    fn decide(&self, verb: Verb) -> (Effect, Option<usize>) {
        let access = self.last.map_or(self.layer.default, |index| self.layer.rules[index].access);
        match self.standing_floor() {
            Some((floor, rule)) if floor.effect(verb) >= access.effect(verb) => {
                (floor.effect(verb), Some(rule))
            }
            _ => (access.effect(verb), self.last),
        }
    }

    fn each_rule_from(&self, node: usize, visit: &mut dyn FnMut(Access)) {
        let node = &self.layer.trie().nodes[node];
        for index in &node.rules {
            let rule = &self.layer.rules[*index];
            if rule.force == Force::Final || self.last.is_none_or(|last| last < *index) {
                // A floor that holds here holds beneath as well.
                visit(self.floor.map_or(rule.access, |(floor, _, _)| floor.strictest(rule.access)));
            }
        }
        let literals = node.literals.iter().map(|(_, child)| *child);
        let wild = node.wild.iter().map(|(_, child)| *child);
        literals.chain(wild).chain(node.any_depth).for_each(|child| self.each_rule_from(child, visit));
    }
}
