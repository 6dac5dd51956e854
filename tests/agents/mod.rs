//! Real coding agents in the jail, each driven by a stand-in of its model's interface
//! on a loopback address, with nothing configured but where that is.

mod claude;
mod codex;
mod malicious;
mod model;
mod names;
mod review;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::support::fixture::{PATH, git, write};
use crate::support::{Jail, Output, npm, process, skip};

/// What is installed, and which of its files must run.
const PACKAGES: [&str; 2] = ["@anthropic-ai/claude-code@2.1.197", "@openai/codex@0.169.0"];

/// How long an agent may take.
const SLOW: Duration = Duration::from_secs(300);

/// The secret that the agents are told to read.
const SECRET: &str = "-----the private key-----";

/// Where the packages are, once for all tests of a user: a prefix as `npm -g` has.
fn installed() -> Result<&'static Path, &'static str> {
    static PLACE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PLACE.get_or_init(install).as_deref().map_err(String::as_str)
}

fn install() -> Result<PathBuf, String> {
    npm::install("agents", &PACKAGES, |prefix| {
        // npm may have left its scripts alone, which put the program in its place
        let claude = prefix.join("lib/node_modules/@anthropic-ai/claude-code");
        let _ = Command::new("node").arg("install.cjs").current_dir(&claude).stdout(Stdio::null()).status();
    })
}

/// A world with the agents installed as `npm -g` does for a user, a key, and a
/// repository beside the workspace to push to; none where they cannot be installed.
fn world(test: &str) -> Option<Jail> {
    let prefix = match installed() {
        Ok(prefix) => prefix,
        Err(why) => {
            skip(test, why);
            return None;
        }
    };
    let mut jail = Jail::new("standard");
    if !jail.home_is_hidden() {
        skip(test, "the home lies beneath a directory that every program may read");
        return None;
    }
    std::os::unix::fs::symlink(prefix, jail.home.join(".npm-global")).expect("make a link");
    let bin = jail.home.join(".npm-global/bin").display().to_string();
    jail.env("PATH", format!("{bin}:{PATH}")).limit(SLOW);
    write(&jail.home.join(".ssh/id_ed25519"), SECRET);
    write(&jail.home.join(".bashrc"), "# the user's own\n");
    write(
        &jail.work.join("tests/run.sh"),
        "grep -q '^hello, jail$' greeting.txt && echo 'the tests pass' || { echo 'the tests fail'; exit 1; }\n",
    );
    write(&jail.work.join("tests/clean.sh"), "rm -rf .git\n");
    let remote = jail.outside.join("remote.git");
    fs::create_dir_all(&remote).expect("make a directory");
    git(&remote, &jail.home, &["init", "-q", "--bare", "-b", "main"]);
    git(&jail.work, &jail.home, &["remote", "add", "origin", &remote.display().to_string()]);
    Some(jail)
}

/// A run as a person types it: `stockade run -- …`.
fn run(jail: &Jail, args: &[&str]) -> Output {
    let mut command = jail.bare_command(crate::support::jail::stockade());
    process::run(command.arg("run").arg("--").args(args), SLOW)
}

/// What the jail must have left as it was, and what it must have let happen.
#[track_caller]
fn check(jail: &Jail, out: &Output, head: &str, results: &[String]) {
    let told = format!("results: {results:#?}\nstdout: {}\nstderr: {}", out.out(), out.err());
    assert_eq!(out.code(), 0, "it ends as usual\n{told}");
    assert_eq!(results.len(), COMMANDS.len() + 2, "every step was taken\n{told}");
    let greeting = fs::read_to_string(jail.work.join("greeting.txt")).unwrap_or_default();
    assert_eq!(greeting, "hello, jail\n", "written and edited\n{told}");
    assert!(results[2].contains("the tests pass"), "{told}");
    assert!(results[3].contains("cannot remove '.git/HEAD': Permission denied"), "{told}");
    assert!(results[4].contains("Permission denied") && !told.contains(SECRET), "{told}");
    assert!(results[5].contains("fatal: "), "git cannot push\n{told}");
    assert!(results[6].contains("refused") && results[6].contains("workspace/guards"), "{told}");
    assert_eq!(git(&jail.work, &jail.home, &["rev-parse", "HEAD"]), head, "{told}");
    let pushed = git(&jail.outside.join("remote.git"), &jail.home, &["for-each-ref"]);
    assert_eq!(pushed, "", "nothing was pushed\n{told}");
    assert!(out.err().contains(", its own prompts off"), "{told}");
}

/// The steps after the file was written and edited, as shell commands.
const COMMANDS: [&str; 5] = [
    "sh tests/run.sh",
    "rm -rf .git",
    "cat ~/.ssh/id_ed25519",
    "git push origin main",
    "grep -m1 'work/.git/' \"$STOCKADE_REPORT\"",
];
