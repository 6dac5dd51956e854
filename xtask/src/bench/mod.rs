//! `cargo xtask bench`: start-up and running costs beside other jails.

mod deeds;
pub(crate) mod keep;
pub(crate) mod probe;
mod running;
mod startup;
mod work;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::Outcome;
use running::Place;
use startup::Contender;

/// What starts and ends the measured part of the README.
const MARKS: (&str, &str) = ("<!-- bench -->", "<!-- /bench -->");

/// A part of the measurements, each with a table of its own.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Starting and ending a jail, beside other jails.
    Start,
    /// Single system calls.
    Calls,
    /// Keeping what a session changes.
    Keep,
    /// Whole deeds, without keeping and with it.
    Deeds,
    /// Real work.
    Work,
}

/// Measures, prints, and where asked writes the README's part.
pub(crate) fn run(root: &Path, rounds: usize, only: Option<Part>, write: bool) -> Outcome {
    let stockade = build(root, "stockade")?;
    let probe = build(root, "xtask")?;
    let text = measure(root, &stockade, &probe, rounds, only)?;
    print!("{text}");
    if !write {
        return Ok(());
    }
    let readme = root.join("README.md");
    let old = fs::read_to_string(&readme).map_err(|error| format!("README.md: {error}"))?;
    let new = replace(&old, &text).ok_or_else(|| format!("README.md: no {} … {}", MARKS.0, MARKS.1))?;
    fs::write(&readme, new).map_err(|error| format!("README.md: {error}"))
}

/// Builds a package's program for release and gives its path.
fn build(root: &Path, package: &str) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args([
            "build",
            "--release",
            "--quiet",
            "--message-format=json",
            "--package",
            package,
            "--bin",
            package,
        ])
        .output()
        .map_err(|error| format!("cargo build: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo build: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo built no {package}"))
}

/// Measures everything in a git workspace of its own, with a home of its own.
fn measure(
    root: &Path,
    stockade: &Path,
    probe: &Path,
    rounds: usize,
    only: Option<Part>,
) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("the bench's workspace: {error}");
    // Not beneath /tmp, which no home is.
    let temporary = tempfile::tempdir_in(root.join("target")).map_err(failed)?;
    let home = temporary.path().join("home");
    let workspace = temporary.path().join("workspace");
    let scratch = workspace.join("scratch");
    // Apart: the start of `ci` looks through a workspace.
    let deeds = temporary.path().join("deeds");
    for directory in [&home, &scratch, &deeds] {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    [&workspace, &scratch, &deeds].into_iter().for_each(|directory| spread(directory));
    let git = Command::new("git").args(["init", "--quiet"]).arg(&workspace).status().map_err(failed)?;
    if !git.success() {
        return Err(format!("git init: {git}"));
    }
    // The jail must be able to reach the probe.
    let inside = workspace.join("probe");
    fs::copy(probe, &inside).map_err(failed)?;

    let jail = stockade.to_str().ok_or("the path of the built stockade is not UTF-8")?;
    let places = [
        Place::new("no jail", &[]),
        Place::new("`ci --static`", &[jail, "run", "--static", "--profile", "ci", "--"]),
        Place::new("`ci`", &[jail, "run", "--profile", "ci", "--"]),
        Place::new("`ci` in `$TMPDIR`", &[jail, "run", "--profile", "ci", "--", "sh", "-c", IN_TMPDIR]),
        Place::new("`standard`", &[jail, "run", "--profile", "standard", "--"]),
    ];
    let workspace = Surroundings { directory: &workspace, home: &home };
    let mut text = format!("{}\n", machine(rounds));
    let wanted = |part: Part, what: &str| {
        let wanted = only.is_none_or(|only| only == part);
        if wanted {
            eprintln!("measuring {what}");
        }
        wanted
    };
    if wanted(Part::Start, "start and end") {
        let starts = startup::measure(&contenders(stockade), rounds, &workspace)?;
        text = format!("{text}\n{}", startup::table(&starts));
    }
    if wanted(Part::Calls, "single calls") {
        let costs = running::measure(&places, &inside, &scratch, &workspace);
        text = format!("{text}\n{}", running::table(&places, &costs));
    }
    if wanted(Part::Keep, "keeping") {
        text = format!("{text}\n{}", keep::table(&keep::measure(stockade, &inside, &workspace)?));
    }
    if wanted(Part::Deeds, "whole deeds") {
        let around = Surroundings { directory: &deeds, home: &home };
        text = format!("{text}\n{}", deeds::table(&deeds::measure(stockade, &around)?));
    }
    if wanted(Part::Work, "real work") {
        text = format!("{text}\n{}", work::table(&work::measure(root, stockade, &workspace)?));
    }
    Ok(text)
}

