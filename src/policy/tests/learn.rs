//! What is learnt from refusals: as little as there can be, and nothing that is closed.

use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::tree::Tree;
use super::{layer, places, policy_of, user};
use crate::policy::learn::{Learnt, Refused, document, faults, learn, only_rules, rendered};
use crate::policy::merge::LayerSource;
use crate::policy::profile::{self, Profile};
use crate::policy::{Access, Effect, LayerKind, Policy, Verb};

const LEARNT: &str = "learned.yaml";
const DAY: &str = "2026-01-02";
const HOME: &str = "
    /home/u/work/src/lib
    /home/u/.ssh/id
    /home/u/.config/app/one
    /home/u/.config/gcloud/key
    /home/u/.cargo/registry/index
    /home/u/data/a/1
    /home/u/data/a/2
    /home/u/data/a/3
    /home/u/notes
    /home/u/.env
    /srv/data/x";

/// Refusals from lines such as `cat read ~/x`.
fn refusals(lines: &str) -> Vec<Refused> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().expect("three words");
            let (program, verb, path) = (word().to_string(), Verb::by_name(word()), word());
            let path = path.replacen('~', "/home/u", 1).into();
            let makes_dir = program == "mkdir";
            Refused { path, verb, makes_dir, setting: None, program }
        })
        .collect()
}

fn sources(lines: &str, profile: Option<Profile>) -> Vec<LayerSource> {
    let mut source = user(lines);
    profile.into_iter().for_each(|profile| source.profiles.insert(0, profile));
    vec![source]
}

/// The policy with what was learnt, and its profile.
fn with(lines: &str, learnt: &Learnt, tree: &Tree) -> (Policy, Option<Profile>) {
    let text = document(&[], learnt, &places(), DAY);
    let profile = text.map(|text| {
        only_rules(profile::parse(&text, LEARNT).unwrap_or_else(|error| panic!("{error}\n{text}")))
    });
    (policy_of(&sources(lines, profile.clone()), tree), profile)
}

/// What is learnt under some rules, as lines, and what stays closed.
fn learnt(rules: &str, lines: &str) -> (Vec<String>, Vec<String>) {
    let tree = Tree::of(HOME);
    let before = policy_of(&sources(rules, None), &tree);
    let learnt = learn(&before, LEARNT, &refusals(lines), &tree);
    let (after, profile) = with(rules, &learnt, &tree);
    assert_eq!(faults(&before, &after, LEARNT, &learnt), [""; 0]);
    let rules = profile.map(|profile| profile.rules).unwrap_or_default();
    let suggested = rules.iter().map(|rule| format!("{} {}", rule.access, rule.paths.join(", ")));
    let kept = learnt.kept.iter().map(|kept| format!("{}: {}", kept.path.display(), kept.why));
    (suggested.collect(), kept.collect())
}

#[track_caller]
fn suggests(lines: &str, expected: &[&str]) {
    assert_eq!(learnt("tracked .", lines), (expected.iter().map(ToString::to_string).collect(), vec![]));
}

#[track_caller]
fn keeps(rules: &str, lines: &str, why: &str) {
    let (suggested, kept) = learnt(rules, lines);
    assert_eq!(suggested, [""; 0], "{kept:?}");
    assert!(kept.len() == 1 && kept[0].contains(why), "{kept:?}");
}

#[test]
fn as_little_is_suggested_as_was_asked_for() {
    const MODIFY: &str = "{read: allow, execute: allow, create: deny, modify: keep, remove: deny}";
    suggests("cat read ~/notes\ncat read ~/notes", &["read ~/notes"]);
    suggests("app execute /srv/data/x", &["read /srv/data/x"]);
    suggests("app modify ~/notes", &[&format!("{MODIFY} ~/notes")]);
    suggests("app create ~/data/a/new", &["tracked ~/data/a"]);
    suggests("app create ~/.app", &["tracked ~/.app"]);
    suggests("app create ~/.cache/app/x/y", &["scratch ~/.cache/app"]);
    suggests("mkdir create ~/.cache/app", &["scratch ~/.cache/app"]);
    suggests("app modify ~/notes\ncat read ~/data/a/1", &[&format!("{MODIFY} ~/notes"), "read ~/data/a/1"]);
    suggests(
        "app modify ~/data\nrm remove ~/data/a",
        &[
            &format!("{MODIFY} ~/data"),
            "{read: allow, execute: allow, create: deny, modify: keep, remove: keep} ~/data/a",
        ],
    );
    suggests("cat read ~/work/src/lib", &[]);
}

