//! Many removals in one deed are asked about, also where each needs no yes.

use std::fs;
use std::path::Path;

use super::{answer, id, keeping, start};
use crate::support::fixture::write;
use crate::support::{Jail, Tree, skip};

/// How many names there are in the jail's `pkg/old` that it had at first.
const ALL: usize = 300 + 7 + 1;

/// How many names there are at and beneath a path.
fn count(path: &Path) -> usize {
    if path.symlink_metadata().is_err() { 0 } else { Tree::exact(path).names().len() }
}

/// What is left of `pkg/old` after a script that nobody answers to.
#[track_caller]
fn left(jail: &Jail, script: &str) -> usize {
    let out = jail.sh(script);
    assert!(out.out().ends_with("ended\n"), "{}", out.err());
    count(&jail.work.join("pkg/old"))
}

#[test]
fn more_than_so_many_are_one_question() {
    let jail = keeping("");
    let before = Tree::lasting(&jail.work.join("pkg"));
    let (running, mut watcher) = start(&jail, "rm -rf pkg/old; echo ended");
    let question = watcher.questions(1).remove(0);
    assert_eq!(count(&jail.work.join("pkg/old")), ALL - 200);
    assert_eq!(question["command"], serde_json::json!(["rm", "-rf", "pkg/old"]));
    assert_eq!((&question["verb"], &question["recoverable"]), (&"remove".into(), &true.into()));
    assert_eq!(question["rule"], "approvals: {bulk: 200}");
    assert!(question["why"].as_str().is_some_and(|why| why.contains("has removed 200 things")), "{question}");
    assert_eq!(question["entries"], ALL - 200);
    answer(&jail, &["--yes", id(&question)]);
    let out = running.wait();
    assert!(out.out().ends_with("ended\n") && out.err().contains("changed"), "{}", out.err());
    assert!(!out.err().contains("refused"), "{}", out.err());
    assert!(!jail.work.join("pkg/old").exists());
    assert!(watcher.rest().iter().flatten().all(|other| other["id"] == question["id"]), "it is asked once");
    jail.stockade(&["undo", "--yes"]).expect(0);
    assert_eq!(before, Tree::lasting(&jail.work.join("pkg")));
}

#[test]
fn a_no_keeps_the_rest_and_what_went_before_can_be_undone() {
    let jail = keeping("");
    let before = Tree::lasting(&jail.work.join("pkg"));
    let (running, mut watcher) = start(&jail, "rm -rf pkg/old; rm notes; echo ended");
    let question = watcher.questions(1).remove(0);
    answer(&jail, &["--no", id(&question), "--reason", "too much"]);
    assert!(running.wait().out().ends_with("ended\n"));
    assert_eq!(count(&jail.work.join("pkg/old")), ALL - 200);
    assert!(!jail.work.join("notes").exists(), "another deed");
    let log = jail.stockade(&["log", "--json"]).out();
    assert!(log.contains("a person said no: too much") && log.contains("approvals: {bulk: 200}"), "{log}");
    jail.stockade(&["undo", "--yes"]).expect(0);
    assert_eq!(before, Tree::lasting(&jail.work.join("pkg")));
}

#[test]
fn where_nobody_is_asked_it_is_refused() {
    let jail = keeping("");
    let before = Tree::lasting(&jail.work.join("pkg"));
    assert_eq!(left(&jail, "rm -rf pkg/old 2> /dev/null || echo ended"), ALL - 200);
    let log = jail.stockade(&["log", "--json"]).out();
    assert!(log.contains("agree to so many at once") && log.contains("approvals: {bulk: 200}"), "{log}");
    jail.stockade(&["undo", "--yes"]).expect(0);
    assert_eq!(before, Tree::lasting(&jail.work.join("pkg")));
    assert_eq!(left(&keeping(""), "find pkg/old -type f | head -n 200 | xargs rm; echo ended"), ALL - 200);
    assert_eq!(left(&keeping("approvals: {bulk: 100000}\n"), "rm -rf pkg/old; echo ended"), 0);
    let mut jail = keeping("approvals: {bulk: 100000}\n");
    let policy = "version: 1\nname: here\napprovals: {bulk: 10}\n";
    write(&jail.work.join(".stockade.yaml"), policy);
    assert_eq!(left(&jail, "rm -rf pkg/old; echo ended"), ALL - 10);
    jail.env("CI", "true");
    assert_eq!(left(&jail, "rm -rf pkg/old; echo ended"), ALL - 20);
}

