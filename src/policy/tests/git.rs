//! Linked worktrees and submodules.

use super::tree::Tree;
use super::{check, compile, granted, policy_of, profile, user};
use crate::policy::{LayerKind, LayerSource};

const RULES: &str = "scratch .\nscratch /repo\nfinal read **/.git";

#[test]
fn what_a_linked_worktree_shares_is_readable_and_protected() {
    let tree = Tree::of(
        "/home/u/work/.git = gitdir: /repo/.git/worktrees/work
        /repo/.git/worktrees/work/HEAD
        /repo/.git/worktrees/work/gitdir = /home/u/work/.git
        /repo/.git/worktrees/work/commondir = ../..
        /repo/.git/HEAD
        /repo/.git/objects/ab",
    );
    let hidden_repository = policy_of(&[user("scratch .\nfinal read **/.git")], &tree);
    for policy in [policy_of(&[user(RULES)], &tree), hidden_repository] {
        check(
            &policy,
            &[
                ("/repo/.git/worktrees/work/HEAD", "read"),
                ("/repo/.git/objects/ab", "read"),
                ("~/work/.git", "read"),
            ],
        );
        let plan = compile(policy, &tree);
        let rights = granted(&plan, "/repo/.git/objects/ab".as_ref());
        assert!(rights.read && !rights.write && !rights.make && !rights.remove, "{rights:?}");
    }
}

#[test]
fn a_shared_repository_without_the_usual_name_is_protected_too() {
    let tree = Tree::of(
        "/home/u/work/.git = gitdir: ../bare/worktrees/work
        /home/u/bare/worktrees/work/HEAD
        /home/u/bare/worktrees/work/gitdir = /home/u/work/.git
        /home/u/bare/worktrees/work/commondir = ../..
        /home/u/bare/HEAD
        /home/u/bare/objects/ab
        /home/u/bare/config",
    );
    let policy = policy_of(&[user("scratch ~")], &tree);
    check(
        &policy,
        &[("~/bare/config", "read"), ("~/bare/worktrees/work/HEAD", "read"), ("~/other", "scratch")],
    );
}

#[test]
fn a_submodule_leads_into_its_parents_git_directory() {
    let tree = Tree::of(
        "/home/u/work/.git = gitdir: ../.git/modules/work
        /home/u/.git/modules/work/HEAD
        /home/u/.git/modules/work/objects/ab
        /home/u/.git/config",
    );
    let policy = policy_of(&[user("scratch .")], &tree);
    check(&policy, &[("~/.git/modules/work/HEAD", "read"), ("~/.git/config", "hidden")]);
}

#[test]
fn a_place_that_does_not_point_back_is_not_opened() {
    for tree in [
        // No git directory at all.
        "/home/u/work/.git = gitdir: /home/u/.ssh\n/home/u/.ssh/id",
        // A git directory that belongs to somebody else.
        "/home/u/work/.git = gitdir: /home/u/secret\n/home/u/secret/HEAD\n/home/u/secret/gitdir = /elsewhere/.git",
        // It points back, but is no git directory.
        "/home/u/work/.git = gitdir: /home/u/secret\n/home/u/secret/gitdir = /home/u/work/.git",
    ] {
        let tree = Tree::of(tree);
        let policy = policy_of(&[user("scratch .")], &tree);
        check(&policy, &[("~/.ssh/id", "hidden"), ("~/secret/HEAD", "hidden"), ("~/secret", "hidden")]);
        assert!(policy.notes.iter().any(|note| note.text.contains("is not opened")), "{:?}", policy.notes);
    }
}

/// A submodule's place is in the repository around it, not in any other.
#[test]
fn another_repository_is_not_opened() {
    let tree = Tree::of(
        "/home/u/work/.git = gitdir: /home/u/other/.git
        /home/u/other/.git/HEAD
        /home/u/other/.git/objects/ab",
    );
    check(&policy_of(&[user("scratch .")], &tree), &[("~/other/.git/objects/ab", "hidden")]);
}

