//! `stockade trust`: a repository's own file may loosen what a person has looked at.
//!
//! Trust is bound to the file's real path and to its content, and is kept among the
//! user's settings, which no jail can change.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::args::TrustArgs;
use super::ask::ask;
use super::error::CliError;
use super::own_file::OwnFile;
use super::{print, setup, sources};
use crate::launch::facts::FileSystem;
use crate::policy::printable;

/// The file's name.
const NAME: &str = "trusted.json";
/// The person did not agree.
const NOT_TRUSTED: u8 = 1;

/// What a person trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trust {
    /// The file's real path.
    path: PathBuf,
    /// BLAKE3 of its content, in hexadecimal digits.
    hash: String,
    /// The day on which a person looked at it.
    date: String,
}

/// How a repository's file stands with the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is as it was when a person trusted it.
    Trusted,
    /// A person trusted another content of it.
    Changed,
    /// Nobody has trusted it.
    Unknown,
}

/// How a file with this content stands.
pub(super) fn standing(path: &Path, text: &str) -> Result<Standing, CliError> {
    let Some(file) = open(false)? else { return Ok(Standing::Unknown) };
    Ok(match read(&file)?.iter().find(|known| known.path == path) {
        Some(known) if known.hash == hash(text) => Standing::Trusted,
        Some(_) => Standing::Changed,
        None => Standing::Unknown,
    })
}

/// Runs the subcommand and gives the exit status.
pub(super) fn main(args: &TrustArgs) -> Result<u8, CliError> {
    if args.list {
        return list().map(|()| 0);
    }
    let (workspace, path) = file_of(args.workspace.as_deref())?;
    if args.revoke {
        let gone = change(|known| known.retain(|trust| trust.path != path))?;
        return if gone { Ok(0) } else { Err(CliError::NeverTrusted(path)) };
    }
    let given = setup::given_in(&workspace)?;
    let Some(found) = &given.sources.repository else { return Err(CliError::NothingToTrust(path)) };
    let name = printable(&path);
    if found.standing == Standing::Trusted {
        return print(&format!("{name} is trusted already.\n")).map(|()| 0);
    }
    let lines = given.loosened(&given.policy(&FileSystem)?, &FileSystem)?;
    if lines.is_empty() {
        return print(&format!("{name} loosens nothing, so it needs no trust.\n")).map(|()| 0);
    }
    let changed = if found.standing == Standing::Changed { ", changed since you trusted it," } else { "" };
    let mut text = format!("With {name}{changed} the jail changes like this:\n");
    lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    print(&text)?;
    if !args.yes && !ask("Trust it?")? {
        return Ok(NOT_TRUSTED);
    }
    let date = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d");
    let trust = Trust { path: path.clone(), hash: hash(&found.text), date: date.to_string() };
    change(|known| {
        known.retain(|trust| trust.path != path);
        known.push(trust.clone());
    })?;
    Ok(0)
}

/// The workspace around a directory, and where its file is.
fn file_of(named: Option<&Path>) -> Result<(PathBuf, PathBuf), CliError> {
    let workspace = setup::workspace_of(named)?;
    let path = workspace.join(sources::REPOSITORY_POLICY);
    Ok((workspace, path))
}

fn list() -> Result<(), CliError> {
    let known = open(false)?.map(|file| read(&file)).transpose()?.unwrap_or_default();
    let mut text = String::new();
    for Trust { path, hash: trusted, date } in known {
        let now = match sources::read_repository(&path) {
            Ok(Some(now)) if hash(&now) == trusted => "",
            Ok(Some(_)) => "  changed since, so it only tightens",
            Ok(None) => "  gone",
            Err(_) => "  cannot be read",
        };
        text.push_str(&format!("{date}  {}{now}\n", printable(&path)));
    }
    print(&text)
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn path() -> Result<PathBuf, CliError> {
    Ok(setup::config_dir(&setup::home()?).join(NAME))
}

fn open(make: bool) -> Result<Option<OwnFile>, CliError> {
    let path = path()?;
    OwnFile::open(&path, make).map_err(|error| CliError::TrustUnreadable(path, error))
}

fn read(file: &OwnFile) -> Result<Vec<Trust>, CliError> {
    let failed = |error| match path() {
        Ok(path) => CliError::TrustUnreadable(path, error),
        Err(error) => error,
    };
    let Some(text) = file.read().map_err(failed)? else { return Ok(Vec::new()) };
    serde_json::from_str(&text).map_err(|error| failed(error.into()))
}

/// Changes what is trusted; gives whether that made a difference.
fn change(edit: impl FnOnce(&mut Vec<Trust>)) -> Result<bool, CliError> {
    let path = path()?;
    let failed = |error| CliError::TrustUnreadable(path.clone(), error);
    let file = open(true)?.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
    let _lock = file.lock().map_err(failed)?;
    let before = read(&file)?;
    let mut after = before.clone();
    edit(&mut after);
    if after == before {
        return Ok(false);
    }
    let text = serde_json::to_string_pretty(&after)?;
    file.write(&format!("{text}\n")).map_err(failed)?;
    Ok(true)
}
