//! What must hold for any file tree and any rules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::reference::{self, PlainLayer, PlainRule, Strength};
use super::tree::Tree;
use super::{granted, profile};
use crate::policy::facts::{Facts, Kind};
use crate::policy::merge::{LayerSource, resolve};
use crate::policy::plan::{self, Mode, Plan, Rights};
use crate::policy::profile::RuleSpec;
use crate::policy::{Access, Effect, LayerKind, Places, Policy, Verb};

const NAMES: [&str; 5] = ["a", "b", "c", ".git", "x.txt"];
const WILDCARDS: [&str; 6] = ["**", "*", "?", "*.txt", "[ab]", ".*"];

fn places() -> Places {
    Places { workspace: "/a".into(), home: "/b".into(), tmpdir: "/tmp".into(), report: None }
}

fn name() -> impl Strategy<Value = &'static str> {
    select(&NAMES[..])
}

fn path() -> impl Strategy<Value = PathBuf> {
    vec(name(), 0..=5).prop_map(|names| Path::new("/").join(names.iter().collect::<PathBuf>()))
}

/// Some entries, and what is above them.
fn tree(with_links: bool) -> impl Strategy<Value = Tree> {
    let entry = (vec(name(), 1..=4), 0..10_u8, vec(select(&["a", "b", "c", ".."][..]), 1..=3));
    vec(entry, 0..16).prop_map(move |entries| {
        let mut tree = Tree::default();
        for (names, kind, target) in entries {
            let path = Path::new("/").join(names.iter().collect::<PathBuf>());
            match kind {
                0 | 1 if with_links => {
                    let target: PathBuf = target.iter().collect();
                    tree.add_link(&path, if kind == 0 { Path::new("/").join(target) } else { target });
                }
                2..=5 => tree.add_dir(&path),
                6 => {
                    tree.add_dir(&path);
                    tree.seal(&path);
                }
                _ => tree.add_file(&path, ""),
            }
        }
        tree
    })
}

fn access() -> impl Strategy<Value = Access> {
    let effect = || select(&[Effect::Allow, Effect::Allow, Effect::Keep, Effect::Ask, Effect::Deny][..]);
    let spelled_out = (effect(), effect(), effect(), effect(), effect()).prop_map(
        |(read, execute, create, modify, remove)| Access::new(read, execute, create, modify, remove),
    );
    // Scratch most of all, for there is most to lose.
    let named = select(&[0, 0, 0, 1, 2, 2, 3][..]).prop_map(|index: usize| Access::NAMED[index].1);
    prop_oneof![4 => named, 1 => spelled_out]
}

fn rule() -> impl Strategy<Value = PlainRule> {
    let shallow = select(&NAMES[..3]);
    let component = prop_oneof![2 => name(), 1 => select(&WILDCARDS[..])];
    let strength =
        prop_oneof![4 => Just(Strength::Normal), 2 => Just(Strength::Final), 1 => Just(Strength::Named)];
    let pattern = prop_oneof![vec(shallow, 0..=1), vec(component, 0..=4)];
    (strength, access(), pattern).prop_map(|(strength, access, pattern)| PlainRule {
        strength,
        access,
        pattern,
    })
}

/// The user's layer, and perhaps those of machine and repository.
fn layers() -> impl Strategy<Value = Vec<(LayerKind, PlainLayer)>> {
    let layer = |default: Access| {
        vec(rule(), 0..7).prop_map(move |mut rules| {
            rules.sort_by_key(|rule| rule.strength == Strength::Named);
            PlainLayer { default, rules }
        })
    };
    let others =
        vec((select(&[LayerKind::Machine, LayerKind::Repository][..]), layer(Access::SCRATCH)), 0..=2);
    (layer(Access::HIDDEN), others).prop_map(|(user, mut others)| {
        others.insert(others.len().min(1), (LayerKind::User, user));
        others
    })
}

