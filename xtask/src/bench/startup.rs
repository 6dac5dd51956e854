//! How long jails take to start and end, beside each other.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Surroundings, median};

/// Rounds before those that count.
const WARM_UP: usize = 5;

/// A command whose start is measured.
pub(super) struct Contender {
    /// The command as a person types it.
    shown: String,
    /// The program.
    program: PathBuf,
    /// Its arguments.
    arguments: Vec<String>,
}

impl Contender {
    /// A command line, which may name `$PWD` and `$HOME`; `program` is run in
    /// place of its first word.
    pub(super) fn new(line: &str, program: impl Into<PathBuf>) -> Contender {
        let arguments = line.split_whitespace().skip(1).map(str::to_owned).collect();
        Contender { shown: line.to_owned(), program: program.into(), arguments }
    }

    /// The command, ready to run with nothing to read.
    fn command(&self, around: &Surroundings<'_>) -> Command {
        let mut command = Command::new(&self.program);
        let (directory, home) = (around.directory.to_string_lossy(), around.home.to_string_lossy());
        let arguments =
            self.arguments.iter().map(|text| text.replace("$PWD", &directory).replace("$HOME", &home));
        around.around(&mut command).args(arguments).stdin(Stdio::null());
        command
    }

    /// Milliseconds from before the start until the end.
    fn once(&self, around: &Surroundings<'_>) -> Result<f64, String> {
        let mut command = self.command(around);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let status = command.status();
        let elapsed = start.elapsed().as_secs_f64() * 1e3;
        match status {
            Ok(status) if status.success() => Ok(elapsed),
            Ok(status) => Err(format!("{}: {status} after earlier runs went well", self.shown)),
            Err(error) => Err(format!("{}: {error}", self.shown)),
        }
    }

    /// Why the command does not work on this machine, if it does not.
    fn obstacle(&self, around: &Surroundings<'_>) -> Option<String> {
        let output = match self.command(around).output() {
            Ok(output) => output,
            Err(error) => return Some(error.to_string()),
        };
        (!output.status.success()).then(|| super::complaint(&output))
    }
}

/// What came out for a contender.
pub(super) struct Row {
    /// The command as a person types it.
    pub(super) shown: String,
    /// Median in milliseconds, or why there is none.
    pub(super) median: Result<f64, String>,
}

/// Runs the contenders in turns, each round starting with another one.
pub(super) fn measure(
    contenders: &[Contender],
    rounds: usize,
    around: &Surroundings<'_>,
) -> Result<Vec<Row>, String> {
    let obstacles: Vec<Option<String>> =
        contenders.iter().map(|contender| contender.obstacle(around)).collect();
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..WARM_UP + rounds {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            if obstacles[index].is_some() {
                continue;
            }
            let time = contenders[index].once(around)?;
            if round >= WARM_UP {
                times[index].push(time);
            }
        }
    }
    let outcomes = obstacles.into_iter().zip(times).map(|(obstacle, times)| match obstacle {
        Some(message) => Err(message),
        None => Ok(median(times)),
    });
    Ok(contenders
        .iter()
        .zip(outcomes)
        .map(|(contender, median)| Row { shown: contender.shown.clone(), median })
        .collect())
}

/// The results as a Markdown table; the first one is what the others are compared with.
pub(super) fn table(results: &[Row]) -> String {
    let bare = results.first().and_then(|result| result.median.as_ref().ok()).copied();
    let mut text = "| start and end of | median | beside no jail |\n|---|---:|---:|\n".to_owned();
    for (index, Row { shown, median }) in results.iter().enumerate() {
        let (time, difference) = match (median, bare) {
            (Err(message), _) => {
                (format!("does not start here: {}", message.replace('|', "\\|")), String::new())
            }
            (Ok(time), Some(bare)) if index > 0 => {
                (format!("{time:.2} ms"), format!("{:+.2} ms", time - bare))
            }
            (Ok(time), _) => (format!("{time:.2} ms"), String::new()),
        };
        text.push_str(&format!("| `{shown}` | {time} | {difference} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_start_is_listed_with_its_message() {
        let here = tempfile::tempdir().unwrap();
        let around = Surroundings { directory: here.path(), home: here.path() };
        let contenders = [
            Contender::new("true", "/bin/true"),
            Contender::new("sh -c echo>&2", "/bin/false"),
            Contender::new("ls /missing", "/bin/ls"),
            Contender::new("gone", "/missing/gone"),
        ];
        let results = measure(&contenders, 3, &around).unwrap();
        assert!(results[0].median.as_ref().is_ok_and(|time| *time > 0.0));
        let messages: Vec<&String> =
            results[1..].iter().map(|result| result.median.as_ref().unwrap_err()).collect();
        assert_eq!(messages[0], "exit status: 1");
        assert!(messages[1].contains("/missing"));
        assert!(messages[2].contains("No such file"));
    }

    #[test]
    fn the_table_compares_with_the_first_row() {
        let row = |shown: &str, median| Row { shown: shown.to_owned(), median };
        let rows = [row("true", Ok(1.0)), row("jail true", Ok(2.5)), row("x", Err("a|b".to_owned()))];
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| `true` | 1.00 ms |  |",
                "| `jail true` | 2.50 ms | +1.50 ms |",
                "| `x` | does not start here: a\\|b |  |"
            ]
        );
    }
}
