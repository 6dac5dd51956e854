//! What a repository's own file may say, and what it would loosen if a person
//! trusted it: pure.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::merge::COMMIT_ENV;
use super::pattern::{Component, Pattern};
use super::profile::Profile;
use super::rules::Policy;
use super::words::{printable, size, visible};
use super::{Access, Effect, LayerKind, Settings, Verb};

/// A profile without what a file that can only tighten has no say in.
#[must_use]
pub fn tightening(mut profile: Profile) -> Profile {
    let settings = &mut profile.settings;
    settings.env.pass.clear();
    settings.env.set.clear();
    settings.syscalls.allow.clear();
    settings.approvals.notify = None;
    settings.review.reviewer.clear();
    profile
}

/// A profile of a level as it holds over profiles that were written for a lower one:
/// the environment is for those to say.
#[must_use]
pub fn raising(profile: Profile) -> Profile {
    let mut profile = tightening(profile);
    profile.settings.env = Default::default();
    profile
}

/// A profile as it holds where a person trusts it. Programs that run outside the
/// jail, and who judges the work, are never a repository's to name.
#[must_use]
pub fn trusted(mut profile: Profile) -> Profile {
    profile.settings.approvals.notify = None;
    profile.settings.review.reviewer.clear();
    profile
}

/// What one policy lets happen and the other does not, in words, a line each: at
/// the paths that rules name, and by settings.
pub fn difference(without: &Policy, with: &Policy) -> Vec<String> {
    let mut lines = rules(without, with);
    lines.extend(settings(&without.settings, &with.settings));
    let known: Vec<_> = without.socket_rules().map(|rule| &rule.pattern).collect();
    let sockets = with.socket_rules().filter(|rule| !known.contains(&&rule.pattern));
    lines.extend(sockets.map(|rule| format!("programs may connect to the socket {}", rule.pattern)));
    lines
}

/// Verbs with what happens without and with the file.
type Looser = Vec<(Verb, Effect, Effect)>;

fn rules(without: &Policy, with: &Policy) -> Vec<String> {
    let mut found: Vec<(Looser, Vec<String>)> = Vec::new();
    let layers = with.layers.iter().filter(|layer| layer.kind == LayerKind::User);
    for rule in layers.flat_map(|layer| &layer.rules) {
        let (before, after) = match sample(&rule.pattern) {
            Some(path) => (without.access(&path), with.access(&path)),
            // No name that fits is at hand, so the rule is taken at its word.
            None => (without.access(&rule.pattern.literal_prefix().0), rule.access),
        };
        let looser = looser(before, after);
        let pattern = shown(&rule.pattern, with);
        match found.iter_mut().find(|(known, _)| *known == looser) {
            _ if looser.is_empty() => {}
            Some((_, patterns)) if patterns.contains(&pattern) => {}
            Some((_, patterns)) => patterns.push(pattern),
            None => found.push((looser, vec![pattern])),
        }
    }
    found
        .into_iter()
        .map(|(looser, patterns)| format!("{}: {}", words(looser), patterns.join(", ")))
        .collect()
}

fn looser(before: Access, after: Access) -> Looser {
    let effects = Verb::ALL.into_iter().map(|verb| (verb, before.effect(verb), after.effect(verb)));
    effects.filter(|(_, before, after)| after < before).collect()
}

/// A pattern as people would write it.
fn shown(pattern: &Pattern, policy: &Policy) -> String {
    let text = pattern.to_string();
    let beneath = |dir: &Path| text.strip_prefix(&printable(dir)).filter(|rest| rest.starts_with('/'));
    match (beneath(&policy.places.workspace), beneath(&policy.places.home)) {
        (Some(rest), _) => rest[1..].to_string(),
        (None, Some(rest)) => format!("~{rest}"),
        (None, None) if text == printable(&policy.places.workspace) => "the workspace".into(),
        (None, None) => text,
    }
}

fn words(looser: Looser) -> String {
    let says = |effect: Effect| match effect {
        Effect::Allow => "allowed",
        Effect::Keep => "allowed and kept for undo",
        Effect::Ask => "asked about",
        Effect::Deny => "refused",
    };
    let mut parts: Vec<(Vec<&str>, Effect, Effect)> = Vec::new();
    for (verb, before, after) in looser {
        match parts.iter_mut().find(|(_, old, new)| (*old, *new) == (before, after)) {
            Some((verbs, ..)) => verbs.push(verb.name()),
            None => parts.push((vec![verb.name()], before, after)),
        }
    }
    let part = |(verbs, before, after): &(Vec<&str>, Effect, Effect)| {
        format!("{} {} instead of {}", verbs.join(", "), says(*after), says(*before))
    };
    parts.iter().map(part).collect::<Vec<_>>().join("; ")
}

