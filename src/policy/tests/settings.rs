//! Settings: how profiles add up, and that machine and repository only tighten.

use super::tree::Tree;
use super::{places, profile};
use crate::policy::merge::{LayerSource, resolve};
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
fn where_commits_are_made_git_collects_no_garbage_by_itself() {
    let policy = settings(&[layer(LayerKind::User, &["git: commit"])]);
    assert_eq!(policy.settings.env.set["GIT_CONFIG_KEY_0"], "gc.auto");
    let protected = settings(&[layer(LayerKind::User, &["git: protected"])]);
    assert!(!protected.settings.env.set.contains_key("GIT_CONFIG_COUNT"));
    let own = settings(&[layer(LayerKind::User, &["git: commit\nenv: {set: {GIT_CONFIG_COUNT: '0'}}"])]);
    assert!(!own.settings.env.set.contains_key("GIT_CONFIG_KEY_0"), "a profile's own is left alone");
}