#[test]
fn what_toolchains_are_known_to_need_is_suggested_as_a_whole() {
    suggests("cargo create ~/.cargo/registry/cache/x", &["scratch ~/.cargo/registry"]);
    suggests("node read ~/.npmrc\nnode create ~/.npm/_logs", &["read ~/.npmrc", "scratch ~/.npm"]);
    keeps("tracked .", "sh modify ~/.cargo/bin/cargo", "only for reading");
}

#[test]
fn many_entries_of_a_directory_are_one() {
    suggests("cat read ~/data/a/1\ncat read ~/data/a/2", &["read ~/data/a/1", "read ~/data/a/2"]);
    suggests("cat read ~/data/a/1\ncat read ~/data/a/2\ncat read ~/data/a/3", &["read ~/data/a"]);
    // Never the home, nor what is above it, nor what holds something closed.
    let three = |dir: &str| ["1", "2", "3"].map(|name| format!("cat read {dir}/{name}")).join("\n");
    suggests(&three("~"), &["read ~/1", "read ~/2", "read ~/3"]);
    suggests(&three("~/.config"), &["read ~/.config/1", "read ~/.config/2", "read ~/.config/3"]);
}

#[test]
fn what_is_closed_is_not_suggested() {
    for (rules, lines, why) in [
        ("tracked .", "cat read ~/.ssh/id", "built-in profiles"),
        ("final hidden ~/data", "cat read ~/data/a/1", "a floor"),
        ("hidden ~/data", "cat read ~/data/a/1", "a rule says"),
        ("tracked .\nread **/.github", "sh create ~/work/.github", "a rule says"),
        ("tracked .", "sh create ~/data/.github/x", "built-in profiles"),
        ("tracked .", "sh modify ~/data/.git/config", "built-in profiles"),
        ("tracked .", "cat read ~/.env", "built-in profiles"),
        ("tracked .", "cat read ~/api-token", "secret"),
        ("tracked .", "rm remove ~/work/src/lib", "a person is asked"),
        ("tracked .", "ls read ~", "too much"),
        ("tracked .", "ls read /", "too much"),
        ("tracked .", "ls read /home", "too much"),
        ("tracked .", "ls read ~/.config", "it holds"),
        ("tracked .", "sh create ~/.bashrc", "runs outside"),
        ("tracked .", "sh create ~/.local/bin/git", "runs outside"),
        ("tracked .", "cat read /etc/shadow", "belongs to"),
        ("tracked .", "sh create /usr/lib/x", "the system"),
        ("tracked .", "cat read /home/other/x", "somebody else"),
    ] {
        keeps(rules, lines, why);
    }
}

#[test]
fn secrets_beneath_what_is_opened_stay_closed() {
    let tree =
        Tree::of("/home/u/app/a/key.pem\n/home/u/app/b/.github/x\n/home/u/app/.ssh/id\n/home/u/app/token");
    let before = policy_of(&[user("tracked .")], &tree);
    let refused = "ls read ~/app\nsh create ~/app/new\ncat read ~/app/.ssh/id";
    let learnt = learn(&before, LEARNT, &refusals(refused), &tree);
    let (after, _) = with("tracked .", &learnt, &tree);
    assert_eq!(faults(&before, &after, LEARNT, &learnt), [""; 0]);
    let guarded = "{read: allow, execute: allow, create: deny, modify: deny, remove: deny}";
    for (path, access) in [
        ("/home/u/app/x", "tracked"),
        ("/home/u/app/a/key.pem", "hidden"),
        ("/home/u/app/.ssh/id", "hidden"),
        ("/home/u/app/.ssh/other", "hidden"),
        ("/home/u/app/token", "hidden"),
        ("/home/u/app/b/.github/x", "read"),
    ] {
        assert!([access, guarded].contains(&after.access(path.as_ref()).to_string().as_str()), "{path}");
    }
}

