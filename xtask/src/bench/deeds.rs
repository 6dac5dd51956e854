//! Whole deeds under the broker: what keeping costs, and having asked.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::keep::{self, SETTLING};
use super::work::{COMMIT, shell};
use super::{Surroundings, median};

/// How often each deed is done; the ways take turns.
const ROUNDS: usize = 5;
/// What holds for removing.
const KEEPS: &str = "keep";
/// The same where a person has to say yes.
const ASKS: &str = "ask";
/// Files that another revision changes.
const CHANGED: usize = 5000;

/// How long it takes at most until somebody hears of questions.
const START: Duration = Duration::from_millis(500);

/// A deed: how the table names it, and scripts. The first makes ready outside the jail;
/// the others are measured in it, on what was there before and on what the session made.
struct Deed {
    shown: &'static str,
    ready: &'static str,
    old: &'static str,
    /// Makes what there is of the session's own, which is not measured.
    make: &'static str,
    own: &'static str,
    /// Whether it is also done in a jail that asks.
    asks: bool,
}

const DEEDS: [Deed; 2] = [
    Deed {
        shown: "`git checkout`, 5,000 files",
        ready: "git clone --quiet ../repository .",
        old: "git checkout --quiet HEAD^",
        make: "true",
        own: "git checkout --quiet -",
        asks: false,
    },
    Deed {
        shown: "`rm -r`, 10,000 files",
        ready: "git init --quiet && mkdir many && cd many && seq 10000 | xargs touch",
        old: "rm -r many",
        make: "mkdir own && (cd own && seq 10000 | xargs touch)",
        own: "rm -r own",
        asks: true,
    },
];

/// What runs in the jail: prints how many nanoseconds the one and the other took.
fn script(deed: &Deed) -> String {
    let now = "date +%s%N";
    let settle = format!("sleep {}", SETTLING.as_secs_f64());
    let Deed { old, make, own, .. } = deed;
    format!(
        "set -e; a=$({now}); {old}; b=$({now}); {make}; {settle}; c=$({now}); {own}; d=$({now}); \
         echo $((b-a)) $((d-c))"
    )
}

/// A deed and its seconds: on what the session made, on what was there before, and the
/// same from a person's yes on where that is measured.
pub(super) struct Row(&'static str, f64, f64, Option<f64>);

/// Does every deed in every way.
pub(super) fn measure(stockade: &Path, around: &Surroundings<'_>) -> Result<Vec<Row>, String> {
    let bench = Bench { stockade, around };
    bench.make_sources().map_err(|error| format!("the bench's deeds: {error}"))?;
    DEEDS.iter().map(|deed| bench.row(deed)).collect()
}

struct Bench<'a> {
    stockade: &'a Path,
    around: &'a Surroundings<'a>,
}

