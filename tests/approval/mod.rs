//! What destroys waits for a person's yes.

mod alone;
mod always;
mod before;
mod bulk;
mod git;
mod given_back;
mod incidents;
mod ordinary;
mod picture;
mod screen;
mod terminal;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::process::{self, eventually};
use crate::support::pty::Terminal;
use crate::support::{Jail, Output, Tree};

/// A workspace with something to lose, and a profile that asks about it.
fn asking(settings: &str) -> Jail {
    of("standard", settings)
}

/// The same where removing is kept, and each removal needs no yes.
fn keeping(settings: &str) -> Jail {
    let rule = "rules:\n  - access: {read: allow, execute: allow, create: keep, modify: keep, remove: keep}\n    \
                paths: [pkg, notes]\n    why: it is all kept\n";
    of("standard", &format!("{rule}{settings}"))
}

fn of(parent: &str, settings: &str) -> Jail {
    let mut jail = Jail::new(parent);
    let profile = jail.base().join("asking.yaml");
    write(&profile, &format!("version: 1\nname: asking\nextends: {parent}\n{settings}"));
    jail.profile(&profile);
    for number in 0..300 {
        write(&jail.work.join(format!("pkg/old/d{}/{number}", number % 7)), "what a person wrote\n");
    }
    write(&jail.work.join("notes"), "notes\n");
    jail
}

