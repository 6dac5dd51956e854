//! The questions one after the other, in lines: also for those who have the
//! terminal read to them.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use super::send;
use super::watch::{TICK, Watch};
use crate::approval::Answer;
use crate::approval::server::Shown;
use crate::approval::view::{Described, letters};
use crate::cli::error::CliError;
use crate::sys::with_causes;

/// Asks on the terminal.
pub(super) fn converse(dir: PathBuf) -> Result<u8, CliError> {
    eprintln!("Waiting for questions. Ctrl-C ends it, and with it whatever still waits is refused.");
    let lines = typed();
    let mut watch = Watch::of(dir)?;
    let mut asked: Option<Shown> = None;
    loop {
        watch.look(TICK)?;
        watch.report();
        let questions = watch.all();
        if let Some(shown) = &asked {
            if let Ok(line) = lines.try_recv() {
                if let Some(said) = understood(&line) {
                    match send(&watch.dir, shown, said) {
                        // What is left to ask is told anew.
                        Ok(()) => watch.forget_all(&shown.session),
                        Err(error) => eprintln!("stockade: {}", with_causes(&error)),
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
            let is_there = |question: &&Shown| question.name() == shown.name();
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
    eprint!("{}", letters(question));
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
