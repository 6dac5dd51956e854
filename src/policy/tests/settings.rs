//! Settings: how profiles add up, and that machine and repository only tighten.

use std::path::Path;

use super::tree::Tree;
use super::{places, profile};
use crate::policy::merge::{LayerSource, resolve};
use crate::policy::plan::{self, Mode};
use crate::policy::{GitMode, LayerKind, Network, Policy, UnixSockets};

fn layer(kind: LayerKind, bodies: &[&str]) -> LayerSource {
    LayerSource { kind, profiles: bodies.iter().map(|body| profile(body)).collect(), extra: Vec::new() }
}

fn settings(sources: &[LayerSource]) -> Policy {
    resolve(sources, &places(), &Tree::default()).expect("resolves")
}

#[test]
fn nothing_said_is_the_strictest() {
    let policy = settings(&[layer(LayerKind::User, &[""])]);
    assert_eq!(policy.settings.network, Network::None);
    assert_eq!(policy.settings.unix_sockets, UnixSockets::Own);
    assert_eq!(policy.settings.git, GitMode::Protected);
}

#[test]
fn a_child_replaces_single_values_and_adds_to_lists() {
    let parent = "
network: none
limits: {processes: 10, memory: 1GiB}
env: {inherit: false, pass: [A], drop: [B], set: {X: '1', Y: '2'}}
syscalls: {allow: [shmget], deny: [ptrace]}";
    let child = "
network: open
limits: {processes: 20}
env: {pass: [C], drop: [D], set: {X: '${HOME}'}}
syscalls: {allow: [msgget]}";
    let policy = settings(&[layer(LayerKind::User, &[parent, child])]);
    let settings = &policy.settings;
    assert_eq!(settings.network, Network::Open);
    assert_eq!((settings.limits.processes, settings.limits.memory), (Some(20), Some(1 << 30)));
    assert!(!settings.env.inherit);
    assert_eq!(settings.env.pass, ["A", "C"]);
    assert_eq!(settings.env.drop, ["B", "D"]);
    assert_eq!(
        (settings.env.set["X"].to_str(), settings.env.set["Y"].to_str()),
        (Some("/home/u"), Some("2"))
    );
    assert_eq!(settings.syscalls.allow, ["shmget", "msgget"]);
    assert_eq!(settings.syscalls.deny, ["ptrace"]);
    assert!(policy.notes.is_empty(), "{:?}", policy.notes);
}

const LENIENT: &str = "
network: open
unix_sockets: open
git: commit
limits: {processes: 100, open_files: 50, core: 0}
env: {inherit: true, pass: [EXTRA], set: {EXTRA: x}, drop: [LESS]}
syscalls: {allow: [shmget], deny: [ptrace]}";

#[test]
fn machine_and_repository_cannot_loosen() {
    for kind in [LayerKind::Machine, LayerKind::Repository] {
        let strict =
            layer(LayerKind::User, &["limits: {processes: 10, memory: 5}\nenv: {inherit: false, pass: [P]}"]);
        let lenient = layer(kind, &[LENIENT]);
        for sources in [[strict.clone(), lenient.clone()], [lenient, strict]] {
            let policy = settings(&sources);
            let settings = &policy.settings;
            assert_eq!(settings.network, Network::None);
            assert_eq!(settings.unix_sockets, UnixSockets::Own);
            assert_eq!(settings.git, GitMode::Protected);
            assert!(!settings.env.inherit);
            assert_eq!(settings.env.pass, ["P"]);
            assert!(settings.env.set.is_empty());
            assert!(settings.syscalls.allow.is_empty());
            assert_eq!((settings.limits.processes, settings.limits.memory), (Some(10), Some(5)));
            // What tightens counts.
            assert_eq!((settings.limits.open_files, settings.limits.core), (Some(50), Some(0)));
            assert_eq!(settings.env.drop_always, ["LESS"]);
            assert_eq!(settings.syscalls.deny, ["ptrace"]);
            let ignored: Vec<&str> = policy.notes.iter().map(|note| note.text.as_str()).collect();
            for key in ["env: pass", "env: set", "syscalls: allow"] {
                let said = ignored.iter().any(|text| text.starts_with(&format!("{key} is ignored")));
                assert!(said, "{key}: {ignored:?}");
            }
        }
    }
}

