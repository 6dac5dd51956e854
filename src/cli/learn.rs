//! `stockade learn`: what a command is refused, and the smallest change that gives it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::{Value, json};

use super::args::LearnArgs;
use super::ask::ask;
use super::error::CliError;
use super::setup::Given;
use super::{learned, print, print_json, run, setup};
use crate::audit::{self, Record, Summary, Verdict};
use crate::launch::LaunchError;
use crate::launch::facts::FileSystem;
use crate::policy::learn::{self, Askers, Learnt, Refused};
use crate::policy::plan::{self, Mode};
use crate::policy::profile::{self, Profile};
use crate::policy::{LayerKind, Verb, printable};

/// A command runs no more often than this until it has what it needs.
const MOST_ROUNDS: u32 = 12;

/// Runs the subcommand.
pub(super) fn main(args: &LearnArgs) -> Result<(), CliError> {
    if args.round > 0 {
        // Where root's powers come back with a new program the kernel hides its memory,
        // and until it executes something the jail's as well, from its own broker.
        nix::sys::prctl::set_dumpable(true).map_err(|errno| CliError::Output(errno.into()))?;
    }
    let (given, policy, choice) = setup::given_for(&args.jail, &args.command, &FileSystem)?;
    let profile = given.sources.profile.as_str();
    if args.forget {
        return learned::forget(profile);
    }
    let (_, command) = choice.apply(&args.jail, &args.command);
    let mut plan = plan::compile(policy, Mode::Brokered, &FileSystem);
    plan.learn();
    let (ended, summary) = without_standard_output(|| run::session(&plan, &command, false, None))??;
    let status = match ended {
        Ok(ended) => ended.status,
        // What it may not execute it is refused like anything else.
        Err(error @ LaunchError::Exec(..)) => error.status(),
        Err(error) => return Err(error.into()),
    };
    if summary.unrecorded > 0 {
        eprintln!(
            "stockade: {} refusals were not recorded, so something is missing here",
            summary.unrecorded
        );
    }
    let refused = refused(&given, &summary)?;
    let source = printable(&learned::path(profile)?);
    let learnt = learn::learn(&given.policy(&FileSystem)?, &source, &refused, &FileSystem);
    let day = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d");
    let day = day.to_string();
    let text = learn::document(&before(&given, profile)?, &learnt, &given.places, &day);
    if let Some(text) = &text {
        check(&given, profile, text, &learnt)?;
    }
    if args.json {
        print_json(&in_json(profile, status, &learnt, &given)?)?;
    } else {
        print(&learn::rendered(&learnt, &given.places, &day))?;
    }
    match text.filter(|_| !learnt.suggestions.is_empty()) {
        Some(text) if args.apply => apply(args, profile, &text, status),
        Some(_) => {
            eprintln!("stockade: `stockade learn --apply` adds this; the command ended with status {status}");
            Ok(())
        }
        None => {
            eprintln!(
                "stockade: nothing is missing that could be added; the command ended with status {status}"
            );
            Ok(())
        }
    }
}

/// Writes what was learnt, and runs the command again if it failed.
fn apply(args: &LearnArgs, profile: &str, text: &str, status: u8) -> Result<(), CliError> {
    let path = printable(&learned::path(profile)?);
    if !args.yes && !ask(&format!("Add this to {path}?"))? {
        return Ok(());
    }
    learned::write(profile, text)?;
    eprintln!("stockade: added to {path}; `stockade learn --profile {profile} --forget` takes it back");
    if status == 0 || args.round + 1 >= MOST_ROUNDS {
        return Ok(());
    }
    eprintln!("stockade: the command ended with status {status}, so it may need more");
    if !args.yes && !ask("Run it again?")? {
        return Ok(());
    }
    // A new process, since starting a jail takes what this one has given up.
    let mut words =
        std::env::args_os().skip(1).filter(|word| !word.as_encoded_bytes().starts_with(b"--round="));
    let mut command = Command::new(std::env::current_exe().map_err(CliError::CurrentDirectory)?);
    command.args(words.next()).arg(format!("--round={}", args.round + 1)).args(words);
    Err(CliError::Output(command.exec()))
}

