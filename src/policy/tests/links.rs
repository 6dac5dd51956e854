//! Symbolic links on the way to what a rule names.

use super::tree::Tree;
use super::{check, compile, granted, layer, policy_of, user};
use crate::policy::LayerKind;
use crate::policy::plan::Rights;

#[test]
fn a_rule_holds_for_the_real_path_as_well() {
    let tree = Tree::of("/usr/bin/\n/bin -> usr/bin\n/opt/tool/\n/home/u/.tool -> /opt/tool\n/home/u/work/");
    let policy = policy_of(&[user("read /bin\nread ~/.tool/lib")], &tree);
    check(&policy, &[("/bin", "read"), ("/usr/bin/sh", "read"), ("/usr/lib", "hidden")]);
    check(&policy, &[("~/.tool/lib", "read"), ("/opt/tool/lib", "read"), ("/opt/tool", "hidden")]);
}

#[test]
fn a_hidden_path_is_hidden_behind_its_link() {
    let tree = Tree::of("/data/ssh/id\n/home/u/.ssh -> /data/ssh\n/home/u/work/");
    let policy = policy_of(&[user("read /data\nfinal hidden ~/.ssh")], &tree);
    check(&policy, &[("/data/ssh/id", "hidden"), ("/data/x", "read")]);
    assert_eq!(granted(&compile(policy, &tree), "/data/ssh/id".as_ref()), Rights::NONE);
}

#[test]
fn wildcards_stay_behind_the_real_prefix() {
    let tree = Tree::of("/real/x.txt\n/link -> real");
    let policy = policy_of(&[user("read /link/*.txt\nscratch /link/**/deep")], &tree);
    check(&policy, &[("/real/x.txt", "read"), ("/real/x.md", "hidden"), ("/real/a/b/deep/c", "scratch")]);
}

#[test]
fn chains_and_dots_are_resolved() {
    let tree = Tree::of("/a/b/c/\n/a/l1 -> ../x/l2\n/x/l2 -> /a/b/./c");
    check(&policy_of(&[user("read /a/l1/f")], &tree), &[("/a/b/c/f", "read"), ("/a/b/c/g", "hidden")]);
}

#[test]
fn a_dangling_link_leads_to_where_it_points() {
    let tree = Tree::of("/a/l -> /nowhere/x\n/nowhere/");
    check(&policy_of(&[user("read /a/l/f")], &tree), &[("/nowhere/x/f", "read"), ("/nowhere/y", "hidden")]);
}

#[test]
fn loops_are_not_followed() {
    let tree = Tree::of("/a -> b\n/b -> a\n/self -> self/x");
    let policy = policy_of(&[user("read /a/f\nread /self")], &tree);
    assert_eq!(policy.notes.len(), 2, "{:?}", policy.notes);
    let plan = compile(policy, &tree);
    assert!(plan.grants.is_empty(), "{:?}", plan.grants);
}

#[test]
fn a_link_in_the_workspace_is_not_followed() {
    let tree =
        Tree::of("/home/u/work/target -> /home/u/.ssh\n/home/u/.ssh/id\n/home/u/work/build -> /home/u");
    for kind in [LayerKind::User, LayerKind::Repository, LayerKind::Machine] {
        let policy = policy_of(&[layer(kind, "scratch target\nscratch ~/work/build/x")], &tree);
        assert_eq!(policy.notes.len(), 2, "{:?}", policy.notes);
    }
    let policy = policy_of(&[user("scratch target\nscratch ~/work/build")], &tree);
    check(&policy, &[("~/.ssh/id", "hidden"), ("~", "hidden")]);
    let plan = compile(policy, &tree);
    assert!(plan.grants.is_empty() && plan.make_dirs.is_empty(), "{plan:?}");
}

#[test]
fn a_link_that_the_jail_could_replace_is_not_followed() {
    let tree = Tree::of("/home/u/.cache/pip -> /home/u/.ssh\n/home/u/.ssh/id\n/home/u/work/");
    let policy = policy_of(&[user("scratch ~/.cache\nscratch ~/.cache/pip")], &tree);
    assert!(policy.notes.iter().any(|note| note.text.contains("is not followed")), "{:?}", policy.notes);
    check(&policy, &[("~/.ssh/id", "hidden")]);
    assert_eq!(granted(&compile(policy, &tree), "/home/u/.ssh/id".as_ref()), Rights::NONE);
}

#[test]
fn scratch_that_is_a_link_to_the_home_opens_nothing() {
    let tree = Tree::of(
        "/home/u/.ssh/id\n/home/u/.bashrc\n/home/u/.cache/\n/home/u/.cache/pip -> /home/u\n/home/u/work/",
    );
    let policy = policy_of(&[user("scratch ~/.cache/pip\nfinal hidden ~/.ssh")], &tree);
    let plan = compile(policy, &tree);
    for path in ["/home/u", "/home/u/.bashrc", "/home/u/.ssh", "/home/u/.ssh/id"] {
        assert_eq!(granted(&plan, path.as_ref()), Rights::NONE, "{path}: {:?}", plan.grants);
    }
}

#[test]
fn a_missing_scratch_directory_is_not_made_through_a_link() {
    let tree = Tree::of("/home/u/.ssh/\n/home/u/work/out -> /home/u/.ssh");
    let policy = policy_of(&[user("scratch .\nscratch out/new\nscratch fresh")], &tree);
    let plan = compile(policy, &tree);
    assert_eq!(plan.make_dirs, [std::path::Path::new("/home/u/work/fresh")]);
}
