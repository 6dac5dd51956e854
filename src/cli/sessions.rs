//! `stockade sessions`: what sessions have changed, and whether it can be undone.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::args::SessionsArgs;
use super::error::CliError;
use super::{print, print_json, setup};
use crate::audit::{self, Record};
use crate::policy::{size, visible};
use crate::undo::{Overview, Standing, journaled, overview};

/// How much of a command is shown.
const WIDEST: usize = 50;

/// One session.
#[derive(Serialize)]
struct Row {
    session: String,
    started: Option<String>,
    workspace: String,
    command: Vec<String>,
    changed: usize,
    refused: usize,
    kept: u64,
    state: &'static str,
    undone_by: Option<String>,
}

/// Runs the subcommand.
pub(super) fn main(args: &SessionsArgs) -> Result<(), CliError> {
    let dir = setup::sessions_dir(&setup::home()?);
    let failed = |error| CliError::Record(dir.clone(), error);
    let mut ids = journaled(&dir).map_err(failed)?;
    if args.ids {
        return print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    ids.extend(audit::sessions(&dir).map_err(failed)?);
    ids.sort();
    ids.dedup();
    let rows: Vec<Row> = ids.iter().map(|id| row(&dir, id)).collect::<Result<_, _>>()?;
    if args.json {
        return print_json(&rows);
    }
    if rows.is_empty() {
        eprintln!("stockade: no session has changed anything yet, and nothing was refused");
    }
    print(&table(&rows))
}

fn row(dir: &Path, id: &str) -> Result<Row, CliError> {
    let failed = |error| CliError::Record(dir.join(id), error);
    let refusals = match audit::read(dir, id) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        recorded => recorded.map_err(failed)?.lines,
    };
    let refused = refusals.iter().filter(|line| matches!(line.record, Record::Call(_))).count();
    let mut row = Row {
        session: id.to_string(),
        started: None,
        workspace: String::new(),
        command: Vec::new(),
        changed: 0,
        refused,
        kept: 0,
        state: "nothing changed",
        undone_by: None,
    };
    if let Some(Record::Start(start)) = refusals.into_iter().next().map(|line| line.record) {
        (row.started, row.workspace, row.command) = (Some(start.time), start.workspace, start.command);
    }
    match overview(dir, id) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        found => fill(&mut row, found.map_err(failed)?),
    }
    Ok(row)
}

fn fill(row: &mut Row, found: Overview) {
    let Overview { ledger, standing, kept } = found;
    row.started = Timestamp::from_millisecond(ledger.session.started).ok().map(|time| time.to_string());
    row.workspace = ledger.session.workspace.to_string_lossy().into_owned();
    row.command = ledger.session.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    row.changed = ledger.changed();
    row.kept = kept;
    row.state = match standing {
        Standing::Running => "running",
        Standing::Undoable => "undoable",
        Standing::Killed => "killed, undoable",
        Standing::PartlyUndone(by) => {
            row.undone_by = Some(by);
            "partly undone"
        }
        Standing::Undone(by) => {
            row.undone_by = Some(by);
            "undone"
        }
    };
}

/// The newest last, where a terminal shows it.
fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{:<24} {:<16} {:>7} {:>7} {:>9}  {:<16} COMMAND\n",
        "SESSION", "STARTED", "CHANGED", "REFUSED", "KEPT", "STATE"
    );
    for row in rows {
        let started = row.started.as_deref().map(local).unwrap_or_default();
        let command: String = visible(&row.command.join(" ")).chars().take(WIDEST).collect();
        text.push_str(&format!(
            "{:<24} {:<16} {:>7} {:>7} {:>9}  {:<16} {command}\n",
            row.session,
            started,
            row.changed,
            row.refused,
            size(row.kept),
            row.state
        ));
    }
    text
}

fn local(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => visible(time),
    }
}