/// Runs something while standard output leads to standard error, so that nothing but
/// what was learnt is printed there.
fn without_standard_output<T>(what: impl FnOnce() -> T) -> Result<T, CliError> {
    let failed = |errno: nix::Error| CliError::Output(errno.into());
    let kept = nix::unistd::dup(io::stdout()).map_err(failed)?;
    nix::unistd::dup2_stdout(io::stderr()).map_err(failed)?;
    let result = what();
    nix::unistd::dup2_stdout(kept).map_err(failed)?;
    Ok(result)
}

/// What the session's record says.
fn refused(given: &Given, summary: &Summary) -> Result<Vec<Refused>, CliError> {
    let sessions = setup::sessions_dir(&given.places.home);
    let recorded = match audit::read(&sessions, &summary.session) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        recorded => recorded.map_err(|error| CliError::Record(summary.path.clone(), error))?,
    };
    let calls = recorded.lines.into_iter().filter_map(|line| match line.record {
        Record::Call(call) if call.verdict != Verdict::Unsaved => Some(call),
        _ => None,
    });
    Ok(calls
        .map(|call| {
            let verb = call.verb.as_deref().and_then(Verb::by_name);
            let setting = call.rule.filter(|_| verb.is_none());
            let makes_dir = call.call.starts_with("mkdir");
            Refused { path: call.path.into(), verb, makes_dir, setting, program: call.command }
        })
        .collect())
}

/// The rules that were learnt before.
fn before(given: &Given, profile: &str) -> Result<Vec<profile::RuleSpec>, CliError> {
    let path = printable(&learned::path(profile)?);
    let layers = given.layers();
    let mut profiles = layers.iter().flat_map(|layer| &layer.profiles);
    let known = profiles.find(|profile| *profile.origin.source == *path);
    Ok(known.map(|profile| profile.rules.clone()).unwrap_or_default())
}

/// Makes sure that what was learnt does what it is for, and nothing else.
fn check(given: &Given, profile: &str, text: &str, learnt: &Learnt) -> Result<(), CliError> {
    let path = printable(&learned::path(profile)?);
    let new: Profile = learn::only_rules(profile::parse(text, &path)?);
    let mut layers = given.layers();
    for user in layers.iter_mut().filter(|layer| layer.kind == LayerKind::User) {
        user.profiles.retain(|profile| *profile.origin.source != *path);
        user.profiles.insert(0, new.clone());
    }
    let after = given.of(&layers, &FileSystem)?;
    match learn::faults(&given.policy(&FileSystem)?, &after, &path, learnt).first() {
        Some(fault) => Err(CliError::LearntWrong(fault.clone())),
        None => Ok(()),
    }
}

fn in_json(profile: &str, status: u8, learnt: &Learnt, given: &Given) -> Result<Value, CliError> {
    let named = |verb: Option<Verb>| verb.map_or("use", Verb::name);
    let asked = |asked: Vec<(Option<Verb>, &Askers)>| -> BTreeMap<&str, Askers> {
        asked.into_iter().map(|(verb, askers)| (named(verb), askers.clone())).collect()
    };
    let suggestions = learnt.suggestions.iter().map(|suggestion| {
        json!({
            "access": suggestion.access.to_string(),
            "path": learn::pattern(&suggestion.path, &given.places),
            "asked": asked(suggestion.asked.iter().map(|(verb, askers)| (Some(*verb), askers)).collect()),
        })
    });
    let kept = learnt.kept.iter().map(|kept| {
        json!({
            "path": printable(&kept.path),
            "asked": asked(kept.asked.iter().map(|(verb, askers)| (*verb, askers)).collect()),
            "why": kept.why,
        })
    });
    Ok(json!({
        "profile": profile,
        "status": status,
        "file": printable(&learned::path(profile)?),
        "suggestions": suggestions.collect::<Vec<Value>>(),
        "kept": kept.collect::<Vec<Value>>(),
    }))
}
