//! The command line: one file per subcommand.

mod agent;
mod agent_notes;
mod always;
mod approve;
pub mod args;
mod ask;
mod care;
mod channels;
mod completions;
mod diff;
mod doctor;
pub mod error;
mod learn;
mod learned;
mod log;
mod own_file;
mod plan;
mod profile;
mod profiles;
mod prune;
mod report;
mod restore;
mod review;
mod run;
mod session;
mod sessions;
mod setup;
mod sources;
mod trust;
mod undo;
mod why;

use std::io::Write;
use std::process::ExitCode;

use crate::sys::with_causes;
use args::{Command, CommandLine};
use error::CliError;

/// Stockade itself failed; the command, if any, was not started.
const FAILED: u8 = 125;

/// Runs the command line and gives the exit status: the jailed command's own,
/// 125 where Stockade failed, 126 where the command could not be executed,
/// 127 where it was not found, 128 + n where signal n ended it.
pub fn main() -> ExitCode {
    log_to_standard_error();
    let command_line = match CommandLine::read() {
        Ok(command_line) => command_line,
        Err(error) => return usage(&error),
    };
    let result = match command_line.command {
        Command::Run(args) => run::main(args),
        Command::Plan(args) => plan::main(&args).map(|()| 0),
        Command::Why(args) => why::main(&args).map(|()| 0),
        Command::Care(args) => care::main(&args).map(|()| 0),
        Command::Learn(args) => learn::main(&args).map(|()| 0),
        Command::Review(args) => review::main(&args),
        Command::Log(args) => log::main(&args),
        Command::Sessions(args) => sessions::main(&args).map(|()| 0),
        Command::Restore(args) => restore::main(&args).map(|()| 0),
        Command::Prune(args) => prune::main(&args).map(|()| 0),
        Command::Approve(args) => approve::main(&args),
        Command::Report(args) => report::main(&args).map(|()| 0),
        Command::AgentNotes => agent_notes::main().map(|()| 0),
        Command::Completions { shell } => completions::main(shell).map(|()| 0),
        Command::Diff(args) => diff::main(&args),
        Command::Undo(args) => undo::main(&args),
        Command::Profile(command) => profile::main(&command).map(|()| 0),
        Command::Trust(args) => trust::main(&args),
        Command::Doctor(args) => doctor::main(&args),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            tell(&error);
            ExitCode::from(error.status())
        }
    }
}

/// `STOCKADE_LOG=debug` (error, warn, info, trace) shows what happens inside.
fn log_to_standard_error() {
    let level = std::env::var("STOCKADE_LOG").ok().and_then(|text| text.parse::<tracing::Level>().ok());
    if let Some(level) = level {
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).without_time().init();
    }
}

/// Help and version go to standard output with status 0, mistakes to standard
/// error with 125, so that they cannot be taken for the command's own status.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

/// Prints the error, what caused it, and the hint.
fn tell(error: &CliError) {
    let mut message = format!("stockade: {}", with_causes(error));
    if let Some(hint) = error.hint() {
        message.push_str(&format!("\nhint: {hint}"));
    }
    eprintln!("{message}");
}

/// Writes to standard output. A reader that went away (`| head`) is no error.
fn print(text: &str) -> Result<(), CliError> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// Writes a value to standard output as indented JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}
