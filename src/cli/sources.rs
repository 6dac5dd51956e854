//! Which profile files hold for a run, and how they become layers.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::JailArgs;
use super::error::CliError;
use super::setup::{approvals_dir, config_dir, real_as_far_as_it_exists};
use super::trust::{self, Standing};
use super::{always, profiles};
use crate::policy::profile::Profile;
use crate::policy::trust::{tightening, trusted};
use crate::policy::{Access, LayerKind, LayerSource, Rule};

/// Where machine policy lies; it must belong to root.
const MACHINE_POLICY: &str = "/etc/stockade/policy.yaml";
/// The repository's own file, which can only tighten unless a person trusts it.
pub(super) const REPOSITORY_POLICY: &str = ".stockade.yaml";
/// The user's own profile that holds where none is named.
const DEFAULT: &str = "default";
/// What holds where there is none.
const STANDARD: &str = "standard";
/// How the sources of profiles that come with Stockade begin.
const BUILT_IN: &str = "built-in profile ";

/// All that has a say in a run.
pub(super) struct Sources {
    own_files: LayerSource,
    machine: Option<Vec<Profile>>,
    /// The user's profile and what it extends, parents first, then what the user
    /// said always to.
    user: Vec<Profile>,
    /// What a person typed for this run.
    allow: Vec<Rule>,
    pub(super) repository: Option<RepositoryFile>,
}

/// A repository's own file.
pub(super) struct RepositoryFile {
    /// Its content, of which the profiles were made.
    pub(super) text: String,
    /// How it stands with the user.
    pub(super) standing: Standing,
    /// It and what it extends, parents first.
    profiles: Vec<Profile>,
}

impl Sources {
    /// Finds them, for a workspace and what Stockade keeps to itself.
    pub(super) fn find(
        args: &JailArgs,
        current: &Path,
        workspace: &Path,
        own_files: LayerSource,
    ) -> Result<Sources, CliError> {
        let machine = Path::new(MACHINE_POLICY);
        let has_one =
            machine.try_exists().map_err(|error| CliError::ProfileUnreadable(machine.into(), error))?;
        let mut user = profiles::load(&profile_name(args)?)?;
        user.extend(always::load()?);
        Ok(Sources {
            own_files,
            machine: has_one.then(|| profiles::load_machine(machine)).transpose()?,
            user,
            allow: args.allow.iter().map(|text| allow_rule(text, current)).collect::<Result<_, _>>()?,
            repository: repository(workspace)?,
        })
    }

    /// The layers, where the repository's file is trusted or is not.
    pub(super) fn layers(&self, trusts: bool) -> Vec<LayerSource> {
        let layer = |kind, profiles, extra| LayerSource { kind, profiles, extra };
        let mut layers = vec![self.own_files.clone()];
        layers.extend(self.machine.clone().map(|machine| layer(LayerKind::Machine, machine, Vec::new())));
        let mut user = self.user.clone();
        if let Some(file) = self.repository.as_ref().filter(|_| trusts) {
            // What the user wrote comes after it, and wins.
            let is_own = |profile: &Profile| !profile.origin.source.starts_with(BUILT_IN);
            let place = user.iter().position(is_own).unwrap_or(user.len());
            let known: Vec<_> = user.iter().map(|profile| profile.origin.clone()).collect();
            let new = file.profiles.iter().filter(|profile| !known.contains(&profile.origin));
            user.splice(place..place, new.cloned().map(trusted));
        }
        layers.push(layer(LayerKind::User, user, self.allow.clone()));
        if let Some(file) = &self.repository {
            let mut profiles = file.profiles.clone();
            if trusts {
                profiles = profiles.into_iter().map(tightening).collect();
            }
            layers.push(layer(LayerKind::Repository, profiles, Vec::new()));
        }
        layers
    }
}

/// The profile that holds: the one that was named, or the user's own default.
fn profile_name(args: &JailArgs) -> Result<String, CliError> {
    match &args.profile {
        Some(name) => Ok(name.clone()),
        None if profiles::has_own(DEFAULT)? => Ok(DEFAULT.into()),
        None => Ok(STANDARD.into()),
    }
}

/// The file of the repository that is the workspace, if it has one.
pub(super) fn repository(workspace: &Path) -> Result<Option<RepositoryFile>, CliError> {
    let path = workspace.join(REPOSITORY_POLICY);
    let Some(text) = read_repository(&path)? else { return Ok(None) };
    let profiles = profiles::of_repository(&path, &text)?;
    Ok(Some(RepositoryFile { standing: trust::standing(&path, &text)?, text, profiles }))
}

/// The text of a repository's file; none where there is none.
pub(super) fn read_repository(path: &Path) -> Result<Option<String>, CliError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => profiles::repository_text(path).map(Some),
    }
}

/// Stockade's records are hidden and its settings never writable, whatever a
/// profile says: who could change them could loosen the next run.
pub(super) fn own_files(home: &Path, workspace: &Path, state: &Path, stores: &[PathBuf]) -> LayerSource {
    let rule = |access, path: &Path, why: &str| Rule::for_path(access, path, why, Rule::STOCKADE);
    let mut extra = vec![
        rule(Access::HIDDEN, state, "records of every session"),
        rule(Access::HIDDEN, &approvals_dir(home), "where questions are answered"),
        rule(Access::READ, &config_dir(home), "settings that loosen or tighten the next run"),
        rule(Access::READ, Path::new("/etc/stockade"), "the machine's policy"),
    ];
    // One that the jail makes can only tighten, and is no reason to let nothing be made beside it.
    let repository = workspace.join(REPOSITORY_POLICY);
    if repository.symlink_metadata().is_ok() {
        extra.push(rule(Access::READ, &repository, "the repository's policy"));
    }
    extra.extend(stores.iter().map(|store| rule(Access::HIDDEN, store, "what sessions keep for undo")));
    LayerSource { kind: LayerKind::Machine, profiles: Vec::new(), extra }
}

/// `ACCESS=PATH` as a rule. The person typed this path, so a symbolic link in
/// it is followed now.
fn allow_rule(text: &OsStr, current: &Path) -> Result<Rule, CliError> {
    let bad = || CliError::BadAllow(text.to_os_string());
    let bytes = text.as_bytes();
    let split = bytes.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
    let (access, path) = (&bytes[..split], OsStr::from_bytes(&bytes[split + 1..]));
    let access = std::str::from_utf8(access).ok().and_then(Access::by_name).ok_or_else(bad)?;
    if path.is_empty() {
        return Err(bad());
    }
    let real = real_as_far_as_it_exists(&current.join(path));
    Ok(Rule::for_path(access, &real, "named on the command line", "command line"))
}
