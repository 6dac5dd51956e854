//! `git: commit`: history grows and changes in the jail; hooks, settings and
//! other worktrees stay as they are.

use std::fs;
use std::path::Path;

use crate::support::Jail;
use crate::support::fixture::{git, write};
use crate::support::{Tree, skip};

/// What of `.git` may not change.
const KEPT: [&str; 5] = ["hooks", "config", "info", "worktrees", "modules"];

fn jail() -> Jail {
    let mut jail = Jail::new("standard");
    let profile = jail.base().join("commit.yaml");
    write(&profile, "version: 1\nname: commit\nextends: standard\ngit: commit\n");
    jail.profile(&profile);
    for variable in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        jail.env(variable, "someone");
    }
    jail
}

fn kept(jail: &Jail) -> Vec<Option<Tree>> {
    let look = |path: &Path| path.exists().then(|| Tree::exact(path));
    KEPT.iter().map(|name| look(&jail.work.join(".git").join(name))).collect()
}

#[test]
fn commits_branches_and_rebases_are_made() {
    if git(Path::new("/"), Path::new("/"), &["--version"]).is_empty() {
        return skip("commits_branches_and_rebases_are_made", "no git");
    }
    let jail = jail();
    git(&jail.work, &jail.home, &["worktree", "add", "-q", "../other"]);
    let before = kept(&jail);
    let script = "set -e; git commit -qam zero; echo one > one.txt; git add one.txt; git commit -qm one; \
                  git checkout -qb topic; echo two >> one.txt; git commit -qam two; git checkout -q -; \
                  echo three > three.txt; git add three.txt; git commit -qm three; git rebase -q topic; \
                  git tag t; git branch -qD topic; git repack -qad; git fsck --no-dangling; \
                  git log --format=%s";
    assert_eq!(jail.sh(script).expect(0), "three\ntwo\none\nzero\nSecond\nFirst\n");
    let in_vain = "git config user.name x; echo x > .git/hooks/post-commit; echo x > .git/info/attributes; \
                   ln -s /tmp .git/modules; rm -rf .git/worktrees .git/hooks; mv .git x; rm -rf .git/config; \
                   git worktree add ../third; mkdir -p .git/modules/m/hooks; echo x > .git/modules/m/config; true";
    jail.sh(in_vain).expect(0);
    assert_eq!(kept(&jail), before);
    assert_eq!(fs::read_to_string(jail.work.join("three.txt")).expect("read"), "three\n");
    git(&jail.work, &jail.home, &["fsck"]);
}

#[test]
fn without_it_no_commit_is_made() {
    let mut jail = Jail::new("standard");
    jail.env("GIT_AUTHOR_NAME", "x").env("GIT_AUTHOR_EMAIL", "x");
    let out = jail.sh("git commit --allow-empty -m x");
    assert_ne!(out.code(), 0);
    assert_eq!(git(&jail.work, &jail.home, &["log", "--format=%s"]).trim(), "Second\nFirst");
}
