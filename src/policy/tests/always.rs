//! What was said always to: lets happen what is asked about, and nothing else.

use std::path::{Path, PathBuf};

use super::tree::Tree;
use super::{check, layer, places, policy_of, profile, rule_specs, user};
use crate::policy::always::{HEAD, answers, rule};
use crate::policy::merge::LayerSource;
use crate::policy::{LayerKind, Policy, Verb};

const KEPT: &str = "{read: allow, execute: allow, create: keep, modify: keep, remove: keep}";

/// A policy of the user's rules, answers for removing some paths, and more layers.
fn answered(lines: &str, paths: &[&str], others: &[LayerSource]) -> Policy {
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let written = rule(Verb::Remove, &paths, "you said always").expect("it can be written");
    let parsed =
        crate::policy::profile::parse(&format!("{HEAD}{written}"), "always").expect("it can be read");
    let mut source = user(lines);
    source.profiles.push(answers(parsed));
    let mut sources = vec![source];
    sources.extend_from_slice(others);
    policy_of(&sources, &Tree::default())
}

#[test]
fn an_answer_lets_happen_what_is_asked_about_and_nothing_else() {
    let lines = "tracked .\nread **/.github\ntracked ~/floor\nfinal tracked ~/floor\n{read: allow, execute: deny, create: ask, modify: ask, remove: ask} ~/ask\nhidden ~/work/old/secret";
    let all = ["/home/u/work/old", "/home/u/ask", "/home/u/floor", "/home/u/other"];
    let policy = answered(lines, &all, &[]);
    check(
        &policy,
        &[
            ("~/work/old", KEPT),
            ("~/work/old/x", KEPT),
            ("~/work/older", "tracked"),
            ("~/work", "tracked"),
            ("~/work/old/.github", "read"),
            ("~/work/old/secret", "hidden"),
            ("~/floor", "tracked"),
            ("~/other", "hidden"),
            ("~/ask/x", "{read: allow, execute: deny, create: ask, modify: ask, remove: keep}"),
        ],
    );
    let decision = policy.decide("/home/u/work/old/x".as_ref(), Verb::Remove);
    assert_eq!(&*policy.rule(decision.rule.expect("a rule")).why, "you said always");
    let decision = policy.decide("/home/u/work/old/x".as_ref(), Verb::Modify);
    assert_eq!(&*policy.rule(decision.rule.expect("a rule")).why, "test");
    assert!(!answered("scratch .", &all, &[]).asks(), "an answer asks nothing");
}

#[test]
fn what_others_ask_about_is_asked_all_the_same() {
    for kind in [LayerKind::Machine, LayerKind::Repository] {
        let policy = answered("tracked .", &["/home/u/work/old"], &[layer(kind, "tracked old/deep")]);
        check(&policy, &[("~/work/old/x", KEPT), ("~/work/old/deep/x", "tracked")]);
    }
}

#[test]
fn it_is_offered_where_the_users_own_rules_ask_alone() {
    let may = |policy: &Policy, path: &str, trees: &[&str]| {
        let trees: Vec<PathBuf> = trees.iter().map(PathBuf::from).collect();
        policy.may_always(Path::new(path), &trees, Verb::Remove)
    };
    let (old, all) = ("/home/u/work/old", ["/home/u/work/old"]);
    let policy = policy_of(&[user("tracked .\nfinal tracked floor")], &Tree::default());
    assert!(may(&policy, old, &all));
    assert!(may(&policy, "/home/u/work/old/x", &["/home/u/work", "/home/u/work/src"]));
    assert!(!policy.may_always(old.as_ref(), &all.map(PathBuf::from), Verb::Modify), "it is not asked about");
    assert!(!may(&policy, "/home/u/work/floor/x", &["/home/u/work/floor"]), "a floor");
    assert!(!may(&policy, old, &["/home/u/work/src"]), "it would be asked again");
    for wide in ["/", "/home", "/home/u"] {
        assert!(!may(&policy, old, &[wide, old]), "{wide} is too much");
    }
    assert!(!may(&policy, "/home/u/work/a\u{1b}b", &["/home/u/work/a\u{1b}b"]), "shown otherwise than it is");
    for kind in [LayerKind::Machine, LayerKind::Repository] {
        for sources in
            [[user("tracked ."), layer(kind, "tracked old")], [layer(kind, "tracked old"), user("tracked .")]]
        {
            let policy = policy_of(&sources, &Tree::default());
            assert!(!may(&policy, "/home/u/work/old/x", &all), "{kind:?} asks");
            assert!(
                !may(&policy, "/home/u/work/src/x", &["/home/u/work/src", old]),
                "{kind:?} asks for one of them"
            );
            assert!(may(&policy, "/home/u/work/src/x", &["/home/u/work/src"]));
            assert!(!may(&policy, "/home/u/work/old/x", &["/home/u/work"]), "{kind:?} asks deep below");
        }
    }
}

#[test]
fn names_are_written_as_they_are() {
    for name in ["a*b", "[x]", "{a,b}", "$HOME", "~", "a\"b", "a'b: c", "#x", "é", "a b", "-", "a?\\n"] {
        let path = format!("/home/u/work/{name}");
        let policy = answered("tracked .", &[&path], &[]);
        for inside in [&path, &format!("{path}/x")] {
            assert_eq!(policy.access(Path::new(inside)).to_string(), KEPT, "{inside}");
        }
        check(&policy, &[("~/work/other", "tracked"), ("~/work/a", "tracked")]);
    }
}

#[test]
fn a_file_of_answers_says_nothing_else() {
    let mut profile = profile("extends: ci\nnetwork: open\ngit: commit\nunix_sockets: open\n");
    profile.rules = rule_specs("scratch /etc\nscratch .");
    let mut source = user("tracked .\nread /etc");
    source.profiles.push(answers(profile));
    let policy = policy_of(&[source], &Tree::default());
    check(&policy, &[("/etc/passwd", "read"), ("~/work/x", KEPT)]);
    assert_eq!(policy.settings, policy_of(&[user("")], &Tree::default()).settings);
    assert_eq!(places(), policy.places);
}