/// The name of a directory is no proof: whoever writes the workspace writes
/// the `.git` file, and with it the pointer to what is shared.
#[test]
fn what_a_pointer_inside_the_workspace_shares_is_not_opened() {
    let tree = Tree::of(
        "/home/u/work/.git = gitdir: sub/.git/x
        /home/u/work/sub/.git/x/HEAD
        /home/u/work/sub/.git/x/gitdir = /home/u/work/.git
        /home/u/work/sub/.git/x/commondir = /home/u/.ssh
        /home/u/.ssh/id",
    );
    check(&policy_of(&[user("scratch .")], &tree), &[("~/.ssh/id", "hidden"), ("~/.ssh", "hidden")]);
}

#[test]
fn secrets_stay_hidden_whatever_a_pointer_says() {
    let tree = Tree::of(
        "/home/u/work/.git = gitdir: /home/u/.ssh/.git
        /home/u/.ssh/.git/HEAD
        /home/u/.ssh/.git/commondir = ..
        /home/u/.ssh/id",
    );
    let policy = policy_of(&[user("scratch .\nfinal hidden ~/.ssh")], &tree);
    check(&policy, &[("~/.ssh/id", "hidden"), ("~/.ssh/.git/HEAD", "hidden")]);
}

#[test]
fn text_that_is_no_pointer_is_left_alone() {
    for content in ["gitdir:", "nonsense", "gitdir:   ", ""] {
        let mut tree = Tree::of("/home/u/x");
        tree.add_file("/home/u/work/.git", content);
        let policy = policy_of(&[user("scratch .")], &tree);
        check(&policy, &[("~/x", "hidden"), ("~/work/a", "scratch")]);
        assert!(policy.notes.is_empty(), "{:?}", policy.notes);
    }
}

/// The rules, with `git: commit`.
fn commits() -> LayerSource {
    let mut source = user(RULES);
    source.profiles.push(profile("git: commit"));
    source
}

#[test]
fn where_commits_are_made_history_may_change_and_nothing_else() {
    let tree = Tree::of("/home/u/work/.git/HEAD\n/home/u/work/.git/modules/m/config");
    let policy = policy_of(&[commits()], &tree);
    let history = "{read: allow, execute: allow, create: keep, modify: keep, remove: keep}";
    for (path, access) in [
        ("~/work/.git", history),
        ("~/work/.git/HEAD", history),
        ("~/work/.git/objects/ab/cd", history),
        ("~/work/.git/refs/heads/main.lock", history),
        ("~/work/.git/config", "read"),
        ("~/work/.git/hooks/post-checkout", "read"),
        ("~/work/.git/info/attributes", "read"),
        ("~/work/.git/modules/m/config", "read"),
        ("~/work/.git/modules/a/b/hooks/x", "read"),
        ("~/work/.git/worktrees/other/HEAD", "read"),
        ("~/work/sub/.git/HEAD", "read"),
    ] {
        check(&policy, &[(path, access)]);
    }
    let strict = vec![profile("git: protected")];
    let machine = LayerSource { kind: LayerKind::Machine, profiles: strict, extra: Vec::new() };
    check(&policy_of(&[machine, commits()], &tree), &[("~/work/.git/HEAD", "read")]);
}

#[test]
fn commits_in_a_linked_worktree_leave_the_others_alone() {
    let tree = Tree::of(
        "/home/u/work/.git = gitdir: /repo/.git/worktrees/work
        /repo/.git/worktrees/work/HEAD
        /repo/.git/worktrees/work/gitdir = /home/u/work/.git
        /repo/.git/worktrees/work/commondir = ../..
        /repo/.git/HEAD
        /repo/.git/objects/ab",
    );
    let policy = policy_of(&[commits()], &tree);
    let history = "{read: allow, execute: allow, create: keep, modify: keep, remove: keep}";
    for (path, access) in [
        ("/repo/.git/objects/ab", history),
        ("/repo/.git/worktrees/work/HEAD", history),
        ("/repo/.git/worktrees/work/commondir", "read"),
        ("/repo/.git/worktrees/other/HEAD", "read"),
        ("/repo/.git/config", "read"),
        ("~/work/.git", "read"),
    ] {
        check(&policy, &[(path, access)]);
    }
}
