//! What real work costs inside the jail: archives, git, builds.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Surroundings, median};

/// How often each work is done in each place; the places take turns.
const ROUNDS: usize = 5;
/// Files in the tree and in the archive.
const FILES: usize = 5000;

/// Commits what is in the index.
pub(super) const COMMIT: &str = "git -c user.name=n -c user.email=e commit --quiet --message m";

/// A piece of work: a shell script, and one that makes ready for it outside. `$N` is
/// another number each time: what is removed would make what comes next slower on
/// some file systems (see `probe`).
struct Work {
    shown: &'static str,
    ready: &'static str,
    script: &'static str,
}

const WORKS: [Work; 6] = [
    Work { shown: "`tar x`, 5,000 small files", ready: "mkdir out.$N", script: "tar xf files.tar -C out.$N" },
    Work {
        shown: "`git status`, 5,000 files, 20 times",
        ready: "true",
        script: "for n in $(seq 20); do git status --short; done",
    },
    Work {
        shown: "`find`, `xargs cat`, 5,000 files, 5 times",
        ready: "true",
        script: "for n in $(seq 5); do find tree -type f | xargs cat; done",
    },
    Work {
        shown: "`cargo build`, a new `target`",
        ready: "rm -rf crate/target",
        script: "cd crate && cargo build --quiet --offline",
    },
    Work {
        shown: "`npm install`, 60 packages",
        ready: "mkdir -p out.$N && for f in js/node_modules js/package-lock.json; do test ! -e $f || mv $f out.$N; done",
        script: "cd js && npm install --offline --no-audit --no-fund --loglevel=error",
    },
    Work {
        shown: "`cc`, 40 files into a new directory",
        ready: "rm -rf objects",
        script: "mkdir objects && for f in c/*.c; do cc -c $f -o objects/$(basename $f).o || exit 1; done",
    },
];

/// The profiles, as the table names them; none is no jail.
const PLACES: [(&str, Option<&str>); 3] =
    [("no jail", None), ("`ci`", Some("ci")), ("`standard`", Some("standard"))];

/// Seconds for a work in each place, or why there are none.
pub(super) struct Row {
    shown: &'static str,
    costs: Vec<Result<f64, String>>,
}

/// Does every work in every place, by turns.
pub(super) fn measure(root: &Path, stockade: &Path, around: &Surroundings<'_>) -> Result<Vec<Row>, String> {
    let failed = |error: std::io::Error| format!("the bench's work: {error}");
    make_sources(around.directory).map_err(failed)?;
    // What cargo reads from above the workspace, if it is there.
    let settings = root.join(".cargo");
    WORKS.iter().map(|work| row(work, &settings, stockade, around).map_err(failed)).collect()
}

fn row(work: &Work, settings: &Path, stockade: &Path, around: &Surroundings<'_>) -> std::io::Result<Row> {
    let mut times: Vec<Result<Vec<f64>, String>> = PLACES.iter().map(|_| Ok(Vec::new())).collect();
    // The first round warms caches up and does not count.
    for round in 0..=ROUNDS {
        for turn in 0..PLACES.len() {
            let index = (round + turn) % PLACES.len();
            let Ok(known) = &mut times[index] else { continue };
            let number = (round * PLACES.len() + turn).to_string();
            around.around(&mut shell(work.ready)).env("N", &number).status()?;
            let mut command = match PLACES[index].1 {
                None => shell(work.script),
                Some(profile) => jailed(stockade, profile, settings, work.script),
            };
            command.envs(toolchains()).env("N", &number);
            let start = Instant::now();
            let output = around.around(&mut command).stdin(Stdio::null()).output()?;
            let seconds = start.elapsed().as_secs_f64();
            if !output.status.success() {
                times[index] = Err(super::complaint(&output));
            } else if round > 0 {
                known.push(seconds);
            }
        }
    }
    Ok(Row { shown: work.shown, costs: times.into_iter().map(|times| times.map(median)).collect() })
}

pub(super) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn jailed(stockade: &Path, profile: &str, settings: &Path, script: &str) -> Command {
    let mut command = Command::new(stockade);
    command.args(["run", "--profile", profile]);
    let read = toolchains().into_iter().map(|(_, directory)| PathBuf::from(directory));
    for directory in read.chain([settings.to_owned()]).filter(|directory| directory.is_dir()) {
        command.arg("--allow").arg(format!("read={}", directory.display()));
    }
    command.args(["--", "sh", "-c", script]);
    command
}

