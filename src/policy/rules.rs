//! Patterns, and the decision about a path.
//!
//! The patterns of a layer are one trie by path components, so that a decision
//! is one walk down the path, however many rules there are.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component as PathComponent, Path};

use globset::{GlobBuilder, GlobMatcher};

use super::{Access, Decision, Effect, LayerKind, Note, Origin, Places, RuleId, Settings, Verb};

/// An absolute pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    components: Vec<Component>,
}

/// One component of a pattern.
#[derive(Debug, Clone)]
enum Component {
    /// A name.
    Literal(OsString),
    /// `*`, `?` and `[…]`: any name that matches.
    Glob(GlobMatcher),
    /// `**`: any number of components, none included.
    AnyDepth,
}

impl Pattern {
    /// Parses an absolute pattern (see [`super::vars::expand_pattern`]).
    pub fn parse(text: &str) -> Result<Pattern, globset::Error> {
        let names = text.split('/').filter(|name| !name.is_empty() && *name != ".");
        Ok(Pattern {
            text: text.into(),
            components: names.map(component).collect::<Result<_, _>>()?,
        })
    }

    /// The path, where the pattern has no wildcard.
    pub fn literal(&self) -> Option<std::path::PathBuf> {
        let (prefix, rest) = self.literal_prefix();
        (rest == 0).then_some(prefix)
    }

    /// The path in front of the first wildcard, and how many components follow it.
    pub fn literal_prefix(&self) -> (std::path::PathBuf, usize) {
        let mut path = std::path::PathBuf::from("/");
        for (index, component) in self.components.iter().enumerate() {
            match component {
                Component::Literal(name) => path.push(name),
                Component::Glob(_) | Component::AnyDepth => return (path, self.components.len() - index),
            }
        }
        (path, 0)
    }

    /// The same pattern with its literal prefix replaced.
    pub fn with_prefix(&self, prefix: &Path) -> Pattern {
        let (_, rest) = self.literal_prefix();
        let kept = &self.components[self.components.len() - rest..];
        let tail: Vec<&str> = self
            .text
            .split('/')
            .filter(|name| !name.is_empty() && *name != ".")
            .collect();
        let tail = &tail[tail.len() - rest..];
        let text = match tail {
            [] => super::vars::escape(prefix),
            tail => format!(
                "{}/{}",
                super::vars::escape(prefix).trim_end_matches('/'),
                tail.join("/")
            ),
        };
        let names = prefix.components().filter_map(|component| match component {
            PathComponent::Normal(name) => Some(Component::Literal(name.to_os_string())),
            _ => None,
        });
        Pattern {
            text,
            components: names.chain(kept.iter().cloned()).collect(),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Checks the wildcards of a pattern as written.
pub fn check_globs(pattern: &str) -> Result<(), globset::Error> {
    pattern.split('/').try_for_each(|name| component(name).map(drop))
}

fn component(name: &str) -> Result<Component, globset::Error> {
    if name == "**" {
        return Ok(Component::AnyDepth);
    }
    match unescape(name) {
        Some(literal) => Ok(Component::Literal(literal.into())),
        None => {
            let glob = GlobBuilder::new(name)
                .literal_separator(true)
                .backslash_escape(false)
                .build()?;
            Ok(Component::Glob(glob.compile_matcher()))
        }
    }
}

/// The name that a component stands for, if it stands for just one: `[*]` is a `*`.
fn unescape(name: &str) -> Option<String> {
    let mut literal = String::new();
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '[' => {
                literal.push(characters.next()?);
                if characters.next() != Some(']') {
                    return None;
                }
            }
            '*' | '?' | ']' | '{' | '}' => return None,
            other => literal.push(other),
        }
    }
    Some(literal)
}

/// A rule, resolved: one pattern, and where it came from.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The paths it holds for, and everything beneath them.
    pub pattern: Pattern,
    /// What it gives.
    pub access: Access,
    /// Why it is there.
    pub why: String,
    /// How it competes with other rules of its layer.
    pub force: Force,
    /// Where it was written.
    pub origin: Origin,
}

/// How a rule competes with other rules of its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The last one that matches wins.
    Normal,
    /// A floor: the strictest of it and what the others say.
    Final,
    /// Named by a person for this run: goes below a floor that was laid no
    /// deeper than itself.
    CommandLine,
}

