//! What is typed to learn from refusals.

use std::ffi::OsString;

use clap::Args;

use super::JailArgs;

/// Arguments of `stockade learn`.
///
/// Runs the command in the jail, which opens nothing more for it, and prints the smallest change
/// of the profile that gives it what it was refused: as YAML, the least risky first. What stays
/// closed is listed as comments. What the command prints goes to standard error. Not seen are:
/// what it does not try since something else failed before, variables that it does not find,
/// and devices.
#[derive(Debug, Args)]
pub struct LearnArgs {
    /// The jail to learn for.
    #[command(flatten)]
    pub jail: JailArgs,

    /// Add what is printed to what this profile gives in every later run, after asking; then run the
    /// command again if it failed, since it may need more.
    #[arg(long)]
    pub apply: bool,

    /// Do not ask.
    #[arg(short, long, requires = "apply")]
    pub yes: bool,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// Take back all that was learnt for this profile.
    #[arg(long, conflicts_with_all = ["apply", "json", "command"])]
    pub forget: bool,

    /// How often it ran already.
    #[arg(long, hide = true, default_value_t = 0)]
    pub round: u32,

    /// The command and its arguments.
    #[arg(
        trailing_var_arg = true,
        required_unless_present = "forget",
        conflicts_with = "static_mode",
        value_name = "CMD"
    )]
    pub command: Vec<OsString>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// How many refusals to show, the last ones; those of the same thing count as one.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub last: usize,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
