//! Rows 9 to 13 of what agents have destroyed, done and undone.

use std::fs;

use super::random::undo;
use super::{keeping, look_the_same};
use crate::support::fixture::{git, write};
use crate::support::{Jail, Tree, os};

/// A jail with history, work that was not committed, and files that git ignores.
fn jail() -> Jail {
    let jail = keeping_git();
    write(&jail.work.join(".gitignore"), "ignored\n*.bak\n");
    write(&jail.work.join("ignored"), "nowhere else\n");
    write(&jail.work.join("untracked.txt"), "new work\n");
    let readme = jail.work.join("README.md");
    let text = fs::read_to_string(&readme).unwrap_or_default();
    write(&readme, &format!("{text}not committed\n"));
    write(&jail.work.join("staged.txt"), "staged\n");
    git(&jail.work, &jail.home, &["add", "staged.txt"]);
    os::age(&jail.work);
    jail
}

fn keeping_git() -> Jail {
    let mut jail = keeping();
    let profile = jail.base().join("keep-git.yaml");
    let text = fs::read_to_string(jail.base().join("keep.yaml")).expect("read the profile");
    write(&profile, &text.replace("extends: standard", "extends: standard\ngit: commit"));
    jail.profile(&profile);
    for variable in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        jail.env(variable, "someone");
    }
    jail
}

#[track_caller]
fn is_undone(script: &str) {
    let jail = jail();
    let status = git(&jail.work, &jail.home, &["--no-optional-locks", "status", "--porcelain"]);
    let before = Tree::lasting(&jail.work);
    let out = jail.sh(script);
    assert_eq!(out.code(), 0, "{}", out.err());
    assert_ne!(Tree::lasting(&jail.work).names().len(), 0);
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&jail.work), script);
    git(&jail.work, &jail.home, &["fsck"]);
    assert_eq!(git(&jail.work, &jail.home, &["--no-optional-locks", "status", "--porcelain"]), status);
}

#[test]
fn row_9_reset_hard() {
    is_undone("git reset -q --hard HEAD~1 && test ! -e staged.txt");
}

#[test]
fn row_10_checkout_over_work() {
    is_undone("git checkout -q -- . && ! grep 'not committed' README.md");
}

#[test]
fn rows_7_and_8_rm_clean_stash() {
    is_undone("git rm -rfq . && git clean -fdxq && test ! -e ignored");
    is_undone("git stash -q && git clean -fdxq && test ! -e untracked.txt");
}

#[test]
fn row_11_a_bad_sed() {
    is_undone("sed -i -n '/nothing/p' README.md untracked.txt && test ! -s README.md");
}

#[test]
fn row_12_a_patch_that_deletes() {
    is_undone("rm README.md ignored && ! cat README.md 2> /dev/null");
}

#[test]
fn row_13_files_emptied() {
    is_undone(
        ": > README.md; truncate -s 0 ignored; dd if=/dev/null of=untracked.txt 2> /dev/null; \
         for f in pkg/*; do test ! -f $f || > $f; done; test ! -s ignored",
    );
}

#[test]
fn row_14_modes() {
    is_undone(
        "chmod -R u+w,go-rwx pkg ignored; touch -d 2001-01-01 README.md ignored; setfattr -n user.x -v y ignored || true",
    );
}

#[test]
fn everything_removed() {
    is_undone("rm -rf $(ls -A | grep -v -e '^.git$' -e nested) && test ! -e README.md && test ! -e pkg");
}
