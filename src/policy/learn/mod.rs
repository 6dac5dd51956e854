//! From what programs were refused to the smallest change of the profile that gives it
//! to them. Nothing is suggested that a rule decides about already: what is learnt
//! stands in front of all rules of the profile, so it opens what none of them names.

mod closed;
mod holes;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::facts::{Facts, Kind};
use super::profile::Profile;
use super::rules::Policy;
use super::{Access, Effect, Verb};
use closed::Closed;
pub use holes::Hole;

pub use text::{document, pattern, rendered};

/// From so many entries of a directory on, the directory is named instead.
const SIBLINGS: usize = 3;

/// Something that was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The real path, or for what is not about paths, what was asked for.
    pub path: PathBuf,
    /// What it would have done to it.
    pub verb: Option<Verb>,
    /// Whether a directory was to be made.
    pub makes_dir: bool,
    /// The setting that refused it, where it was no rule about paths.
    pub setting: Option<String>,
    /// The program's name for itself.
    pub program: String,
}

/// Who asked, and how often.
pub type Askers = BTreeMap<String, usize>;

/// A rule that is suggested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What it gives.
    pub access: Access,
    /// Where.
    pub path: PathBuf,
    /// What was asked for, by verb.
    pub asked: BTreeMap<Verb, Askers>,
}

/// Something that is not suggested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The path, or what else it is about.
    pub path: PathBuf,
    /// What was asked for, by verb; none where it is not about a path.
    pub asked: BTreeMap<Option<Verb>, Askers>,
    /// Why it stays closed.
    pub why: String,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learnt {
    /// Rules, the least risky first.
    pub suggestions: Vec<Suggestion>,
    /// What they leave closed beneath them.
    pub holes: Vec<Hole>,
    /// What stays closed.
    pub kept: Vec<Kept>,
}

/// A profile that was learnt, as it holds: its rules and nothing else.
#[must_use]
pub fn only_rules(profile: Profile) -> Profile {
    Profile { settings: Default::default(), extends: Vec::new(), ..profile }
}

/// What would give programs what they were refused. `before` is where rules were
/// written that were learnt before, which may be loosened.
pub fn learn(policy: &Policy, before: &str, refused: &[Refused], facts: &dyn Facts) -> Learnt {
    let closed = Closed::new(&policy.places, before);
    let mut kept: BTreeMap<(PathBuf, String), Kept> = BTreeMap::new();
    let mut wishes: BTreeMap<(PathBuf, Verb), Askers> = BTreeMap::new();
    for Refused { path, verb, setting, program, .. } in refused {
        let why = match (verb, setting) {
            (None, setting) => Some(closed::setting(setting.as_deref())),
            // Answered meanwhile, or learnt before.
            (Some(verb), _) if policy.decide(path, *verb).effect <= Effect::Keep => continue,
            (Some(verb), _) => closed.why(policy, path, *verb, facts),
        };
        let askers = match (why, verb) {
            (None, Some(verb)) => wishes.entry((path.clone(), *verb)).or_default(),
            (why, _) => {
                let why = why.unwrap_or_default();
                let entry = kept.entry((path.clone(), why.clone()));
                let kept = entry.or_insert_with(|| Kept { path: path.clone(), asked: BTreeMap::new(), why });
                kept.asked.entry(*verb).or_default()
            }
        };
        *askers.entry(program.clone()).or_default() += 1;
    }
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for ((path, verb), askers) in wishes {
        let is_dir = refused.iter().any(|other| other.makes_dir && other.path == path)
            || facts.kind(&path) == Some(Kind::Dir);
        let (target, access) = target(policy, &closed, (&path, is_dir), verb, facts);
        add(&mut suggestions, Suggestion { access, path: target, asked: [(verb, askers)].into() });
    }
    let suggestions = nested(policy, collapsed(policy, &closed, suggestions, facts));
    let suggestions = in_order(suggestions, &policy.places.home);
    let kept: Vec<Kept> = kept.into_values().collect();
    let holes = holes::holes(policy, &closed, &suggestions, &kept, facts);
    Learnt { suggestions, holes, kept }
}

