//! What stays closed beneath what is opened: a directory that a program needs may hold a
//! secret, or what runs outside later.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use super::closed::Closed;
use super::{Kept, Suggestion, union};
use crate::policy::facts::{Facts, Kind};
use crate::policy::rules::Policy;
use crate::policy::{Access, Effect, Verb};

/// So many entries are looked at in all that is opened.
const LOOKED_AT: usize = 20_000;

/// A rule that takes back a part of what is suggested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// What is left there.
    pub access: Access,
    /// Where.
    pub path: PathBuf,
}

/// The holes in what is suggested: what was asked for and stays closed, and what is
/// found to be closed by its name.
pub(super) fn holes(
    policy: &Policy,
    closed: &Closed,
    suggestions: &[Suggestion],
    kept: &[Kept],
    facts: &dyn Facts,
) -> Vec<Hole> {
    let mut found: BTreeMap<PathBuf, Access> = BTreeMap::new();
    let mut close = |path: PathBuf, verb: Verb| {
        let covering = suggestions.iter().filter(|suggestion| path.starts_with(&suggestion.path));
        let Some(given) = covering.map(|suggestion| suggestion.access).reduce(union) else { return };
        let before = policy.access(&path);
        if given.effect(verb) < before.effect(verb) {
            let access = found.entry(path).or_insert(given);
            *access = if verb == Verb::Read { before } else { with(*access, verb, before.effect(verb)) };
        }
    };
    for Kept { path, asked, .. } in kept.iter().filter(|kept| kept.path.is_absolute()) {
        asked.keys().flatten().for_each(|verb| close(path.clone(), *verb));
    }
    let opened = suggestions.iter().filter(|suggestion| !closed.is_known(&suggestion.path));
    let mut dirs: VecDeque<PathBuf> = opened
        .filter(|suggestion| facts.kind(&suggestion.path) == Some(Kind::Dir))
        .map(|suggestion| suggestion.path.clone())
        .collect();
    let mut left = LOOKED_AT;
    while let Some(dir) = dirs.pop_front() {
        for (name, kind) in facts.list(&dir).unwrap_or_default().into_iter().take(left) {
            left = left.saturating_sub(1);
            let path = dir.join(name);
            let is_closed = |verb: &Verb| closed.by_name(&policy.places, &path, *verb).is_some();
            let verbs: Vec<Verb> = Verb::ALL.into_iter().filter(is_closed).collect();
            // Where nothing may be read there is nothing to look for beneath.
            if kind == Kind::Dir && !verbs.contains(&Verb::Read) {
                dirs.push_back(path.clone());
            }
            verbs.into_iter().for_each(|verb| close(path.clone(), verb));
        }
    }
    let is_beneath = |path: &PathBuf, access: &Access| {
        found.iter().any(|(above, known)| above != path && path.starts_with(above) && known == access)
    };
    let holes = found.iter().filter(|(path, access)| !is_beneath(path, access));
    holes.map(|(path, access)| Hole { access: *access, path: path.clone() }).collect()
}

/// An access with another effect of one verb.
fn with(access: Access, changed: Verb, effect: Effect) -> Access {
    let [read, execute, create, modify, remove] =
        Verb::ALL.map(|verb| if verb == changed { effect } else { access.effect(verb) });
    Access::new(read, execute, create, modify, remove)
}
