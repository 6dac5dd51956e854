//! The commands in README.md are run as they are printed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::fixture::{PATH, World, git, repository};
use crate::support::jail::stockade;
use crate::support::process::{self, LIMIT};

/// Beginnings of commands that take too long here, or build the program anew.
const KNOWN: &[&str] = &[
    "cargo build",
    "cargo test",
    "cargo install",
    "cargo xtask",
    "cargo bench",
    "cargo clippy",
    "cargo doc",
    "cargo fmt",
    "git clone",
    "cd ",
];

/// The commands of all `console` blocks, continued lines joined.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let block = block.split("```").next().expect("a block ends").replace("\\\n", " ");
        commands.extend(block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned));
    }
    commands
}

/// A small program for each build tool that the examples use.
fn stand_ins(world: &World) -> std::path::PathBuf {
    let bin = world.work.join("pkg/bin");
    fs::create_dir_all(&bin).expect("make a directory");
    for tool in ["make", "cmake", "claude", "codex", "npm", "cargo"] {
        let path = bin.join(tool);
        fs::write(&path, "#!/bin/sh\nexit 0\n").expect("write");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("chmod");
    }
    bin
}

fn run(command: &str, world: &World, bin: &Path) -> process::Output {
    let executable = stockade();
    let dir = executable.parent().expect("it lies in a directory").display().to_string();
    let program = executable.display();
    let line = command.replace("cargo run --quiet --", &program.to_string());
    let line = match line.strip_prefix("stockade ") {
        Some(rest) => format!("{program} {rest}"),
        None => line,
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(&world.work).env_clear().env("HOME", &world.home);
    shell.env("PATH", format!("{}:{dir}:{PATH}", bin.display()));
    process::run(&mut shell, LIMIT)
}

#[test]
fn every_command_in_the_readme_works() {
    let text = fs::read_to_string(repository().join("README.md")).expect("read README.md");
    let commands = commands(&text);
    assert!(commands.len() > 5, "commands were found: {commands:?}");
    for command in commands {
        if KNOWN.iter().any(|known| command.starts_with(known)) {
            continue;
        }
        let world = World::new();
        let bin = stand_ins(&world);
        let before = git(&world.work, &world.home, &["log", "--oneline"]);
        let out = run(&command, &world, &bin);
        if command.contains("mv .git") {
            assert_ne!(out.code(), 0, "{command}: {}", out.out());
            assert!(out.code() < 125, "{command}: {}", out.err());
            let shown = "mv: cannot move '.git' to 'gone': Permission denied";
            assert!(out.err().contains(shown) && text.contains(shown), "{}", out.err());
        } else {
            assert_eq!(out.code(), 0, "{command}: {} {}", out.out(), out.err());
        }
        assert_eq!(before, git(&world.work, &world.home, &["log", "--oneline"]), "{command}");
    }
}
