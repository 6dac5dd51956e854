//! From the command line as typed to a resolved policy: where the workspace
//! is, which profile files hold, and what they come to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::agent::{self, Choice};
use super::args::JailArgs;
use super::error::CliError;
use super::sources::{self, Inferred, Sources};
use super::trust::Standing;
use crate::launch::facts::FileSystem;
use crate::policy::agent::{Agent, Applied};
use crate::policy::facts::{Facts, Remembered};
use crate::policy::plan::{self, Mode, Plan};
use crate::policy::report::REPORT_END;
use crate::policy::{self, LayerSource, Places, Policy, ReportPlaces, trust};
use crate::review::Assignment;
use crate::seccomp;
use crate::undo::sibling_stores;

/// The mode that was asked for.
pub(super) fn mode(args: &JailArgs) -> Mode {
    if args.static_mode { Mode::Static } else { Mode::Brokered }
}

/// A plan, and what it is for.
pub(super) struct Prepared {
    /// The plan.
    pub(super) plan: Plan,
    /// The agent whose profile holds.
    pub(super) agent: Option<Applied>,
    /// The command with the flags that are added for the agent.
    pub(super) command: Vec<OsString>,
    /// The level, where nobody named a profile.
    pub(super) level: Option<Inferred>,
    /// What a person should know first, a line each.
    pub(super) notices: Vec<String>,
}

/// Compiles the plan of the jail that the arguments describe, for a command.
pub(super) fn plan(
    args: &JailArgs,
    command: &[OsString],
    assignment: Option<&Assignment>,
) -> Result<Prepared, CliError> {
    let facts = Remembered::new(&FileSystem);
    let (given, mut policy, choice) = given_for(args, command, &facts)?;
    if let Some(assignment) = assignment {
        assignment.open(&mut policy);
    }
    let mut notices: Vec<String> = choice.refused.iter().cloned().collect();
    notices.extend(given.ignored(&policy, &facts)?);
    let (agent, command) = choice.apply(args, command);
    let level = given.sources.inferred;
    Ok(Prepared { plan: plan::compile(policy, mode(args), &facts), agent, command, level, notices })
}

/// What holds for a command, the policy that it makes, and the agent that it is.
pub(super) fn given_for(
    args: &JailArgs,
    command: &[OsString],
    facts: &dyn Facts,
) -> Result<(Given, Policy, Choice), CliError> {
    let mut choice = agent::choose(args, command)?;
    let mut given = given(args, choice.agent)?;
    let mut policy = given.policy(facts)?;
    if !choice.stands(&policy) {
        given = self::given(args, None)?;
        policy = given.policy(facts)?;
    }
    Ok((given, policy, choice))
}

/// Resolves the policy of the jail that the arguments describe.
pub(super) fn policy(args: &JailArgs) -> Result<Policy, CliError> {
    given(args, agent::choose(args, &[])?.agent)?.policy(&FileSystem)
}

/// What a policy is resolved from.
pub(super) struct Given {
    /// Every source of authority.
    pub(super) sources: Sources,
    /// Where the jail stands.
    pub(super) places: Places,
}

impl Given {
    /// The layers, as the repository's file stands.
    pub(super) fn layers(&self) -> Vec<LayerSource> {
        self.sources.layers(self.sources.is_trusted())
    }

    /// The policy.
    pub(super) fn policy(&self, facts: &dyn Facts) -> Result<Policy, CliError> {
        self.of(&self.layers(), facts)
    }

    /// The policy that other layers make here.
    pub(super) fn of(&self, layers: &[LayerSource], facts: &dyn Facts) -> Result<Policy, CliError> {
        let policy = policy::resolve(layers, &self.places, facts)?;
        seccomp::check_names(&policy.settings.syscalls)?;
        Ok(policy)
    }

    /// What the repository's file would loosen if it were trusted, in words; nothing
    /// where it is.
    pub(super) fn loosened(&self, policy: &Policy, facts: &dyn Facts) -> Result<Vec<String>, CliError> {
        if self.sources.repository.is_none() || self.sources.is_trusted() {
            return Ok(Vec::new());
        }
        Ok(trust::difference(policy, &self.of(&self.sources.layers(true), facts)?))
    }

    /// That the repository's file says more than it has a say in.
    fn ignored(&self, policy: &Policy, facts: &dyn Facts) -> Result<Option<String>, CliError> {
        let why = match self.sources.repository.as_ref().map(|file| file.standing) {
            Some(Standing::Changed) => "has changed since you trusted it",
            _ => "is not trusted",
        };
        let file = sources::REPOSITORY_POLICY;
        let notice = format!("{file} {why}, so what it would loosen is ignored; see: stockade trust");
        Ok((!self.loosened(policy, facts)?.is_empty()).then_some(notice))
    }
}

/// What the arguments describe, and what holds beside them.
fn given(args: &JailArgs, agent: Option<&Agent>) -> Result<Given, CliError> {
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let home = home()?;
    let workspace = workspace(args.workspace.as_deref(), &current, &home)?;
    let state = state_dir(&home);
    let stores =
        sibling_stores(&sessions_dir(&home)).map_err(|error| CliError::Record(state.clone(), error))?;
    let own_files = sources::own_files(&home, &workspace, &state, &stores);
    let sources = Sources::find(args, agent, &current, (&workspace, &home), own_files)?;
    let tmpdir = private_tmpdir();
    let report = Some(report_places(&tmpdir, &state));
    Ok(Given { sources, places: Places { workspace, home, tmpdir, report } })
}

