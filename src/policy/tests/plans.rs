//! What becomes of rules: grants, splits, and directories that are made.

use std::path::{Path, PathBuf};

use super::tree::Tree;
use super::{compile, granted, named, policy_of, rule_specs, user};
use crate::policy::plan::{Plan, Rights};

/// Grants as lines: `path: rights`, a directory with a slash at its end.
fn lines(plan: &Plan) -> Vec<String> {
    let line = |grant: &crate::policy::plan::Grant| {
        let names: Vec<&str> = grant.rights.names().collect();
        let slash = if grant.is_dir { "/" } else { "" };
        format!("{}{slash}: {}", grant.path.display(), names.join(" "))
    };
    plan.grants.iter().map(line).collect()
}

fn plan(rules: &str, tree: &str) -> Plan {
    let tree = Tree::of(tree);
    compile(policy_of(&[user(rules)], &tree), &tree)
}

fn check(rules: &str, tree: &str, expected: &[&str]) {
    let plan = plan(rules, tree);
    assert_eq!(lines(&plan), expected, "{rules}");
}

const READ: &str = "list read execute";
const ALL: &str = "list read execute write remove make";

#[test]
fn accesses_become_rights() {
    check("read /a\nscratch /b", "/a/x\n/b/x", &[&format!("/a/: {READ}"), &format!("/b/: {ALL}")]);
    check("tracked /a\nhidden /b", "/a/\n/b/", &[&format!("/a/: {READ}")]);
    check("read /f\nscratch /g", "/f\n/g", &["/f: read execute", "/g: read execute write"]);
    check(
        "{read: allow, execute: deny, create: deny, modify: allow, remove: deny} /f",
        "/f\n/g",
        &["/f: read write"],
    );
    // Changing names is all or nothing.
    check(
        "{read: allow, execute: allow, create: allow, modify: deny, remove: deny} /a",
        "/a/",
        &[&format!("/a/: {READ}")],
    );
}

#[test]
fn what_does_not_exist_is_granted_by_nobody() {
    check("read /a\nread /b/c\nscratch /d", "/b/x", &[]);
}

#[test]
fn a_hole_splits_the_directories_above_it() {
    let tree = "/a/b/secret\n/a/b/x\n/a/c/\n/a/l -> b";
    let plan = plan("read /a\nhidden /a/b/secret", tree);
    assert_eq!(lines(&plan), ["/a/: list", "/a/b/x: read execute", "/a/c/: read execute"]);
}

#[test]
fn something_to_protect_keeps_a_directory_from_being_changed() {
    let plan = plan("scratch /a\nread /a/**/.git", "/a/.git/config\n/a/src/x\n/a/README");
    let granted = lines(&plan);
    assert_eq!(
        granted,
        [format!("/a/: {READ}"), "/a/README: write".into(), "/a/src/: write remove".into()],
        "{:?}",
        plan.splits
    );
    assert_eq!(plan.splits.len(), 1);
    assert_eq!(plan.splits[0].path, Path::new("/a"));
    assert_eq!(plan.splits[0].holes, [".git"]);
}

#[test]
fn a_protected_name_that_does_not_exist_keeps_its_directory_too() {
    let plan = plan("scratch /a\nread /a/.vscode", "/a/x/");
    assert_eq!(lines(&plan), [format!("/a/: {READ}"), "/a/x/: write remove make".into()]);
    assert_eq!(plan.splits[0].holes, [".vscode"]);
}

#[test]
fn everything_beneath_can_differ_from_the_directory() {
    check("read /a\nhidden /a/**", "/a/x\n/a/y", &["/a/: list"]);
    check("read /a\nhidden /a/**", "/a/x\n/a/b/y", &[]);
    check("hidden /a\nread /a/**", "/a/x\n/a/b/y", &[&format!("/a/b/: {READ}"), "/a/x: read execute"]);
    check("scratch /a\nfinal read /a/**", "/a/x\n/a/b/y", &[&format!("/a/: {READ}")]);
}

