//! How rounds follow each other, and how they end.

use serde_json::json;

use super::{APPROVE, WORK, command, directory, log, report, review, script, undo, world};
use crate::support::Tree;
use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::process::{LIMIT, run};
use crate::support::tree::assert_same;

/// A reviewer that wants three lines more, and names each in turn.
const THREE: &str = "case $(wc -l < src/work) in 2) verdict changes \"$(finding 'a second')\";; \
                     3) verdict changes \"$(finding 'a third')\";; 4) verdict approve;; esac";

#[test]
fn three_rounds_end_in_an_approval_and_can_be_taken_back() {
    let jail = world();
    let before = Tree::lasting(&jail.work);
    let author = "cat; cat $STOCKADE_REVIEW/findings.json $STOCKADE_REVIEW/task.md; echo more >> src/work; \
                  echo $STOCKADE_TREE > new";
    let done = report(&review(&jail, author, &[THREE], &[]), 0);
    assert_eq!(done["outcome"], "approved");
    assert_eq!(done["rounds"].as_array().map(Vec::len), Some(3));
    assert_eq!(done["sessions"].as_array().map(Vec::len), Some(3), "one for each round");
    let asked: Vec<String> = (0..3).map(|round| log(&done, round, "author")).collect();
    assert!(asked[0].contains("Add a line.") && !asked[0].contains("reviewer has read"), "{}", asked[0]);
    assert!(asked[1].contains("- error: src/work:1: a second"), "{}", asked[1]);
    assert!(asked[2].contains("a third") && !asked[2].contains("a second"), "{}", asked[2]);
    assert!(asked[1].contains("\"message\": \"a second\""), "as a file: {}", asked[1]);
    // What was reviewed last is all of it, from before the first round.
    let last = directory(&done).to_string_lossy().replace("round-1", "round-3");
    let patch = std::fs::read_to_string(format!("{last}/diff.patch")).expect("read the diff");
    assert_eq!(patch.matches("\n+more").count(), 3, "{patch}");
    assert_eq!(patch.matches("diff --git").count(), 2, "{patch}");
    let previous = std::fs::read_to_string(format!("{last}/previous.json")).expect("read the findings");
    assert!(previous.contains("a third"), "{previous}");
    jail.stockade(&undo(&done)).expect(0);
    assert_same(&before, &Tree::lasting(&jail.work));
}

#[test]
fn what_later_rounds_do_to_the_work_of_earlier_ones_is_seen() {
    let jail = world();
    for name in ["changed", "removed", "again", "moved", "kept"] {
        write(&jail.work.join("src").join(name), &format!("{name} before\n"));
    }
    jail.sh("true").expect(0);
    let before = Tree::lasting(&jail.work);
    let author = "cat > /dev/null\n\
                  if [ ! -e src/second ]; then\n\
                    touch src/second src/own; echo 1 >> src/changed; echo 1 >> src/removed; rm src/again; mv src/moved src/there\n\
                    mkdir src/dir; echo x > src/dir/x; echo same > src/kept\n\
                  else\n\
                    echo 2 >> src/changed; rm src/removed src/own; echo evil > src/again; echo evil >> src/there\n\
                    mv src/dir src/other; echo 'kept before' > src/kept; echo 2 > src/second\n\
                  fi";
    let reviewer =
        "if [ -s src/second ]; then cat; verdict approve; else verdict changes \"$(finding x)\"; fi";
    let profile = jail.base().join("kept.yaml");
    write(&profile, "version: 1\nname: kept\nextends: relaxed\n");
    let done =
        report(&review(&jail, author, &[reviewer], &["--profile", profile.to_str().expect("a path")]), 0);
    let last = directory(&done).to_string_lossy().replace("round-1", "round-2");
    let patch = std::fs::read_to_string(format!("{last}/diff.patch")).expect("read the diff");
    let part = |name: &str| {
        let parts = patch.split("diff --git ").find(|part| part.starts_with(&format!("a/src/{name} ")));
        parts.unwrap_or_default().to_string()
    };
    for (name, lines) in [
        ("changed", "\n changed before\n+1\n+2\n"),
        ("removed", "\n-removed before\n"),
        ("again", "\n-again before\n+evil\n"),
        (
            "moved",
            "rename to src/there\n--- a/src/moved\n+++ b/src/there\n@@ -1 +1,2 @@\n moved before\n+evil\n",
        ),
        ("other/x", "\n+x\n"),
        ("second", "\n+2\n"),
    ] {
        assert!(part(name).contains(lines), "{name}: {patch}");
    }
    assert_eq!(part("own") + &part("dir/x") + &part("kept"), "", "{patch}");
    jail.stockade(&undo(&done)).expect(0);
    assert_same(&before.without_dir_times(), &Tree::lasting(&jail.work).without_dir_times());
}