#[test]
fn settings_and_other_layers_stay_as_they_are() {
    let tree = Tree::of(HOME);
    for (kind, why) in [(LayerKind::Machine, "machine's policy"), (LayerKind::Repository, "repository's own")]
    {
        let policy = policy_of(&[user("tracked ."), layer(kind, "hidden ~/data")], &tree);
        let learnt = learn(&policy, LEARNT, &refusals("cat read ~/data/a/1"), &tree);
        assert!(learnt.suggestions.is_empty() && learnt.kept[0].why.contains(why), "{learnt:?}");
    }
    let setting = |text: &str| Refused {
        path: "1.2.3.4:80".into(),
        verb: None,
        makes_dir: false,
        setting: Some(text.into()),
        program: "curl".into(),
    };
    let policy = policy_of(&[user("tracked .")], &tree);
    let learnt = learn(&policy, LEARNT, &[setting("network: none"), setting("unix_sockets: own")], &tree);
    assert!(learnt.suggestions.is_empty() && learnt.kept.len() == 2, "{learnt:?}");
    let text = rendered(&learnt, &places(), DAY);
    assert!(text.lines().all(|line| line.starts_with('#')) && text.contains("use by curl 1×"), "{text}");
}

#[test]
fn it_says_who_asked_and_the_least_risky_comes_first() {
    let tree = Tree::of(HOME);
    let lines = "npm create ~/.npm/x\nvi modify ~/notes\nvi modify ~/notes\nsh create ~/.app\ncat read ~/data/a/1\ncat read /srv/data/x\ncat read ~/.ssh/id\nvi read ~/notes";
    let learnt = learn(&policy_of(&[user("tracked .")], &tree), LEARNT, &refusals(lines), &tree);
    let text = rendered(&learnt, &places(), DAY);
    let expected = r#"version: 1
name: learned
description: What programs were seen to need. It stands in front of the profile's own rules, so it opens what none of them names.
rules:
  - access: read
    paths: ["/srv/data/x"]
    why: "read by cat 1×; learnt on 2026-01-02"
  - access: read
    paths: ["~/data/a/1"]
    why: "read by cat 1×; learnt on 2026-01-02"
  - access: scratch
    paths: ["~/.npm"]
    why: "create by npm 1×; learnt on 2026-01-02"
  - access: {read: allow, execute: allow, create: deny, modify: keep, remove: deny}
    paths: ["~/notes"]
    why: "read by vi 1×; modify by vi 2×; learnt on 2026-01-02"
  - access: tracked
    paths: ["~/.app"]
    why: "create by sh 1×; learnt on 2026-01-02"
# Kept closed, and not suggested:
#  ~/.ssh/id
#    asked: read by cat 1×
#    why: the built-in profiles keep it closed: credentials of the user
"#;
    assert_eq!(without_why_of_base(&text), without_why_of_base(expected));
    assert!(profile::parse(&text, "shown").is_ok());
}

/// The reason in `base` is its own.
fn without_why_of_base(text: &str) -> String {
    let cut = text.find("keep it closed").unwrap_or(text.len());
    text[..cut].to_string()
}

#[test]
fn what_was_learnt_before_is_kept_and_may_grow() {
    let tree = Tree::of(HOME);
    let first =
        learn(&policy_of(&sources("tracked .", None), &tree), LEARNT, &refusals("cat read ~/notes"), &tree);
    let (policy, profile) = with("tracked .", &first, &tree);
    let profile = profile.expect("something was learnt");
    let more =
        learn(&policy, LEARNT, &refusals("cat read ~/notes\nvi modify ~/notes\nsh create ~/.app"), &tree);
    let text = document(&profile.rules, &more, &places(), DAY).expect("something was learnt");
    let both = only_rules(profile::parse(&text, LEARNT).expect("it can be read"));
    assert_eq!(both.rules.len(), 3, "{text}");
    let after = policy_of(&sources("tracked .", Some(both)), &tree);
    assert_eq!(faults(&policy, &after, LEARNT, &more), [""; 0]);
    for (path, verb) in
        [("/home/u/notes", Verb::Read), ("/home/u/notes", Verb::Modify), ("/home/u/.app", Verb::Create)]
    {
        assert!(after.decide(path.as_ref(), verb).effect <= Effect::Keep, "{verb} {path}");
    }
}

