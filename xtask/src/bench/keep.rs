//! What it costs to keep what a session changes: the same calls on files that it
//! made itself, of which nothing is kept, and on files that were there before.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Surroundings, median};
use crate::Outcome;

/// How often the probe runs.
const ROUNDS: usize = 9;
/// Files of each kind.
const FILES: usize = 400;
/// How often files are opened again.
const TURNS: usize = 5;
/// Bytes of a file.
const SIZE: usize = 8 << 10;

/// After so long what was kept is on the disk (once a second), which takes time from
/// what comes next.
pub(super) const SETTLING: Duration = Duration::from_millis(2500);

/// What is measured, as the table names it, and what of the probe's answer it is.
const ROWS: [(&str, &str, &str); 3] = [
    ("open to write, 8 KiB, the first time", "open own", "open first"),
    ("open to write, again", "open own again", "open again"),
    ("unlink, 8 KiB", "unlink own", "unlink old"),
];

/// Nanoseconds for one call on each of the files.
fn each(files: &[PathBuf], call: impl Fn(&Path) -> io::Result<()>) -> io::Result<f64> {
    let start = Instant::now();
    files.iter().try_for_each(|file| call(file))?;
    Ok(start.elapsed().as_secs_f64() * 1e9 / files.len() as f64)
}

fn files(directory: &Path, kind: &str) -> Vec<PathBuf> {
    (0..FILES).map(|number| directory.join(kind).join(number.to_string())).collect()
}

fn make(directory: &Path, kind: &str) -> io::Result<()> {
    fs::create_dir_all(directory.join(kind))?;
    files(directory, kind).iter().try_for_each(|file| fs::write(file, vec![b'x'; SIZE]))
}

/// Measures in a jail, where `written` and `removed` were there before, and
/// prints a JSON object.
pub(crate) fn probe(directory: &Path) -> Outcome {
    let measured = measure_here(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    println!("{measured}");
    Ok(())
}

fn measure_here(directory: &Path) -> io::Result<Value> {
    make(directory, "own")?;
    let [own, written, removed] = ["own", "written", "removed"].map(|kind| files(directory, kind));
    let open = |file: &Path| OpenOptions::new().write(true).open(file).map(drop);
    let look = |file: &Path| File::open(file).map(drop);
    for kind in [&own, &written, &removed] {
        each(kind, look)?;
    }
    thread::sleep(SETTLING);
    let (open_own, open_first) = (each(&own, open)?, each(&written, open)?);
    thread::sleep(SETTLING);
    // In turns: a difference would be small.
    let (mut own_again, mut again) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        own_again.push(each(&own, open)?);
        again.push(each(&written, open)?);
    }
    Ok(json!({
        "open own": open_own,
        "open first": open_first,
        "open own again": median(own_again),
        "open again": median(again),
        "unlink own": each(&own, |file| fs::remove_file(file))?,
        "unlink old": each(&removed, |file| fs::remove_file(file))?,
    }))
}

/// A row: what, and the nanoseconds of own things and of old ones.
pub(super) type Row = (&'static str, f64, f64);

/// A profile in which all of the workspace is kept, and what holds for removing there.
pub(super) fn profile(settings: &str, remove: &str) -> String {
    format!(
        "version: 1\nname: measured\nextends: standard\n{settings}approvals: {{bulk: 1000000}}\nrules:\n  \
         - access: {{read: allow, execute: allow, create: keep, modify: keep, remove: {remove}}}\n    \
         paths: [\".\"]\n    why: it is measured\n"
    )
}

/// Runs the probe in a jail where everything is kept.
pub(super) fn measure(stockade: &Path, probe: &Path, around: &Surroundings<'_>) -> Result<Vec<Row>, String> {
    let failed = |error: io::Error| format!("the bench of keeping: {error}");
    let file = around.directory.join("keep.yaml");
    fs::write(&file, profile("", "keep")).map_err(failed)?;
    let directory = around.directory.join("kept");
    let mut runs = Vec::new();
    // The first round warms caches up and does not count.
    for round in 0..=ROUNDS {
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(failed)?;
        }
        make(&directory, "written").and_then(|()| make(&directory, "removed")).map_err(failed)?;
        let mut command = Command::new(stockade);
        command.args(["run", "--profile"]).arg(&file).arg("--").arg(probe).arg("probe-keep").arg(&directory);
        let output = around.around(&mut command).stdin(Stdio::null()).output().map_err(failed)?;
        if !output.status.success() {
            return Err(super::complaint(&output));
        }
        let measured: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        if round > 0 {
            runs.push(measured);
        }
    }
    let middle = |key: &str| median(runs.iter().filter_map(|run| run[key].as_f64()).collect());
    Ok(ROWS.iter().map(|(shown, own, old)| (*shown, middle(own), middle(old))).collect())
}

/// The costs as a Markdown table.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text =
        "| one call | on what the session made | on what was there before, and is kept |\n|---|---:|---:|\n"
            .to_owned();
    for (shown, own, old) in rows {
        let (own, old, ratio) = (own / 1e3, old / 1e3, old / own);
        text.push_str(&format!("| {shown} | {own:.1} µs | {old:.1} µs ({ratio:.2}×) |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured() {
        let directory = tempfile::tempdir().unwrap();
        for kind in ["written", "removed"] {
            make(directory.path(), kind).unwrap();
        }
        let measured = measure_here(directory.path()).unwrap();
        for (_, own, old) in ROWS {
            assert!(measured[own].as_f64().is_some_and(|cost| cost > 0.0), "{measured}");
            assert!(measured[old].as_f64().is_some_and(|cost| cost > 0.0), "{measured}");
        }
    }

    #[test]
    fn the_table_compares() {
        let text = table(&[("x", 2000.0, 3000.0)]);
        assert_eq!(text.lines().last(), Some("| x | 2.0 µs | 3.0 µs (1.50×) |"));
    }
}
