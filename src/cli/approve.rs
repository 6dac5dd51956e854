//! `stockade approve`: a person answers what jails ask.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde::Serialize;

use super::args::{ApproveArgs, HowMuch};
use super::error::CliError;
use super::{always, print_json, setup};
use crate::approval::Answer;
use crate::approval::client::{Connection, sockets};
use crate::approval::server::Shown;
use crate::approval::view::Described;

/// How often it is looked for new sessions.
const TICK: Duration = Duration::from_millis(500);

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
        return follow(dir);
    }
    if args.json {
        return print_json(&told(&all(&dir)?)).map(|()| 0);
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::NobodyToAnswer);
    }
    converse(dir)
}

/// A question as `--json` prints it.
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
            id: name(shown),
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

fn told(questions: &[Shown]) -> Vec<Row<'_>> {
    questions.iter().map(Row::of).collect()
}

fn name(question: &Shown) -> String {
    format!("{}:{}", question.session, question.id)
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
    let question = questions.iter().find(|question| name(question) == id);
    let question = question.ok_or_else(|| CliError::NoQuestion(id.to_string()))?;
    send(dir, question, said)?;
    Ok(0)
}

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
        None => Err(CliError::NoQuestion(name(question))),
    }
}

/// Watches all sessions, also those that begin later.
struct Watch {
    dir: PathBuf,
    news: Receiver<(String, Vec<Shown>)>,
    sender: Sender<(String, Vec<Shown>)>,
    watched: HashSet<String>,
    questions: BTreeMap<String, Vec<Shown>>,
}

impl Watch {
    fn of(dir: PathBuf) -> Watch {
        let (sender, news) = channel();
        Watch { dir, news, sender, watched: HashSet::new(), questions: BTreeMap::new() }
    }

    /// Waits a moment for news; gives whether there are any.
    fn look(&mut self) -> Result<bool, CliError> {
        let known = sockets(&self.dir).map_err(|error| CliError::Approvals(self.dir.clone(), error))?;
        for (session, socket) in known {
            if self.watched.contains(&session) {
                continue;
            }
            let failed = |error| CliError::Approvals(self.dir.clone(), error);
            // A session that was killed leaves its socket.
            let Some(connection) = Connection::to(&socket).map_err(failed)? else { continue };
            self.watched.insert(session.clone());
            let sender = self.sender.clone();
            std::thread::spawn(move || {
                if let Err(error) = connection.watch(&session, &sender) {
                    eprintln!("stockade: session {session}: {error}");
                }
                // Nobody listens when this program ends.
                let _ = sender.send((session, Vec::new()));
            });
        }
        match self.news.recv_timeout(TICK) {
            Ok((session, questions)) => {
                self.questions.insert(session, questions);
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(false),
        }
    }

    fn all(&self) -> Vec<Shown> {
        self.questions.values().flatten().cloned().collect()
    }
}

/// Prints the questions whenever they change, as long as somebody reads that.
fn follow(dir: PathBuf) -> Result<u8, CliError> {
    let mut watch = Watch::of(dir);
    loop {
        if !watch.look()? {
            continue;
        }
        let line = serde_json::to_string(&told(&watch.all()))?;
        let mut output = std::io::stdout().lock();
        match writeln!(output, "{line}").and_then(|()| output.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(0),
            Err(error) => return Err(CliError::Output(error)),
        }
    }
}

/// Asks on the terminal.
fn converse(dir: PathBuf) -> Result<u8, CliError> {
    eprintln!("Waiting for questions. Ctrl-C ends it, and with it whatever still waits is refused.");
    let lines = typed();
    let mut watch = Watch::of(dir);
    let mut asked: Option<Shown> = None;
    loop {
        watch.look()?;
        let questions = watch.all();
        if let Some(shown) = &asked {
            if let Ok(line) = lines.try_recv() {
                if let Some(said) = understood(&line) {
                    match send(&watch.dir, shown, said) {
                        // What is left to ask is told anew.
                        Ok(()) => drop(watch.questions.remove(&shown.session)),
                        Err(error) => eprintln!("stockade: {}", super::with_causes(&error)),
                    }
                    asked = None;
                } else {
                    prompt(shown)?;
                }
                continue;
            }
            if questions.iter().any(|question| question == shown) {
                continue;
            }
            let is_there = |question: &&Shown| name(question) == name(shown);
            match questions.iter().find(is_there) {
                Some(grown) if (grown.version, &grown.trees) == (shown.version, &shown.trees) => {
                    asked = Some(grown.clone());
                    continue;
                }
                Some(_) => eprintln!("\nThere is more to it now:"),
                None => eprintln!("\nNobody asks that any more."),
            }
            asked = None;
        }
        if let Some(next) = questions.into_iter().next() {
            eprint!("\n{}", Described::of(&next));
            prompt(&next)?;
            asked = Some(next);
        }
    }
}

/// Lines that are typed.
fn typed() -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
        // The end of the input is the end of this program.
        std::process::exit(0);
    });
    lines
}

fn prompt(question: &Shown) -> Result<(), CliError> {
    let always = if question.may_always { ", [a]lways" } else { "" };
    eprint!("[n]o, no and [t]ell why, [o]nce, this [c]ommand, this [p]ath for the session{always}: ");
    std::io::stderr().flush().map_err(CliError::Output)
}

fn understood(line: &str) -> Option<Answer> {
    let line = line.trim();
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "n" | "no" if rest.is_empty() => Some(Answer::No { reason: None }),
        "t" | "tell" | "n" | "no" if !rest.is_empty() => Some(Answer::No { reason: Some(rest.to_string()) }),
        "o" | "once" => Some(Answer::Once),
        "c" | "command" => Some(Answer::Command),
        "p" | "path" => Some(Answer::Path),
        "a" | "always" => Some(Answer::Always),
        _ => None,
    }
}
