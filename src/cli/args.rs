//! The command line as typed. What it means is worked out in `setup`.

mod learn;
mod review;
mod sessions;
mod settings;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use learn::{LearnArgs, ReportArgs};
pub use review::ReviewArgs;
pub use sessions::{Colour, DiffArgs, LogArgs, OnConflict, PruneArgs, RestoreArgs, SessionsArgs, UndoArgs};
pub use settings::{ApproveArgs, CareArgs, HowMuch, ProfileCommand, TrustArgs};

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
    /// Say how much care a repository deserves, and why.
    Care(CareArgs),
    /// Run a command in the jail, and print what its profile would need for it.
    Learn(LearnArgs),
    /// Let a second agent review the work, in rounds, before it stays.
    Review(ReviewArgs),
    /// Show what was refused in a run, or check that its record is whole.
    Log(LogArgs),
    /// List what sessions changed, and whether it can be undone.
    Sessions(SessionsArgs),
    /// Show what a session changed, also while it runs.
    Diff(DiffArgs),
    /// Take back what a session changed, all of it or a part.
    Undo(UndoArgs),
    /// Write one old version of a file to another place.
    Restore(RestoreArgs),
    /// Remove what old sessions keep.
    Prune(PruneArgs),
    /// Answer what jails ask before they destroy something.
    Approve(ApproveArgs),
    /// Inside a jail: say what was refused last, and what to do instead.
    Report(ReportArgs),
    /// Print notes for AGENTS.md or CLAUDE.md: what an agent should know about its jail.
    AgentNotes,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// List, show or check profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Let a repository's .stockade.yaml loosen what you have looked at.
    Trust(TrustArgs),
    /// Check what this machine's kernel supports.
    Doctor(DoctorArgs),
}

/// A command line of `stockade run`. To learn what all other subcommands take
/// costs more than all the rest of reading one, at every start.
#[derive(Debug, Parser)]
#[command(name = "stockade", version)]
struct RunLine {
    #[command(subcommand)]
    command: RunOnly,
}

#[derive(Debug, Subcommand)]
enum RunOnly {
    Run(RunArgs),
}

impl CommandLine {
    /// Reads the command line of this process.
    pub fn read() -> Result<CommandLine, clap::Error> {
        if std::env::args_os().nth(1).is_some_and(|first| first == "run")
            && let Ok(RunLine { command: RunOnly::Run(args) }) = RunLine::try_parse()
        {
            return Ok(CommandLine { command: Command::Run(args) });
        }
        // What is asked for help, or mistaken, is answered by the whole.
        CommandLine::try_parse()
    }
}

/// What jail is meant; the same for every command that builds one.
#[derive(Debug, Default, Args)]
pub struct JailArgs {
    /// ci, relaxed, standard, strict, readonly, one of your own by name, or a file (it has a `/` or ends in .yaml).
    /// [default: your own profile `default`, or else standard]
    #[arg(short, long, value_name = "NAME|FILE", verbatim_doc_comment)]
    pub profile: Option<String>,

    /// The directory to work in [default: the repository around the current directory, else that].
    #[arg(short, long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,

    /// Give access to one more path: scratch, tracked, read or hidden. May be repeated; the last wins.
    #[arg(short, long, value_name = "ACCESS=PATH")]
    pub allow: Vec<OsString>,

    /// Leave no broker behind; what would need it is refused by the kernel.
    #[arg(long = "static")]
    pub static_mode: bool,

    /// Add the rules for this agent, whatever the command is; none: for no agent [default: recognised by the command].
    #[arg(long, value_name = "NAME|none")]
    pub agent: Option<String>,

    /// Whether to switch an agent's own prompts and sandbox off.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "add")]
    pub agent_flags: AgentFlags,

    /// The agent only reads: of what its profile opens nothing may be changed.
    #[arg(skip)]
    pub only_reads: bool,
}

/// What to do about an agent's own prompts and sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AgentFlags {
    #[default]
    /// Add the agent's flags that switch them off, unless you gave one about it.
    Add,
    /// Keep the command as it is.
    Keep,
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

    /// The part that it has in a review.
    #[arg(long, value_name = "FILE", hide = true)]
    pub assignment: Option<PathBuf>,

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

    /// The command and its arguments, if it is an agent.
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
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
