//! Which profile files hold for a run, and how they become layers.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::JailArgs;
use super::error::CliError;
use super::setup::{approvals_dir, config_dir, real_as_far_as_it_exists};
use super::trust::{self, Standing};
use super::{agent, always, learned, profiles};
use crate::care::{self, Budget, Reason};
use crate::policy::agent::Agent;
use crate::policy::builtin::is_builtin;
use crate::policy::profile::Profile;
use crate::policy::trust::{raising, tightening, trusted};
use crate::policy::{Access, CareRules, LayerKind, LayerSource, Level, Rule};

/// Where machine policy lies; it must belong to root.
const MACHINE_POLICY: &str = "/etc/stockade/policy.yaml";
/// The repository's own file, which can only tighten unless a person trusts it.
pub(super) const REPOSITORY_POLICY: &str = ".stockade.yaml";
/// The user's own profile that holds where none is named.
const DEFAULT: &str = "default";

/// All that has a say in a run.
#[derive(Clone)]
pub(super) struct Sources {
    /// The profile that holds, by name or file.
    pub(super) profile: String,
    /// What was learnt for it.
    learned: Option<Profile>,
    own_files: LayerSource,
    machine: Option<Vec<Profile>>,
    /// The user's profile and what it extends, parents first, then what the user
    /// said always to.
    user: Vec<Profile>,
    /// The level that holds over the user's own default as well.
    raised: Option<Vec<Profile>>,
    /// What a person typed for this run.
    allow: Vec<Rule>,
    /// Where nobody named a profile: the level, and why.
    pub(super) inferred: Option<Inferred>,
    pub(super) repository: Option<RepositoryFile>,
}

/// The level that holds where nobody named a profile.
#[derive(Clone)]
pub(super) struct Inferred {
    /// The user's default, or a higher one.
    pub(super) level: Level,
    /// What calls for it most.
    pub(super) reason: Option<Reason>,
}

/// A repository's own file.
#[derive(Clone)]
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
        agent: Option<&Agent>,
        current: &Path,
        (workspace, home): (&Path, &Path),
        own_files: LayerSource,
    ) -> Result<Sources, CliError> {
        let machine = machine()?;
        let mut sources = Sources {
            profile: String::new(),
            learned: None,
            own_files,
            machine,
            user: Vec::new(),
            raised: None,
            allow: args.allow.iter().map(|text| allow_rule(text, current)).collect::<Result<_, _>>()?,
            inferred: None,
            repository: repository(workspace)?,
        };
        match &args.profile {
            Some(name) => (sources.user, sources.profile) = (profiles::load(name)?, name.clone()),
            None => sources.infer(workspace, home)?,
        }
        sources.learned = learned::load(&sources.profile)?;
        sources.user = agent::layered(sources.user, agent, args.only_reads, workspace)?;
        if agent.is_some() {
            // Which network an agent needs its profile says.
            sources.raised.iter_mut().flatten().for_each(|profile| profile.settings.network = None);
        }
        sources.user.extend(always::load()?);
        Ok(sources)
    }

    /// Takes the user's default, or what the workspace deserves where that is more.
    fn infer(&mut self, workspace: &Path, home: &Path) -> Result<(), CliError> {
        let name = default_name()?;
        self.user = profiles::load(name)?;
        let default = level_of(&self.user);
        let rules = CareRules::of(self.machine.iter().flatten().chain(&self.user), home)?;
        let care = care::look(workspace, home, &rules, Budget::RUN);
        let level = care.above(default);
        self.profile = if name == DEFAULT { name } else { level.name() }.to_string();
        if level > default {
            let level = profiles::load(level.name())?;
            let own = self.user.iter().filter(|profile| !is_builtin(profile)).cloned();
            let own: Vec<Profile> = own.collect();
            if !own.is_empty() {
                // What the user wrote for a lower level must not undo this one.
                self.raised = Some(level.iter().cloned().map(raising).collect());
            }
            self.user = level.into_iter().chain(own).collect();
        }
        let reason = care.reasons.into_iter().next().filter(|reason| reason.level >= level);
        self.inferred = Some(Inferred { level, reason });
        Ok(())
    }

    /// Whether the repository has a file that is as a person trusted it.
    pub(super) fn is_trusted(&self) -> bool {
        self.repository.as_ref().is_some_and(|file| file.standing == Standing::Trusted)
    }

    /// The layers, where the repository's file is trusted or is not.
    pub(super) fn layers(&self, trusts: bool) -> Vec<LayerSource> {
        let layer = |kind, profiles, extra| LayerSource { kind, profiles, extra };
        let mut layers = vec![self.own_files.clone()];
        layers.extend(self.machine.clone().map(|machine| layer(LayerKind::Machine, machine, Vec::new())));
        layers
            .extend(self.raised.clone().map(|raised| layer(LayerKind::Machine, raised, self.allow.clone())));
        let mut user = self.user.clone();
        if let Some(file) = self.repository.as_ref().filter(|_| trusts) {
            // What the user wrote comes after it, and wins.
            let place = user.iter().position(|profile| !is_builtin(profile)).unwrap_or(user.len());
            let known: Vec<_> = user.iter().map(|profile| profile.origin.clone()).collect();
            let new = file.profiles.iter().filter(|profile| !known.contains(&profile.origin));
            user.splice(place..place, new.cloned().map(trusted));
        }
        // In front, so that every rule of the profile is stronger.
        let user = self.learned.iter().cloned().chain(user).collect();
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

/// The highest level that profiles build on; that of most where they build on none.
fn level_of(profiles: &[Profile]) -> Level {
    let levels = profiles.iter().filter(|profile| is_builtin(profile));
    levels.filter_map(|profile| Level::by_name(&profile.name)).max().unwrap_or(Level::Standard)
}

/// The name of the user's default.
fn default_name() -> Result<&'static str, CliError> {
    Ok(if profiles::has_own(DEFAULT)? { DEFAULT } else { Level::Standard.name() })
}

/// The machine's policy, where there is one.
fn machine() -> Result<Option<Vec<Profile>>, CliError> {
    let path = Path::new(MACHINE_POLICY);
    let has_one = path.try_exists().map_err(|error| CliError::ProfileUnreadable(path.into(), error))?;
    has_one.then(|| profiles::load_machine(path)).transpose()
}

/// What the machine's policy and the user's default say about places that deserve
/// more care.
pub(super) fn care_rules(home: &Path) -> Result<CareRules, CliError> {
    Ok(CareRules::of(machine()?.iter().flatten().chain(&profiles::load(default_name()?)?), home)?)
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
