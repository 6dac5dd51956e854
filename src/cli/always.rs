//! What a person said always to: a file among the user's settings, which no jail
//! can change. It is written here alone, outside every jail, as a whole, and never
//! through a symbolic link.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::error::CliError;
use super::{profiles, setup};
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
    let Some(dir) = Dir::open(&path, false).map_err(failed)? else { return Ok(None) };
    let text = dir.read().map_err(failed)?;
    Ok(text.map(|text| parse(&text, &path)).transpose()?.map(always::answers))
}

/// Its text; empty where nothing was said.
pub(super) fn text() -> Result<String, CliError> {
    let path = path()?;
    let failed = |error| CliError::ProfileUnreadable(path.clone(), error);
    let Some(dir) = Dir::open(&path, false).map_err(failed)? else { return Ok(String::new()) };
    Ok(dir.read().map_err(failed)?.unwrap_or_default())
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
    let dir = Dir::open(path, true).map_err(failed)?;
    let dir = dir.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let _lock = dir.lock().map_err(failed)?;
    let before = dir.read().map_err(failed)?.unwrap_or_default();
    let Some((after, more)) = edit(&before)? else {
        return unlinkat(&dir.0, NAME, UnlinkatFlags::NoRemoveDir).map_err(|errno| failed(errno.into()));
    };
    let count = |text: &str| if text.is_empty() { Ok(0) } else { parse(text, path).map(|it| it.rules.len()) };
    // What is written by hand may be laid out in a way that lines do not fit.
    if count(&before)?.checked_add_signed(more) != Some(count(&after)?) {
        return Err(CliError::AlwaysUnclear(path.to_path_buf()));
    }
    dir.write(&after).map_err(failed)
}

fn parse(text: &str, path: &Path) -> Result<Profile, CliError> {
    Ok(profile::parse(text, &printable(path))?)
}

/// The directory of the user's settings, held open.
struct Dir(File);

impl Dir {
    /// None where there is none and none is to be made.
    fn open(path: &Path, make: bool) -> io::Result<Option<Dir>> {
        let dir = path.parent().unwrap_or(path);
        if make {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match nix::fcntl::open(dir, flags, Mode::empty()) {
            Ok(held) => {
                let held = File::from(held);
                profiles::check_own(&held.metadata()?)?;
                Ok(Some(Dir(held)))
            }
            Err(nix::Error::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// While this is held nobody else changes the file.
    fn lock(&self) -> io::Result<Flock<File>> {
        Flock::lock(self.0.try_clone()?, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
    }

    /// Writes the file anew: whoever reads it sees the old or the new text.
    fn write(&self, text: &str) -> io::Result<()> {
        let name = format!(".{NAME}.{:016x}", setup::random());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&self.0, name.as_str(), flags, Mode::from_bits_truncate(0o600))?);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        let written = written.and_then(|()| Ok(renameat(&self.0, name.as_str(), &self.0, NAME)?));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = unlinkat(&self.0, name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written.and_then(|()| self.0.sync_all())
    }

    /// The file's text; none where there is none.
    fn read(&self) -> io::Result<Option<String>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = match openat(&self.0, NAME, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(nix::Error::ENOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file of one name"));
        }
        profiles::check_own(&metadata)?;
        let mut text = String::new();
        file.take(profiles::LARGEST).read_to_string(&mut text)?;
        Ok(Some(text))
    }
}