/// The rules of one source of authority.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Whose rules they are.
    pub kind: LayerKind,
    /// Holds where no rule matches.
    pub default: Access,
    /// In order; the last one that matches wins.
    pub rules: Vec<Rule>,
    trie: Trie,
}

/// Everything that holds for a jail.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Where the jail stands.
    pub places: Places,
    /// Over a path the strictest of the layers holds.
    pub layers: Vec<Layer>,
    /// What is not about paths.
    pub settings: Settings,
    /// What a person should know about how it came out.
    pub notes: Vec<Note>,
}

impl Policy {
    /// The access to a path, which must be absolute and real.
    pub fn access(&self, path: &Path) -> Access {
        self.walk(path).access()
    }

    /// The decision about a path, which must be absolute and real, and a verb.
    pub fn decide(&self, path: &Path, verb: Verb) -> Decision {
        self.walk(path).decide(verb)
    }

    /// A rule by its place.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.layers[id.layer].rules[id.index]
    }

    /// A walk that stands at the root directory.
    pub(super) fn start(&self) -> Walk<'_> {
        Walk {
            layers: self.layers.iter().map(LayerWalk::start).collect(),
        }
    }

    fn walk(&self, path: &Path) -> Walk<'_> {
        let mut walk = self.start();
        for component in path.components() {
            if let PathComponent::Normal(name) = component {
                walk.enter(name);
            }
        }
        walk
    }
}

impl Layer {
    /// A layer of these rules.
    pub fn new(kind: LayerKind, default: Access, rules: Vec<Rule>) -> Layer {
        let trie = Trie::of(&rules);
        Layer {
            kind,
            default,
            rules,
            trie,
        }
    }

    /// What this layer alone says about a path.
    pub(super) fn access(&self, path: &Path) -> Access {
        let mut walk = LayerWalk::start(self);
        for component in path.components() {
            if let PathComponent::Normal(name) = component {
                walk.enter(name);
            }
        }
        walk.access()
    }
}

/// The patterns of a layer, by components.
#[derive(Debug, Clone, Default)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// Sorted by name.
    literals: Vec<(OsString, usize)>,
    globs: Vec<(GlobMatcher, usize)>,
    /// The node behind `**`, which also stays where it is.
    any_depth: Option<usize>,
    /// Whether this node is one behind `**`.
    repeats: bool,
    /// Rules whose pattern ends here, in order.
    rules: Vec<usize>,
}

impl Trie {
    fn of(rules: &[Rule]) -> Trie {
        let mut trie = Trie {
            nodes: vec![Node::default()],
        };
        for (index, rule) in rules.iter().enumerate() {
            let end = rule
                .pattern
                .components
                .iter()
                .fold(0, |node, component| trie.child(node, component));
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
            Component::Glob(glob) => {
                let globs = &mut self.nodes[node].globs;
                if let Some((_, found)) = globs.iter().find(|(known, _)| known.glob() == glob.glob()) {
                    return *found;
                }
                globs.push((glob.clone(), new));
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
        self.nodes.push(Node {
            repeats: matches!(component, Component::AnyDepth),
            ..Node::default()
        });
        new
    }
}

/// A position in the file tree, as the policy sees it.
#[derive(Clone)]
pub(super) struct Walk<'a> {
    layers: Vec<LayerWalk<'a>>,
}

#[derive(Clone)]
struct LayerWalk<'a> {
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

impl Walk<'_> {
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

