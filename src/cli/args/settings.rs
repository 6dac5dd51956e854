//! Arguments of what a person says beforehand, or is asked.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// The repository [default: the one around the current directory].
    #[arg(short, long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,

    /// Do not ask.
    #[arg(long, conflicts_with_all = ["list", "revoke"])]
    pub yes: bool,

    /// List the files that you trust.
    #[arg(long, conflicts_with = "revoke")]
    pub list: bool,

    /// Trust the repository's file no more.
    #[arg(long)]
    pub revoke: bool,
}

/// Arguments of `care`.
#[derive(Debug, Args)]
pub struct CareArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// The directory to look at [default: the repository around the current directory, else that].
    #[arg(short, long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
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