#[test]
fn machine_and_repository_can_tighten() {
    let strict = "
network: none
unix_sockets: own
git: protected
limits: {processes: 5}
env: {inherit: false}";
    for kind in [LayerKind::Machine, LayerKind::Repository] {
        let policy = settings(&[layer(kind, &[strict]), layer(LayerKind::User, &[LENIENT])]);
        let settings = &policy.settings;
        assert_eq!(settings.network, Network::None);
        assert_eq!(settings.unix_sockets, UnixSockets::Own);
        assert_eq!(settings.git, GitMode::Protected);
        assert_eq!(settings.limits.processes, Some(5));
        assert!(!settings.env.inherit);
        assert!(policy.notes.is_empty(), "{:?}", policy.notes);
    }
}

#[test]
fn how_many_removals_are_bulk_is_inherited_and_can_be_tightened() {
    let bulk = |sources: &[LayerSource]| settings(sources).settings.approvals.bulk;
    let said = |number| format!("approvals: {{bulk: {number}}}");
    let user = |bodies: &[&str]| layer(LayerKind::User, bodies);
    assert_eq!(bulk(&[user(&[""])]), None);
    assert_eq!(bulk(&[user(&[&said(200), ""])]), Some(200));
    assert_eq!(bulk(&[user(&[&said(200), &said(5000)])]), Some(5000), "the child's");
    for kind in [LayerKind::Machine, LayerKind::Repository] {
        for (theirs, users, expected) in [(10, 200, 10), (5000, 200, 200)] {
            let policy = settings(&[layer(kind, &[&said(theirs)]), user(&[&said(users)])]);
            assert_eq!(policy.settings.approvals.bulk, Some(expected));
            assert!(policy.notes.is_empty() && policy.asks());
        }
        assert_eq!(bulk(&[user(&[""]), layer(kind, &[&said(7)])]), Some(7));
    }
}

/// Whether these sockets may be connected to, by paths.
fn sockets(sources: &[LayerSource], tree: &Tree, expected: &[(&str, bool)]) {
    let policy = resolve(sources, &places(), tree).expect("resolves");
    for (path, allowed) in expected {
        assert_eq!(policy.allows_socket(Path::new(path)), *allowed, "{path}");
    }
}

#[test]
fn sockets_are_named_by_patterns() {
    let tree = Tree::of("/run/foo.sock\n/var/run -> ../run\n/home/u/x/");
    let user = |bodies: &[&str]| [layer(LayerKind::User, bodies)];
    let one = "unix_sockets: {allow: [/run/foo.sock, ~/x/*.sock]}";
    let both = [("/run/foo.sock", true), ("/home/u/x/a.sock", true), ("/run/bar.sock", false)];
    sockets(&user(&[one]), &tree, &both);
    sockets(&user(&[""]), &tree, &[("/run/foo.sock", false)]);
    sockets(&user(&["unix_sockets: {allow: /var/run/foo.sock}"]), &tree, &both[..1]);
    // Lists grow, words start anew.
    let more = "unix_sockets: {allow: [/run/bar.sock]}";
    sockets(&user(&[one, more]), &tree, &[("/run/foo.sock", true), ("/run/bar.sock", true)]);
    sockets(&user(&[one, "unix_sockets: own"]), &tree, &[("/run/foo.sock", false)]);
    sockets(&user(&[one, "unix_sockets: open"]), &tree, &[("/run/bar.sock", true)]);
    sockets(&user(&["unix_sockets: open", one]), &tree, &both);
}