    fn decide(&self, verb: Verb) -> Decision {
        let mut decision = Decision {
            effect: Effect::Allow,
            rule: None,
        };
        let mut first = true;
        for (index, layer) in self.layers.iter().enumerate() {
            let (effect, rule) = layer.decide(verb);
            if first || effect > decision.effect || (effect == decision.effect && decision.rule.is_none()) {
                decision = Decision {
                    effect,
                    rule: rule.map(|rule| RuleId {
                        layer: index,
                        index: rule,
                    }),
                };
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
        let nodes = self
            .layers
            .iter()
            .flat_map(LayerWalk::nodes)
            .filter(|node| !node.repeats);
        nodes.flat_map(|node| node.literals.iter().map(|(name, _)| name.as_os_str()))
    }

    /// Visits the accesses of rules that a wildcard in their pattern could make
    /// hold for an entry of this directory or something beneath it.
    pub(super) fn each_wildcard_below(&self, visit: &mut dyn FnMut(Access)) {
        for layer in &self.layers {
            for node in layer.nodes() {
                node.globs
                    .iter()
                    .for_each(|(_, child)| layer.each_rule_from(*child, visit));
                if node.repeats {
                    node.literals
                        .iter()
                        .for_each(|(_, child)| layer.each_rule_from(*child, visit));
                }
            }
        }
    }
}

impl<'a> LayerWalk<'a> {
    fn start(layer: &'a Layer) -> LayerWalk<'a> {
        let (active, before) = (Vec::with_capacity(8), Vec::with_capacity(8));
        let mut walk = LayerWalk {
            layer,
            active,
            before,
            depth: 0,
            last: None,
            floor: None,
            named: None,
        };
        walk.arrive(0);
        walk
    }

    fn nodes(&self) -> impl Iterator<Item = &'a Node> {
        self.active.iter().map(|node| &self.layer.trie.nodes[*node])
    }

    fn enter(&mut self, name: &OsStr) {
        self.depth += 1;
        std::mem::swap(&mut self.active, &mut self.before);
        self.active.clear();
        let trie = &self.layer.trie;
        for place in 0..self.before.len() {
            let index = self.before[place];
            let node = &trie.nodes[index];
            if node.repeats {
                self.arrive(index);
                self.apply_all(&node.rules);
            }
            if let Ok(found) = node
                .literals
                .binary_search_by(|(known, _)| known.as_os_str().cmp(name))
            {
                self.arrive(node.literals[found].1);
            }
            for (glob, child) in &node.globs {
                if glob.is_match(Path::new(name)) {
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
        let node = &self.layer.trie.nodes[index];
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
                let access = self
                    .floor
                    .map_or(rule.access, |(floor, _, _)| floor.strictest(rule.access));
                self.floor = Some((access, index, self.depth));
            }
        }
    }

    /// The floor, unless a person named this path or one beneath the floor's.
    fn standing_floor(&self) -> Option<(Access, usize)> {
        let (floor, rule, depth) = self.floor?;
        let lifted = self
            .named
            .is_some_and(|(index, named)| named >= depth && self.last == Some(index));
        (!lifted).then_some((floor, rule))
    }

    fn access(&self) -> Access {
        let access = self
            .last
            .map_or(self.layer.default, |index| self.layer.rules[index].access);
        self.standing_floor()
            .map_or(access, |(floor, _)| access.strictest(floor))
    }

    fn decide(&self, verb: Verb) -> (Effect, Option<usize>) {
        let access = self
            .last
            .map_or(self.layer.default, |index| self.layer.rules[index].access);
        match self.standing_floor() {
            Some((floor, rule)) if floor.effect(verb) >= access.effect(verb) => {
                (floor.effect(verb), Some(rule))
            }
            _ => (access.effect(verb), self.last),
        }
    }

    fn each_rule_from(&self, node: usize, visit: &mut dyn FnMut(Access)) {
        let node = &self.layer.trie.nodes[node];
        for index in &node.rules {
            let rule = &self.layer.rules[*index];
            if rule.force == Force::Final || self.last.is_none_or(|last| last < *index) {
                visit(rule.access);
            }
        }
        let literals = node.literals.iter().map(|(_, child)| *child);
        let globs = node.globs.iter().map(|(_, child)| *child);
        literals
            .chain(globs)
            .chain(node.any_depth)
            .for_each(|child| self.each_rule_from(child, visit));
    }
}

/// A path for messages: as it is, unless it holds what a terminal or JSON
/// cannot show; then with escapes.
pub fn printable(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_string(),
        _ => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}

/// Serializes a path as [`printable`] shows it.
pub(super) fn serialize_path<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&printable(path))
}

/// Serializes paths or names as [`printable`] shows them.
pub(super) fn serialize_paths<P: AsRef<Path>, S: serde::Serializer>(
    paths: &[P],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| printable(path.as_ref())))
}
