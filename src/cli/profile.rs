//! `stockade profile`: list, show and check profiles.

use super::args::ProfileCommand;
use super::error::CliError;
use super::{always, learned, print, profiles};
use crate::policy::profile::SyscallsSpec;
use crate::policy::{SyscallRules, builtin, printable, visible};
use crate::seccomp;

/// Runs the subcommand.
pub(super) fn main(command: &ProfileCommand) -> Result<(), CliError> {
    match command {
        ProfileCommand::List => list(),
        ProfileCommand::Show { name: None } => print(&said(&always::text()?)?),
        ProfileCommand::Show { name: Some(name) } => {
            print(&said(&format!("{}{}", profiles::text(name)?, learnt(name)?))?)
        }
        ProfileCommand::Forget { what } => always::forget(what),
        ProfileCommand::Check { name } => check(name),
    }
}

/// What was learnt for a profile, as comments.
fn learnt(name: &str) -> Result<String, CliError> {
    let Some(text) = learned::text(name)? else { return Ok(String::new()) };
    let path = printable(&learned::path(name)?);
    let lines: String = text.lines().map(|line| format!("# {}\n", visible(line))).collect();
    Ok(format!("\n# Learnt, in {path}; `stockade learn --forget` takes it back:\n{lines}"))
}

/// A profile's text with what was said beside it, as comments.
fn said(text: &str) -> Result<String, CliError> {
    let listed = always::listed()?;
    let path = printable(&always::path()?);
    let mut text = text.to_string();
    if listed.is_empty() && text.is_empty() {
        return Ok("# You have not said always to anything yet.\n".into());
    }
    if !listed.is_empty() {
        text.push_str(&format!(
            "\n# You said always, in {path}; `stockade profile forget N` takes it back:\n"
        ));
        listed.iter().for_each(|line| text.push_str(&format!("# {line}\n")));
    }
    Ok(text)
}

fn list() -> Result<(), CliError> {
    let mut names: Vec<String> = builtin::builtin_names().map(|(name, _)| name.to_string()).collect();
    names.extend(profiles::own_names()?);
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for name in &names {
        let description = match profiles::load(name) {
            Ok(chain) => chain.last().map(|profile| profile.description.clone()).unwrap_or_default(),
            Err(error) => format!("(cannot be used: {error})"),
        };
        text.push_str(&format!("{name:width$}  {description}\n"));
    }
    print(&text)
}

fn check(name: &str) -> Result<(), CliError> {
    let chain = profiles::load(name)?;
    for profile in &chain {
        let SyscallsSpec { allow, deny } = profile.settings.syscalls.clone();
        seccomp::check_names(&SyscallRules { allow, deny })?;
    }
    let rules: usize = chain.iter().map(|profile| profile.rules.len()).sum();
    print(&format!("{name}: good, {rules} rules from {} profiles\n", chain.len()))
}