#[test]
fn over_a_socket_every_layer_must_allow() {
    let two = "unix_sockets: {allow: [/run/a, /run/b]}";
    let expected = |a, b, c| [("/run/a", a), ("/run/b", b), ("/run/c", c)];
    for kind in [LayerKind::Machine, LayerKind::Repository] {
        let check = |user: &str, other: &str, expected: [(&str, bool); 3]| {
            let sources = [layer(LayerKind::User, &[user]), layer(kind, &[other])];
            sockets(&sources, &Tree::default(), &expected);
        };
        check(two, "", expected(true, true, false));
        check(two, "unix_sockets: open", expected(true, true, false));
        check(two, "unix_sockets: own", expected(false, false, false));
        check(two, "unix_sockets: {allow: [/run/b, /run/c]}", expected(false, true, false));
        check("unix_sockets: open", two, expected(true, true, false));
        check("unix_sockets: open", "", expected(true, true, true));
        check("", two, expected(false, false, false));
    }
}

#[test]
fn a_link_that_can_be_replaced_leads_to_no_socket() {
    let tree =
        Tree::of("/run/docker.sock\n/home/u/work/s -> /run/docker.sock\n/home/u/c/s -> /run/docker.sock");
    for path in ["s", "~/c/s"] {
        let body = format!("rules: [{{access: scratch, paths: [~/c]}}]\nunix_sockets: {{allow: [{path}]}}");
        sockets(&[layer(LayerKind::User, &[&body])], &tree, &[("/run/docker.sock", false)]);
    }
    let body = "unix_sockets: {allow: [~/c/s]}";
    sockets(&[layer(LayerKind::User, &[body])], &tree, &[("/run/docker.sock", true)]);
}

#[test]
fn loopback_stands_between_none_and_open() {
    let [none, loopback, open] = ["network: none", "network: loopback", "network: open"];
    for (user, machine, expected) in [
        (open, loopback, Network::Loopback),
        (loopback, open, Network::Loopback),
        (loopback, none, Network::None),
        (none, loopback, Network::None),
    ] {
        let policy = settings(&[layer(LayerKind::User, &[user]), layer(LayerKind::Machine, &[machine])]);
        assert_eq!(policy.settings.network, expected, "{user}, {machine}");
    }
}

#[test]
fn what_takes_a_broker_is_noted_where_there_is_none() {
    let body = "network: loopback\nunix_sockets: {allow: [/run/a]}";
    for (mode, notes) in [(Mode::Brokered, 0), (Mode::Static, 2)] {
        let plan = plan::compile(settings(&[layer(LayerKind::User, &[body])]), mode, &Tree::default());
        assert_eq!(plan.notes.len(), notes, "{:?}", plan.notes);
    }
}

#[test]
fn where_commits_are_made_git_collects_no_garbage_by_itself() {
    let policy = settings(&[layer(LayerKind::User, &["git: commit"])]);
    assert_eq!(policy.settings.env.set["GIT_CONFIG_KEY_0"], "gc.auto");
    let protected = settings(&[layer(LayerKind::User, &["git: protected"])]);
    assert!(!protected.settings.env.set.contains_key("GIT_CONFIG_COUNT"));
    let own = settings(&[layer(LayerKind::User, &["git: commit\nenv: {set: {GIT_CONFIG_COUNT: '0'}}"])]);
    assert!(!own.settings.env.set.contains_key("GIT_CONFIG_KEY_0"), "a profile's own is left alone");
}

#[test]
fn a_repository_does_not_say_how_much_care_it_deserves() {
    let body = "care: [{level: readonly, paths: /home/u}]";
    for (kind, notes) in [(LayerKind::Machine, 0), (LayerKind::User, 0), (LayerKind::Repository, 1)] {
        let policy = settings(&[layer(LayerKind::User, &[""]), layer(kind, &[body])]);
        assert_eq!(policy.notes.len(), notes, "{:?}", policy.notes);
    }
}