/// Somebody who watches: `stockade approve --follow`.
struct Watcher {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watcher {
    fn new(jail: &Jail) -> Watcher {
        let mut command = jail.bare_command(stockade());
        command.args(["approve", "--follow"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("watch");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Watcher { child, lines }
    }

    /// What is told next.
    fn next(&mut self) -> Vec<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("read a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// What is told until no session is left.
    fn rest(mut self) -> Vec<Vec<Value>> {
        let mut rest = Vec::new();
        loop {
            rest.push(self.next());
            if rest.last().is_some_and(Vec::is_empty) {
                return rest;
            }
        }
    }

    /// The questions, once there are so many.
    fn questions(&mut self, count: usize) -> Vec<Value> {
        loop {
            let questions = self.next();
            if questions.len() == count {
                return questions;
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.child.kill().expect("end it");
        self.child.wait().expect("wait for it");
    }
}

/// A `stockade` at work.
struct Jailed(Child);

impl Jailed {
    fn start(mut command: std::process::Command) -> Jailed {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Jailed(command.spawn().expect("start the jail"))
    }

    fn wait(mut self) -> Output {
        process::finish(&mut self.0, process::LIMIT)
    }
}

impl Drop for Jailed {
    /// Ends what a test that failed has left.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn id(question: &Value) -> &str {
    question["id"].as_str().expect("an id")
}

/// A script in a jail that somebody watches, once they do.
fn start(jail: &Jail, script: &str) -> (Jailed, Watcher) {
    let script = format!("until [ -e go ]; do sleep 0.02; done; {script}");
    let running = Jailed::start(jail.command(&["sh", "-c", &script]));
    let mut watcher = Watcher::new(jail);
    assert!(watcher.next().is_empty());
    write(&jail.work.join("go"), "");
    (running, watcher)
}

fn answer(jail: &Jail, args: &[&str]) -> Output {
    let out = jail.stockade(&[&["approve"], args].concat());
    assert_eq!(out.code(), 0, "{}", out.err());
    out
}

#[test]
fn where_nobody_watches_it_is_refused_at_once() {
    let jail = asking("");
    let before = Tree::lasting(&jail.work);
    let since = Instant::now();
    let out = jail.sh("rm notes; rm -rf pkg/old");
    assert_ne!(out.code(), 0);
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!(before, Tree::lasting(&jail.work));
    assert_eq!(jail.stockade(&["approve", "--json"]).out().trim(), "[]");
}

#[test]
fn one_yes_is_for_one_deed_and_it_can_be_undone() {
    let jail = asking("");
    let before = Tree::lasting(&jail.work.join("pkg"));
    let (running, mut watcher) = start(&jail, "rm -rf pkg/old; rm -f notes; echo ended");
    let question = watcher.questions(1).remove(0);
    assert_eq!((&question["verb"], &question["recoverable"]), (&"remove".into(), &true.into()));
    assert_eq!(question["command"], serde_json::json!(["rm", "-rf", "pkg/old"]));
    assert_eq!(question["entries"], 300 + 7 + 1);
    assert_eq!(question["bytes"], 300 * 20);
    let paths = question["paths"].as_array().expect("paths");
    assert!(paths.len() == 1 && paths[0].as_str().expect("a path").ends_with("pkg/old"), "{paths:?}");
    answer(&jail, &["--yes", id(&question)]);
    // The next process asks for itself.
    let second = loop {
        let questions = watcher.questions(1);
        if questions[0]["id"] != question["id"] {
            break questions;
        }
    };
    assert!(!jail.work.join("pkg/old").exists());
    assert_eq!(second[0]["command"], serde_json::json!(["rm", "-f", "notes"]));
    answer(&jail, &["--no", id(&second[0]), "--reason", "these are mine"]);
    let out = running.wait();
    assert!(out.out().ends_with("ended\n"), "{}", out.err());
    assert!(jail.work.join("notes").exists());
    assert!(jail.stockade(&["log"]).out().contains("refused"));
    let log = jail.stockade(&["log", "--json"]).out();
    assert!(log.contains("a person said no: these are mine"), "{log}");
    jail.stockade(&["undo", "--yes"]).expect(0);
    assert_eq!(before, Tree::lasting(&jail.work.join("pkg")));
}

#[test]
fn a_no_is_for_the_whole_deed() {
    let jail = asking("");
    let before = Tree::lasting(&jail.work.join("pkg"));
    let (running, mut watcher) = start(&jail, "rm -rf pkg/old; echo ended");
    let question = watcher.questions(1).remove(0);
    answer(&jail, &["--no", id(&question)]);
    assert!(running.wait().out().ends_with("ended\n"));
    assert_eq!(before, Tree::lasting(&jail.work.join("pkg")));
}

#[test]
fn a_yes_goes_as_far_as_it_says() {
    let jail = asking("");
    let script = "sh -c 'for d in 0 1 2; do rm -r pkg/old/d$d; done'; sh -c 'rm pkg/old/d3/*'; rm -r pkg/old/d4; echo ended";
    let (running, mut watcher) = start(&jail, script);
    let first = watcher.questions(1).remove(0);
    answer(&jail, &["--yes", id(&first), "--for", "command"]);
    let next = |watcher: &mut Watcher, known: &Value| loop {
        let questions = watcher.questions(1);
        if questions[0]["id"] != known["id"] {
            return questions[0].clone();
        }
    };
    let second = next(&mut watcher, &first);
    assert!(second["command"].to_string().contains("pkg/old/d3/"), "{second}");
    answer(&jail, &["--yes", id(&second)]);
    let third = next(&mut watcher, &second);
    assert_eq!(third["command"], serde_json::json!(["rm", "-r", "pkg/old/d4"]));
    answer(&jail, &["--no", id(&third)]);
    assert!(running.wait().out().ends_with("ended\n"));
    let left = [0, 1, 2, 4].map(|number| jail.work.join(format!("pkg/old/d{number}")).exists());
    assert_eq!(left, [false, false, false, true]);
}

#[test]
fn who_waits_keeps_nobody_waiting() {
    let jail = asking("");
    let (running, mut watcher) = start(&jail, "rm notes & echo made > new; cat new; wait; echo ended");
    let question = watcher.questions(1).remove(0);
    assert!(eventually(Duration::from_secs(20), || jail.work.join("new").exists()), "others go on");
    answer(&jail, &["--yes", id(&question)]);
    assert!(running.wait().out().ends_with("made\nended\n"));
    assert!(!jail.work.join("notes").exists());
}

#[test]
fn what_nobody_waits_for_is_no_question_any_more() {
    let jail = asking("");
    let (running, mut watcher) = start(&jail, "rm notes & sleep 0.5; kill -9 $!; sleep 2; echo ended");
    watcher.questions(1);
    assert!(watcher.questions(0).is_empty());
    assert!(running.wait().out().ends_with("ended\n"));
    assert!(jail.work.join("notes").exists());
}

#[test]
fn the_timeout_and_a_watcher_that_goes_are_a_no() {
    let jail = asking("approvals: {timeout: 1s}\n");
    let (running, mut watcher) = start(&jail, "rm notes || echo refused");
    watcher.questions(1);
    let out = running.wait();
    assert!(out.out().ends_with("refused\n"), "{}", out.err());
    drop(watcher);
    let jail = asking("");
    let (running, mut watcher) = start(&jail, "rm notes || echo refused");
    watcher.questions(1);
    drop(watcher);
    let out = running.wait();
    assert!(out.out().ends_with("refused\n"), "{}", out.err());
    assert!(jail.stockade(&["log", "--json"]).out().contains("nobody is there to answer"));
}

#[test]
fn without_a_terminal_it_says_what_there_is() {
    let out = Jail::new("standard").stockade(&["approve"]);
    assert_eq!(out.code(), 125);
    assert!(out.err().contains("no terminal to ask on") && out.err().contains("--follow"), "{}", out.err());
    let out = Jail::new("standard").stockade(&["approve", "--yes", "20260101-000000-0000000:1"]);
    assert_eq!(out.code(), 125);
    assert!(out.err().contains("nobody asks 20260101-000000-0000000:1"), "{}", out.err());
}

#[test]
fn nothing_is_asked_where_a_profile_or_ci_says_so() {
    for (settings, ci) in [("approvals: {channels: []}\n", None), ("", Some("true"))] {
        let mut jail = asking(settings);
        if let Some(value) = ci {
            jail.env("CI", value);
        }
        let watcher = Watcher::new(&jail);
        let out = jail.sh("sleep 1; rm notes || echo refused");
        assert!(out.out().ends_with("refused\n"), "{}", out.err());
        drop(watcher);
    }
}

#[test]
fn a_person_answers_on_a_terminal() {
    let jail = asking("");
    let script = "until [ -e go ]; do sleep 0.02; done; sleep 1; rm -rf pkg/old; rm notes || echo refused";
    let running = Jailed::start(jail.command(&["sh", "-c", script]));
    let mut command = jail.bare_command(stockade());
    let mut terminal = Terminal::start(command.arg("approve"), 24, 100);
    terminal.expect("Waiting for questions");
    write(&jail.work.join("go"), "");
    terminal.expect("rm -rf pkg/old\r\n");
    terminal.expect("wants to remove pkg/old (308 files");
    terminal.expect("It can be undone.");
    terminal.send("o\n");
    terminal.expect("rm notes\r\n");
    terminal.send("t not these\n");
    let out = running.wait();
    assert!(out.out().ends_with("refused\n"), "{}", out.err());
    assert!(!jail.work.join("pkg/old").exists() && jail.work.join("notes").exists());
    assert!(jail.stockade(&["log", "--json"]).out().contains("a person said no: not these"));
}
