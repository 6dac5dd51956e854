//! A position in the file tree, as the rules see it.

use std::ffi::OsStr;
use std::path::{Component, Path};

use super::rules::{Force, Layer};
use super::trie::{Node, NodeId};
use super::{Access, Decision, Effect, RuleId, Verb};

/// A walk down the tree through all layers at once.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    layers: Vec<LayerWalk<'a>>,
}

impl<'a> Walk<'a> {
    /// A walk that stands at the root directory.
    pub(super) fn start(layers: &'a [Layer]) -> Walk<'a> {
        Walk { layers: layers.iter().map(LayerWalk::start).collect() }
    }

    /// A walk that stands at a path.
    pub(super) fn to(layers: &'a [Layer], path: &Path) -> Walk<'a> {
        Walk { layers: layers.iter().map(|layer| LayerWalk::to(layer, path)).collect() }
    }

    /// The walk that stands at an entry of this directory.
    pub fn at(&self, name: &OsStr) -> Walk<'a> {
        Walk { layers: self.layers.iter().map(|layer| layer.at(name)).collect() }
    }

    /// The access here: the strictest of all layers.
    pub fn access(&self) -> Access {
        let accesses = self.layers.iter().map(LayerWalk::access);
        // No layer at all must not mean that everything is allowed.
        accesses.reduce(Access::strictest).unwrap_or(Access::HIDDEN)
    }

    /// The decision here, by the strictest layer; of equals the first that has a rule.
    pub fn decide(&self, verb: Verb) -> Decision {
        let mut decision: Option<Decision> = None;
        for (layer, walk) in self.layers.iter().enumerate() {
            let (effect, rule) = walk.decide(verb);
            let is_better = decision
                .as_ref()
                .is_none_or(|best| effect > best.effect || (effect == best.effect && best.rule.is_none()));
            if is_better {
                decision = Some(Decision { effect, rule: rule.map(|index| RuleId { layer, index }) });
            }
        }
        decision.unwrap_or(Decision { effect: Effect::Deny, rule: None })
    }

    /// Names of entries that some rule's pattern goes on with, and that have no
    /// `**` in front of them.
    pub(super) fn named_below(&self) -> impl Iterator<Item = &'a OsStr> {
        let nodes = self.layers.iter().flat_map(LayerWalk::nodes).filter(|node| !node.floats);
        nodes.flat_map(Node::names)
    }

    /// Whether any rule could treat something beneath otherwise than what is here.
    pub fn has_rules_below(&self) -> bool {
        let mut has = false;
        self.each_rule_below(&mut |_| has = true);
        has
    }

    /// Visits the accesses that rules could give to anything beneath this
    /// directory, whether or not it exists.
    pub(super) fn each_rule_below(&self, visit: &mut dyn FnMut(Access)) {
        self.layers.iter().for_each(|layer| layer.each_rule_below(visit));
    }

    /// Visits the accesses that rules could give to entries of this directory,
    /// or to what is beneath them, by a wildcard in their pattern.
    pub(super) fn each_wildcard_below(&self, visit: &mut dyn FnMut(Access)) {
        self.layers.iter().for_each(|layer| layer.each_wildcard_below(visit));
    }
}

/// A walk through one layer.
#[derive(Debug, Clone)]
pub(super) struct LayerWalk<'a> {
    layer: &'a Layer,
    /// Nodes of the trie that the path so far leads to.
    active: Vec<NodeId>,
    depth: usize,
    /// The last rule that is no floor, by its index.
    last: Option<usize>,
    /// The last command-line rule, and the depth where it matched.
    named: Option<(usize, usize)>,
    /// The strictest of the floors that no command-line rule went below, and
    /// the deepest of their rules.
    floor: Option<(Access, usize)>,
    /// The last answer, by its index.
    answer: Option<usize>,
}

impl<'a> LayerWalk<'a> {
    fn start(layer: &'a Layer) -> LayerWalk<'a> {
        let active = Vec::with_capacity(4);
        let mut walk =
            LayerWalk { layer, active, depth: 0, last: None, named: None, floor: None, answer: None };
        walk.arrive(0);
        walk
    }

    fn nodes(&self) -> impl Iterator<Item = &'a Node> {
        self.active.iter().map(|node| self.layer.trie().node(*node))
    }

    /// A walk of one layer that stands at a path.
    pub(super) fn to(layer: &'a Layer, path: &Path) -> LayerWalk<'a> {
        path.components().fold(LayerWalk::start(layer), |walk, component| match component {
            Component::Normal(name) => walk.at(name),
            _ => walk,
        })
    }

    fn at(&self, name: &OsStr) -> LayerWalk<'a> {
        let mut below = LayerWalk { active: Vec::new(), depth: self.depth + 1, ..*self };
        for id in &self.active {
            let node = self.layer.trie().node(*id);
            if node.repeats {
                below.arrive(*id);
                below.apply_all(&node.rules);
            }
            node.next(name).for_each(|next| below.arrive(next));
        }
        below
    }