/// Where Rust's toolchain lies: the bench has another home.
fn toolchains() -> [(&'static str, String); 2] {
    let home = std::env::var("HOME").unwrap_or_default();
    let place = |variable: &str, name: &str| std::env::var(variable).unwrap_or(format!("{home}/{name}"));
    [("CARGO_HOME", place("CARGO_HOME", ".cargo")), ("RUSTUP_HOME", place("RUSTUP_HOME", ".rustup"))]
}

/// Makes what the works work on.
fn make_sources(directory: &Path) -> std::io::Result<()> {
    for number in 0..FILES {
        let inner = directory.join(format!("tree/{}/{}", number / 500, number / 50 % 10));
        if number % 50 == 0 {
            fs::create_dir_all(&inner)?;
        }
        fs::write(inner.join(format!("file{number}")), format!("content of {number}\n").repeat(20))?;
    }
    make_crate(&directory.join("crate"))?;
    make_packages(&directory.join("js"))?;
    fs::create_dir_all(directory.join("c"))?;
    for number in 0..40 {
        let text =
            format!("#include <stdio.h>\nint f{number}(void) {{ return printf(\"%d\", {number}); }}\n");
        fs::write(directory.join(format!("c/f{number}.c")), text)?;
    }
    let script = format!(
        "tar cf files.tar tree && git add -A tree c && {COMMIT} && \
         printf 'out.*\nobjects\nfiles.tar\nprobe\n' > .git/info/exclude"
    );
    let status = shell(&script).current_dir(directory).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other(status.to_string())) }
}

/// A crate of twelve modules, without dependencies.
fn make_crate(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory.join("src"))?;
    let manifest = "[package]\nname = \"work\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n";
    fs::write(directory.join("Cargo.toml"), manifest)?;
    let mut main = fs::File::create(directory.join("src/main.rs"))?;
    for number in 0..12 {
        writeln!(main, "mod m{number};")?;
        let text = format!(
            "use std::collections::BTreeMap;\npub fn f(n: usize) -> BTreeMap<usize, String> {{ \
             (0..n).map(|i| (i, format!(\"{{}} {{i}}\", {number}))).collect() }}\n"
        );
        fs::write(directory.join(format!("src/m{number}.rs")), text)?;
    }
    let calls: Vec<String> = (0..12).map(|number| format!("m{number}::f(9).len()")).collect();
    writeln!(main, "fn main() {{ println!(\"{{}}\", {}); }}", calls.join(" + "))
}

/// A package that depends on sixty others, each an archive beside it.
fn make_packages(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory.join("archives"))?;
    let mut dependencies = serde_json::Map::new();
    for number in 0..60 {
        let package = directory.join("package");
        fs::create_dir_all(&package)?;
        let manifest = serde_json::json!({"name": format!("p{number}"), "version": "1.0.0"});
        fs::write(package.join("package.json"), manifest.to_string())?;
        for file in 0..30 {
            fs::write(package.join(format!("f{file}.js")), format!("module.exports = {file};\n").repeat(30))?;
        }
        let archive = format!("archives/p{number}.tgz");
        shell(&format!("tar czf {archive} package")).current_dir(directory).status()?;
        fs::remove_dir_all(&package)?;
        dependencies.insert(format!("p{number}"), format!("file:{archive}").into());
    }
    let manifest = serde_json::json!({"name": "work", "version": "1.0.0", "dependencies": dependencies});
    fs::write(directory.join("package.json"), manifest.to_string())
}

/// The results as a Markdown table; the first place is what the others are compared with.
pub(super) fn table(rows: &[Row]) -> String {
    let headings: Vec<&str> = PLACES.iter().map(|(shown, _)| *shown).collect();
    let mut text = format!("| work | {} |\n|---|{}\n", headings.join(" | "), "---:|".repeat(PLACES.len()));
    for Row { shown, costs } in rows {
        let bare = costs.first().and_then(|cost| cost.as_ref().ok()).copied();
        let cells: Vec<String> = costs
            .iter()
            .enumerate()
            .map(|(place, cost)| match (cost, bare) {
                (Err(message), _) => message.replace('|', "\\|"),
                (Ok(cost), Some(bare)) if place > 0 => format!("{:.0} ms ({:.2}×)", cost * 1e3, cost / bare),
                (Ok(cost), _) => format!("{:.0} ms", cost * 1e3),
            })
            .collect();
        text.push_str(&format!("| {shown} | {} |\n", cells.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compares_with_no_jail() {
        let rows = [Row { shown: "x", costs: vec![Ok(0.1), Ok(0.15), Err("refused".into())] }];
        let text = table(&rows);
        assert_eq!(text.lines().last(), Some("| x | 100 ms | 150 ms (1.50×) | refused |"));
    }
}
