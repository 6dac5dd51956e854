//! What was learnt for a profile: a file among the user's settings, for each profile one,
//! which no jail can change. It is written here alone, outside every jail.

use std::io;
use std::path::PathBuf;

use super::error::CliError;
use super::own_file::OwnFile;
use super::{profiles, setup};
use crate::policy::learn::only_rules;
use crate::policy::printable;
use crate::policy::profile::{self, Profile};

/// Where it lies. A profile that is a file is known by its real path.
pub(super) fn path(name: &str) -> Result<PathBuf, CliError> {
    let known = if profiles::is_file_name(name) {
        let real =
            std::fs::canonicalize(name).map_err(|error| CliError::ProfileUnreadable(name.into(), error))?;
        printable(&real)
    } else {
        name.to_string()
    };
    // As in addresses of pages, so that no two are alike.
    let file = known.replace('%', "%25").replace('/', "%2F");
    Ok(setup::config_dir(&setup::home()?).join("learned").join(format!("{file}.yaml")))
}

/// What was learnt, as rules to stand in front of the profile's own.
pub(super) fn load(name: &str) -> Result<Option<Profile>, CliError> {
    let path = path(name)?;
    Ok(text(name)?.map(|text| profile::parse(&text, &printable(&path))).transpose()?.map(only_rules))
}

/// Its text; none where nothing was learnt.
pub(super) fn text(name: &str) -> Result<Option<String>, CliError> {
    let path = path(name)?;
    let failed = |error| CliError::ProfileUnreadable(path.clone(), error);
    let Some(file) = OwnFile::open(&path, false).map_err(failed)? else { return Ok(None) };
    file.read().map_err(failed)
}

/// Writes it anew.
pub(super) fn write(name: &str, text: &str) -> Result<(), CliError> {
    let path = path(name)?;
    profile::parse(text, &printable(&path))?;
    let failed = |error| CliError::LearntUnwritten(path.clone(), error);
    let file = OwnFile::open(&path, true).map_err(failed)?;
    let file = file.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let _lock = file.lock().map_err(failed)?;
    file.write(text).map_err(failed)
}

/// Removes it.
pub(super) fn forget(name: &str) -> Result<(), CliError> {
    let path = path(name)?;
    let failed = |error| CliError::LearntUnwritten(path.clone(), error);
    match OwnFile::open(&path, false).map_err(failed)? {
        Some(file) => file.remove().map_err(failed),
        None => Err(failed(io::ErrorKind::NotFound.into())),
    }
}