#[test]
fn helpers_for_a_part_each_are_counted_together() {
    let fork = "import os\nfiles = [d + '/' + f for d, _, names in os.walk('pkg/old') for f in names]\n\
                while files:\n  part, files = files[:50], files[50:]\n  if os.fork() == 0:\n    for f in part: os.unlink(f)\n    os._exit(0)\n  os.wait()\n";
    let jail = keeping("");
    write(&jail.work.join("fork.py"), fork);
    assert_eq!(left(&jail, "python3 fork.py 2> /dev/null; echo ended"), ALL - 200, "a command");
    // The main process itself, which the command line is one of.
    let jail = keeping("");
    jail.run(&["python3", "-c", fork]);
    assert_eq!(count(&jail.work.join("pkg/old")), ALL - 200, "the main process");
    let jail = keeping("");
    let script = "sh -c 'find pkg/old -type f | xargs -n 20 rm' 2> /dev/null; echo ended";
    assert_eq!(left(&jail, script), ALL - 200);
}

#[test]
fn commands_for_a_part_each_are_counted_together_in_the_end() {
    let jail = keeping("approvals: {bulk: 50}\n");
    let script = "for d in 0 1 2 3 4 5 6; do rm -r pkg/old/d$d 2> /dev/null; done; echo ended";
    assert_eq!(left(&jail, script), ALL - 150);
    // Orphans belong to no command of the session any more.
    let jail = keeping("approvals: {bulk: 50}\n");
    write(&jail.work.join("orphans.py"), ORPHANS);
    assert_eq!(left(&jail, "python3 orphans.py; echo ended"), ALL - 150);
}

/// Removes each file in a process whose parent is gone.
const ORPHANS: &str = "
import os
for f in [d + '/' + f for d, _, names in os.walk('pkg/old') for f in names]:
    here, there = os.pipe()
    if os.fork() == 0:
        parent = os.getpid()
        if os.fork() == 0:
            while os.getppid() == parent: pass
            try: os.unlink(f)
            except OSError: pass
        os._exit(0)
    os.wait()
    os.close(there)
    os.read(here, 1)
    os.close(here)
";

#[test]
fn one_answer_is_for_all_helpers_of_a_command() {
    let jail = keeping("");
    let script = "sh -c 'find pkg/old -type f | xargs -n 20 rm' 2> /dev/null; echo ended";
    let (running, mut watcher) = start(&jail, script);
    let question = watcher.questions(1).remove(0);
    assert!(question["why"].as_str().is_some_and(|why| why.contains("and its helpers")), "{question}");
    answer(&jail, &["--yes", id(&question)]);
    assert!(running.wait().out().ends_with("ended\n"));
    assert_eq!(count(&jail.work.join("pkg/old")), 8, "the directories");
    assert!(watcher.rest().iter().flatten().all(|other| other["id"] == question["id"]), "it is asked once");
}

#[test]
fn what_the_session_made_counts_and_scratch_does_not() {
    let jail = keeping("");
    let script = "mkdir pkg/own target/own; for i in $(seq 300); do : > pkg/own/$i; : > target/own/$i; done; \
                  rm -r target/own; rm -r pkg/own";
    let (running, mut watcher) = start(&jail, script);
    let question = watcher.questions(1).remove(0);
    assert_eq!(question["command"], serde_json::json!(["rm", "-r", "pkg/own"]));
    assert_eq!(question["recoverable"], false, "what it made itself is not kept");
    answer(&jail, &["--no", id(&question)]);
    running.wait();
    assert_eq!(count(&jail.work.join("pkg/own")), 101);
    assert!(!jail.work.join("target/own").exists());
}