#[test]
fn every_end_has_its_status() {
    let other = "verdict changes \"$(finding \"finding $(wc -l < src/work)\")\"";
    let same = "verdict changes \"$(finding 'still  WRONG')\"";
    let once = "cat > /dev/null; [ -e src/once ] || echo x > src/once";
    for (status, author, reviewer, outcome) in [
        (0, WORK, APPROVE, "approved"),
        (10, WORK, other, "changes"),
        (11, WORK, "exit 1", "reviewer failed"),
        (11, WORK, "true", "reviewer failed"),
        (11, WORK, "verdict approve; exit 3", "reviewer failed"),
        (11, WORK, "verdict approve; kill -9 $$", "reviewer failed"),
        (12, "echo more >> src/work; exit 3", APPROVE, "author failed"),
        (12, "echo more >> src/work; kill -9 $$", APPROVE, "author failed"),
        (12, "true", APPROVE, "author failed"),
        (13, WORK, same, "stalled"),
        (13, once, other, "stalled"),
    ] {
        let jail = world();
        let output = review(&jail, author, &[reviewer], &["--rounds", "2"]);
        let done = report(&output, status);
        assert_eq!(done["outcome"], outcome, "{author} / {reviewer}");
        // Whatever came of it, the work stays.
        let has_worked = jail.work.join("src/once").exists()
            || std::fs::read_to_string(jail.work.join("src/work")).expect("read") != "one\n";
        assert_eq!(has_worked, author != "true");
        assert_eq!(done["undo"].is_string(), author != "true");
    }
}

#[test]
fn what_makes_no_sense_is_said_before_anything_runs() {
    let jail = world();
    for (more, reason) in [
        (&["--quorum", "2"][..], "there are 1 reviewers"),
        (&["--quorum", "0"], "there are 1 reviewers"),
        (&["--rounds", "0"], "invalid value"),
        (&["--turn-timeout", "soon"], "invalid value"),
        (&["--reviewer", "sh -c 'x"], "its quotes do not match"),
        (&["--reviewer", ""], "it is empty"),
        (&["--profile", "ci"], "is scratch"),
        (&["--static"], "cannot be used"),
        (&["20200101-000000-0000000"], "cannot be used"),
    ] {
        let output = review(&jail, "echo ran > src/ran", &[APPROVE], more);
        assert_eq!(output.code(), 125, "{more:?}: {}", output.err());
        assert!(output.err().contains(reason), "{more:?}: {}", output.err());
    }
    let task = jail.stockade(&["review", "--author", "claude", "--reviewer", "codex"]);
    assert!(task.code() == 125 && task.err().contains("the author needs a task"), "{}", task.err());
    let output = review(&jail, "echo ran > src/ran", &[], &[]);
    assert!(output.code() == 125 && output.err().contains("nobody is named who reviews"), "{}", output.err());
    assert!(!jail.work.join("src/ran").exists());
}

#[test]
fn several_reviewers_need_a_quorum() {
    let wants = "verdict changes \"$(finding x)\"";
    for (reviewers, quorum, status) in [
        (&[APPROVE, APPROVE][..], "", 0),
        (&[APPROVE, wants], "", 10),
        (&[APPROVE, wants], "1", 0),
        (&[APPROVE, "exit 1"], "", 11),
        (&[APPROVE, "exit 1"], "1", 0),
        (&[wants, "exit 1"], "", 10),
        (&[APPROVE, wants, APPROVE], "2", 0),
    ] {
        let jail = world();
        let mut more = vec!["--rounds", "1"];
        if !quorum.is_empty() {
            more.extend(["--quorum", quorum]);
        }
        let done = report(&review(&jail, WORK, reviewers, &more), status);
        assert_eq!(done["rounds"][0]["reviewers"].as_array().map(Vec::len), Some(reviewers.len()));
    }
}

#[test]
fn work_that_was_done_before_is_reviewed() {
    let jail = world();
    for name in ["one", "two"] {
        jail.sh(&format!("echo {name} > src/{name}")).expect(0);
    }
    let sessions: Vec<String> = jail
        .stockade(&["sessions"])
        .out()
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with("20") && word.len() > 15))
        .map(String::from)
        .collect();
    assert_eq!(sessions.len(), 2, "{}", jail.stockade(&["sessions"]).out());
    let reviewer = script(&jail, "reviewer", "grep -c '^+++ b/src/' && verdict approve");
    let wants = script(&jail, "wants", "verdict changes \"$(finding x)\"");
    for (named, reviewer, status, found) in [
        (&sessions[..1], &reviewer, 0, "1\n"),
        (&sessions[..], &reviewer, 0, "2\n"),
        (&sessions[..], &wants, 10, ""),
    ] {
        let mut command = jail.bare_command(stockade());
        command.arg("review").args(named).args(["--reviewer", reviewer, "--json"]);
        let done = report(&run(&mut command, LIMIT), status);
        assert!(done["rounds"][0]["author"].is_null());
        assert!(log(&done, 0, "reviewer").starts_with(found), "{}", log(&done, 0, "reviewer"));
    }
}