/// Has ext4 put each directory in this one into a group of its own (see `probe`);
/// other file systems need not, and refuse.
fn spread(directory: &Path) {
    let _ = Command::new("chattr").arg("+T").arg(directory).output();
}

/// Runs the probe, which comes behind this as arguments, in the session's own
/// temporary directory instead of the one it is given.
const IN_TMPDIR: &str = "exec \"$0\" \"$1\" \"$TMPDIR\"";

/// Where measured commands run.
struct Surroundings<'a> {
    /// Their working directory.
    directory: &'a Path,
    /// Their home: what they note down must not land in the real one.
    home: &'a Path,
}

impl Surroundings<'_> {
    /// Puts a command there.
    fn around<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for variable in
            ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"]
        {
            command.env_remove(variable);
        }
        command.current_dir(self.directory).env("HOME", self.home)
    }
}

/// bubblewrap with about what a stockade jail promises: no signals and no
/// shared memory across its border, a hidden home, a `.git` that cannot change.
const BWRAP_ALIKE: &str = "bwrap --unshare-pid --unshare-ipc --die-with-parent --ro-bind / / --dev /dev \
                           --proc /proc --tmpfs /tmp --tmpfs $HOME --bind $PWD $PWD \
                           --ro-bind $PWD/.git $PWD/.git true";

/// What is compared.
fn contenders(stockade: &Path) -> [Contender; 7] {
    [
        Contender::new("true", "/bin/true"),
        Contender::new("stockade run --static --profile ci -- true", stockade),
        Contender::new("stockade run --profile ci -- true", stockade),
        Contender::new("bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp true", "bwrap"),
        Contender::new(BWRAP_ALIKE, "bwrap"),
        Contender::new("firejail --noprofile --quiet true", "firejail"),
        Contender::new("firejail --quiet true", "firejail"),
    ]
}

/// A sentence on the machine and the method.
fn machine(rounds: usize) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: String =
        kernel.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let user = if root { "as root" } else { "as an ordinary user" };
    let peers: Vec<String> = ["bwrap", "firejail"].into_iter().filter_map(version).collect();
    let peers = if peers.is_empty() { String::new() } else { format!(", {}", peers.join(", ")) };
    format!(
        "Linux {kernel} with {cores} cores, {user}{peers}; medians of {rounds} rounds in which the commands \
         take turns."
    )
}

/// Name and version of a program that is installed.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find(|line| !line.trim().is_empty()).map(|line| line.trim().replace(" version ", " "))
}

/// The last line that a failed command wrote to its standard error, or else its status.
fn complaint(output: &Output) -> String {
    let message = String::from_utf8_lossy(&output.stderr);
    let last = message.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())
}

/// The middle of some numbers; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[count / 2],
        count => f64::midpoint(numbers[count / 2 - 1], numbers[count / 2]),
    }
}

/// A text with other words between the marks; none where a mark is missing.
fn replace(text: &str, part: &str) -> Option<String> {
    let (before, rest) = text.split_once(MARKS.0)?;
    let (_, after) = rest.split_once(MARKS.1)?;
    Some(format!("{before}{}\n{part}{}{after}", MARKS.0, MARKS.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let old = "a\n<!-- bench -->\nold\n<!-- /bench -->\nb\n";
        let new = replace(old, "new\n").unwrap();
        assert_eq!(new, "a\n<!-- bench -->\nnew\n<!-- /bench -->\nb\n");
        assert_eq!(replace(&new, "new\n").unwrap(), new);
        assert_eq!(replace("a\n<!-- bench -->\n", "new\n"), None);
    }
}