/// The same for a workspace where nothing else is said.
pub(super) fn given_in(workspace: &Path) -> Result<Given, CliError> {
    let workspace = Some(workspace.to_path_buf());
    given(&JailArgs { workspace, ..JailArgs::default() }, None)
}

/// The workspace around a directory, or around the current one.
pub(super) fn workspace_of(named: Option<&Path>) -> Result<PathBuf, CliError> {
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    workspace(named, &current, &home()?)
}

/// `$XDG_STATE_HOME/stockade`.
pub(super) fn state_dir(home: &Path) -> PathBuf {
    xdg("XDG_STATE_HOME", home, ".local/state")
}

/// Where the record of each session lies, in a directory of its own.
pub(super) fn sessions_dir(home: &Path) -> PathBuf {
    state_dir(home).join("sessions")
}

/// Where each review has a directory of its own.
pub(super) fn reviews_dir(home: &Path) -> PathBuf {
    state_dir(home).join("reviews")
}

/// Where sessions have a socket for those who answer what they ask: in the
/// directory for such things, which is the user's alone, or else beside the records.
pub(super) fn approvals_dir(home: &Path) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    runtime.map_or_else(|| state_dir(home).join("approvals"), |dir| dir.join("stockade"))
}

/// `$XDG_CONFIG_HOME/stockade`.
pub(super) fn config_dir(home: &Path) -> PathBuf {
    xdg("XDG_CONFIG_HOME", home, ".config")
}

/// XDG base directories count only when absolute (XDG Base Directory Specification).
fn xdg(variable: &str, home: &Path, fallback: &str) -> PathBuf {
    match std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(base) => real_as_far_as_it_exists(&base.join("stockade")),
        None => real_beneath(home, &format!("{fallback}/stockade")),
    }
}

/// The user's home directory, real.
pub(super) fn home() -> Result<PathBuf, CliError> {
    let home = std::env::home_dir().filter(|path| path.is_absolute()).ok_or(CliError::NoHome)?;
    home.canonicalize().map_err(|error| CliError::Home(home, error))
}

/// The workspace that was named, or the one around the current directory.
pub(super) fn workspace(named: Option<&Path>, current: &Path, home: &Path) -> Result<PathBuf, CliError> {
    if let Some(named) = named {
        let real = named.canonicalize().map_err(|error| CliError::Workspace(named.into(), error))?;
        if !real.is_dir() {
            return Err(CliError::WorkspaceNotDirectory(named.into()));
        }
        return Ok(real);
    }
    let current = current.canonicalize().map_err(CliError::CurrentDirectory)?;
    let root = current.ancestors().find(|path| path.join(".git").symlink_metadata().is_ok());
    let workspace = root.unwrap_or(&current).to_path_buf();
    if workspace == Path::new("/") || workspace == home {
        return Err(CliError::WorkspaceTooWide(workspace));
    }
    Ok(workspace)
}

/// A name nobody can guess; the launcher makes it with mode 0700 and fails if
/// it exists.
fn private_tmpdir() -> PathBuf {
    let name = format!("stockade-{}-{:016x}", nix::unistd::getuid(), random());
    let base = std::env::temp_dir();
    let base = base.canonicalize().unwrap_or(base);
    base.join(name)
}

/// Names for the jail's report. The random part is its own: the temporary
/// directory's can be seen by anybody as long as it is there.
fn report_places(tmpdir: &Path, state: &Path) -> ReportPlaces {
    let mut name = tmpdir.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{:016x}{REPORT_END}", random()));
    let apart = state.join("reports").join(&name);
    ReportPlaces { beside: tmpdir.with_file_name(name), apart }
}

/// 64 random bits, from the keys that the standard library draws for its hash tables.
pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

/// A path beneath a directory that is real already, with the same result as
/// [`real_as_far_as_it_exists`] and fewer questions.
fn real_beneath(real: &Path, rest: &str) -> PathBuf {
    let mut path = real.to_path_buf();
    let mut exists = true;
    for name in Path::new(rest) {
        path.push(name);
        if exists {
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_symlink() => {
                    return real_as_far_as_it_exists(&real.join(rest));
                }
                found => exists = found.is_ok(),
            }
        }
    }
    path
}

/// The real path of the longest part that exists, and the rest as written.
pub(super) fn real_as_far_as_it_exists(path: &Path) -> PathBuf {
    let mut missing: Vec<OsString> = Vec::new();
    let mut present = path.to_path_buf();
    loop {
        if let Ok(real) = present.canonicalize() {
            return missing.iter().rev().fold(real, |path, name| path.join(name));
        }
        match (present.parent().map(Path::to_path_buf), present.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_os_string());
                present = parent;
            }
            _ => return path.to_path_buf(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beneath_a_real_directory_links_are_followed_and_the_rest_stays() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let real = dir.path().canonicalize()?;
        std::fs::create_dir_all(real.join("a/b"))?;
        std::os::unix::fs::symlink("a", real.join("link"))?;
        for rest in ["a/b", "a/b/c", "a/b/c/d", "link/b/c", "link", "none/x"] {
            assert_eq!(real_beneath(&real, rest), real_as_far_as_it_exists(&real.join(rest)), "{rest}");
        }
        assert_eq!(real_beneath(&real, "link/b/c"), real.join("a/b/c"));
        Ok(())
    }
}
