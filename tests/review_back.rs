//! What became of work that nobody approved.

use serde_json::Value;

use crate::support::tree::assert_same;
use crate::support::{Jail, Tree};

/// Changes the same file in every round, in place and by another one with its name.
const AUTHOR: &str = "sh -c 'echo more >> README.md; cat README.md untracked.txt > new; mv new untracked.txt; \
    mkdir -p made; echo more >> made/of-all; echo x > made/$$; rm -f src/lib.txt; echo $$ > src/lib.txt'";
/// Finds something else every time.
const REVIEWER: &str = "sh -c 'echo \"{\\\"schema\\\": 1, \\\"tree\\\": \\\"$STOCKADE_TREE\\\", \\\"verdict\\\": \
    \\\"changes\\\", \\\"findings\\\": [{\\\"severity\\\": \\\"error\\\", \\\"message\\\": \\\"$STOCKADE_REVIEW\\\"}]}\"'";

#[test]
fn what_several_rounds_did_is_taken_back() {
    let jail = Jail::new("standard");
    let before = Tree::shape(&jail.work);
    let args = ["review", "--author", AUTHOR, "--reviewer", REVIEWER, "--undo-on-reject", "--json"];
    let out = jail.stockade(&args);
    assert_eq!(out.code(), 10, "{}{}", out.out(), out.err());
    let report: Value = serde_json::from_str(&out.out()).expect("JSON");
    assert_eq!(report["sessions"].as_array().map(Vec::len), Some(3), "{report:#}");
    assert!(report["undone"] == true && report["undo"].is_null(), "{report:#}\n{}", out.err());
    assert_same(&before, &Tree::shape(&jail.work));
}

#[test]
fn the_command_that_takes_it_back_is_named() {
    let jail = Jail::new("standard");
    let before = Tree::shape(&jail.work);
    let args = ["review", "--author", "touch made", "--reviewer", REVIEWER, "--rounds", "1", "--json"];
    let out = jail.stockade(&args);
    assert_eq!(out.code(), 10, "{}{}", out.out(), out.err());
    let report: Value = serde_json::from_str(&out.out()).expect("JSON");
    assert!(jail.work.join("made").exists());
    for command in report["undo"].as_str().expect("a command").split(" && ") {
        let words = command.split(' ').skip(1).chain(["--yes"]);
        jail.stockade(&words.collect::<Vec<_>>()).expect(0);
    }
    assert_same(&before, &Tree::shape(&jail.work));
}
