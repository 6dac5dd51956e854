//! `stockade care`: how much care a repository deserves, and why.

use serde::Serialize;

use super::args::CareArgs;
use super::error::CliError;
use super::{print, print_json, setup, sources};
use crate::care::{self, Budget, Care, Reason};
use crate::policy::{Level, printable};

/// The answer as JSON.
#[derive(Serialize)]
struct Document<'a> {
    level: Level,
    reasons: Vec<ReasonDocument<'a>>,
    complete: bool,
}

#[derive(Serialize)]
struct ReasonDocument<'a> {
    level: Level,
    what: &'a str,
    /// From the workspace.
    path: Option<String>,
}

/// Prints the level and the reasons.
pub(super) fn main(args: &CareArgs) -> Result<(), CliError> {
    let home = setup::home()?;
    let workspace = setup::workspace_of(args.workspace.as_deref())?;
    let care = care::look(&workspace, &home, &sources::care_rules(&home)?, Budget::COMMAND);
    if args.json { print_json(&document(&care)) } else { print(&text(&care)) }
}

fn document(care: &Care) -> Document<'_> {
    let reason = |reason: &'_ Reason| reason.path.as_deref().map(printable);
    let reasons = care.reasons.iter().map(|found| ReasonDocument {
        level: found.level,
        what: &found.what,
        path: reason(found),
    });
    Document { level: care.level, reasons: reasons.collect(), complete: care.is_complete }
}

fn text(care: &Care) -> String {
    let mut text = match care.reasons.first() {
        Some(reason) => format!("{}: because of {}\n", care.level, words(reason)),
        None => format!("{}: because nothing here calls for more\n", care.level),
    };
    for reason in &care.reasons {
        text.push_str(&format!("  {:<8}  {}\n", reason.level.name(), words(reason)));
    }
    if !care.is_complete {
        text.push_str("Not everything was looked at: there is too much, or something cannot be read.\n");
    }
    text
}

/// A reason in words.
pub(super) fn words(reason: &Reason) -> String {
    match &reason.path {
        Some(path) => format!("{}: {}", reason.what, printable(path)),
        None => reason.what.clone(),
    }
}