    fn arrive(&mut self, id: NodeId) {
        if self.active.contains(&id) {
            return;
        }
        self.active.push(id);
        let node = self.layer.trie().node(id);
        // `/a/**` holds for what is beneath /a, and not for /a.
        if !node.repeats {
            self.apply_all(&node.rules);
        }
        if let Some(behind) = node.any_depth() {
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
            Force::Answer => self.answer = self.answer.max(Some(index)),
            Force::CommandLine => {
                self.last = self.last.max(Some(index));
                if self.last == Some(index) {
                    self.named = Some((index, self.depth));
                    self.floor = None;
                }
            }
            // Named at the very place of the floor.
            Force::Final if self.named.is_some_and(|(_, depth)| depth == self.depth) => {}
            Force::Final => {
                let access = self.floor.map_or(rule.access, |(floor, _)| floor.strictest(rule.access));
                self.floor = Some((access, index));
            }
        }
    }

    /// What the rules say that are no floors, and no answers.
    fn unanswered(&self) -> Access {
        self.last.map_or(self.layer.default, |index| self.layer.rules[index].access)
    }

    /// What the rules say that are no floors.
    fn above_floor(&self) -> Access {
        let access = self.unanswered();
        self.answer.map_or(access, |index| access.answered(self.layer.rules[index].access))
    }

    /// Whether an answer of the user's would let happen what is asked about here.
    pub(super) fn takes_answer(&self, verb: Verb) -> bool {
        let asks = |access: Access| access.effect(verb) == Effect::Ask;
        asks(self.unanswered()) && self.floor.is_none_or(|(floor, _)| floor.effect(verb) < Effect::Ask)
    }

    /// What the layer says here.
    pub(super) fn access(&self) -> Access {
        let access = self.above_floor();
        self.floor.map_or(access, |(floor, _)| access.strictest(floor))
    }

    /// Whether one more `--allow` would decide here: one that names this very
    /// path, or else the directory that it is in.
    pub(super) fn yields_to_command_line(&self, names_this: bool) -> bool {
        let under = self.last.is_none_or(|last| last < self.layer.under_command_line);
        let is_floor = |rule: &usize| self.layer.rules[*rule].force == Force::Final;
        // It goes below floors at its own depth and above it.
        under && (names_this || !self.nodes().any(|node| node.rules.iter().any(is_floor)))
    }

    /// What this layer alone decides here, and the rule by its index.
    pub(super) fn decide(&self, verb: Verb) -> (Effect, Option<usize>) {
        let effect = self.above_floor().effect(verb);
        match self.floor {
            Some((floor, rule)) if floor.effect(verb) >= effect => (floor.effect(verb), Some(rule)),
            _ if effect != self.unanswered().effect(verb) => (effect, self.answer),
            _ => (effect, self.last),
        }
    }

    fn each_wildcard_below(&self, visit: &mut dyn FnMut(Access)) {
        for node in self.nodes() {
            // What floats may be met at any name; what does not is named.
            let (names, wild) = node.children();
            let names = names.filter(|_| node.floats);
            wild.chain(names).for_each(|child| self.each_access_from(child, visit));
            if node.repeats {
                node.rules.iter().for_each(|rule| self.visit(*rule, visit));
            }
        }
    }

    fn each_rule_below(&self, visit: &mut dyn FnMut(Access)) {
        for node in self.nodes() {
            let (names, wild) = node.children();
            names.chain(wild).for_each(|child| self.each_access_from(child, visit));
            if node.repeats {
                node.rules.iter().for_each(|rule| self.visit(*rule, visit));
            }
        }
    }

    fn each_access_from(&self, node: NodeId, visit: &mut dyn FnMut(Access)) {
        self.layer.trie().each_rule_from(node, &mut |rule| self.visit(rule, visit));
    }

    /// Visits what a rule gives if it matches somewhere beneath: a rule that
    /// comes before the one that holds here gives nothing new, and a floor that
    /// holds here holds there, unless the command line goes below it.
    fn visit(&self, index: usize, visit: &mut dyn FnMut(Access)) {
        let rule = &self.layer.rules[index];
        let under = |access: Access| self.floor.map_or(access, |(floor, _)| floor.strictest(access));
        match rule.force {
            Force::CommandLine => visit(rule.access),
            Force::Answer => visit(under(self.unanswered().answered(rule.access))),
            Force::Normal if self.last.is_some_and(|last| index < last) => {}
            Force::Normal | Force::Final => visit(under(rule.access)),
        }
    }
}
