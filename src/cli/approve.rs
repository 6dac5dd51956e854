//! `stockade approve`: a person answers what jails ask.

mod list;
mod plain;
mod screen;
mod watch;

use std::io::IsTerminal;
use std::path::Path;

use super::args::{ApproveArgs, HowMuch};
use super::error::CliError;
use super::{always, setup};
use crate::approval::Answer;
use crate::approval::client::{Connection, sockets};
use crate::approval::server::Shown;
use crate::sys::terminal::is_dumb;

/// Runs the subcommand and gives the exit status.
pub(super) fn main(args: &ApproveArgs) -> Result<u8, CliError> {
    let dir = setup::approvals_dir(&setup::home()?);
    if let Some(id) = &args.yes {
        let said = match args.how_much {
            HowMuch::Once => Answer::Once,
            HowMuch::Command => Answer::Command,
            HowMuch::Path => Answer::Path,
            HowMuch::Always => Answer::Always,
        };
        return answer(&dir, id, said);
    }
    if let Some(id) = &args.no {
        return answer(&dir, id, Answer::No { reason: args.reason.clone() });
    }
    if args.follow {
        return list::follow(dir);
    }
    if args.json {
        return list::print(&all(&dir)?);
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::NobodyToAnswer);
    }
    if args.plain || !has_screen() { plain::converse(dir) } else { screen::run(dir) }
}

/// Whether there is a terminal that can show more than one line after the other.
fn has_screen() -> bool {
    !is_dumb() && std::io::stdout().is_terminal()
}

fn all(dir: &Path) -> Result<Vec<Shown>, CliError> {
    let failed = |error| CliError::Approvals(dir.to_path_buf(), error);
    let mut questions = Vec::new();
    for (_, socket) in sockets(dir).map_err(failed)? {
        if let Some(mut connection) = Connection::to(&socket).map_err(failed)? {
            questions.extend(connection.list().map_err(failed)?);
        }
    }
    Ok(questions)
}

/// Answers the question of this name.
fn answer(dir: &Path, id: &str, said: Answer) -> Result<u8, CliError> {
    let questions = all(dir)?;
    let question = questions.iter().find(|question| question.name() == id);
    let question = question.ok_or_else(|| CliError::NoQuestion(id.to_string()))?;
    send(dir, question, said)?;
    Ok(0)
}

/// Answers a question as it was shown.
fn send(dir: &Path, question: &Shown, said: Answer) -> Result<(), CliError> {
    let failed = |error| CliError::Approvals(dir.to_path_buf(), error);
    let known = sockets(dir).map_err(failed)?;
    let socket = known.iter().find(|(session, _)| *session == question.session).map(|(_, socket)| socket);
    let connection = socket.map(|socket| Connection::to(socket)).transpose().map_err(failed)?.flatten();
    match connection {
        Some(mut connection) => {
            let is_always = said == Answer::Always;
            connection.answer(question.id, question.version, said).map_err(failed)?;
            if is_always { always::remember(question) } else { Ok(()) }
        }
        None => Err(CliError::NoQuestion(question.name())),
    }
}
