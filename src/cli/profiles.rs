//! Finding profiles by name or file, and refusing files that somebody else
//! could have written.

use std::fs::{Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::error::CliError;
use super::setup;
use crate::policy::profile::{Profile, ProfileError};
use crate::policy::recipe::Recipe;
use crate::policy::{Origin, builtin, merge, profile};

/// A profile is text of a few kilobytes; a file beyond this is a mistake.
pub(super) const LARGEST: u64 = 1 << 20;

/// Who must own a profile's file.
#[derive(Clone, Copy)]
enum Owner {
    /// Root alone: machine policy.
    Root,
    /// Root or the user.
    User,
    /// Anybody: a repository's file can only tighten.
    Anybody,
}

/// A profile and all it extends, parents first.
pub(super) fn load(name: &str) -> Result<Vec<Profile>, CliError> {
    let root = find(name, None)?.ok_or_else(|| CliError::UnknownProfile(name.into()))?;
    linearise(root, Owner::User)
}

/// The machine's policy. Whoever could change its directory could take it away.
pub(super) fn load_machine(path: &Path) -> Result<Vec<Profile>, CliError> {
    let dir = path.parent().unwrap_or(path);
    let metadata = dir.metadata().map_err(|error| CliError::ProfileUnreadable(dir.into(), error))?;
    check_owner(dir, &metadata, Owner::Root)?;
    linearise(read(path, Owner::Root)?, Owner::Root)
}

/// The text of a repository's own file.
pub(super) fn repository_text(path: &Path) -> Result<String, CliError> {
    read_text(path, Owner::Anybody)
}

/// A repository's own file, of which this is the text.
pub(super) fn of_repository(path: &Path, text: &str) -> Result<Vec<Profile>, CliError> {
    linearise(profile::parse(text, &path.display().to_string())?, Owner::Anybody)
}

/// Whether there is a profile of the user's own by this name.
pub(super) fn has_own(name: &str) -> Result<bool, CliError> {
    let path = own_path(name)?;
    path.try_exists().map_err(|error| CliError::ProfileUnreadable(path, error))
}

fn linearise(root: Profile, owner: Owner) -> Result<Vec<Profile>, CliError> {
    // The lookup's own errors are richer than what the merge can carry.
    let mut failed = None;
    let lookup = &mut |name: &str, origin: &Origin| {
        let found = match owner {
            Owner::User => find(name, Some(origin)),
            Owner::Root | Owner::Anybody => builtin_profile(name).map_err(CliError::from),
        };
        match found {
            Ok(Some(profile)) => Ok(profile),
            Ok(None) => Err(ProfileError::unknown_parent(name, origin)),
            Err(error) => {
                failed = Some(error);
                Err(ProfileError::unknown_parent(name, origin))
            }
        }
    };
    merge::linearise(root, lookup).map_err(|error| failed.take().unwrap_or(error.into()))
}

/// Looks a profile up: a file where the name looks like one, else a built-in
/// one, else one of the user's own.
fn find(name: &str, from: Option<&Origin>) -> Result<Option<Profile>, CliError> {
    if is_file_name(name) {
        let base = from.and_then(|origin| Path::new(&*origin.source).parent()).unwrap_or(Path::new(""));
        return read(&base.join(name), Owner::User).map(Some);
    }
    if let Some(profile) = builtin_profile(name)? {
        return Ok(Some(profile));
    }
    let own = own_path(name)?;
    if own.try_exists().unwrap_or(false) { read(&own, Owner::User).map(Some) } else { Ok(None) }
}

/// The recipe of an agent: the user's own, or else the one that comes with Stockade.
pub(super) fn recipe(name: &str) -> Result<Option<Recipe>, CliError> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_name {
        return Ok(None);
    }
    let own = own_dir()?.join("review").join(format!("{name}.yaml"));
    if own.try_exists().unwrap_or(false) {
        let text = read_text(&own, Owner::User)?;
        return Ok(Some(profile::parse_recipe(&text, &own.display().to_string())?));
    }
    Ok(Recipe::builtin(name).transpose()?)
}

fn builtin_profile(name: &str) -> Result<Option<Profile>, ProfileError> {
    builtin::builtin(name).transpose()
}

/// Whether a name of a profile means a file.
pub(super) fn is_file_name(name: &str) -> bool {
    let builtin = builtin::builtin_names().any(|(known, _)| known == name);
    !builtin && (name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml"))
}

fn own_path(name: &str) -> Result<PathBuf, CliError> {
    Ok(own_dir()?.join(format!("{name}.yaml")))
}

fn own_dir() -> Result<PathBuf, CliError> {
    Ok(setup::config_dir(&setup::home()?).join("profiles"))
}

fn read(path: &Path, owner: Owner) -> Result<Profile, CliError> {
    let text = read_text(path, owner)?;
    Ok(profile::parse(&text, &path.display().to_string())?)
}

/// The text of a profile's file. Ownership is checked on the open file, not
/// on its name.
fn read_text(path: &Path, owner: Owner) -> Result<String, CliError> {
    let unreadable = |error| CliError::ProfileUnreadable(path.into(), error);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(open_flags(owner).bits())
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(CliError::ProfileNotFile(path.into()));
    }
    check_owner(path, &metadata, owner)?;
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// A FIFO must not hang the start, and a repository's file must not point elsewhere.
fn open_flags(owner: Owner) -> OFlag {
    match owner {
        Owner::Root | Owner::User => OFlag::O_NONBLOCK,
        Owner::Anybody => OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW,
    }
}

fn check_owner(path: &Path, metadata: &Metadata, owner: Owner) -> Result<(), CliError> {
    let me = nix::unistd::geteuid().as_raw();
    let (owner_is_right, forbidden) = match owner {
        Owner::Root => (metadata.uid() == 0, 0o022),
        Owner::User => (metadata.uid() == 0 || metadata.uid() == me, 0o002),
        Owner::Anybody => (true, 0),
    };
    if !owner_is_right {
        return Err(CliError::ProfileOwner(path.into(), metadata.uid()));
    }
    if metadata.mode() & forbidden != 0 {
        return Err(CliError::ProfileWritable(path.into(), metadata.mode() & 0o7777));
    }
    Ok(())
}

/// Refuses what somebody else could have written.
pub(super) fn check_own(metadata: &Metadata) -> std::io::Result<()> {
    let refused = |why| Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
    match check_owner(Path::new(""), metadata, Owner::User) {
        Err(CliError::ProfileOwner(..)) => refused("it belongs to another user"),
        Err(_) => refused("it can be changed by others"),
        Ok(()) => Ok(()),
    }
}

/// A profile's text as written.
pub(super) fn text(name: &str) -> Result<String, CliError> {
    if let Some((_, text)) = builtin::builtin_names().find(|(known, _)| *known == name) {
        return Ok(text.to_string());
    }
    if is_file_name(name) {
        return read_text(Path::new(name), Owner::User);
    }
    let own = own_path(name)?;
    if own.try_exists().unwrap_or(false) {
        return read_text(&own, Owner::User);
    }
    Err(CliError::UnknownProfile(name.into()))
}

/// The names of the user's own profiles, sorted.
pub(super) fn own_names() -> Result<Vec<String>, CliError> {
    let dir = own_dir()?;
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CliError::ProfileUnreadable(dir, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| CliError::ProfileUnreadable(dir.clone(), error))?.file_name();
        if let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".yaml")) {
            names.push(name.to_string());
        }
    }
    names.sort();
    Ok(names)
}