impl Bench<'_> {
    fn make_sources(&self) -> io::Result<()> {
        for remove in [KEEPS, ASKS] {
            fs::write(self.profile(remove), keep::profile("git: commit\n", remove))?;
        }
        let repository = self.around.directory.join("repository");
        for revision in ["one", "two"] {
            for number in 0..CHANGED {
                let directory = repository.join((number / 100).to_string());
                fs::create_dir_all(&directory)?;
                fs::write(
                    directory.join(format!("file{number}")),
                    format!("{revision} {number}\n").repeat(20),
                )?;
            }
            self.shell(&format!("git init --quiet && git add -A && {COMMIT}"), &repository).status()?;
        }
        Ok(())
    }

    fn profile(&self, remove: &str) -> PathBuf {
        self.around.home.join(format!("{remove}.yaml"))
    }

    fn row(&self, deed: &Deed) -> Result<Row, String> {
        let (mut own, mut old, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        // The first round warms caches up and does not count.
        for round in 0..=ROUNDS {
            let (old_time, own_time) = self.kept(deed)?;
            let asked_time = deed.asks.then(|| self.asked(deed)).transpose()?;
            if round > 0 {
                old.push(old_time);
                own.push(own_time);
                asked.extend(asked_time);
            }
        }
        Ok(Row(deed.shown, median(own), median(old), deed.asks.then(|| median(asked))))
    }

    /// Seconds on what was there before, and on what the session made.
    fn kept(&self, deed: &Deed) -> Result<(f64, f64), String> {
        let place = self.place(deed)?;
        let output =
            self.session(KEEPS, &script(deed), &place).output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut times = text.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
        match (output.status.success(), times.next(), times.next()) {
            (true, Some(old), Some(own)) => Ok((old / 1e9, own / 1e9)),
            _ => Err(super::complaint(&output)),
        }
    }

    /// Seconds from a yes until it is done.
    fn asked(&self, deed: &Deed) -> Result<f64, String> {
        let failed = |error: io::Error| format!("{}: {error}", deed.shown);
        let place = self.place(deed)?;
        let mut person = Person::follow(self.approve(&["--follow"])).map_err(failed)?;
        let script = format!("{} && date +%s%N", deed.old);
        let session = self.session(ASKS, &script, &place).spawn().map_err(failed)?;
        let question = person.question()?;
        let start = SystemTime::now();
        let said = self.approve(&["--yes", &question]).output().map_err(failed)?;
        if !said.status.success() {
            return Err(super::complaint(&said));
        }
        let output = session.wait_with_output().map_err(failed)?;
        let end = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>();
        let start = start.duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        end.map(|end| end / 1e9 - start.as_secs_f64()).map_err(|_| super::complaint(&output))
    }

    /// Another directory each time (see `probe`), made ready.
    fn place(&self, deed: &Deed) -> Result<PathBuf, String> {
        let failed = |error: io::Error| format!("{}: {error}", deed.shown);
        // Removed with all others.
        let place = tempfile::tempdir_in(self.around.directory).map_err(failed)?.keep();
        let ready = self.shell(deed.ready, &place).status().map_err(failed)?;
        if ready.success() { Ok(place) } else { Err(format!("{}: {ready}", deed.ready)) }
    }

    fn session(&self, remove: &str, script: &str, place: &Path) -> Command {
        let mut command = Command::new(self.stockade);
        command.args(["run", "--profile"]).arg(self.profile(remove)).args(["--", "sh", "-c", script]);
        self.around.around(&mut command).current_dir(place).env_remove("CI");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn approve(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.stockade);
        self.around.around(&mut command).arg("approve").args(arguments);
        command
    }

    fn shell(&self, script: &str, place: &Path) -> Command {
        let mut command = shell(script);
        self.around.around(&mut command).current_dir(place);
        command
    }
}

/// Who hears of questions: jails ask as long as somebody does.
struct Person {
    follows: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Person {
    fn follow(mut command: Command) -> io::Result<Person> {
        let mut follows = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = follows.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        // Sessions that begin from now on ask.
        thread::sleep(START);
        Ok(Person { follows, lines: BufReader::new(output).lines() })
    }

    /// The id of the first question that comes.
    fn question(&mut self) -> Result<String, String> {
        for line in &mut self.lines {
            let line = line.map_err(|error| error.to_string())?;
            let pending: Value = serde_json::from_str(&line).map_err(|error| error.to_string())?;
            if let Some(id) = pending[0]["id"].as_str() {
                return Ok(id.to_owned());
            }
        }
        Err("no question came".to_owned())
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.follows.kill();
        let _ = self.follows.wait();
    }
}

/// The costs as a Markdown table.
pub(super) fn table(rows: &[Row]) -> String {
    let mut text = "| deed | on what the session made | on what was there before, and is kept | the same, \
                    from a person's yes on |\n|---|---:|---:|---:|\n"
        .to_owned();
    for Row(shown, own, old, asked) in rows {
        let beside = |cost: f64, known: f64| format!("{:.0} ms ({:.2}×)", cost * 1e3, cost / known);
        let asked = asked.map_or_else(String::new, |asked| beside(asked, *old));
        text.push_str(&format!("| {shown} | {:.0} ms | {} | {asked} |\n", own * 1e3, beside(*old, *own)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compares() {
        let text = table(&[Row("x", 0.1, 0.15, None), Row("y", 0.1, 0.2, Some(0.3))]);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            ["| x | 100 ms | 150 ms (1.50×) |  |", "| y | 100 ms | 200 ms (2.00×) | 300 ms (1.50×) |"]
        );
    }
}
