//! What was learnt, as it is written and shown.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Askers, Hole, Kept, Learnt, Suggestion};
use crate::policy::profile::RuleSpec;
use crate::policy::{Access, Places, Verb, printable, vars, visible};

/// The head of a profile that was learnt.
const HEAD: &str = "version: 1
name: learned
description: What programs were seen to need. It stands in front of the profile's own rules, so it opens what none of them names.
";
/// Why a part of what is opened is not.
const HOLE: &str = "stays closed beneath what was learnt";
/// So many programs are named.
const PROGRAMS: usize = 4;

/// A rule as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    access: Access,
    paths: Vec<String>,
    why: String,
}

/// A path as a rule names it; none where it cannot be written.
pub fn pattern(path: &Path, places: &Places) -> Option<String> {
    let escaped = |path: &Path| vars::escape(path).into_string().ok().filter(|text| *text == visible(text));
    for (place, start) in [(&places.workspace, ""), (&places.home, "~/")] {
        if let Ok(rest) = path.strip_prefix(place)
            && !rest.as_os_str().is_empty()
        {
            return Some(format!("{start}{}", escaped(rest)?));
        }
    }
    escaped(path)
}

/// A profile of what was learnt before and now; none where there is nothing in it.
/// What is about a directory comes before what is about something in it, which gives
/// at least as much.
pub fn document(before: &[RuleSpec], learnt: &Learnt, places: &Places, day: &str) -> Option<String> {
    let known = before.iter().map(|rule| Written {
        access: rule.access,
        paths: rule.paths.clone(),
        why: rule.why.to_string(),
    });
    let new = learnt.suggestions.iter().filter_map(|suggestion| written(suggestion, places, day));
    let mut rules: Vec<Written> = known.chain(new).collect();
    // What was closed before stays so behind what is opened now.
    let (holes, opening): (Vec<Written>, Vec<Written>) =
        rules.into_iter().partition(|rule| rule.why.starts_with(HOLE));
    rules = opening;
    let depth = |path: &String| path.matches('/').count();
    rules.sort_by_key(|rule| rule.paths.iter().map(depth).min());
    rules.extend(holes.into_iter().chain(closing(learnt, places, day)));
    if rules.is_empty() {
        return None;
    }
    Some(format!("{HEAD}rules:\n{}", rules.iter().map(rule).collect::<String>()))
}

/// What was learnt, for people: a profile, with what stays closed as comments.
pub fn rendered(learnt: &Learnt, places: &Places, day: &str) -> String {
    let mut text = String::new();
    let rules: Vec<Written> =
        learnt.suggestions.iter().filter_map(|suggestion| written(suggestion, places, day)).collect();
    if rules.is_empty() {
        text.push_str("# Nothing to add.\n");
    } else {
        text.push_str(HEAD);
        text.push_str("rules:\n");
        let holes = closing(learnt, places, day);
        rules.iter().chain(&holes).for_each(|written| text.push_str(&rule(written)));
    }
    if !learnt.kept.is_empty() {
        text.push_str("# Kept closed, and not suggested:\n");
    }
    for Kept { path, asked, why } in &learnt.kept {
        let name = match pattern(path, places).unwrap_or_else(|| printable(path)) {
            empty if empty.is_empty() => "something that could not be seen".into(),
            name => name,
        };
        text.push_str(&format!(
            "#  {}\n#    asked: {}\n#    why: {}\n",
            visible(&name),
            askers(asked),
            visible(why)
        ));
    }
    text
}

/// The rules of what stays closed beneath what is opened.
fn closing(learnt: &Learnt, places: &Places, day: &str) -> Vec<Written> {
    let hole = |hole: &Hole| {
        let why = format!("{HOLE}; learnt on {day}");
        Some(Written { access: hole.access, paths: vec![pattern(&hole.path, places)?], why })
    };
    learnt.holes.iter().filter_map(hole).collect()
}

fn written(suggestion: &Suggestion, places: &Places, day: &str) -> Option<Written> {
    let Suggestion { access, path, asked } = suggestion;
    let asked: BTreeMap<Option<Verb>, Askers> =
        asked.iter().map(|(verb, askers)| (Some(*verb), askers.clone())).collect();
    let why = format!("{}; learnt on {day}", askers(&asked));
    Some(Written { access: *access, paths: vec![pattern(path, places)?], why })
}

fn rule(written: &Written) -> String {
    // What JSON takes for a text YAML does as well.
    let text = |text: &str| serde_json::Value::from(visible(text)).to_string();
    let paths: Vec<String> = written.paths.iter().map(|path| text(path)).collect();
    let Written { access, why, .. } = written;
    format!("  - access: {access}\n    paths: [{}]\n    why: {}\n", paths.join(", "), text(why))
}

/// Who asked for what, and how often.
fn askers(asked: &BTreeMap<Option<Verb>, Askers>) -> String {
    let of_verb = |(verb, askers): (&Option<Verb>, &Askers)| {
        let mut programs: Vec<(&String, &usize)> = askers.iter().collect();
        programs.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let more = programs.len().saturating_sub(PROGRAMS);
        let mut shown: Vec<String> = programs
            .into_iter()
            .take(PROGRAMS)
            .map(|(program, times)| format!("{} {times}×", visible(program)))
            .collect();
        if more > 0 {
            shown.push(format!("{more} more"));
        }
        let verb = verb.map_or("use", Verb::name);
        format!("{verb} by {}", shown.join(", "))
    };
    asked.iter().map(of_verb).collect::<Vec<_>>().join("; ")
}
