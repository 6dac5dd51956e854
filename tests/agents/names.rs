//! Which agent a command is, and what that changes, with a program in its place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::support::fixture::{PATH, write};
use crate::support::{Jail, Output, process};

/// A program that says with what it was started.
const PROGRAM: &str = "#!/bin/sh\necho \"args: $*\"\necho \"key: $ANTHROPIC_API_KEY$OPENAI_API_KEY\"\n\
    echo \"login: $(cat ~/.claude/.credentials.json 2>&1)\"\n";

/// Makes a program.
pub fn program(path: &Path) {
    write(path, PROGRAM);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

/// A home with a login and a `claude` in it.
pub fn jail() -> Jail {
    let mut jail = Jail::new("standard");
    write(&jail.home.join(".claude/.credentials.json"), "the login");
    write(&jail.home.join(".claude.json"), "{}");
    program(&jail.home.join(".local/bin/claude"));
    let path = format!("{}:{PATH}", jail.home.join(".local/bin").display());
    jail.env("PATH", path).env("ANTHROPIC_API_KEY", "of-claude").env("OPENAI_API_KEY", "of-codex");
    jail
}

/// `stockade COMMAND ARGS` in the jail's world.
pub fn stockade(jail: &Jail, line: &str) -> Output {
    jail.stockade(&line.split(' ').collect::<Vec<_>>())
}

const FLAGS: &str = "--permission-mode bypassPermissions --settings ";

#[test]
fn an_agent_is_recognised_and_gets_what_is_its_own() {
    let jail = jail();
    let out = stockade(&jail, "run -- claude -p hi");
    assert!(out.expect(0).contains(&format!("args: {FLAGS}")), "{}", out.out());
    let first = out.err().lines().next().unwrap_or_default().to_string();
    assert!(
        first.starts_with("stockade: standard, ") && first.ends_with("; agent claude, its own prompts off"),
        "{first}"
    );
    assert!(out.out().contains("-p hi\nkey: of-claude\nlogin: the login\n"), "{}", out.out());

    let out = stockade(&jail, "run --agent-flags keep -- claude -p hi");
    assert_eq!(out.expect(0), "args: -p hi\nkey: of-claude\nlogin: the login\n");
    assert!(out.err().ends_with("; agent claude\n"));

    let out = stockade(&jail, "run --agent none -- claude -p hi");
    assert!(out.expect(0).starts_with("args: -p hi\nkey: \nlogin: cat: "), "{}", out.out());
    assert!(!out.err().contains("agent"), "{}", out.err());

    // by hand it is whatever a person says
    let out = jail.stockade(&[
        "run",
        "--agent",
        "codex",
        "--",
        "sh",
        "-c",
        "echo $OPENAI_API_KEY$ANTHROPIC_API_KEY",
    ]);
    assert_eq!(out.expect(0), "of-codex\n");
    assert!(out.err().ends_with("; agent codex\n"), "{}", out.err());
    let out = stockade(&jail, "run --agent nobody -- true");
    assert!(out.code() == 125 && out.err().contains("unknown agent `nobody`"), "{}", out.err());
}

#[test]
fn the_plan_shows_the_agent() {
    let jail = jail();
    let text = stockade(&jail, "plan -- claude -p hi").expect(0);
    assert!(text.starts_with(&format!("agent      agents/claude\nadded      {FLAGS}")), "{text}");
    assert!(
        text.contains(" IS_SANDBOX") && text.contains("env passed ") && text.contains("ANTHROPIC_*"),
        "{text}"
    );
    let json: Value =
        serde_json::from_str(&stockade(&jail, "plan --json -- claude -p hi").expect(0)).expect("JSON");
    assert_eq!(json["agent"]["name"], "claude");
    assert_eq!(json["agent"]["added"][1], "bypassPermissions");
    assert_eq!(json["settings"]["env"]["set"]["IS_SANDBOX"], "1");
    let json: Value = serde_json::from_str(&stockade(&jail, "plan --json -- true").expect(0)).expect("JSON");
    assert!(json.get("agent").is_none());
    let why = stockade(&jail, "why --agent claude modify ../home/.claude/settings.json").expect(0);
    assert!(why.contains("deny") && why.contains("built-in profile agents/claude:"), "{why}");
}

#[test]
fn strict_levels_leave_an_agent_its_network_and_its_state() {
    let jail = jail();
    for level in ["strict", "readonly"] {
        let json = stockade(&jail, &format!("plan --json --profile {level} -- claude")).expect(0);
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["settings"]["network"], "open", "{level}");
        let script = "mkdir -p ~/.claude/projects/x && echo x > ~/.claude/projects/x/y; echo x > made; ls ~/.claude/projects";
        let out = jail.stockade(&["run", "--profile", level, "--agent", "claude", "--", "sh", "-c", script]);
        assert!(out.out().ends_with("x\n"), "{level}: {} {}", out.out(), out.err());
        assert_eq!(fs::remove_file(jail.work.join("made")).is_ok(), level == "strict");
    }
    // what the user wrote comes last
    write(&jail.base().join("own.yaml"), "version: 1\nname: own\nextends: standard\nnetwork: loopback\n");
    let json = stockade(&jail, "plan --json --profile ../own.yaml -- claude").expect(0);
    assert!(json.contains("\"network\": \"loopback\""), "{json}");
}

