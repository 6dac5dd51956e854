//! What is typed to have work reviewed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::JailArgs;

/// Arguments of `stockade review`.
///
/// An author works in its usual jail, then reviewers read what was changed, each in a jail in
/// which it can change nothing. What they find goes back to the author, until they approve.
///
/// CMD is a command line, quoted as for a shell, or the name of an agent: claude, codex, gemini,
/// opencode, copilot, aider, goose, cursor, crush, amp, pi. An author reads what is asked on standard
/// input, a reviewer the changes; {prompt} stands for what is asked, {review} for the directory
/// that STOCKADE_REVIEW names.
///
/// Exit status: 0 approved, 10 changes wanted after the last round, 11 a reviewer failed, 12 the
/// author failed, 13 nothing moves any more, 125 Stockade failed.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("form"))]
pub struct ReviewArgs {
    /// The author's jail.
    #[command(flatten)]
    pub jail: JailArgs,

    /// Who does the work.
    #[arg(
        long,
        value_name = "CMD",
        required_unless_present_any = ["sessions", "schema"],
        conflicts_with = "static_mode"
    )]
    pub author: Option<String>,

    /// Who reads it; may be repeated.
    #[arg(long, value_name = "CMD")]
    pub reviewer: Vec<String>,

    /// A file that says what the author is to do (-: standard input).
    #[arg(long, value_name = "FILE")]
    pub task: Option<PathBuf>,

    /// How often the work may be reviewed.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,

    /// How many reviewers must approve [default: all].
    #[arg(long, value_name = "N")]
    pub quorum: Option<usize>,

    /// How long the author or a reviewer may take in a round.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub turn_timeout: Duration,

    /// How long all of it may take.
    #[arg(long, value_name = "TIME", default_value = "3h", value_parser = duration)]
    pub timeout: Duration,

    /// Take the work back unless it is approved.
    #[arg(long)]
    pub undo_on_reject: bool,

    /// Print the report as JSON.
    #[arg(long, group = "form")]
    pub json: bool,

    /// Print what was found as SARIF 2.1.0.
    #[arg(long, group = "form")]
    pub sarif: bool,

    /// Print the report as Markdown, for a pull request.
    #[arg(long, group = "form")]
    pub markdown: bool,

    /// Print the JSON schema of a verdict.
    #[arg(long, group = "form", exclusive = true)]
    pub schema: bool,

    /// Sessions whose work is reviewed, where it was done before.
    #[arg(value_name = "SESSION", conflicts_with = "author")]
    pub sessions: Vec<String>,
}

/// `90s`, `30m`, `1h 30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(span).map_err(|_| "it must not be negative".into())
}
