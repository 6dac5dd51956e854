//! What real shells complete: commands and ids of sessions.

use std::process::Command;

use crate::support::jail::stockade;
use crate::support::pty::Terminal;
use crate::support::{Jail, skip};

/// A home with a session, and its id.
fn with_session() -> (Jail, String) {
    let jail = Jail::new("standard");
    jail.sh("echo text > file").expect(0);
    let id = jail.stockade(&["sessions", "--ids"]).out().trim().to_string();
    assert!(!id.is_empty(), "a session is known");
    (jail, id)
}

/// A shell's command with `stockade` in its path.
fn shell(jail: &Jail, name: &str) -> Command {
    let mut command = jail.bare_command(name);
    let dir = stockade().parent().expect("it lies in a directory").to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([dir].into_iter().chain(std::env::split_paths(&path)));
    command.env("PATH", path.expect("join the path"));
    command
}

fn is_there(shell: &str, test: &str) -> bool {
    let is_there = Command::new(shell).arg("--version").output().is_ok();
    if !is_there {
        skip(test, &format!("there is no {shell}"));
    }
    is_there
}

#[test]
fn bash_completes_commands_and_sessions() {
    let (jail, id) = with_session();
    let script = "source <(stockade completions bash)\n\
                  complete_after() {\n\
                      COMP_WORDS=(stockade \"$@\"); COMP_CWORD=$#; COMPREPLY=()\n\
                      eval \"$(complete -p stockade | sed 's/.*-F \\([^ ]*\\) .*/\\1/') stockade \\\"\\${@: -1}\\\" stockade\"\n\
                      echo \"${COMPREPLY[*]}\"\n\
                  }\n\
                  complete_after und\ncomplete_after undo \"\"\ncomplete_after run \"\"\n\
                  complete_after run --profile rel\n";
    let out = shell(&jail, "bash").args(["--norc", "-c", script]).output().expect("run bash");
    let told = String::from_utf8_lossy(&out.stdout);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "undo", "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(lines[1].contains(&id), "{told}");
    assert!(!lines[2].contains(&id) && lines[2].contains("--profile"), "{told}");
    assert_eq!(lines[3].trim(), "relaxed", "{told}");
}

#[test]
fn fish_completes_commands_and_sessions() {
    if !is_there("fish", "fish completes") {
        return;
    }
    let (jail, id) = with_session();
    let complete = |line: &str| {
        let script = format!("stockade completions fish | source; complete -C '{line}'");
        let out = shell(&jail, "fish").args(["--no-config", "-c", &script]).output().expect("run fish");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(complete("stockade und").starts_with("undo"), "{}", complete("stockade und"));
    assert!(complete("stockade undo ").lines().any(|line| line == id), "{}", complete("stockade undo "));
    assert!(!complete("stockade run ").contains(&id));
    assert!(complete("stockade run --profile rel").starts_with("relaxed"));
}

#[test]
fn zsh_completes_commands_and_sessions() {
    if !is_there("zsh", "zsh completes") {
        return;
    }
    let (jail, id) = with_session();
    let mut command = shell(&jail, "zsh");
    let mut terminal = Terminal::start(command.args(["-f", "-i"]).env("PS1", "ready> "), 24, 200);
    terminal.expect("ready> ");
    terminal
        .send("autoload -Uz compinit && compinit -u -D; source <(stockade completions zsh); echo load''ed\n");
    terminal.expect("loaded");
    terminal.send("stockade und\t");
    terminal.expect("stockade undo ");
    terminal.send(&format!("{}\t", &id[..id.len() - 3]));
    // To the beginning of the line, and show what it has come to.
    terminal.send("\u{1}echo it is: \n");
    terminal.expect(&format!("it is: stockade undo {id}"));
    terminal.send("exit\n");
    assert_eq!(terminal.code(), 0, "{}", terminal.screen());
}