fn policy(layers: &[(LayerKind, PlainLayer)], tree: &Tree) -> Policy {
    let template = profile("rules: [{access: read, paths: x}]").rules.remove(0);
    let spec = |rule: &PlainRule| {
        let mut spec: RuleSpec = template.clone();
        spec.access = rule.access;
        spec.paths = vec![format!("/{}", rule.pattern.join("/"))];
        spec.is_final = rule.strength == Strength::Final;
        spec
    };
    let source = |(kind, layer): &(LayerKind, PlainLayer)| {
        let (named, usual): (Vec<_>, Vec<_>) =
            layer.rules.iter().partition(|rule| rule.strength == Strength::Named);
        let mut own = profile("");
        own.rules = usual.into_iter().map(spec).collect();
        LayerSource {
            kind: *kind,
            profiles: vec![own],
            extra: super::named(named.into_iter().map(spec).collect()),
        }
    };
    let sources: Vec<LayerSource> = layers.iter().map(source).collect();
    resolve(&sources, &places(), tree).unwrap_or_else(|error| panic!("{error}"))
}

fn compiled(layers: &[(LayerKind, PlainLayer)], tree: &Tree) -> (Plan, Tree) {
    let plan = plan::compile(policy(layers, tree), Mode::Brokered, tree);
    // As it will be once the launcher has made its directories.
    let mut tree = tree.clone();
    tree.add_dir("/tmp");
    plan.make_dirs.iter().for_each(|dir| tree.add_dir(dir));
    (plan, tree)
}

/// The rights that mean something for a file of this kind.
fn usable(kind: Kind) -> Rights {
    match kind {
        Kind::Dir => Rights { list: true, remove: true, make: true, ..Rights::NONE },
        Kind::File => Rights { read: true, execute: true, write: true, ..Rights::NONE },
        Kind::Symlink => Rights::NONE,
    }
}

/// Paths that a rule without wildcards names.
fn literals(policy: &Policy) -> BTreeSet<PathBuf> {
    policy.layers.iter().flat_map(|layer| &layer.rules).filter_map(|rule| rule.pattern.literal()).collect()
}

fn native(plan: &Plan, path: &Path) -> Rights {
    Rights::native(plan.policy.access(path))
}

/// Nothing is granted that the policy does not give.
fn check_sound(plan: &Plan, tree: &Tree) -> Result<(), TestCaseError> {
    let root = (Path::new("/"), Kind::Dir);
    for (path, kind) in tree.all().chain([root]) {
        let too_much = granted(plan, path).and(usable(kind)).minus(native(plan, path));
        prop_assert!(too_much.is_empty(), "{path:?} gets {too_much:?} from {:?}", plan.grants);
    }
    let literals = literals(&plan.policy);
    let could_be_made = |path: &Path| {
        tree.kind(path).is_none()
            && path.ancestors().all(|above| !matches!(tree.kind(above), Some(Kind::File | Kind::Symlink)))
    };
    for path in literals.iter().filter(|path| could_be_made(path)) {
        let of_new_files = Rights { list: false, ..Rights::ALL };
        let too_much = granted(plan, path).and(of_new_files).minus(native(plan, path));
        prop_assert!(too_much.is_empty(), "a new {path:?} would get {too_much:?} from {:?}", plan.grants);
    }
    for grant in plan.grants.iter().filter(|grant| grant.rights.make) {
        let existing = tree.all().map(|(path, _)| path);
        let beneath = existing.chain(literals.iter().map(PathBuf::as_path));
        for path in beneath.filter(|path| path.starts_with(&grant.path)) {
            prop_assert!(native(plan, path).make, "{path:?} can be changed by {grant:?}");
        }
    }
    Ok(())
}

