//! `stockade diff`: what a session changed.

use std::io::{IsTerminal, Write};
use std::path::Path;

use super::args::{Colour, DiffArgs};
use super::error::CliError;
use super::session::{chosen, opened};
use super::{print, print_json, setup};
use crate::undo::diff::{Counted, Difference, Paint, Row, Seen, What, table};
use crate::undo::entry::{Kind, Name};
use crate::undo::{Ledger, Objects, Selection};

/// Runs the subcommand and gives the exit status.
pub(super) fn main(args: &DiffArgs) -> Result<u8, CliError> {
    let sessions = setup::sessions_dir(&setup::home()?);
    let (ids, paths) = chosen(&sessions, &args.what)?;
    if args.command.is_some() && ids.len() > 1 {
        return Err(CliError::CommandOfMany);
    }
    let failed = |error| CliError::Diff(ids.join(" "), error);
    let chain = opened(&sessions, &ids)?;
    let ledger = chain.ledger();
    let objects = chain.objects(&sessions);
    let selection = Selection { paths, command: args.command };
    let rows = ledger.rows(&selection).map_err(failed)?;
    let base = ledger.session.workspace.clone();
    let seen = rows.iter().filter_map(|row| row.look(&objects, &base).map(|seen| (row, seen)));
    // A directory's new name says it for all that is in it.
    let told = |(row, seen): &(&Row, Seen)| !(row.is_carried && seen.what == What::Renamed);
    let paint = args.paint();
    if args.json {
        let all: Vec<Told> =
            seen.filter(told).map(|(row, seen)| Told::of(row, &seen, &ledger, &objects)).collect();
        print_json(&all)?;
    } else if args.stat {
        let all: Vec<Counted> = seen.filter(told).map(|(row, seen)| Counted::of(&seen, row, &base)).collect();
        print(&table(&all, paint.colours))?;
    } else {
        show(seen.map(|(row, seen)| seen.text(row, &base, paint)))?;
    }
    Ok(0)
}

/// Writes pieces until there are no more, or nobody reads on.
fn show(pieces: impl Iterator<Item = String>) -> Result<(), CliError> {
    let mut output = std::io::stdout().lock();
    for piece in pieces {
        match output.write_all(piece.as_bytes()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            result => result.map_err(CliError::Output)?,
        }
    }
    Ok(())
}

/// A change as JSON.
#[derive(serde::Serialize)]
struct Told {
    path: Name,
    before: Option<Name>,
    kind: Kind,
    what: What,
    by: Vec<Command>,
    size_before: Option<u64>,
    size_after: Option<u64>,
    recoverable: bool,
    metadata: Vec<Difference>,
}

#[derive(serde::Serialize)]
struct Command {
    number: u32,
    argv: Vec<Name>,
}

impl Told {
    fn of(row: &Row, seen: &Seen, ledger: &Ledger, objects: &Objects) -> Told {
        let argv = |number: u32| {
            let command = ledger.commands.iter().find(|command| command.number == number);
            command.map_or(Vec::new(), |command| command.argv.iter().cloned().map(Name).collect())
        };
        Told {
            path: row.path().into(),
            before: row.old_path().map(Path::to_path_buf).map(Name::from),
            kind: row.kind(),
            what: seen.what,
            by: row.by.iter().map(|number| Command { number: *number, argv: argv(*number) }).collect(),
            size_before: row.old.as_ref().map(|old| old.size),
            size_after: row.new.as_ref().map(|new| new.size),
            recoverable: row.is_recoverable(objects),
            metadata: seen.metadata.clone(),
        }
    }
}

impl DiffArgs {
    fn paint(&self) -> Paint {
        let is_terminal = std::io::stdout().is_terminal();
        let colours = match self.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        // With colours it is for eyes as well, if by way of a pager.
        Paint { colours, escapes: is_terminal || colours }
    }
}
