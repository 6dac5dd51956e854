//! Rules in layers, and the decision about a path.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::pattern::Pattern;
use super::plan::Rights;
use super::trie::Trie;
use super::walk::{LayerWalk, Walk};
use super::{Access, Decision, Effect, LayerKind, Note, Origin, Places, RuleId, Settings, Verb, git};

/// A rule, resolved: one pattern, and where it came from.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The paths it holds for, and everything beneath them.
    pub pattern: Pattern,
    /// What it gives.
    pub access: Access,
    /// Why it is there.
    pub why: Arc<str>,
    /// How it competes with other rules of its layer.
    pub force: Force,
    /// Where it was written.
    pub origin: Origin,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.access, self.pattern, self.origin)
    }
}

impl Rule {
    /// What a rule that Stockade brings itself names as its source.
    pub const STOCKADE: &str = "stockade itself";

    /// A rule for one path and what is beneath it, stronger than any profile's.
    pub fn for_path(access: Access, path: &Path, why: &str, source: &str) -> Rule {
        Rule {
            pattern: Pattern::of_path(path),
            access,
            why: why.into(),
            force: Force::CommandLine,
            origin: Origin { source: source.into(), line: 0 },
        }
    }
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
    /// What a person said always to: lets happen what the others ask about.
    Answer,
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
    /// How many of them the command line's own come after or are among: what
    /// comes later wins over `--allow`.
    pub(super) under_command_line: usize,
    trie: Trie,
}

/// Everything that holds for a jail.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Where the jail stands.
    pub places: Places,
    /// Over a path the strictest of the layers holds.
    pub layers: Vec<Layer>,
    /// Which Unix sockets of others may be connected to (see
    /// [`Policy::allows_socket`]).
    pub(super) sockets: Vec<Layer>,
    /// What is not about paths.
    pub settings: Settings,
    /// What a person should know about how it came out.
    pub notes: Vec<Note>,
}

impl Policy {
    /// Makes a rule of Stockade's own hold over all others.
    pub fn put(&mut self, rule: &Rule) {
        self.layers.iter_mut().for_each(|layer| layer.push(rule.clone()));
    }

    /// Whether anything is asked about anywhere.
    pub fn asks(&self) -> bool {
        let rules = self.layers.iter().flat_map(|layer| &layer.rules);
        let mut rules = rules.filter(|rule| rule.force != Force::Answer);
        let asks = |rule: &Rule| Verb::ALL.into_iter().any(|verb| rule.access.effect(verb) == Effect::Ask);
        self.settings.approvals.bulk.is_some() || rules.any(asks)
    }

    /// Whether it counts as one of many where the path is removed at which a walk
    /// stands: scratch can be made again, and git packs and prunes its own store
    /// (what is kept).
    pub fn counts_in_bulk(&self, walk: &Walk<'_>) -> bool {
        let is_history = || {
            let rule = walk.decide(Verb::Remove).rule;
            rule.is_some_and(|id| &*self.rule(id).origin.source == git::COMMIT)
        };
        walk.access() != Access::SCRATCH && !is_history()
    }

    /// Whether it is a git directory in which `git: commit` lets history change.
    pub fn is_git_dir(&self, dir: &Path) -> bool {
        let rule = self.decide(dir, Verb::Create).rule.map(|id| self.rule(id));
        rule.is_some_and(|rule| {
            &*rule.origin.source == git::COMMIT && rule.pattern.literal().as_deref() == Some(dir)
        })
    }

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

    /// Whether a rule could take something away from what may be changed
    /// beneath a directory, also from what does not exist yet.
    pub fn guards_below(&self, dir: &Path) -> bool {
        let mut guards = false;
        self.walk(dir).each_rule_below(&mut |access| guards |= !Rights::native(access).make);
        guards
    }

    /// The most that Landlock may grant at a path without anybody watching.
    pub fn grantable(&self, path: &Path) -> Rights {
        let rights = Rights::native(self.access(path));
        Rights { make: rights.make && !self.guards_below(path), ..rights }
    }

    /// A walk that stands at the root directory.
    pub(super) fn start(&self) -> Walk<'_> {
        Walk::start(&self.layers)
    }

    /// A walk that stands at a path, which must be absolute and real.
    pub fn walk(&self, path: &Path) -> Walk<'_> {
        Walk::to(&self.layers, path)
    }
}

impl Layer {
    /// A layer of these rules.
    pub fn new(kind: LayerKind, default: Access, rules: Vec<Rule>) -> Layer {
        let trie = Trie::of(&rules);
        Layer { kind, default, under_command_line: rules.len(), rules, trie }
    }

    /// Adds a rule after all others.
    pub(super) fn push(&mut self, rule: Rule) {
        self.trie.add(&rule.pattern, self.rules.len());
        self.rules.push(rule);
    }

    /// Makes a rule hold for what another pattern matches as well.
    pub(super) fn add_alias(&mut self, rule: usize, pattern: &Pattern) {
        self.trie.add(pattern, rule);
    }

    pub(super) fn trie(&self) -> &Trie {
        &self.trie
    }

    /// What this layer alone says about a path.
    pub(super) fn access(&self, path: &Path) -> Access {
        LayerWalk::to(self, path).access()
    }
}
