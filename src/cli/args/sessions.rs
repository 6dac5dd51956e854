//! Arguments of what looks at sessions, and takes them back.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::policy::Size;

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

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A session's id, or as much of its beginning as no other has [default: the latest that changed
    /// something in this workspace], further ones by their whole ids: they count as one; then paths,
    /// to show only what was changed there.
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
    /// something in this workspace], further ones by their whole ids: they count as one; then paths,
    /// to undo only what was changed there.
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
