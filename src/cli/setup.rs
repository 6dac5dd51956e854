//! From the command line as typed to a resolved policy: where the workspace
//! is, which profile files hold, and what they come to.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::JailArgs;
use super::error::CliError;
use super::{agent, always, profiles};
use crate::launch::facts::FileSystem;
use crate::policy::agent::{Agent, Applied};
use crate::policy::facts::{Facts, Remembered};
use crate::policy::plan::{self, Mode, Plan};
use crate::policy::report::REPORT_END;
use crate::policy::{self, Access, LayerKind, LayerSource, Places, Policy, ReportPlaces, Rule};
use crate::seccomp;
use crate::undo::sibling_stores;

/// Where machine policy lies; it must belong to root.
pub(super) const MACHINE_POLICY: &str = "/etc/stockade/policy.yaml";
/// The repository's own file, which can only tighten.
pub(super) const REPOSITORY_POLICY: &str = ".stockade.yaml";

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
}

/// Compiles the plan of the jail that the arguments describe, for a command.
pub(super) fn plan(args: &JailArgs, command: &[OsString]) -> Result<Prepared, CliError> {
    let facts = Remembered::new(&FileSystem);
    let mut choice = agent::choose(args, command)?;
    let mut policy = resolve(args, choice.agent, &facts)?;
    if !choice.stands(&policy) {
        policy = resolve(args, None, &facts)?;
    }
    if let Some(why) = &choice.refused {
        eprintln!("stockade: {why}");
    }
    let (agent, command) = choice.apply(args, command);
    Ok(Prepared { plan: plan::compile(policy, mode(args), &facts), agent, command })
}

/// Resolves the policy of the jail that the arguments describe.
pub(super) fn policy(args: &JailArgs) -> Result<Policy, CliError> {
    resolve(args, agent::choose(args, &[])?.agent, &FileSystem)
}

fn resolve(args: &JailArgs, agent: Option<&Agent>, facts: &dyn Facts) -> Result<Policy, CliError> {
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let home = home()?;
    let workspace = workspace(args.workspace.as_deref(), &current, &home)?;
    let state = state_dir(&home);
    let stores =
        sibling_stores(&sessions_dir(&home)).map_err(|error| CliError::Record(state.clone(), error))?;
    let layers = layers(args, agent, &current, &workspace, own_files(&home, &state, &stores))?;
    let tmpdir = private_tmpdir();
    let report = Some(report_places(&tmpdir, &state));
    let places = Places { workspace, home, tmpdir, report };
    let policy = policy::resolve(&layers, &places, facts)?;
    seccomp::check_names(&policy.settings.syscalls)?;
    Ok(policy)
}

/// Machine policy, the user's profile with the flags, the repository's file,
/// and what Stockade always keeps to itself.
fn layers(
    args: &JailArgs,
    agent: Option<&Agent>,
    current: &Path,
    workspace: &Path,
    own_files: LayerSource,
) -> Result<Vec<LayerSource>, CliError> {
    let mut layers = vec![own_files];
    let machine = Path::new(MACHINE_POLICY);
    if machine.try_exists().map_err(|error| CliError::ProfileUnreadable(machine.into(), error))? {
        layers.push(LayerSource {
            kind: LayerKind::Machine,
            profiles: profiles::load_machine(machine)?,
            extra: Vec::new(),
        });
    }
    let mut own = agent::layered(profiles::load(&args.profile)?, agent, workspace)?;
    own.extend(always::load()?);
    layers.push(LayerSource {
        kind: LayerKind::User,
        profiles: own,
        extra: args.allow.iter().map(|text| allow_rule(text, current)).collect::<Result<_, _>>()?,
    });
    let repository = workspace.join(REPOSITORY_POLICY);
    if repository.symlink_metadata().is_ok() {
        layers.push(LayerSource {
            kind: LayerKind::Repository,
            profiles: profiles::load_repository(&repository)?,
            extra: Vec::new(),
        });
    }
    Ok(layers)
}

/// Stockade's records are hidden and its settings never writable, whatever a
/// profile says: who could change them could loosen the next run.
fn own_files(home: &Path, state: &Path, stores: &[PathBuf]) -> LayerSource {
    let rule = |access, path: &Path, why: &str| Rule::for_path(access, path, why, Rule::STOCKADE);
    let mut extra = vec![
        rule(Access::HIDDEN, state, "records of every session"),
        rule(Access::HIDDEN, &approvals_dir(home), "where questions are answered"),
        rule(Access::READ, &config_dir(home), "settings that loosen or tighten the next run"),
        rule(Access::READ, Path::new("/etc/stockade"), "the machine's policy"),
    ];
    extra.extend(stores.iter().map(|store| rule(Access::HIDDEN, store, "what sessions keep for undo")));
    LayerSource { kind: LayerKind::Machine, profiles: Vec::new(), extra }
}

/// `$XDG_STATE_HOME/stockade`.
pub(super) fn state_dir(home: &Path) -> PathBuf {
    xdg("XDG_STATE_HOME", home, ".local/state")
}

/// Where the record of each session lies, in a directory of its own.
pub(super) fn sessions_dir(home: &Path) -> PathBuf {
    state_dir(home).join("sessions")
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

fn workspace(named: Option<&Path>, current: &Path, home: &Path) -> Result<PathBuf, CliError> {
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
