//! The command line as typed. What it means is worked out in `setup`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A jail for coding agents that the Linux kernel enforces.
///
/// Runs a command so that it can do its work and nothing else: what lies
/// outside its scratch directories, and every `.git`, cannot be changed.
#[derive(Debug, Parser)]
#[command(name = "stockade", version, max_term_width = 100)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command in the jail.
    Run(RunArgs),
    /// Show what a run would be allowed to do, and who enforces it.
    Plan(PlanArgs),
    /// Say whether a path may be read, executed, created, modified or removed, and by which rule.
    Why(WhyArgs),
    /// Show what was refused in a run, or check that its record is whole.
    Log(LogArgs),
    /// List, show or check profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Check what this machine's kernel supports.
    Doctor(DoctorArgs),
}

/// What jail is meant; the same for every command that builds one.
#[derive(Debug, Args)]
pub struct JailArgs {
    /// A built-in profile, one of your own by name, or a file (it has a `/` or ends in .yaml).
    #[arg(short, long, value_name = "NAME|FILE", default_value = "standard")]
    pub profile: String,

    /// The directory to work in [default: the repository around the current directory, else that].
    #[arg(short, long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,

    /// Give access to one more path: scratch, tracked, read or hidden. May be repeated; the last wins.
    #[arg(short, long, value_name = "ACCESS=PATH")]
    pub allow: Vec<OsString>,

    /// Leave no broker behind; what would need it is refused by the kernel.
    #[arg(long = "static")]
    pub static_mode: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The jail to build.
    #[command(flatten)]
    pub jail: JailArgs,

    /// Start even where this kernel cannot enforce everything; says what is lost.
    #[arg(long)]
    pub best_effort: bool,

    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The jail to build.
    #[command(flatten)]
    pub jail: JailArgs,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The jail to build.
    #[command(flatten)]
    pub jail: JailArgs,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// read, execute, create, modify or remove.
    pub verb: String,

    /// The path, which need not exist.
    pub path: PathBuf,
}

/// Arguments of `log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Print the recorded lines, which are JSON.
    #[arg(long)]
    pub json: bool,

    /// Leave out how the session started and ended.
    #[arg(long)]
    pub refused: bool,

    /// Check the chain of hashes, of every session unless one is named; status 1 where one is broken.
    #[arg(long, conflicts_with_all = ["json", "refused"])]
    pub verify: bool,

    /// A session's id, or as much of its beginning as no other has [default: the latest].
    pub session: Option<String>,
}

/// The subcommands of `profile`.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// List the profiles that `--profile` knows by name.
    List,
    /// Print a profile as it is written.
    Show {
        /// The profile's name, or a file.
        name: String,
    },
    /// Check a profile and everything it extends.
    Check {
        /// The profile's name, or a file.
        name: String,
    },
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Do nothing: what `doctor` runs in the jails it tries.
    #[arg(long, hide = true)]
    pub inside: bool,

    /// Try one mode alone and print its check: what `doctor` runs for each.
    #[arg(long = "try", value_name = "MODE", hide = true)]
    pub try_mode: Option<TriedMode>,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// A mode that `doctor` tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TriedMode {
    /// With a broker.
    Brokered,
    /// Without.
    Static,
}
