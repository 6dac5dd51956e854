//! Profiles that are wrong, and what is said about them.

use crate::policy::profile::parse;
use crate::policy::written::Size;

/// Checks the message about a profile, of which the end may be left out.
fn check(text: &str, expected: &str) {
    let error = parse(text, "p.yaml").map(drop).expect_err(expected).to_string();
    assert!(error.starts_with(expected), "found    {error}\nexpected {expected}");
}

#[test]
fn unknown_keys_are_named_with_line_and_column() {
    check("version: 1\nname: x\nrule: []\n", "p.yaml:3:1: unknown field `rule`, expected one of");
    check(
        "version: 1\nname: x\nenv:\n  inherits: true\n",
        "p.yaml:4:3: env: unknown field `inherits`, expected",
    );
    check(
        "version: 1\nname: x\nrules:\n  - access: read\n    path: [a]\n",
        "p.yaml:5:5: rules[0]: unknown field `path`, expected one of",
    );
    check("version: 1\nname: x\nlimits: {ram: 1}\n", "p.yaml:3:10: limits: unknown field `ram`, expected");
    check("version: 1\nname: x\nsyscalls:\n  refuse: []\n", "p.yaml:4:3: syscalls: unknown field `refuse`");
}

#[test]
fn wrong_types_are_named_with_line_and_column() {
    check("version: one\nname: x\n", "p.yaml:1:10: version: invalid type: string \"one\", expected u32");
    check("version: 1\nname: x\nrules: {}\n", "p.yaml:3:8: rules: invalid type: map, expected a sequence");
    check("version: 1\nname: x\nnetwork: maybe\n", "p.yaml:3:10: network: unknown variant `maybe`, expected");
    check(
        "version: 1\nname: x\nrules:\n  - access: read\n    paths: 7\n    why: y\n",
        "p.yaml:5:12: rules[0].paths: invalid type: integer `7`, expected a string or a list of strings",
    );
    check(
        "version: 1\nname: x\nenv:\n  inherit: perhaps\n",
        "p.yaml:4:12: env.inherit: invalid type: string",
    );
}

#[test]
fn missing_keys_are_named() {
    check("name: x\n", "p.yaml:1:1: missing field `version`");
    check("version: 1\n", "p.yaml:1:1: missing field `name`");
    check(
        "version: 1\nname: x\nrules:\n  - access: read\n    why: y\n",
        "p.yaml:4:5: rules[0]: missing field `paths`",
    );
}

#[test]
fn accesses_are_named_or_have_every_verb() {
    let rule = |access: &str| format!("version: 1\nname: x\nrules:\n  - access: {access}\n    paths: [a]\n");
    check(&rule("write"), "p.yaml:4:13: rules[0].access: unknown variant `write`, expected one of");
    check(
        &rule("{read: allow, execute: allow, create: deny, modify: deny}"),
        "p.yaml:4:13: rules[0].access: missing field `remove`",
    );
    check(
        &rule("{read: allow, execute: allow, create: deny, modify: deny, delete: deny}"),
        "p.yaml:4:13: rules[0].access: unknown field `delete`",
    );
    check(
        &rule("{read: allow, execute: allow, create: deny, modify: deny, remove: maybe}"),
        "p.yaml:4:13: rules[0].access: unknown variant `maybe`, expected one of",
    );
    check(
        &rule("{read: allow, read: deny, execute: allow, create: deny, modify: deny, remove: deny}"),
        "p.yaml:4:13: rules[0].access: duplicate field `read`",
    );
}

#[test]
fn text_that_is_no_yaml_has_a_place() {
    check("version: 1\nname: [x\n", "p.yaml:");
    check("", "p.yaml:");
    check("version: 1\nversion: 1\nname: x\n", "p.yaml:");
    check("- a\n- b\n", "p.yaml:1:1: invalid type: sequence");
}

#[test]
fn other_versions_are_refused() {
    check("version: 2\nname: x\n", "p.yaml:1: version 2: expected 1");
}

#[test]
fn bad_patterns_are_named_with_the_line_of_their_rule() {
    let rules = |path: &str| {
        format!(
            "version: 1\nname: x\n# rules\nrules:\n  - access: read\n    paths: [fine]\n\n  # second\n  \
             - access: hidden\n    paths: [other, {path:?}]\n"
        )
    };
    check(&rules("a/[b"), "p.yaml:9: bad pattern `a/[b`: ");
    check(&rules("a/{b"), "p.yaml:9: bad pattern `a/{b`: ");
    check(&rules("a/../b"), "p.yaml:9: bad pattern `a/../b`: `..` is not allowed");
    check(&rules("${NOPE}/b"), "p.yaml:9: bad pattern `${NOPE}/b`: unknown variable `${NOPE}`");
    check(&rules("~other/b"), "p.yaml:9: bad pattern `~other/b`: `~` must stand alone");
    check(&rules("${HOME/b"), "p.yaml:9: bad pattern `${HOME/b`: `${` is never closed");
    check(&rules(""), "p.yaml:9: bad pattern ``: the pattern is empty");
}

#[test]
fn values_of_the_environment_are_checked() {
    check("version: 1\nname: x\nenv: {set: {A: \"${NOPE}\"}}\n", "p.yaml:3: env: set: A: unknown variable");
}

#[test]
fn rules_know_their_line() {
    let text = "version: 1\nname: x\nrules:\n- access: read\n  paths:\n    - a\n    - b\n\n- access: hidden\n  paths: [c]\nenv:\n  drop:\n  - A\n";
    let profile = parse(text, "p.yaml").expect("parses");
    let origins: Vec<String> = profile.rules.iter().map(|rule| rule.origin.to_string()).collect();
    assert_eq!(origins, ["p.yaml:4", "p.yaml:9"]);
    // In flow style there is only the line of the list.
    let text = "version: 1\nname: x\nrules: [{access: read, paths: a}, {access: read, paths: b}]\n";
    let profile = parse(text, "p.yaml").expect("parses");
    assert!(profile.rules.iter().all(|rule| rule.origin.to_string() == "p.yaml:3"));
}

#[test]
fn sizes_have_units() {
    let memory = |size: &str| {
        let text = format!("version: 1\nname: x\nlimits: {{memory: {size}}}\n");
        parse(&text, "p.yaml").map(|profile| profile.settings.limits.memory)
    };
    for (text, bytes) in [
        ("0", 0),
        ("4096", 4096),
        ("\"512\"", 512),
        ("1KiB", 1 << 10),
        ("512MiB", 512 << 20),
        ("4 GiB", 4 << 30),
        ("1TiB", 1 << 40),
        ("16777215TiB", 16_777_215 << 40),
    ] {
        assert_eq!(memory(text).expect(text), Some(Size(bytes)), "{text}");
    }
    for wrong in ["-1", "4GB", "4Gi", "GiB", "1.5GiB", "16777216TiB", "4kib", "true", "[1]", "\"\""] {
        memory(wrong).expect_err(wrong);
    }
    check(
        "version: 1\nname: x\nlimits: {memory: 4GB}\n",
        "p.yaml:3:18: limits.memory: invalid value: string \"4GB\", expected a number, or a size such as",
    );
}
