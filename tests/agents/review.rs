//! `stockade review` with real agents: each as an author and as a reviewer.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::fixture::{PATH, git, write};
use crate::support::tree::assert_same;
use crate::support::{Jail, Output, Tree};

use super::claude::{self, Next};
use super::codex;
use super::model::Model;
use super::{names, world};

const TASK: &str = "Write a file greeting.txt that greets the jail.\n";
/// What the reviewer finds in the first round.
const FINDING: &str = "it greets the wärld, and not the jail";
/// What a reviewer tries before it judges.
const TRY: &str = "cat greeting.txt; echo evil >> greeting.txt; mv .git moved; echo evil > made.txt; \
    echo \"home=$HOME of-codex=$CODEX_HOME of-claude=$CLAUDE_CONFIG_DIR settings=$FROM_SETTINGS\"";

/// The texts in a conversation that a person would have written, one behind the other.
fn asked(body: &Value) -> String {
    let messages = ["messages", "input"].into_iter().flat_map(|list| body[list].as_array()).flatten();
    let by_user = messages.filter(|message| message["role"] == "user");
    let texts = by_user.flat_map(|message| match &message["content"] {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        content => Vec::from_iter(content.as_str()),
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The hash of the tree, as what is asked of a reviewer says it.
fn tree_of(asked: &str) -> &str {
    let (_, rest) = asked.split_once("\"tree\" must be exactly ").expect("the tree is named");
    rest.split_once(". ").expect("a sentence").0
}

/// A verdict: changes are wanted as long as the file greets the world.
fn verdict(asked: &str, is_good: bool) -> String {
    let finding = json!({
        "severity": "error", "file": "greeting.txt", "line": 1, "message": FINDING, "suggestion": null,
    });
    let (verdict, findings) = if is_good { ("approve", vec![]) } else { ("changes", vec![finding]) };
    json!({"schema": 1, "tree": tree_of(asked), "verdict": verdict, "findings": findings}).to_string()
}

/// Runs a review by its names, from the task's file beside the workspace.
fn review(jail: &Jail, author: &str, reviewer: &str) -> Output {
    let task = jail.base().join("task.md");
    write(&task, TASK);
    let task = task.display().to_string();
    jail.stockade(&[
        "review",
        "--author",
        author,
        "--reviewer",
        reviewer,
        "--task",
        &task,
        "--rounds",
        "3",
        "--json",
    ])
}

/// The report, where the review ended so; shows all of it where somebody wants to see it.
#[track_caller]
fn report(jail: &Jail, out: &Output, status: i32) -> Value {
    let dir = fs::read_dir(jail.home.join(".local/state/stockade/reviews")).into_iter().flatten().flatten();
    let told = told(out, &dir.map(|entry| entry.path()).collect::<Vec<_>>());
    if std::env::var_os("STOCKADE_TEST_SHOW").is_some() {
        eprintln!("{told}\n$ stockade log\n{}", jail.stockade(&["log"]).out());
    }
    assert_eq!(out.code(), status, "{told}");
    serde_json::from_str(&out.out()).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// What was said and laid out in reviews, in order.
fn told(out: &Output, reviews: &[PathBuf]) -> String {
    let mut text = format!("$ stockade review …\n{}\n{}", out.err(), out.out());
    let mut files = Vec::new();
    reviews.iter().for_each(|dir| list(dir, &mut files));
    files.sort();
    let wanted = ["prompt.md", "diff.patch", "previous.json", ".log"];
    for file in files.iter().filter(|file| wanted.iter().any(|end| file.to_string_lossy().ends_with(end))) {
        text += &format!("\n--- {}\n{}", file.display(), fs::read_to_string(file).unwrap_or_default());
    }
    text
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&entry.path(), files),
            _ => files.push(entry.path()),
        }
    }
}

/// That nothing is left of the homes in which reviewers were.
#[track_caller]
fn no_home_is_left(jail: &Jail) {
    let mut files = Vec::new();
    list(&jail.home.join(".local/state/stockade/reviews"), &mut files);
    assert!(files.iter().any(|file| file.ends_with("diff.patch")), "{files:?}");
    let is_of_a_home = |file: &&PathBuf| file.to_string_lossy().contains(".home");
    assert_eq!(files.iter().find(is_of_a_home), None);
}

/// What a reviewer must have met when it tried.
#[track_caller]
fn tried(result: &str, greeting: &str) {
    assert!(result.contains(greeting), "it reads the work: {result}");
    assert_eq!(
        result.to_lowercase().matches("permission denied").count(),
        3,
        "and changes nothing: {result}"
    );
    let home = result.split_once("home=").map(|(_, rest)| rest.lines().next().unwrap_or_default());
    let home = home.unwrap_or_default();
    assert!(
        home.contains("/reviews/") && home.contains("reviewer-1.home of-codex= of-claude= settings="),
        "{result}"
    );
}

#[test]
fn claude_writes_and_codex_reads() {
    let Some(mut jail) = world("claude_writes_and_codex_reads") else { return };
    let work = jail.work.display().to_string();
    let author = Model::start(move |request| {
        let file = format!("{work}/greeting.txt");
        claude::answer(request, |body| {
            let is_found = asked(body).contains(FINDING);
            match (is_found, claude::results(body).len()) {
                (false, 0) => Next::Tool("Write", json!({"file_path": file, "content": "hello, world\n"})),
                (true, 1) => Next::Tool("Read", json!({"file_path": file})),
                (true, 2) => Next::Tool(
                    "Edit",
                    json!({"file_path": file, "old_string": "world", "new_string": "jail"}),
                ),
                _ => Next::Says("done".into()),
            }
        })
    });
    let reviewer = Model::start(|request| {
        codex::answer(request, |body| match &codex::results(body)[..] {
            [] => codex::shell(TRY),
            [result, ..] => codex::says(&verdict(&asked(body), result.contains("hello, jail"))),
        })
    });
    write(&jail.home.join(".codex/config.toml"), &codex::settings(&reviewer));
    write(&jail.home.join(".codex/AGENTS.md"), "the user's own\n");
    jail.env("ANTHROPIC_BASE_URL", author.url()).env("ANTHROPIC_API_KEY", "sk-ant-of-a-test");
    jail.env("CODEX_API_KEY", "sk-of-a-test");
    let before = (Tree::exact(&jail.work), Tree::exact(&jail.home.join(".codex")));
    let head = git(&jail.work, &jail.home, &["rev-parse", "HEAD"]);

    let out = review(&jail, "claude", "codex");
    let report = report(&jail, &out, 0);
    assert_eq!(report["outcome"], "approved", "{report:#}");
    // the author's own notes for later are work of the session too
    let notes = format!("added {}/.claude/projects/", jail.home.display());
    let changed = report["changed"].as_array().expect("a list").iter().filter_map(Value::as_str);
    let changed: Vec<&str> = changed.filter(|line| !line.starts_with(&notes)).collect();
    assert_eq!(changed, ["added greeting.txt"], "{report:#}");
    let rounds = report["rounds"].as_array().expect("rounds");
    let verdicts: Vec<&Value> = rounds.iter().map(|round| &round["reviewers"][0]["verdict"]).collect();
    assert_eq!(rounds.len(), 2, "{report:#}");
    assert_eq!((&verdicts[0]["verdict"], &verdicts[1]["verdict"]), (&json!("changes"), &json!("approve")));
    assert_eq!(verdicts[0]["findings"][0]["message"], FINDING);
    let sessions: Vec<&Value> = rounds.iter().map(|round| &round["author"]["session"]).collect();
    assert_eq!(json!(sessions), report["sessions"], "{report:#}");

    // each was asked what the other had said
    let last = author.asked(|requests| {
        let main = requests.iter().filter(|request| claude::is_main(request));
        main.map(|request| asked(&request.body)).next_back().expect("it was asked")
    });
    assert!(last.contains(TASK.trim()) && last.contains(FINDING), "{last}");
    let (tasks, results): (Vec<String>, Vec<String>) = reviewer.asked(|requests| {
        let answered = requests.iter().filter(|request| !codex::results(&request.body).is_empty());
        answered.map(|request| (asked(&request.body), codex::results(&request.body).join("\n"))).unzip()
    });
    for (round, (text, hello)) in tasks.iter().zip(["hello, world", "hello, jail"]).enumerate() {
        assert_eq!(tree_of(text), rounds[round]["tree"].as_str().expect("a tree"));
        assert!(text.contains("+++ b/greeting.txt") && text.contains(&format!("+{hello}")), "{text}");
        tried(&results[round], hello);
    }
    assert_eq!(tasks.len(), 2);

    // and nothing else became of it
    assert_eq!(fs::read_to_string(jail.work.join("greeting.txt")).expect("read"), "hello, jail\n");
    assert_same(&before.0, &Tree::exact(&jail.work).without(&["greeting.txt"]));
    assert_same(&before.1, &Tree::exact(&jail.home.join(".codex")));
    assert_eq!(git(&jail.work, &jail.home, &["rev-parse", "HEAD"]), head);
    no_home_is_left(&jail);
}

#[test]
fn codex_writes_and_claude_reads() {
    let Some(mut jail) = world("codex_writes_and_claude_reads") else { return };
    let author = Model::start(|request| {
        codex::answer(request, |body| match (asked(body).contains(FINDING), codex::results(body).len()) {
            (false, 0) => codex::patch("*** Add File: greeting.txt\n+hello, world"),
            (true, 1) => codex::patch("*** Update File: greeting.txt\n@@\n-hello, world\n+hello, jail"),
            _ => codex::says("done"),
        })
    });
    let reviewer = Model::start(|request| {
        claude::answer(request, |body| match &claude::results(body)[..] {
            [] => Next::Tool("Bash", json!({"command": TRY, "description": "look"})),
            [result, ..] => {
                let verdict = verdict(&asked(body), result.contains("hello, jail"));
                Next::Says(format!("I have read it.\n\n```json\n{verdict}\n```\n"))
            }
        })
    });
    // where the user's own variables lead, and where nothing is
    let (of_codex, of_claude) = (jail.home.join("agents/codex"), jail.home.join("agents/claude"));
    write(&of_codex.join("config.toml"), &codex::settings(&author));
    write(&of_claude.join("settings.json"), "{\"env\": {\"FROM_SETTINGS\": \"copied\"}}\n");
    jail.env("CODEX_HOME", &of_codex).env("CLAUDE_CONFIG_DIR", &of_claude);
    jail.env("ANTHROPIC_BASE_URL", reviewer.url()).env("ANTHROPIC_API_KEY", "sk-ant-of-a-test");
    jail.env("CODEX_API_KEY", "sk-of-a-test");
    let before = (Tree::exact(&jail.work), Tree::exact(&of_claude));

    let out = review(&jail, "codex", "claude");
    let report = report(&jail, &out, 0);
    assert_eq!(report["rounds"].as_array().map(Vec::len), Some(2), "{report:#}");
    let results: Vec<String> = reviewer.asked(|requests| {
        let results = requests.iter().map(|request| claude::results(&request.body));
        results.filter(|results| !results.is_empty()).map(|results| results.join("\n")).collect()
    });
    tried(&results[0], "hello, world");
    tried(&results[1], "hello, jail");
    assert!(results[0].contains("settings=copied"), "{}", results[0]);
    assert_same(&before.0, &Tree::exact(&jail.work).without(&["greeting.txt"]));
    assert_same(&before.1, &Tree::exact(&of_claude));
    no_home_is_left(&jail);
    // the author goes on with its conversation, the reviewer begins anew
    assert!(of_codex.join("sessions").is_dir());
    assert!(!jail.home.join(".claude").exists() && !jail.home.join(".codex").exists());
}

#[test]
fn what_the_author_puts_in_a_reviewers_place_is_not_run() {
    let mut jail = names::jail();
    let path = ["pkg".into(), jail.home.join(".local/bin").display().to_string(), PATH.into()].join(":");
    jail.env("PATH", path);
    // it has the reviewer's name, and would send on what it finds
    let author =
        "sh -c 'printf \"#!/bin/sh\\ncat ~/.claude/.credentials.json\\n\" > pkg/claude; chmod +x pkg/claude'";
    let out = review(&jail, author, "claude");
    assert_eq!(out.code(), 11, "{}{}", out.out(), out.err());
    let why = "pkg/claude lies in the workspace, so the author could have put it there";
    assert!(out.out().contains(why) && out.err().contains(why), "{}{}", out.out(), out.err());
    let mut files = Vec::new();
    list(&jail.home.join(".local/state/stockade"), &mut files);
    let has_login =
        |file: &&PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).contains("the login");
    assert_eq!(files.iter().find(has_login), None);
}