#[test]
fn files_that_a_variable_moves_are_found() {
    let mut jail = jail();
    let elsewhere = jail.home.join("elsewhere");
    fs::create_dir_all(&elsewhere).expect("make a directory");
    jail.env("CLAUDE_CONFIG_DIR", &elsewhere);
    let script = "cd $CLAUDE_CONFIG_DIR && echo x > history.jsonl; echo x > settings.json; ls; cat ~/.claude/.credentials.json";
    let out = jail.stockade(&["run", "--agent", "claude", "--", "sh", "-c", script]);
    let listed = out.out();
    assert!(listed.contains("history.jsonl\n"), "{listed} {}", out.err());
    assert!(!listed.contains("settings.json") && !listed.contains("the login"), "{listed}");
    // not where more than an agent's files would be opened
    for wide in [jail.home.clone(), jail.work.clone(), jail.base().to_owned()] {
        jail.env("CLAUDE_CONFIG_DIR", &wide);
        let out = jail.stockade(&["run", "--agent", "claude", "--", "ls", "../home"]);
        assert!(out.err().contains("nothing is opened there"), "{}", out.err());
        assert_ne!(out.code(), 0);
    }
}

#[test]
fn what_the_jail_could_have_put_there_is_no_agent() {
    let jail = jail();
    let refused = |dir: &str, args: &[&str], why: &str| {
        let path = format!("{dir}:{}:{PATH}", jail.home.join(".local/bin").display());
        let mut command = jail.bare_command(crate::support::jail::stockade());
        command.arg("run").arg("--").args(args).env("PATH", path);
        let out = process::run(&mut command, process::LIMIT);
        assert!(!out.out().contains("the login") && !out.out().contains("of-c"), "{args:?}: {}", out.out());
        assert!(out.err().contains(why) && !out.err().contains("stockade: agent"), "{args:?}: {}", out.err());
    };
    let work = &jail.work;
    program(&work.join("claude"));
    let in_work = "lies in the workspace, so nothing is opened for the agent claude; --agent claude does it";
    refused(&work.display().to_string(), &["claude"], in_work);
    refused(".", &["claude"], in_work);
    refused("/none", &["./claude"], in_work);
    // a link from the workspace to the real one could be another tomorrow
    symlink(jail.home.join(".local/bin/claude"), work.join("pkg/claude")).expect("make a link");
    refused("pkg", &["claude"], in_work);
    // and a real one that is a link into it
    let bin = jail.home.join("bin");
    fs::create_dir_all(&bin).expect("make a directory");
    symlink(work.join("claude"), bin.join("claude")).expect("make a link");
    refused(&bin.display().to_string(), &["claude"], in_work);
    // a place that jails write to
    program(&jail.home.join(".npm/bin/claude"));
    refused(&jail.home.join(".npm/bin").display().to_string(), &["claude"], "can be changed in the jail");
    // what its first line names
    write(&bin.join("codex"), "#!/usr/bin/env node\n");
    fs::set_permissions(bin.join("codex"), fs::Permissions::from_mode(0o755)).expect("chmod");
    program(&work.join("pkg/node"));
    refused(&format!("pkg:{}", bin.display()), &["codex"], "lies in the workspace");
    // where it is looked for in the workspace, or in a cache
    refused("/none", &["npx", "--no", "@openai/codex"], "is looked for where this jail can write");
    refused("/none", &["python3", "-m", "aider"], "is looked for where this jail can write");
}