#[test]
fn what_comes_back_or_is_replaced_is_not_gone() {
    let jail = keeping("");
    // As `git checkout` and `rustfmt` do it, and editors.
    let script = "for f in pkg/old/d*/?*; do echo new > $f.new; rm $f; mv $f.new $f; done; \
                  for f in pkg/old/d*/?*; do rm $f; echo again > $f; done; \
                  sed -i s/again/more/ pkg/old/d*/?*; cat pkg/old/d0/0; echo ended";
    assert_eq!(left(&jail, script), ALL);
    assert_eq!(fs::read_to_string(jail.work.join("pkg/old/d0/0")).expect("read"), "more\n");
    assert_eq!(jail.stockade(&["log"]).out().matches("refused").count(), 0);
}

#[test]
fn a_process_may_remove_and_make_again_as_much_as_it_likes() {
    let jail = keeping("");
    let again = "import os\nfiles = [d + '/' + f for d, _, names in os.walk('pkg/old') for f in names]\n\
                 for f in files:\n  os.unlink(f)\n  open(f, 'w').close()\n\
                 for f in files:\n  os.unlink(f)\n  os.symlink('x', f)\n\
                 for f in files:\n  open('new', 'w').close()\n  os.unlink(f)\n  os.rename('new', f)\n\
                 for f in files:\n  os.unlink(f)\n  os.mkdir(f)\n";
    write(&jail.work.join("again.py"), again);
    assert_eq!(left(&jail, "python3 again.py && echo ended"), ALL);
}

#[test]
fn what_was_answered_does_not_weigh_on_the_command() {
    let jail = keeping("");
    let script = "sh -c 'rm -rf pkg/old; rm notes; true'; echo ended";
    for (word, is_there) in [("--no", true), ("--yes", false)] {
        write(&jail.work.join("notes"), "notes\n");
        for number in 0..300 {
            write(&jail.work.join(format!("pkg/old/d{}/{number}", number % 7)), "again\n");
        }
        let (running, mut watcher) = start(&jail, script);
        let question = watcher.questions(1).remove(0);
        answer(&jail, &[word, id(&question)]);
        assert!(running.wait().out().ends_with("ended\n"));
        assert!(
            watcher.rest().iter().flatten().all(|other| other["id"] == question["id"]),
            "it is asked once"
        );
        assert_eq!(jail.work.join("pkg/old").exists(), is_there);
        assert!(!jail.work.join("notes").exists(), "{word}");
        std::fs::remove_file(jail.work.join("go")).expect("remove the start's file");
    }
}

#[test]
fn names_that_are_moved_over_each_other_or_out_are_gone() {
    let jail = keeping("");
    let chain = "import os\nfiles = [d + '/' + f for d, _, names in os.walk('pkg/old') for f in names]\n\
                 for f, g in zip(files, files[1:]): os.rename(f, g)\n";
    write(&jail.work.join("chain.py"), chain);
    assert_eq!(left(&jail, "python3 chain.py 2> /dev/null; echo ended"), ALL - 200);
    let jail = keeping("");
    let script = "mkdir pkg/own; for i in $(seq 300); do : > pkg/own/$i; done; \
                  python3 -c 'import os; os.rename(\"pkg/own\", \"target/own\")' 2> /dev/null; echo ended";
    left(&jail, script);
    assert_eq!(count(&jail.work.join("pkg/own")), 301, "by one rename");
}

#[test]
fn git_keeps_its_own_house_in_commit_mode() {
    if std::process::Command::new("git").arg("--version").output().is_err() {
        return skip("git_keeps_its_own_house_in_commit_mode", "no git");
    }
    let mut jail = keeping("git: commit\napprovals: {bulk: 20}\n");
    for variable in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        jail.env(variable, "someone");
    }
    let script = "set -e; git add -A pkg README.md; git commit -qm all; git checkout -qb topic; \
                  for f in pkg/old/d*/?*; do echo $f > $f; done; git commit -qam topic; \
                  git checkout -q -; git checkout -q topic; echo one >> notes; git add notes; git stash -q; git stash pop -q; \
                  git commit -qm one; git rebase -q HEAD~1; for i in $(seq 30); do git branch b$i; done; \
                  git gc -q --prune=now; git branch -q -D $(seq -f b%g 30); git fsck --no-dangling; \
                  git count-objects -v | grep count; echo ended";
    assert_eq!(left(&jail, script), ALL);
    // Its settings it may not change, and need not.
    let log = jail.stockade(&["log", "--json"]).out();
    assert!(!log.contains("approvals: {bulk"), "{log}");
}
