//! What the rules mean, written down again as plainly as possible: every
//! pattern against every ancestor of a path.

use std::path::Path;

use crate::policy::Access;

/// How a rule competes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    Normal,
    Final,
    Named,
}

/// A rule with its pattern's components.
#[derive(Debug, Clone)]
pub(super) struct PlainRule {
    pub(super) strength: Strength,
    pub(super) access: Access,
    pub(super) pattern: Vec<&'static str>,
}

/// Rules in order; those named on the command line come last.
#[derive(Debug, Clone)]
pub(super) struct PlainLayer {
    pub(super) default: Access,
    pub(super) rules: Vec<PlainRule>,
}

/// The strictest of all layers.
pub(super) fn access(layers: &[PlainLayer], path: &Path) -> Access {
    let accesses = layers.iter().map(|layer| layer.access(path));
    accesses.reduce(Access::strictest).unwrap_or(Access::HIDDEN)
}

impl PlainLayer {
    fn access(&self, path: &Path) -> Access {
        let names: Vec<&str> = path.iter().skip(1).map(|name| name.to_str().expect("UTF-8")).collect();
        // The deepest ancestor that a rule names, if any.
        let depth =
            |rule: &PlainRule| (0..=names.len()).rev().find(|depth| matches(&rule.pattern, &names[..*depth]));
        let (mut last, mut floors) = (None, Vec::new());
        for rule in &self.rules {
            match (rule.strength, depth(rule)) {
                (_, None) => {}
                (Strength::Final, Some(depth)) => floors.push((rule.access, depth)),
                (_, Some(depth)) => last = Some((rule, depth)),
            }
        }
        let access = last.map_or(self.default, |(rule, _)| rule.access);
        // What the command line names goes below every floor that was laid no deeper.
        let below = last.filter(|(rule, _)| rule.strength == Strength::Named).map(|(_, depth)| depth);
        floors.retain(|(_, depth)| below.is_none_or(|below| *depth > below));
        floors.iter().fold(access, |access, (floor, _)| access.strictest(*floor))
    }
}

/// Whether a pattern names just this path.
fn matches(pattern: &[&str], names: &[&str]) -> bool {
    match pattern {
        [] => names.is_empty(),
        ["**"] => !names.is_empty(),
        // Several in a row are one.
        ["**", "**", ..] => matches(&pattern[1..], names),
        ["**", rest @ ..] => (0..=names.len()).any(|skipped| matches(rest, &names[skipped..])),
        [first, rest @ ..] => {
            names.first().is_some_and(|name| fits(first.as_bytes(), name.as_bytes()))
                && matches(rest, &names[1..])
        }
    }
}

/// Whether a name fits one component with `*`, `?` and `[ab]`.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| fits(rest, &name[taken..])),
        (_, []) => false,
        ([b'?', rest @ ..], [_, names @ ..]) => fits(rest, names),
        ([b'[', class @ ..], [first, names @ ..]) => {
            let end = class.iter().position(|byte| *byte == b']').expect("a class ends");
            class[..end].contains(first) && fits(&class[end + 1..], names)
        }
        ([letter, rest @ ..], [first, names @ ..]) => letter == first && fits(rest, names),
    }
}

#[test]
fn it_matches_as_the_documentation_says() {
    let check = |pattern: &str, path: &str, expected: bool| {
        let split =
            |text: &'static str| text.split('/').skip(1).filter(|name| !name.is_empty()).collect::<Vec<_>>();
        let (pattern, path) = (pattern.to_string().leak(), path.to_string().leak());
        assert_eq!(matches(&split(pattern), &split(path)), expected, "{pattern} {path}");
    };
    check("/a/**/c", "/a/c", true);
    check("/a/**/c", "/a/b/b/c", true);
    check("/a/**", "/a", false);
    check("/a/**", "/a/b/c", true);
    check("/*/[ab]?.x", "/q/az.x", true);
    check("/*/[ab]?.x", "/q/cz.x", false);
    check("/", "/", true);
}
