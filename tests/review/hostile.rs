//! Reviewers and authors that reach for what is not theirs.

use std::time::Duration;

use super::{APPROVE, WORK, command, log, report, review, world};
use crate::support::Tree;
use crate::support::fixture::write;
use crate::support::process::{LIMIT, eventually, finish};
use crate::support::tree::assert_same;

#[test]
fn a_reviewer_changes_nothing_but_its_verdict() {
    let jail = world();
    let home = jail.home.display();
    let attempts = format!(
        "cat > /dev/null\n\
         try change sh -c 'echo x >> src/work'\n\
         try make touch src/new\n\
         try remove rm -f src/work\n\
         try mode chmod 600 src/work\n\
         try link ln src/work src/other\n\
         try git touch .git/new\n\
         try home touch {home}/new\n\
         try task sh -c 'echo x >> $STOCKADE_REVIEW/task.md'\n\
         try diff rm -f $STOCKADE_REVIEW/diff.patch\n\
         try rename mv $STOCKADE_REVIEW/diff.patch $STOCKADE_REVIEW/verdict.json\n\
         try beside touch $STOCKADE_REVIEW/new\n\
         try above touch $STOCKADE_REVIEW/../new\n\
         try see ls $STOCKADE_REVIEW/..\n\
         for other in $STOCKADE_REVIEW/../reviewer-*; do :; done\n\
         for number in 1 2; do\n\
           [ reviewer-$number = $(basename $STOCKADE_REVIEW) ] && continue\n\
           try read cat $STOCKADE_REVIEW/../reviewer-$number/task.md\n\
           try forge sh -c \"echo x > $STOCKADE_REVIEW/../reviewer-$number/verdict.json\"\n\
         done\n\
         try assignment cat $STOCKADE_REVIEW.assignment.json\n\
         try log cat $STOCKADE_REVIEW.log\n\
         try sessions ls {home}/.local/state/stockade/sessions\n\
         try journal sh -c 'cat {home}/.local/state/stockade/sessions/*/journal.jsonl'\n\
         try undo stockade undo --yes\n\
         verdict approve"
    );
    let done = report(&review(&jail, WORK, &[&attempts, &attempts], &[]), 0);
    for number in [0, 1] {
        let path = done["rounds"][0]["reviewers"][number]["log"].as_str().expect("a log");
        let said = std::fs::read_to_string(path).expect("read the log");
        assert!(!said.contains("COULD"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(jail.work.join("src/work")).expect("read"), "one\nmore\n");
    assert!(!jail.work.join("src/new").exists() && !jail.home.join("new").exists());
}

#[test]
fn an_author_reaches_no_review() {
    let jail = world();
    let home = jail.home.display();
    let author = format!(
        "cat > /dev/null; echo more >> src/work\n\
         try findings sh -c 'echo x >> $STOCKADE_REVIEW/findings.json'\n\
         try verdict sh -c 'echo x > $STOCKADE_REVIEW/verdict.json'\n\
         try reviews ls {home}/.local/state/stockade/reviews\n\
         try beside mkdir $STOCKADE_REVIEW/../reviewer-1\n\
         try itself {} review --author true --reviewer true\n\
         true",
        crate::support::jail::stockade().display()
    );
    let done = report(&review(&jail, &author, &[APPROVE], &[]), 0);
    assert!(!log(&done, 0, "author").contains("COULD"), "{}", log(&done, 0, "author"));
}

#[test]
fn what_an_author_leaves_running_does_not_outlive_its_turn() {
    let jail = world();
    let author =
        "cat > /dev/null; echo more >> src/work; (setsid sh -c 'sleep 1; echo late > src/late' &) ; true";
    let done = report(&review(&jail, author, &["sleep 2; verdict approve"], &[]), 0);
    assert_eq!(done["outcome"], "approved");
    assert!(!jail.work.join("src/late").exists());
}

#[test]
fn an_approval_of_what_changed_meanwhile_does_not_count() {
    // a file of the author's, one that it left alone, a mode, and a new name
    for (number, change) in ["src/work", "README.md", "mode", "new"].into_iter().enumerate() {
        let jail = world();
        write(&jail.work.join("README.md"), "read me\n");
        let reviewer = "touch $TMPDIR/x; sleep 2; verdict approve";
        let mut child = command(&jail, WORK, &[reviewer], &["--json"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("start");
        let reviews = jail.home.join(".local/state/stockade/reviews");
        let is_reviewing = || {
            let mut found = std::fs::read_dir(&reviews).into_iter().flatten().flatten();
            found.any(|entry| entry.path().join("round-1/reviewer-1.log").exists())
        };
        assert!(eventually(LIMIT, is_reviewing), "the reviewer starts");
        std::thread::sleep(Duration::from_millis(200));
        let work = jail.work.join("src/work");
        match change {
            "mode" => {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(&work, mode).expect("change the mode");
            }
            // Of the same length, which the time of its last change alone tells.
            "README.md" => write(&jail.work.join(change), "rEad me\n"),
            path => write(&jail.work.join(path), "changed\n"),
        }
        let output = finish(&mut child, LIMIT);
        let done = report(&output, 11);
        let why = done["why"].as_str().unwrap_or_default();
        assert!(why.contains("the tree changed while it was reviewed"), "{number} {change}: {why}");
    }
}

#[test]
fn a_review_changes_nothing_by_itself() {
    let jail = world();
    let before = Tree::lasting(&jail.work);
    report(&review(&jail, "true", &[APPROVE], &[]), 12);
    assert_same(&before, &Tree::lasting(&jail.work));
    let homes = std::fs::read_dir(&jail.home).expect("read the home");
    let names: Vec<_> = homes.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(names.iter().all(|name| name != "new"), "{names:?}");
}
