//! `stockade review` with authors and reviewers that are scripts.

mod hostile;
mod limits;
mod rounds;
mod sarif;
mod verdicts;

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::Jail;
use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::process::{self, Output};

/// What every script may use: a verdict about the tree, and a finding.
const WORDS: &str = r#"#!/bin/sh
say() { printf '{"schema":1,"tree":"%s","verdict":"%s","findings":[%s]}' "$STOCKADE_TREE" "$1" "$2"; }
finding() { printf '{"severity":"error","file":"src/work","line":1,"message":"%s"}' "$1"; }
verdict() { say "$@" > "$STOCKADE_REVIEW/verdict.json"; }
try() { what=$1; shift; "$@" 2> /dev/null && echo "COULD $what"; }
"#;
/// An author that adds a line.
const WORK: &str = "cat > /dev/null; echo more >> src/work";
/// A reviewer that is content.
const APPROVE: &str = "verdict approve";

/// A jail in whose home scripts lie.
fn world() -> Jail {
    let jail = Jail::by_default();
    std::fs::create_dir_all(jail.home.join("bin")).expect("make a directory");
    write(&jail.work.join("src/work"), "one\n");
    jail
}

/// Writes a script, and gives the command that runs it.
fn script(jail: &Jail, name: &str, body: &str) -> String {
    let path = jail.home.join("bin").join(name);
    write(&path, &format!("{WORDS}{body}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("make it executable");
    path.to_str().expect("a path").into()
}

/// `stockade review` with a task, not yet started.
fn command(jail: &Jail, author: &str, reviewers: &[&str], more: &[&str]) -> Command {
    let task = jail.base().join("task.md");
    write(&task, "Add a line.\n");
    let mut command = jail.bare_command(stockade());
    command.arg("review").arg("--author").arg(script(jail, "author", author)).arg("--task").arg(&task);
    for (number, reviewer) in reviewers.iter().enumerate() {
        command.arg("--reviewer").arg(script(jail, &format!("reviewer{number}"), reviewer));
    }
    command.args(more);
    command
}

/// Runs a review to its end; its report is printed as JSON.
fn review(jail: &Jail, author: &str, reviewers: &[&str], more: &[&str]) -> Output {
    process::run(command(jail, author, reviewers, more).arg("--json"), process::LIMIT)
}

/// The report of a review.
#[track_caller]
fn report(output: &Output, status: i32) -> Value {
    assert_eq!(output.code(), status, "{}{}", output.out(), output.err());
    serde_json::from_str(&output.out()).unwrap_or_else(|error| panic!("{error}: {}", output.out()))
}

/// What somebody printed in a round.
fn log(report: &Value, round: usize, who: &str) -> String {
    let round = &report["rounds"][round];
    let turn = if who == "author" { &round["author"] } else { &round["reviewers"][0] };
    std::fs::read_to_string(turn["log"].as_str().expect("a log")).expect("read the log")
}

/// The directory of a review's first reviewer in its first round.
fn directory(report: &Value) -> PathBuf {
    PathBuf::from(report["rounds"][0]["reviewers"][0]["log"].as_str().expect("a log")).with_extension("")
}

/// The words of the command that takes all of it back.
fn undo(report: &Value) -> Vec<OsString> {
    let line = report["undo"].as_str().expect("something to take back");
    let words = line.strip_prefix("stockade ").expect("a command of stockade");
    words.split(' ').chain(["--yes"]).map(OsString::from).collect()
}
