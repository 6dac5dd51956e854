//! Git under `git: commit` in `standard`: what it takes out of the work tree while
//! it holds its index is kept and not asked about; whoever else removes is asked.

use std::process::Command;

use serde_json::Value;

use super::{asking, of};
use crate::support::fixture::{git, write};
use crate::support::{Jail, Tree, os, skip};

/// A repository with a branch `topic`, all of it there before the session: it
/// changes `README.md`, has `pkg/old/more`, and lacks `src/lib.txt`.
fn repository(settings: &str) -> Option<Jail> {
    if Command::new("git").arg("--version").output().is_err() {
        skip("the tests of git in commit mode", "no git");
        return None;
    }
    let mut jail = asking(&format!("git: commit\n{settings}"));
    for variable in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        jail.env(variable, "someone");
    }
    let git = |args: &[&str]| drop(git(&jail.work, &jail.home, args));
    git(&["add", "-A", "."]);
    git(&["commit", "-qm", "all"]);
    git(&["branch", "-q", "same"]);
    git(&["checkout", "-qb", "topic"]);
    write(&jail.work.join("README.md"), "topic\n");
    write(&jail.work.join("pkg/old/more"), "topic\n");
    git(&["rm", "-q", "src/lib.txt"]);
    git(&["add", "-A", "."]);
    git(&["commit", "-qm", "topic"]);
    git(&["checkout", "-q", "same"]);
    os::age(&jail.work.join("src"));
    os::age(&jail.work.join("pkg"));
    git(&["update-index", "-q", "--refresh"]);
    Some(jail)
}

/// Runs a script that nobody answers to, so that it may not remove these, and
/// checks that all that it did can be undone.
#[track_caller]
fn runs(jail: &Jail, script: &str, stay: &[&str]) {
    let before = Tree::lasting(&jail.work);
    let out = jail.sh(&format!("{script} && echo ended"));
    assert!(out.out().ends_with("ended\n"), "{}", out.err());
    let session = crate::undo::latest(jail).expect("a session");
    let log = jail.stockade(&["log", "--refused", "--json", &session]).out();
    let refused = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let refused: Vec<String> =
        refused.filter(|line| line["verb"] == "remove").map(|line| line["path"].to_string()).collect();
    let is_expected = |path: &String| stay.iter().any(|name| path.contains(&format!("/work/{name}")));
    assert!(refused.len() >= stay.len() && refused.iter().all(is_expected), "{refused:?}");
    crate::undo::undo_what_changed(jail);
    crate::support::tree::assert_same(&before, &Tree::lasting(&jail.work));
}

#[test]
fn revisions_change_places_without_a_question() {
    let scripts = [
        "set -e; git checkout -q topic; test ! -e src/lib.txt; git checkout -q same; test -e src/lib.txt",
        "set -e; git merge -q topic; git reset -q --hard HEAD~1",
        "set -e; echo mine > news; git add news; git commit -qm mine; git rebase -q topic; git cherry-pick HEAD~1 || \
         git cherry-pick --abort; git revert --no-edit HEAD > /dev/null",
        "set -e; echo mine >> README.md; git stash -q; git stash pop -q; git checkout -q -- README.md",
        "set -e; echo mine >> README.md; git restore .; git rm -q README.md; git mv pkg/old/d1/1 pkg/one; \
         git commit -qm moved",
        "set -e; git diff same topic > patch.diff; git apply --index patch.diff; git commit -qm patched; \
         git format-patch -q -1 --stdout > mail; git reset -q --hard HEAD~1; git am -q mail",
        "set -e; git read-tree -u -m topic; git reset -q --hard; git switch -q topic; git switch -q --detach HEAD~1",
    ];
    for script in scripts {
        if let Some(jail) = repository("") {
            runs(&jail, script, &[]);
        }
    }
}

#[test]
fn what_is_not_in_the_index_is_asked_about() {
    let Some(jail) = repository("") else { return };
    write(&jail.work.join("untracked"), "untracked\n");
    runs(
        &jail,
        "git clean -fdxq; rm README.md; test -e untracked && test -e README.md",
        &["ignored.log", "untracked", "README.md"],
    );
    let Some(jail) = repository("") else { return };
    write(&jail.work.join("untracked"), "untracked\n");
    runs(&jail, "git stash -u; git status --short; test -e untracked", &["untracked"]);
}

#[test]
fn somebody_elses_lock_helps_nobody() {
    let Some(jail) = repository("") else { return };
    runs(&jail, ": > .git/index.lock; rm README.md; rm .git/index.lock; test -e README.md", &["README.md"]);
    let Some(jail) = repository("") else { return };
    let script = "import os\n\
                  def tries(path):\n try: os.unlink(path)\n except PermissionError: print('asked')\n\
                  os.close(os.open('.git/index.lock', os.O_CREAT | os.O_EXCL | os.O_WRONLY))\n\
                  tries('notes')\n\
                  os.rename('.git/index.lock', '.git/description')\n\
                  tries('README.md')\n\
                  os.close(os.open('.git/refs/index.lock', os.O_CREAT | os.O_EXCL | os.O_WRONLY))\n\
                  tries('README.md')\n";
    write(&jail.work.join("tries.py"), script);
    // While it holds one it may remove as git does, and what goes is kept.
    runs(&jail, "python3 tries.py; test ! -e notes && test -e README.md", &["README.md"]);
}

#[test]
fn a_lock_elsewhere_is_none() {
    let Some(jail) = repository("") else { return };
    let script = "import os\n\
                  for dir in ['pkg', 'new/.git']:\n \
                  try:\n  os.makedirs(dir, exist_ok=True)\n  os.close(os.open(dir + '/index.lock', os.O_CREAT | os.O_WRONLY))\n \
                  except PermissionError: pass\n\
                  try: os.unlink('README.md')\n\
                  except PermissionError: pass\n";
    write(&jail.work.join("tries.py"), script);
    runs(&jail, "python3 tries.py; test -e README.md", &["README.md"]);
}

#[test]
fn a_repository_that_wants_a_question_gets_it() {
    let Some(jail) = repository("") else { return };
    let tighter = "version: 1\nname: careful\ndescription: asks\nrules:\n  - \
                   access: {read: allow, execute: allow, create: allow, modify: allow, remove: ask}\n    \
                   paths: [src]\n    why: it matters\n";
    write(&jail.work.join(".stockade.yaml"), tighter);
    runs(&jail, "git checkout -q topic; test -e src/lib.txt", &["src/lib.txt"]);
}

#[test]
fn many_at_once_are_asked_about() {
    let Some(jail) = repository("") else { return };
    runs(&jail, "git rm -rq pkg/old; test -e pkg/old", &["pkg/old"]);
    let mut jail = of("standard", "git: commit\n");
    jail.env("GIT_AUTHOR_NAME", "x").env("GIT_AUTHOR_EMAIL", "x");
    for args in [&["add", "-A"][..], &["commit", "-qm", "all"]] {
        git(&jail.work, &jail.home, args);
    }
    for number in 0..300 {
        write(&jail.work.join(format!("pkg/old/d{}/{number}", number % 7)), "something else\n");
    }
    os::age(&jail.work);
    // Each of them comes back.
    runs(&jail, "git checkout -q -- pkg", &[]);
}
