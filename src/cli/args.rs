//! The command line as typed. What it means is worked out in `setup`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::policy::Size;

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
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// List, show or check profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Check what this machine's kernel supports.
    Doctor(DoctorArgs),
}

/// What jail is meant; the same for every command that builds one.
#[derive(Debug, Args)]
pub struct JailArgs {
    /// ci, relaxed, standard, strict, readonly, one of your own by name, or a file (it has a `/` or ends in .yaml).
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

    /// Add the rules for this agent, whatever the command is; none: for no agent [default: recognised by the command].
    #[arg(long, value_name = "NAME|none")]
    pub agent: Option<String>,

    /// Whether to switch an agent's own prompts and sandbox off.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "add")]
    pub agent_flags: AgentFlags,
}

/// What to do about an agent's own prompts and sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentFlags {
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
    /// Print a profile as it is written, and what you said always to.
    Show {
        /// The profile's name, or a file [default: only what you said always to].
        name: Option<String>,
    },
    /// Take back what you said always to.
    Forget {
        /// Its number, as `stockade profile show` tells it, or a path that it names.
        #[arg(value_name = "N|PATH")]
        what: String,
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

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A session's id, or as much of its beginning as no other has [default: the latest that changed
    /// something in this workspace]; then paths, to show only what was changed there.
    #[arg(value_name = "SESSION|PATH")]
    pub what: Vec<OsString>,

    /// Only show how much changed in each file.
    #[arg(long, conflicts_with = "json")]
    pub stat: bool,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// Show only what this command of the session changed, as --json numbers them.
    #[arg(long, value_name = "N")]
    pub command: Option<u32>,

    /// Whether to use colours; by itself only on a terminal, and unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    pub color: Colour,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal.
    Auto,
    /// Also elsewhere.
    Always,
    /// Not at all.
    Never,
}

/// Arguments of `sessions`.
#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// Print only the ids of those that changed something, for completions.
    #[arg(long, hide = true)]
    pub ids: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A session's id, or as much of its beginning as no other has.
    pub session: String,

    /// The file, by its path before the session.
    pub path: PathBuf,

    /// Where to write it; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,

    /// Replace what is there.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Remove what is older than this many days [default: 30].
    #[arg(long, value_name = "DAYS")]
    pub keep_days: Option<u32>,

    /// Then remove the oldest until all together keep no more than this, such as 5GiB [default: 20GiB].
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<Size>,

    /// Remove everything but what runs; else the newest that keeps anything stays.
    #[arg(long, conflicts_with_all = ["keep_days", "max_size"])]
    pub all: bool,

    /// Only show what would be removed.
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// A session's id, or as much of its beginning as no other has [default: the latest that changed
    /// something in this workspace]; then paths, to undo only what was changed there.
    #[arg(value_name = "SESSION|PATH")]
    pub what: Vec<OsString>,

    /// Undo only what this command of the session changed, as `stockade diff --json` numbers them.
    #[arg(long, value_name = "N")]
    pub command: Option<u32>,

    /// Only show what would be done.
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,

    /// What to do where something was changed since the session [default: ask on a terminal, else skip].
    #[arg(long, value_name = "HOW", value_enum)]
    pub on_conflict: Option<OnConflict>,
}

/// Arguments of `stockade approve`.
///
/// Shows what all jails ask on the whole terminal, with the keys for an answer. As long as it runs
/// without --json, --yes or --no, jails ask instead of refusing.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Ask in lines, one question after the other, as without a screen: also for screen readers.
    #[arg(long, conflicts_with_all = ["json", "follow", "yes", "no"])]
    pub plain: bool,

    /// Print the questions that wait as JSON.
    #[arg(long, conflicts_with_all = ["yes", "no", "follow"])]
    pub json: bool,

    /// Print them as a line of JSON whenever they change; as long as this runs, jails ask.
    #[arg(long, conflicts_with_all = ["yes", "no"])]
    pub follow: bool,

    /// Say yes to a question.
    #[arg(long, value_name = "ID", conflicts_with = "no")]
    pub yes: Option<String>,

    /// To how much of it.
    #[arg(long = "for", value_enum, value_name = "HOW", default_value = "once")]
    pub how_much: HowMuch,

    /// Say no to a question.
    #[arg(long, value_name = "ID")]
    pub no: Option<String>,

    /// What the agent is told.
    #[arg(long, value_name = "TEXT", requires = "no")]
    pub reason: Option<String>,
}

/// How far a yes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HowMuch {
    /// This process may do this to these paths.
    Once,
    /// All processes of this command may do this.
    Command,
    /// All processes of the session may do this to these paths.
    Path,
    /// The same, and in later sessions as well.
    Always,
}

/// What to do where something was changed since the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnConflict {
    /// Ask for each.
    Ask,
    /// Leave it as it is.
    Skip,
    /// Undo it all the same; what is there now is saved.
    Theirs,
    /// Leave it, and put the old version beside it.
    Copy,
}

/// A mode that `doctor` tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TriedMode {
    /// With a broker.
    Brokered,
    /// Without.
    Static,
}