/// A path that a pattern matches; none where none is easily made.
fn sample(pattern: &Pattern) -> Option<PathBuf> {
    let mut path = PathBuf::from("/");
    for component in pattern.components() {
        match component {
            Component::AnyDepth => {}
            Component::Literal(name) => path.push(OsStr::new(&name)),
            Component::Wild(text) if text.contains(['?', '[', ']', '{', '}']) => return None,
            Component::Wild(text) => path.push(text.replace('*', "x")),
        }
    }
    Some(path)
}

fn settings(without: &Settings, with: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |is_looser: bool, line: String| lines.extend(is_looser.then_some(line));
    say(
        with.network > without.network,
        format!("network: {} instead of {}", word(&with.network), word(&without.network)),
    );
    say(with.unix_sockets > without.unix_sockets, "programs may connect to every Unix socket".into());
    say(with.git > without.git, "git may change the repository's history (git: commit)".into());
    say(with.env.inherit && !without.env.inherit, "the whole environment comes in".into());
    let new = |names: &[String], known: &[String]| {
        let new: Vec<String> =
            names.iter().filter(|name| !known.contains(name)).map(|name| visible(name)).collect();
        new.join(", ")
    };
    let pass = new(&with.env.pass, &without.env.pass);
    say(!pass.is_empty(), format!("these variables come in, secret or not: {pass}"));
    // What `git: commit` brings is said already.
    let is_gits = |name: &str| COMMIT_ENV.iter().any(|(known, _)| *known == name);
    let set = with.env.set.iter();
    let set = set.filter(|(name, value)| without.env.set.get(*name) != Some(value) && !is_gits(name));
    let set: Vec<String> =
        set.map(|(name, value)| format!("{}={}", visible(name), printable(value.as_ref()))).collect();
    say(!set.is_empty(), format!("these variables are set: {}", set.join(", ")));
    let calls = new(&with.syscalls.allow, &without.syscalls.allow);
    say(!calls.is_empty(), format!("these system calls are let through: {calls}"));
    lines.extend(limits(without, with));
    lines.extend(asking(without, with));
    lines
}

fn limits(without: &Settings, with: &Settings) -> Vec<String> {
    let (old, new) = (&without.limits, &with.limits);
    let all = [
        ("processes", old.processes, new.processes),
        ("open_files", old.open_files, new.open_files),
        ("memory", old.memory, new.memory),
        ("file_size", old.file_size, new.file_size),
        ("cpu_seconds", old.cpu_seconds, new.cpu_seconds),
        ("core", old.core, new.core),
    ];
    let text = |limit: Option<u64>| limit.map_or("none".to_string(), |limit| limit.to_string());
    let is_looser = |old: Option<u64>, new: Option<u64>| match (old, new) {
        (Some(old), Some(new)) => new > old,
        (old, new) => old.is_some() && new.is_none(),
    };
    let looser = all.into_iter().filter(|(_, old, new)| is_looser(*old, *new));
    looser
        .map(|(name, old, new)| format!("limit of {name}: {} instead of {}", text(new), text(old)))
        .collect()
}

fn asking(without: &Settings, with: &Settings) -> Vec<String> {
    let (old, new) = (&without.approvals, &with.approvals);
    let mut lines = Vec::new();
    let most = |bulk: Option<u32>| bulk.map_or("any number".to_string(), |bulk| bulk.to_string());
    let is_more = |old: Option<u32>, new: Option<u32>| old.is_some_and(|old| new.is_none_or(|new| new > old));
    if is_more(old.bulk, new.bulk) {
        let (new, old) = (most(new.bulk), most(old.bulk));
        lines.push(format!("{new} removals before a person is asked about them, instead of {old}"));
    }
    let (old, new) = (&without.undo, &with.undo);
    if new.keep_days < old.keep_days {
        lines.push(format!("undo keeps {} days instead of {}", new.keep_days, old.keep_days));
    }
    if new.max_size > old.max_size {
        lines.push(format!("undo may keep {} instead of {}", size(new.max_size), size(old.max_size)));
    }
    if new.min_free < old.min_free {
        lines.push(format!("undo may leave {} free instead of {}", size(new.min_free), size(old.min_free)));
    }
    lines
}

/// A setting as it is written.
fn word(setting: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(setting).unwrap_or_default();
    value.as_str().unwrap_or_default().to_string()
}
