//! `stockade care`: how much care a repository deserves, and why.

use std::path::Path;

use serde::Serialize;

use super::args::CareArgs;
use super::error::CliError;
use super::{print, print_json, profiles, setup};
use crate::care::{self, Budget, Care, Reason};
use crate::policy::{CareRules, Level, printable};

/// The user's own policy, beneath the directory of settings.
const USER_POLICY: &str = "policy.yaml";

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
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let home = setup::home()?;
    let workspace = setup::workspace(args.workspace.as_deref(), &current, &home)?;
    let care = care::look(&workspace, &home, &rules(&home)?, Budget::COMMAND);
    if args.json { print_json(&document(&care)) } else { print(&text(&care)) }
}

/// What the machine's policy and the user's own say about care.
pub(super) fn rules(home: &Path) -> Result<CareRules, CliError> {
    let mut rules = CareRules::default();
    let machine = Path::new(setup::MACHINE_POLICY);
    if is_there(machine)? {
        rules = rules.and(CareRules::of(&profiles::load_machine(machine)?, home)?);
    }
    let own = setup::config_dir(home).join(USER_POLICY);
    if is_there(&own)? {
        rules = rules.and(CareRules::of(&profiles::load_own(&own)?, home)?);
    }
    Ok(rules)
}

fn is_there(path: &Path) -> Result<bool, CliError> {
    path.try_exists().map_err(|error| CliError::ProfileUnreadable(path.into(), error))
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