/// Whatever the policy gives natively is granted, or the plan says why not.
fn check_complete(plan: &Plan, tree: &Tree) -> Result<(), TestCaseError> {
    let root = (Path::new("/"), Kind::Dir);
    // What lies in a directory that cannot be listed is not seen.
    let is_seen = |path: &Path| !path.ancestors().skip(1).any(|above| tree.is_sealed(above));
    for (path, kind) in tree.all().chain([root]).filter(|(path, _)| is_seen(path)) {
        let mut missing = native(plan, path).and(usable(kind)).minus(granted(plan, path));
        // Names are made by the broker where a rule binds some that do not exist.
        missing.make &=
            plan.mode == Mode::Static || !path.ancestors().any(|dir| plan.policy.guards_below(dir));
        let is_said = |split: &plan::Split| split.path == path && missing.minus(split.lost).is_empty();
        let is_noted = path.ancestors().any(|above| {
            let start = format!("{} cannot be listed", above.display());
            plan.notes.iter().any(|note| note.text.starts_with(&start))
        });
        let explained = missing.is_empty() || plan.splits.iter().any(is_said) || is_noted;
        prop_assert!(explained, "{path:?} lacks {missing:?}: {:?} {:?}", plan.grants, plan.splits);
    }
    Ok(())
}

fn check_grants(plan: &Plan, tree: &Tree) -> Result<(), TestCaseError> {
    prop_assert!(plan.grants.is_sorted());
    for grant in &plan.grants {
        let expected = if grant.is_dir { Kind::Dir } else { Kind::File };
        prop_assert_eq!(tree.kind(&grant.path), Some(expected), "{:?}", grant);
        prop_assert!(!grant.rights.is_empty(), "{:?}", grant);
        let of_dirs = Rights { list: true, remove: true, make: true, ..Rights::NONE };
        prop_assert!(grant.is_dir || grant.rights.and(of_dirs).is_empty(), "{:?}", grant);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn grants_never_exceed_the_policy(layers in layers(), tree in tree(true)) {
        let (plan, tree) = compiled(&layers, &tree);
        check_sound(&plan, &tree)?;
        check_grants(&plan, &tree)?;
    }

    #[test]
    fn no_name_that_a_rule_binds_can_be_made_without_the_broker(
        layers in layers(),
        tree in tree(true),
        paths in vec(path(), 1..32),
    ) {
        let (plan, tree) = compiled(&layers, &tree);
        prop_assert_eq!(plan.mode, Mode::Brokered);
        for path in paths.iter().filter(|path| tree.kind(path).is_none()) {
            let Some(dir) = path.parent() else { continue };
            let makes = granted(&plan, dir).make;
            prop_assert!(!makes || native(&plan, path).make, "{path:?} can be made: {:?}", plan.grants);
        }
    }

    #[test]
    fn what_the_policy_gives_is_granted_or_said_to_be_lost(layers in layers(), tree in tree(true)) {
        let (plan, tree) = compiled(&layers, &tree);
        check_complete(&plan, &tree)?;
    }

    #[test]
    fn decisions_are_those_of_the_reference(layers in layers(), paths in vec(path(), 1..8)) {
        let policy = policy(&layers, &Tree::default());
        let plain: Vec<PlainLayer> = layers.into_iter().map(|(_, layer)| layer).collect();
        for path in paths {
            let expected = reference::access(&plain, &path);
            prop_assert_eq!(policy.access(&path), expected, "{:?}", path);
            for verb in Verb::ALL {
                prop_assert_eq!(policy.decide(&path, verb).effect, expected.effect(verb), "{} {:?}", verb, path);
            }
        }
    }

    #[test]
    fn another_layer_never_loosens(layers in layers(), path in path()) {
        let users: Vec<_> = layers.iter().filter(|(kind, _)| *kind == LayerKind::User).cloned().collect();
        let (alone, together) = (policy(&users, &Tree::default()), policy(&layers, &Tree::default()));
        for verb in Verb::ALL {
            let (alone, together) = (alone.decide(&path, verb).effect, together.decide(&path, verb).effect);
            prop_assert!(together >= alone, "{verb} {path:?}: {together} with more layers, {alone} without");
        }
    }
}