#[test]
fn a_fault_shows() {
    let tree = Tree::of(HOME);
    let before = policy_of(&[user("read ~/data\nhidden ~/notes")], &tree);
    let learnt = learn(&before, LEARNT, &refusals("cat read ~/.config/app/one"), &tree);
    let (after, _) = with("read ~/data\nread ~/notes", &learnt, &tree);
    assert_eq!(
        faults(&before, &after, LEARNT, &learnt),
        [
            "read /home/u/notes would be allowed, which is kept closed",
            "execute /home/u/notes would be allowed, which is kept closed"
        ]
    );
    assert_eq!(faults(&before, &before, LEARNT, &learnt).len(), 1);
}

const PLACES: [&str; 14] = [
    "/home/u",
    "/home/u/work",
    "/home/u/.ssh",
    "/home/u/.config",
    "/home/u/.cache",
    "/home/u/.cargo",
    "/etc",
    "/srv",
    "/home/u/data",
    "/usr",
    "/",
    "/home/u/.local",
    "/home/u/work/.git",
    "/home/u/.aws",
];
const NAMES: [&str; 9] = ["a", "b", "{x}", "id_rsa", ".git", "registry", "bin", "we ird'\"\\n", ".env"];

fn any_path() -> impl Strategy<Value = PathBuf> {
    (select(&PLACES[..]), vec(select(&NAMES[..]), 0..=3))
        .prop_map(|(place, names)| Path::new(place).join(names.iter().collect::<PathBuf>()))
}

fn any_refusal() -> impl Strategy<Value = Refused> {
    (any_path(), select(&Verb::ALL[..]), select(&["sh", "c\u{1b}at", "n: {"][..])).prop_map(
        |(path, verb, program)| Refused {
            path,
            verb: Some(verb),
            makes_dir: false,
            setting: None,
            program: program.into(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_that_a_rule_names_is_opened(
        refused in vec(any_refusal(), 0..14),
        looked_at in vec(any_path(), 0..20),
        rules in vec((select(&["read", "hidden", "tracked", "scratch", "final hidden", "final read"][..]), select(&["~/data", "~/data/a", "**/.git", "**/id_rsa", "~/.config", ".", "~/.ssh", "/srv/a", "~/.cache/b"][..])), 0..6),
    ) {
        let lines: String = rules.iter().map(|(access, path)| format!("{access} {path}\n")).collect();
        let tree = Tree::of(HOME);
        let before = policy_of(&sources(&lines, None), &tree);
        let learnt = learn(&before, LEARNT, &refused, &tree);
        let (after, profile) = with(&lines, &learnt, &tree);
        prop_assert_eq!(faults(&before, &after, LEARNT, &learnt), Vec::<String>::new());
        prop_assert!(profile::parse(&rendered(&learnt, &places(), DAY), "shown").is_ok() || learnt.suggestions.is_empty());
        let paths = looked_at.iter().chain(refused.iter().map(|refused| &refused.path));
        for path in paths {
            for verb in Verb::ALL {
                let (old, new) = (before.decide(path, verb), after.decide(path, verb));
                prop_assert!(old.rule.is_none() || old.effect == new.effect, "{verb} {}", path.display());
            }
            let loosened = Verb::ALL.iter().any(|verb| after.decide(path, *verb).effect < before.decide(path, *verb).effect);
            prop_assert!(!loosened || learnt.suggestions.iter().any(|suggestion| path.starts_with(&suggestion.path)));
        }
        for suggestion in &learnt.suggestions {
            prop_assert!(!Path::new("/home/u/work").starts_with(&suggestion.path));
            prop_assert!(suggestion.path.components().count() > 2);
            prop_assert!(suggestion.access != Access::HIDDEN);
            prop_assert!(!suggestion.path.starts_with("/home/u/.ssh") && !suggestion.path.starts_with("/home/u/.aws"));
        }
        for rule in profile.iter().flat_map(|profile| &profile.rules) {
            prop_assert!(!rule.is_final && !rule.is_answer);
        }
    }
}

#[test]
fn what_was_learnt_has_no_settings() {
    let text = "version: 1\nname: x\nextends: ci\nnetwork: open\nrules: []\n";
    let profile = only_rules(profile::parse(text, LEARNT).expect("it can be read"));
    assert!(profile.extends.is_empty() && profile.settings.network.is_none());
}
