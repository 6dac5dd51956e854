//! Tasks for people who work on Stockade: `cargo xtask --help`.

mod bench;
mod gen_syscalls;
mod tidy;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a task gives: nothing, or a sentence on what went wrong.
type Outcome = Result<(), String>;

/// Tasks for people who work on Stockade.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

/// The tasks.
#[derive(Subcommand)]
enum Task {
    /// Write the tables of system-call numbers from this machine's kernel headers.
    GenSyscalls {
        /// Only compare, and fail where the files differ.
        #[arg(long)]
        check: bool,
    },
    /// Check the repository's own rules, one line for each violation.
    Tidy,
    /// Measure start-up and running costs beside other jails.
    Bench {
        /// How often each command is started.
        #[arg(long, default_value_t = 200)]
        rounds: usize,
        /// Only this part; printed, never written.
        #[arg(long, value_enum, conflicts_with = "write")]
        only: Option<bench::Part>,
        /// Write the tables into README.md.
        #[arg(long)]
        write: bool,
    },
    /// Write the pictures of the program's screens in docs.
    Screens,
    /// Write the table of levels in README.md.
    Levels,
    /// Measure single system calls beneath a directory; `bench` runs this inside and outside the jail.
    #[command(hide = true)]
    Probe {
        /// Where files are made.
        directory: PathBuf,
    },
    /// Measure what it costs to keep what changes; `bench` runs this inside the jail.
    #[command(hide = true)]
    ProbeKeep {
        /// Where the files are.
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let root = repository();
    let outcome = match Arguments::parse().task {
        Task::GenSyscalls { check } => gen_syscalls::run(&root, check),
        Task::Tidy => tidy::run(&root),
        Task::Bench { rounds, only, write } => bench::run(&root, rounds, only, write),
        Task::Screens => written::run(&root, &written::SCREENS),
        Task::Levels => written::run(&root, &written::LEVELS),
        Task::Probe { directory } => bench::probe::run(&directory),
        Task::ProbeKeep { directory } => bench::keep::probe(&directory),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: the parent of this package.
fn repository() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().unwrap_or(Path::new(".")).to_path_buf()
}
