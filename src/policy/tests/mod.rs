//! Tests of the policy, on file trees in memory.

mod agent;
mod always;
mod builtin;
mod errors;
mod git;
mod hints;
mod learn;
mod levels;
mod links;
mod plans;
mod properties;
mod readme;
mod reference;
mod report;
mod rules;
mod settings;
mod sources;
mod tree;
mod trust;

use std::path::Path;

use self::tree::Tree;
use super::merge::{LayerSource, resolve};
use super::plan::{self, Mode, Plan, Rights};
use super::profile::{self, Profile, RuleSpec};
use super::rules::Force;
use super::{LayerKind, Pattern, Places, Policy, Rule, Verb, vars};

fn places() -> Places {
    Places {
        workspace: "/home/u/work".into(),
        home: "/home/u".into(),
        tmpdir: "/tmp/session".into(),
        report: None,
    }
}

/// A profile from everything but its head.
fn profile(body: &str) -> Profile {
    let text = format!("version: 1\nname: test\n{body}");
    profile::parse(&text, "test").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The rules of lines such as `read ~/x`, `final hidden ~/y`, or
/// `{read: allow, …} z`.
fn rule_specs(lines: &str) -> Vec<RuleSpec> {
    let mut body = String::from("rules:\n");
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (is_final, rest) = match line.strip_prefix("final ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let end = if rest.starts_with('{') { '}' } else { ' ' };
        let cut = rest.find(end).map(|end| end + 1);
        let (access, path) = rest.split_at(cut.expect("an access and a path"));
        let path = path.trim();
        body +=
            &format!("  - access: {access}\n    final: {is_final}\n    paths: [{path:?}]\n    why: test\n");
    }
    profile(&body).rules
}

/// The same rules as a person would name them for a run.
fn named(specs: Vec<RuleSpec>) -> Vec<Rule> {
    let rule = |spec: &RuleSpec, path: &str| Rule {
        pattern: Pattern::parse(vars::expand_pattern(path, &places()).expect("expands")).expect("parses"),
        access: spec.access,
        why: spec.why.clone(),
        force: Force::CommandLine,
        origin: spec.origin.clone(),
    };
    specs.iter().flat_map(|spec| spec.paths.iter().map(move |path| rule(spec, path))).collect()
}

fn layer(kind: LayerKind, lines: &str) -> LayerSource {
    let mut profile = profile("");
    profile.rules = rule_specs(lines);
    LayerSource { kind, profiles: vec![profile], extra: Vec::new() }
}

fn user(lines: &str) -> LayerSource {
    layer(LayerKind::User, lines)
}

fn policy_of(sources: &[LayerSource], tree: &Tree) -> Policy {
    resolve(sources, &places(), tree).unwrap_or_else(|error| panic!("{error}"))
}

/// The policy of a user's rules alone.
fn policy(lines: &str) -> Policy {
    policy_of(&[user(lines)], &Tree::default())
}

/// What a policy says about paths: `path: access`, with `~` for the home.
fn check(policy: &Policy, expected: &[(&str, &str)]) {
    for (path, access) in expected {
        let absolute = path.replacen('~', "/home/u", 1);
        let found = policy.access(Path::new(&absolute));
        assert_eq!(found.to_string(), *access, "{path}");
        for verb in Verb::ALL {
            let decision = policy.decide(Path::new(&absolute), verb);
            assert_eq!(decision.effect, found.effect(verb), "{verb} {path}");
        }
    }
}

fn compile(policy: Policy, tree: &Tree) -> Plan {
    plan::compile(policy, Mode::Brokered, tree)
}

/// What the grants of a plan give at a path.
fn granted(plan: &Plan, path: &Path) -> Rights {
    let grants = plan.grants.iter().filter(|grant| path.starts_with(&grant.path));
    grants.fold(Rights::NONE, |rights, grant| rights.or(grant.rights))
}