/// The path that a rule for a wish is about, and what it gives there.
fn target(
    policy: &Policy,
    closed: &Closed,
    (path, is_dir): (&Path, bool),
    verb: Verb,
    facts: &dyn Facts,
) -> (PathBuf, Access) {
    let may_be = |target: &Path| closed.why(policy, target, verb, facts).is_none();
    if let Some((known, access)) = closed.known(path, verb).filter(|(known, _)| may_be(known)) {
        return (known, access);
    }
    if matches!(verb, Verb::Read | Verb::Execute) {
        return (path.to_path_buf(), Access::READ);
    }
    let caches = policy.places.home.join(".cache");
    let cache = path.strip_prefix(&caches).ok().and_then(|rest| rest.components().next());
    // What is scratch and absent is made, as a directory.
    let is_cache = |cache: &PathBuf| (cache != path || is_dir) && may_be(cache);
    if let Some(cache) = cache.map(|name| caches.join(name)).filter(is_cache) {
        return (cache, Access::SCRATCH);
    }
    // A name that was to be made is often another one the next time.
    let dir = path.parent().filter(|_| verb == Verb::Create && facts.kind(path).is_none());
    match dir.filter(|dir| may_be(dir)) {
        Some(dir) => (dir.to_path_buf(), Access::TRACKED),
        None if verb == Verb::Create => (path.to_path_buf(), Access::TRACKED),
        None => (path.to_path_buf(), changing(verb)),
    }
}

/// What lets a verb happen and no other change.
fn changing(verb: Verb) -> Access {
    let (modify, remove) = match verb {
        Verb::Remove => (Effect::Deny, Effect::Keep),
        _ => (Effect::Keep, Effect::Deny),
    };
    Access::new(Effect::Allow, Effect::Allow, Effect::Deny, modify, remove)
}

/// Verb by verb the more lenient of the two.
fn union(one: Access, other: Access) -> Access {
    let [read, execute, create, modify, remove] =
        Verb::ALL.map(|verb| one.effect(verb).min(other.effect(verb)));
    Access::new(read, execute, create, modify, remove)
}

fn changes(access: Access) -> bool {
    access.create.min(access.modify).min(access.remove) < Effect::Deny
}

/// Adds a rule, to one about the same path if there is one of its kind.
fn add(suggestions: &mut Vec<Suggestion>, new: Suggestion) {
    let same =
        |known: &&mut Suggestion| known.path == new.path && changes(known.access) == changes(new.access);
    let Some(known) = suggestions.iter_mut().find(same) else { return suggestions.push(new) };
    known.access = union(known.access, new.access);
    merge(&mut known.asked, new.asked);
}

fn merge<K: Ord>(into: &mut BTreeMap<K, Askers>, from: BTreeMap<K, Askers>) {
    for (verb, askers) in from {
        let known = into.entry(verb).or_default();
        askers.into_iter().for_each(|(program, times)| *known.entry(program).or_default() += times);
    }
}

/// Directories instead of many of their entries. Rules that only let
/// read and those that let change are counted apart: siblings of what was changed
/// gain no more than reading.
fn collapsed(
    policy: &Policy,
    closed: &Closed,
    suggestions: Vec<Suggestion>,
    facts: &dyn Facts,
) -> Vec<Suggestion> {
    let (changing, reading): (Vec<_>, Vec<_>) =
        suggestions.into_iter().partition(|suggestion| changes(suggestion.access));
    let mut all = Vec::new();
    for mut kind in [changing, reading] {
        while let Some(dir) = crowded(policy, closed, &kind, facts) {
            let (beneath, mut others): (Vec<_>, Vec<_>) =
                kind.into_iter().partition(|suggestion| suggestion.path.starts_with(&dir));
            for suggestion in beneath {
                add(&mut others, Suggestion { path: dir.clone(), ..suggestion });
            }
            kind = others;
        }
        all.extend(kind);
    }
    all
}

/// The deepest directory of which many entries are named, and that may be named itself.
fn crowded(
    policy: &Policy,
    closed: &Closed,
    suggestions: &[Suggestion],
    facts: &dyn Facts,
) -> Option<PathBuf> {
    let mut entries: BTreeMap<&Path, Vec<&Suggestion>> = BTreeMap::new();
    for suggestion in suggestions {
        if let Some(dir) = suggestion.path.parent() {
            entries.entry(dir).or_default().push(suggestion);
        }
    }
    let may_be = |(dir, entries): &(&Path, Vec<&Suggestion>)| {
        let verbs: BTreeSet<Verb> = entries.iter().flat_map(|entry| entry.asked.keys().copied()).collect();
        entries.len() >= SIBLINGS
            && facts.kind(dir) == Some(Kind::Dir)
            && verbs.iter().chain([&Verb::Read]).all(|verb| closed.why(policy, dir, *verb, facts).is_none())
    };
    let crowded = entries.into_iter().filter(may_be).map(|(dir, _)| dir);
    crowded.max_by_key(|dir| dir.components().count()).map(Path::to_path_buf)
}