#[test]
fn work_is_taken_back_where_that_is_wanted() {
    for (reviewer, status) in [("verdict changes \"$(finding x)\"", 10), (APPROVE, 0), ("exit 1", 11)] {
        let jail = world();
        let before = Tree::lasting(&jail.work);
        let more = ["--rounds", "1", "--undo-on-reject"];
        let done = report(&review(&jail, WORK, &[reviewer], &more), status);
        assert_eq!(done["undone"], status != 0);
        if status == 0 {
            assert_eq!(std::fs::read_to_string(jail.work.join("src/work")).expect("read"), "one\nmore\n");
        } else {
            assert_same(&before, &Tree::lasting(&jail.work));
        }
    }
}

#[test]
fn a_profile_names_reviewers_that_are_asked_as_well() {
    let jail = world();
    let strict = script(&jail, "strict", "verdict changes \"$(finding 'not signed')\"");
    let profile = jail.base().join("own.yaml");
    write(&profile, &format!("version: 1\nname: own\nextends: standard\nreview: {{reviewer: {strict}}}\n"));
    let more = ["--rounds", "1", "--profile", profile.to_str().expect("a path")];
    let done = report(&review(&jail, WORK, &[APPROVE], &more), 10);
    assert_eq!(done["rounds"][0]["reviewers"].as_array().map(Vec::len), Some(2));
    report(&review(&jail, WORK, &[], &more), 10);
    // Nobody's quorum makes it superfluous.
    report(&review(&jail, WORK, &[APPROVE], &[&more[..], &["--quorum", "1"]].concat()), 10);
    // A repository names nobody.
    let jail = world();
    write(
        &jail.work.join(".stockade.yaml"),
        &format!("version: 1\nname: r\nreview: {{required: true, reviewer: {strict}}}\n"),
    );
    let done = report(&review(&jail, WORK, &[APPROVE], &[]), 0);
    assert_eq!(done["rounds"][0]["reviewers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn where_a_review_is_required_a_run_says_so() {
    let jail = world();
    let required = jail.base().join("required.yaml");
    write(&required, "version: 1\nname: r\nextends: standard\nreview: {required: true}\n");
    let mut jail = jail;
    jail.profile(&required);
    let output = jail.sh("echo x > src/x");
    assert!(output.err().contains("it has to be reviewed: stockade review 20"), "{}", output.err());
    jail.profile("standard");
    assert!(!jail.sh("echo x > src/y").err().contains("stockade review"));
}

#[test]
fn reports_come_in_every_form() {
    let jail = world();
    let wants = "verdict changes \"$(finding 'wrong | <b> @all')\"";
    let text = run(&mut command(&jail, WORK, &[wants], &["--rounds", "1"]), LIMIT);
    let undo = "to take it back: stockade undo 20";
    for part in
        ["error: src/work:1: wrong | <b> @all", "changes wanted: after 1 round", "1 file changed", undo]
    {
        assert!(text.expect(10).contains(part), "{part}: {}", text.out());
    }
    for part in ["round 1 of 1: author", "wants changes: 1 finding", "error: src/work:1: wrong"] {
        assert!(text.err().contains(part), "{part}: {}", text.err());
    }
    let markdown =
        run(&mut command(&jail, WORK, &[wants], &["--rounds", "1", "--markdown"]), LIMIT).expect(10);
    assert!(
        markdown.contains("| error | <code>src/work:1</code> |") && !markdown.contains("<b>"),
        "{markdown}"
    );
    let sarif = run(&mut command(&jail, WORK, &[wants], &["--rounds", "1", "--sarif"]), LIMIT).expect(10);
    let sarif: serde_json::Value = serde_json::from_str(&sarif).expect("JSON");
    let place = json!({"artifactLocation": {"uri": "src/work", "uriBaseId": "WORKSPACE"}, "region": {"startLine": 1}});
    assert_eq!(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"], place);
    let schema = jail.stockade(&["review", "--schema"]).expect(0);
    assert!(schema.contains("\"approve\""), "{schema}");
}
