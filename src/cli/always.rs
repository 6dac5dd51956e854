//! What a person said always to: a file among the user's settings, which no jail
//! can change. It is written here alone, outside every jail.

use std::io;
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::own_file::OwnFile;
use super::setup;
use crate::approval::server::Shown;
use crate::policy::profile::{self, Profile, RuleSpec};
use crate::policy::{Verb, always, printable, visible};

/// The file's name.
const NAME: &str = "always.yaml";

/// Where it lies.
pub(super) fn path() -> Result<PathBuf, CliError> {
    Ok(setup::config_dir(&setup::home()?).join(NAME))
}

/// What was said, as a profile for every run; none where nothing was.
pub(super) fn load() -> Result<Option<Profile>, CliError> {
    let path = path()?;
    let failed = |error| CliError::ProfileUnreadable(path.clone(), error);
    let Some(file) = OwnFile::open(&path, false).map_err(failed)? else { return Ok(None) };
    let text = file.read().map_err(failed)?;
    Ok(text.map(|text| parse(&text, &path)).transpose()?.map(always::answers))
}

/// Its text; empty where nothing was said.
pub(super) fn text() -> Result<String, CliError> {
    let path = path()?;
    let failed = |error| CliError::ProfileUnreadable(path.clone(), error);
    let Some(file) = OwnFile::open(&path, false).map_err(failed)? else { return Ok(String::new()) };
    Ok(file.read().map_err(failed)?.unwrap_or_default())
}

/// What was said, one line each, with the numbers by which it can be forgotten.
pub(super) fn listed() -> Result<Vec<String>, CliError> {
    let rules = load()?.map(|profile| profile.rules).unwrap_or_default();
    let line = |(number, rule): (usize, &RuleSpec)| {
        format!("{number:3}  {}  {}", visible(&rule.paths.join(", ")), visible(&rule.why))
    };
    Ok((1..).zip(&rules).map(line).collect())
}

/// Writes down that a person said always to a question.
pub(super) fn remember(question: &Shown) -> Result<(), CliError> {
    let path = path()?;
    let unclear = || CliError::AlwaysUnclear(path.clone());
    let verb = Verb::by_name(&question.verb).ok_or_else(unclear)?;
    let trees: Vec<PathBuf> = question.trees.iter().map(PathBuf::from).collect();
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d");
    let why = format!("you said always on {today} to {verb} this, asked by {}", question.command.join(" "));
    let rule = always::rule(verb, &trees, &why).ok_or_else(unclear)?;
    change(&path, |text| {
        let before = if text.is_empty() { always::HEAD } else { text };
        let end = if before.ends_with('\n') { "" } else { "\n" };
        Ok(Some((format!("{before}{end}{rule}"), 1)))
    })
}

/// Takes back what was said, by its number or by a path that it names.
pub(super) fn forget(what: &str) -> Result<(), CliError> {
    let path = path()?;
    let unknown = || CliError::NeverSaid(what.to_string());
    let rules = load()?.map(|profile| profile.rules).unwrap_or_default();
    let number = what.parse::<usize>().ok();
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let named = always::pattern(&setup::real_as_far_as_it_exists(&current.join(what)));
    let is_meant = |(index, rule): (usize, &RuleSpec)| match number {
        Some(number) => number == index + 1,
        None => named.as_ref().is_some_and(|named| rule.paths.contains(named)),
    };
    let meant: Vec<usize> =
        rules.iter().enumerate().filter(|found| is_meant(*found)).map(|(index, _)| index).collect();
    if meant.is_empty() {
        return Err(unknown());
    }
    change(&path, |text| {
        if parse(text, &path)?.rules.len() != rules.len() {
            return Err(unknown());
        }
        if meant.len() == rules.len() {
            return Ok(None);
        }
        let starts: Vec<usize> = rules.iter().map(|rule| rule.origin.line).collect();
        let is_in = |line: usize, index: &usize| {
            line >= starts[*index] && starts.get(index + 1).is_none_or(|next| line < *next)
        };
        let lines = (1..).zip(text.split_inclusive('\n'));
        let kept = lines.filter(|(line, _)| !meant.iter().any(|index| is_in(*line, index)));
        let gone = isize::try_from(meant.len()).unwrap_or(isize::MAX);
        Ok(Some((kept.map(|(_, text)| text).collect(), -gone)))
    })
}

/// Replaces the text by another one with so many more rules, or removes the file.
fn change(
    path: &Path,
    edit: impl FnOnce(&str) -> Result<Option<(String, isize)>, CliError>,
) -> Result<(), CliError> {
    let failed = |error| CliError::AlwaysUnwritten(path.to_path_buf(), error);
    let file = OwnFile::open(path, true).map_err(failed)?;
    let file = file.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let _lock = file.lock().map_err(failed)?;
    let before = file.read().map_err(failed)?.unwrap_or_default();
    let Some((after, more)) = edit(&before)? else {
        return file.remove().map_err(failed);
    };
    let count = |text: &str| if text.is_empty() { Ok(0) } else { parse(text, path).map(|it| it.rules.len()) };
    // What is written by hand may be laid out in a way that lines do not fit.
    if count(&before)?.checked_add_signed(more) != Some(count(&after)?) {
        return Err(CliError::AlwaysUnclear(path.to_path_buf()));
    }
    file.write(&after).map_err(failed)
}

fn parse(text: &str, path: &Path) -> Result<Profile, CliError> {
    Ok(profile::parse(text, &printable(path))?)
}