/// One rule for each path, which gives at least what those above it give, and those
/// that were learnt before: of several that match one path the last wins.
fn nested(policy: &Policy, suggestions: Vec<Suggestion>) -> Vec<Suggestion> {
    let mut single: Vec<Suggestion> = Vec::new();
    for Suggestion { access, path, asked } in suggestions {
        let access = union(access, policy.access(&path));
        match single.iter_mut().find(|known| known.path == path) {
            Some(known) => {
                known.access = union(known.access, access);
                merge(&mut known.asked, asked);
            }
            None => single.push(Suggestion { access, path, asked }),
        }
    }
    let above = single.clone();
    for inner in &mut single {
        let covering = above.iter().filter(|outer| inner.path.starts_with(&outer.path));
        inner.access = covering.fold(inner.access, |access, outer| union(access, outer.access));
    }
    without_covered(single)
}

/// The least risky first, and none in front of one that is about a directory above.
fn in_order(mut suggestions: Vec<Suggestion>, home: &Path) -> Vec<Suggestion> {
    let all = suggestions.clone();
    suggestions.sort_by_cached_key(|suggestion| {
        let covering = all.iter().filter(|outer| suggestion.path.starts_with(&outer.path));
        (covering.map(|outer| risk(outer, home)).max(), suggestion.path.clone())
    });
    suggestions
}

/// Leaves out what others give as well.
fn without_covered(suggestions: Vec<Suggestion>) -> Vec<Suggestion> {
    let mut left: Vec<Suggestion> = Vec::new();
    let mut by_depth = suggestions;
    by_depth.sort_by_key(|suggestion| suggestion.path.components().count());
    for suggestion in by_depth {
        let covers = |above: &&mut Suggestion| {
            suggestion.path.starts_with(&above.path) && union(above.access, suggestion.access) == above.access
        };
        match left.iter_mut().find(covers) {
            Some(above) => merge(&mut above.asked, suggestion.asked),
            None => left.push(suggestion),
        }
    }
    left
}

/// How much is at stake, from little to much: reading the system, reading the home,
/// caches, changing what is there, making things.
fn risk(suggestion: &Suggestion, home: &Path) -> u8 {
    let Suggestion { access, path, .. } = suggestion;
    match *access {
        access if !changes(access) => u8::from(path.starts_with(home)),
        Access::SCRATCH => 2,
        access if access.create == Effect::Deny => 3,
        _ => 4,
    }
}

/// What of the suggestions does not do what it is for, or more than that, with the
/// policy that they make. `before` is the policy without them, and `source` where
/// rules were written that were learnt.
pub fn faults(before: &Policy, after: &Policy, source: &str, learnt: &Learnt) -> Vec<String> {
    let mut faults = Vec::new();
    for Suggestion { path, asked, .. } in &learnt.suggestions {
        for verb in asked.keys().filter(|verb| after.decide(path, **verb).effect > Effect::Ask) {
            faults.push(format!("{verb} {} would still be refused", super::printable(path)));
        }
    }
    let named = before.layers.iter().flat_map(|layer| &layer.rules);
    let mut closed: Vec<(PathBuf, Verb)> = named
        .filter(|rule| *rule.origin.source != *source)
        .filter_map(|rule| rule.pattern.literal())
        .flat_map(|path| Verb::ALL.map(|verb| (path.clone(), verb)))
        .collect();
    for Kept { path, asked, .. } in learnt.kept.iter().filter(|kept| kept.path.is_absolute()) {
        closed.extend(asked.keys().flatten().map(|verb| (path.clone(), *verb)));
    }
    closed.sort();
    closed.dedup();
    for (path, verb) in closed {
        if before.decide(&path, verb).effect != after.decide(&path, verb).effect {
            faults.push(format!("{verb} {} would be allowed, which is kept closed", super::printable(&path)));
        }
    }
    faults
}