#[test]
fn patterns_that_repeat_themselves_end() {
    let tree = "/a/b/b/b/x\n/a/b/c/\n/a/d/";
    let split = [format!("/a/: {READ}"), "/a/b/c/: write remove".into(), "/a/d/: write remove".into()];
    assert_eq!(lines(&plan("scratch /a\nread /**/b/b", tree)), split);
    let tree = "/a/b/x\n/a/b/c\n/a/c/b";
    check("read /a\nhidden /**/b/c\nhidden /**/c/b", tree, &["/a/: list", "/a/b/x: read execute"]);
    check("scratch /a\nread /a/**/b/**/b/**/b", "/a/c/", &[&format!("/a/: {READ} write remove")]);
}

/// The floor that the command line went below stays out of the way; a deeper
/// one counts.
#[test]
fn a_floor_beneath_a_named_path_is_a_hole() {
    let tree = Tree::of("/a/.git/x\n/a/y");
    let mut source = user("final hidden /a\nfinal read /**/.git");
    source.extra = named(rule_specs("read /a"));
    let plan = compile(policy_of(&[source], &tree), &tree);
    for path in ["/a/y", "/a/.git/x"].map(Path::new) {
        let native = Rights::native(plan.policy.access(path));
        assert_eq!(granted(&plan, path).read, native.read, "{path:?}: {:?}", plan.grants);
    }
}

#[test]
fn a_directory_that_cannot_be_listed_is_noted_and_not_granted() {
    let mut tree = Tree::of("/a/b/x\n/a/c/");
    tree.seal("/a/b");
    let plan = compile(policy_of(&[user("read /a\nhidden /a/**/x")], &tree), &tree);
    let is_noted = plan.notes.iter().any(|note| note.text.starts_with("/a/b cannot be listed"));
    assert!(is_noted, "{:?}", plan.notes);
    assert_eq!(granted(&plan, Path::new("/a/b/x")), Rights::NONE, "{:?}", plan.grants);
}

#[test]
fn a_link_cannot_be_replaced_where_a_rule_protects_it() {
    let tree = "/a/link -> /elsewhere\n/a/x";
    assert_eq!(lines(&plan("scratch /a\nread /a/link", tree)), [format!("/a/: {READ} write")]);
    assert_eq!(lines(&plan("scratch /a\nhidden /a/**/li*", tree)), [format!("/a/: {READ} write")]);
}

#[test]
fn names_change_only_where_every_change_is_allowed() {
    for denied in ["create", "modify", "remove"] {
        let effect = |verb| if verb == denied { "keep" } else { "allow" };
        let (create, modify, remove) = (effect("create"), effect("modify"), effect("remove"));
        let changes = format!("create: {create}, modify: {modify}, remove: {remove}");
        let expected: &[&str] = if denied == "modify" { &[] } else { &["/a/: write"] };
        check(&format!("{{read: deny, execute: deny, {changes}}} /a"), "/a/x", expected);
    }
}

fn made(rules: &str, tree: &str) -> Vec<PathBuf> {
    plan(rules, tree).make_dirs
}

#[test]
fn missing_scratch_directories_are_made() {
    let tree = "/home/u/work/src/\n/home/u/.cache/";
    let plan = plan("scratch target\nscratch ~/.cache/pip", tree);
    assert_eq!(plan.make_dirs, [Path::new("/home/u/.cache/pip"), Path::new("/home/u/work/target")]);
    assert_eq!(lines(&plan), [format!("/home/u/.cache/pip/: {ALL}"), format!("/home/u/work/target/: {ALL}")]);
}

#[test]
fn nothing_else_is_made() {
    // Above it is missing; outside home and workspace; a wildcard; not scratch; overruled; there already.
    let tree = "/home/u/work/there\n/srv/";
    let none: Vec<PathBuf> = Vec::new();
    assert_eq!(
        made("scratch a/b\nscratch /srv/x\nscratch */t\nread r\ntracked t\nscratch there", tree),
        none
    );
    assert_eq!(made("scratch x\nhidden x\nscratch y\nfinal read **/y", tree), none);
}
