//! What a trusted file would loosen.

use super::*;
use crate::policy::trust::{difference, tightening, trusted};

/// What it makes of a body of a profile that the user's extends, one of the
/// repository's, and the user's own.
fn told(parent: &str, file: &str, user: &str) -> Vec<String> {
    let (parent, file, user) = (profile(parent), profile(file), profile(user));
    let layer = |kind, profiles| LayerSource { kind, profiles, extra: Vec::new() };
    let without = [
        layer(LayerKind::User, vec![parent.clone(), user.clone()]),
        layer(LayerKind::Repository, vec![file.clone()]),
    ];
    let with = [
        layer(LayerKind::User, vec![parent, trusted(file.clone()), user]),
        layer(LayerKind::Repository, vec![tightening(file)]),
    ];
    let tree = Tree::of("/home/u/work/");
    let of = |layers: &[LayerSource]| resolve(layers, &places(), &tree).expect("a policy");
    difference(&of(&without), &of(&with))
}

#[test]
fn rules_and_settings_are_told_in_words() {
    let rules = "rules:\n  - {access: scratch, paths: [build, '~/x', '/opt/*.d'], why: y}\n";
    assert_eq!(
        told("", rules, ""),
        ["read, execute, create, modify, remove allowed instead of refused: build, ~/x, /opt/*.d"]
    );
    let settings = "network: open\nunix_sockets: open\ngit: commit\nenv: {pass: [A], set: {B: c}}\n\
                    syscalls: {allow: [mount]}\napprovals: {bulk: 9}\nundo: {keep_days: 1, max_size: 90GiB, min_free: 1}\n\
                    limits: {core: 7}\n";
    let lines = told("env: {inherit: false}\napprovals: {bulk: 3}\nlimits: {core: 0}\n", settings, "");
    for part in [
        "network: open instead of none",
        "every Unix socket",
        "git: commit",
        "secret or not: A",
        "are set: B=c",
        "let through: mount",
        "9 removals before a person is asked about them, instead of 3",
        "undo keeps 1 days instead of 30",
        "undo may keep 90.0 GiB",
        "undo may leave 1 B",
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
}

#[test]
fn what_the_user_says_or_a_floor_forbids_is_not_told() {
    let file = "rules:\n  - {access: scratch, paths: ['~', .], why: y}\nnetwork: open\n";
    let user = "rules:\n  - {access: read, paths: [.], why: y}\n  - {access: hidden, paths: ['~'], why: y, final: true}\n\
                network: none\n";
    assert_eq!(told("", file, user), [] as [&str; 0]);
}

#[test]
fn what_a_wider_rule_opens_is_told_by_what_closed_it() {
    let file = "rules:\n  - {access: scratch, paths: [.], why: y}\n";
    let user = |rule: &str| format!("rules:\n  - {{access: read, paths: [.], why: y}}\n{rule}");
    // The user's own rule for the same path wins, so nothing beneath it is opened either.
    assert_eq!(told("", file, &user("  - {access: hidden, paths: ['**/*.key'], why: y}\n")), [] as [&str; 0]);
    let nested = "rules:\n  - {access: scratch, paths: ['src/{a,b}'], why: y}\n";
    let lines = told("rules:\n  - {access: tracked, paths: [src], why: y}\n", nested, "");
    assert!(lines[0].ends_with("src/{a,b}"), "{lines:?}");
}

#[test]
fn a_program_outside_is_never_named_by_a_repository() {
    let file = profile(
        "approvals: {notify: [/bin/true]}\nenv: {pass: [A], set: {B: c}}\nsyscalls: {allow: [mount]}\n",
    );
    assert_eq!(trusted(file.clone()).settings.approvals.notify, None);
    let tight = tightening(file).settings;
    assert!(tight.env.pass.is_empty() && tight.env.set.is_empty() && tight.syscalls.allow.is_empty());
    assert_eq!(tight.approvals.notify, None);
}
