//! What system calls cost inside the jail, beside the same calls outside.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::probe::OPERATIONS;
use super::{Surroundings, median};

/// How often the probe runs in each place; the places take turns.
const ROUNDS: usize = 9;

/// A place to run the probe in.
pub(super) struct Place {
    /// The table's heading.
    heading: String,
    /// What comes before the probe on the command line; empty outside a jail.
    before: Vec<String>,
}

impl Place {
    /// A place; a jail's command line starts with its program.
    pub(super) fn new(heading: &str, before: &[&str]) -> Place {
        Place { heading: heading.to_owned(), before: before.iter().map(|&word| word.to_owned()).collect() }
    }

    /// Runs the probe; gives its JSON object, or why there is none.
    fn run(&self, probe: &Path, directory: &Path, around: &Surroundings<'_>) -> Result<Value, String> {
        let mut words = self.before.iter().map(PathBuf::from).chain([probe.to_owned()]);
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(program);
        let output = around
            .around(&mut command)
            .args(words)
            .arg("probe")
            .arg(directory)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(super::complaint(&output));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }
}

/// The cost of each operation in one place, in nanoseconds, or why there is none.
pub(super) type Costs = Vec<Result<f64, String>>;

/// Runs the probe in every place by turns.
pub(super) fn measure(
    places: &[Place],
    probe: &Path,
    directory: &Path,
    around: &Surroundings<'_>,
) -> Vec<Costs> {
    let mut runs: Vec<Vec<Result<Value, String>>> = places.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for turn in 0..places.len() {
            let index = (round + turn) % places.len();
            runs[index].push(places[index].run(probe, directory, around));
        }
    }
    runs.iter().map(|runs| OPERATIONS.iter().map(|operation| middle(runs, operation)).collect()).collect()
}

/// The median of an operation's costs; an error in any run counts for all.
fn middle(runs: &[Result<Value, String>], operation: &str) -> Result<f64, String> {
    let costs = runs.iter().map(|run| {
        let cost = &run.as_ref().map_err(Clone::clone)?[operation];
        cost.as_f64().ok_or_else(|| cost.as_str().unwrap_or("no result").to_owned())
    });
    costs.collect::<Result<Vec<_>, _>>().map(median)
}

/// The costs as a Markdown table; the first place is what the others are compared with.
pub(super) fn table(places: &[Place], costs: &[Costs]) -> String {
    let mut text = "| one call |".to_owned();
    for place in places {
        text.push_str(&format!(" {} |", place.heading));
    }
    text.push_str(&format!("\n|---|{}\n", "---:|".repeat(places.len())));
    for (index, operation) in OPERATIONS.iter().enumerate() {
        text.push_str(&format!("| {operation} |"));
        let bare = costs.first().and_then(|costs| costs[index].as_ref().ok()).copied();
        for (place, costs) in costs.iter().enumerate() {
            let cell = match (&costs[index], bare) {
                (Err(message), _) => message.replace('|', "\\|"),
                (Ok(cost), Some(bare)) if place > 0 => format!("{} ({:.1}×)", duration(*cost), cost / bare),
                (Ok(cost), _) => duration(*cost),
            };
            text.push_str(&format!(" {cell} |"));
        }
        text.push('\n');
    }
    text
}

/// Nanoseconds with a unit that suits them.
fn duration(nanoseconds: f64) -> String {
    if nanoseconds < 1000.0 {
        format!("{nanoseconds:.0} ns")
    } else {
        format!("{:.1} µs", nanoseconds / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_run_counts_and_an_error_for_all() {
        let run = |cost: Value| Ok(serde_json::json!({ "stat": cost }));
        assert_eq!(middle(&[run(3.into()), run(1.into()), run(2.into())], "stat"), Ok(2.0));
        assert_eq!(middle(&[run(3.into()), run("refused".into())], "stat"), Err("refused".to_owned()));
        assert_eq!(middle(&[Err("broken".to_owned())], "stat"), Err("broken".to_owned()));
        assert_eq!(middle(&[run(3.into())], "chmod"), Err("no result".to_owned()));
    }

    #[test]
    fn the_table_compares_with_the_first_place() {
        let places = [Place::new("no jail", &[]), Place::new("jail", &["jail"])];
        let mut costs = vec![vec![Ok(500.0); OPERATIONS.len()], vec![Ok(1500.0); OPERATIONS.len()]];
        costs[1][1] = Err("refused".to_owned());
        let text = table(&places, &costs);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["| one call | no jail | jail |", "|---|---:|---:|"]);
        assert_eq!(lines[2], "| getppid | 500 ns | 1.5 µs (3.0×) |");
        assert_eq!(lines[3], "| stat | 500 ns | refused |");
    }

    #[test]
    fn a_probe_that_does_not_run_gives_its_message() {
        let here = tempfile::tempdir().unwrap();
        let around = Surroundings { directory: here.path(), home: here.path() };
        let place = Place::new("jail", &["/bin/ls", "/missing"]);
        let message = place.run(Path::new("probe"), Path::new("/"), &around).unwrap_err();
        assert!(!message.is_empty());
    }
}
