//! `extends`: parents first, each once, no cycles.

use std::collections::BTreeMap;

use crate::policy::merge::linearise;
use crate::policy::profile::{self, Profile, ProfileError};

/// Linearises the first of `name: parent, parent` lines.
fn order(lines: &[(&str, &[&str])]) -> Result<Vec<String>, ProfileError> {
    let profiles: BTreeMap<&str, Profile> = lines
        .iter()
        .map(|(name, parents)| {
            let text = format!("version: 1\nname: {name}\nextends: {parents:?}\n");
            (*name, profile::parse(&text, name).expect("parses"))
        })
        .collect();
    let lookup = &mut |name: &str, origin: &_| {
        profiles.get(name).cloned().ok_or_else(|| ProfileError::unknown_parent(name, origin))
    };
    let chain = linearise(profiles[lines[0].0].clone(), lookup)?;
    Ok(chain.into_iter().map(|profile| profile.name).collect())
}

#[test]
fn parents_come_before_children_in_the_order_written() {
    let chain = order(&[("c", &["a", "b"]), ("a", &["z"]), ("b", &[]), ("z", &[])]).expect("no cycle");
    assert_eq!(chain, ["z", "a", "b", "c"]);
}

#[test]
fn a_shared_parent_counts_once() {
    let chain =
        order(&[("d", &["l", "r"]), ("l", &["top"]), ("r", &["top"]), ("top", &[])]).expect("no cycle");
    assert_eq!(chain, ["top", "l", "r", "d"]);
    assert_eq!(order(&[("a", &["b", "b"]), ("b", &[])]).expect("no cycle"), ["b", "a"]);
}

#[test]
fn profiles_cannot_extend_each_other() {
    let error = order(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]).expect_err("a cycle");
    assert!(error.to_string().ends_with("extends itself: b → c → b"), "{error}");
    order(&[("a", &["a"])]).expect_err("a cycle");
}

#[test]
fn unknown_parents_are_named() {
    let error = order(&[("a", &["nope"])]).expect_err("no such profile");
    assert_eq!(error.to_string(), "a:3: extends `nope`: no such profile");
}

#[test]
fn one_parent_needs_no_list() {
    let profile = profile::parse("version: 1\nname: x\nextends: ci\n", "x").expect("parses");
    assert_eq!(profile.extends, ["ci"]);
}
