//! The questions as JSON, for programs.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::watch::{TICK, Watch};
use crate::approval::server::Shown;
use crate::cli::error::CliError;
use crate::cli::print_json;

/// A question as it is printed.
#[derive(Serialize)]
struct Row<'a> {
    id: String,
    session: &'a str,
    command: &'a [String],
    parents: &'a [Vec<String>],
    verb: &'a str,
    paths: &'a [String],
    calls: usize,
    entries: u64,
    bytes: u64,
    counted: bool,
    recoverable: bool,
    may_always: bool,
    rule: &'a str,
    why: &'a str,
}

impl Row<'_> {
    fn of(shown: &Shown) -> Row<'_> {
        Row {
            id: shown.name(),
            session: &shown.session,
            command: &shown.command,
            parents: &shown.parents,
            verb: &shown.verb,
            paths: &shown.trees,
            calls: shown.calls,
            entries: shown.entries,
            bytes: shown.bytes,
            counted: shown.is_counted,
            recoverable: shown.recoverable,
            may_always: shown.may_always,
            rule: &shown.rule,
            why: &shown.why,
        }
    }
}

/// Prints the questions.
pub(super) fn print(questions: &[Shown]) -> Result<u8, CliError> {
    print_json(&rows(questions)).map(|()| 0)
}

/// Prints them as one line whenever they change, as long as somebody reads that.
pub(super) fn follow(dir: PathBuf) -> Result<u8, CliError> {
    let mut watch = Watch::of(dir)?;
    loop {
        let has_news = watch.look(TICK)?;
        watch.report();
        if !has_news {
            continue;
        }
        let line = serde_json::to_string(&rows(&watch.all()))?;
        let mut output = std::io::stdout().lock();
        match writeln!(output, "{line}").and_then(|()| output.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(0),
            Err(error) => return Err(CliError::Output(error)),
        }
    }
}

fn rows(questions: &[Shown]) -> Vec<Row<'_>> {
    questions.iter().map(Row::of).collect()
}
