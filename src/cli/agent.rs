//! Which agent a command line starts, looked up on this machine: where its program
//! is, and whether the jail could have put it there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::args::{AgentFlags, JailArgs};
use super::error::CliError;
use super::{profiles, setup};
use crate::launch::env;
use crate::policy::agent::{self, Agent, Applied, By, Named};
use crate::policy::builtin::is_builtin;
use crate::policy::profile::Profile;
use crate::policy::{Effect, Policy, printable};

/// What is known of the agent before there is a policy.
pub(super) struct Choice {
    /// Whose profile is to hold.
    pub(super) agent: Option<&'static Agent>,
    /// Where it stands in the command, if it does.
    named: Option<Named>,
    /// A person named it, so nothing has to prove it.
    by_hand: bool,
    /// Why the profile of an agent that was recognised does not hold.
    pub(super) refused: Option<String>,
    /// What speaks against its program, in that case.
    pub(super) doubt: Option<String>,
}

/// Chooses by the arguments, or else by the command.
pub(super) fn choose(args: &JailArgs, command: &[OsString]) -> Result<Choice, CliError> {
    let path = std::env::var_os("PATH");
    let named = agent::named(command, &|name| find(name, path.as_deref())?.canonicalize().ok());
    let mut choice = Choice { agent: None, named, by_hand: false, refused: None, doubt: None };
    match args.agent.as_deref() {
        Some("none") => choice.named = None,
        Some(name) => {
            let agent = Agent::by_name(name).ok_or_else(|| CliError::UnknownAgent(name.into()))?;
            choice.named.take_if(|named| named.agent != agent);
            (choice.agent, choice.by_hand) = (Some(agent), true);
        }
        None => match &choice.named {
            Some(Named { by: By::Package(package), .. }) => {
                let package = printable(Path::new(package));
                choice.refuse(&format!("{package} is looked for where this jail can write"));
            }
            named => choice.agent = named.as_ref().map(|named| named.agent),
        },
    }
    Ok(choice)
}

impl Choice {
    /// Whether the agent's profile may hold in this policy, which it is part of: what
    /// bears an agent's name but could come from a jail, or from the repository, must
    /// not get at the agent's login.
    pub(super) fn stands(&mut self, policy: &Policy) -> bool {
        let Some(Named { by: By::Files(names), .. }) = self.named.as_ref().filter(|_| !self.by_hand) else {
            return true;
        };
        let inner = env::build(&policy.settings.env, std::env::vars_os());
        let path = inner.get(OsStr::new("PATH")).map(OsString::as_os_str);
        let outside = std::env::var_os("PATH");
        let why_not = names.iter().find_map(|name| {
            let is_same = find(name, path) == find(name, outside.as_deref());
            let Some(file) = find(name, path).filter(|_| is_same) else {
                return Some(format!("{} is found elsewhere in the jail", printable(Path::new(name))));
            };
            let file = std::path::absolute(&file).unwrap_or(file);
            let interpreter = interpreter(&file, path);
            changeable(&file, policy).or_else(|| changeable(&interpreter?, policy))
        });
        why_not.as_ref().inspect(|why| self.refuse(why)).is_none()
    }

    fn refuse(&mut self, why: &str) {
        let Some(Named { agent, .. }) = self.named.take() else { return };
        let name = agent.name;
        self.agent = None;
        self.doubt = Some(why.into());
        self.refused =
            Some(format!("{why}, so nothing is opened for the agent {name}; --agent {name} does it"));
    }

    /// What is applied, and the command with the flags that are added.
    pub(super) fn apply(&self, args: &JailArgs, command: &[OsString]) -> (Option<Applied>, Vec<OsString>) {
        let mut command = command.to_vec();
        let Some(agent) = self.agent else { return (None, command) };
        let named = self.named.as_ref().filter(|_| args.agent_flags == AgentFlags::Add);
        let mut added = Vec::new();
        if let Some(Named { at, .. }) = named {
            let place;
            (place, added) = agent.added(&command[*at..]);
            command.splice(at + place..at + place, added.iter().map(OsString::from));
        }
        (Some(Applied { name: agent.name, profile: agent.profile(), added }), command)
    }
}

/// The user's profiles with the agent's among them: after those that are built in, and
/// before those that the user wrote, which win.
pub(super) fn layered(
    mut own: Vec<Profile>,
    agent: Option<&Agent>,
    only_reads: bool,
    workspace: &Path,
) -> Result<Vec<Profile>, CliError> {
    let Some(agent) = agent else { return Ok(own) };
    let mut profiles = profiles::load(&agent.profile())?;
    if only_reads {
        let rules = profiles.iter_mut().flat_map(|profile| &mut profile.rules);
        rules.for_each(|rule| rule.access = rule.access.only_reading());
    }
    let home = setup::home()?;
    let profiles = agent::moved(agent, profiles, &|variable| {
        let dir = moved_to(variable)?;
        // where this is true the variable means more than an agent's files
        let is_wide = home.starts_with(&dir) || workspace.starts_with(&dir) || dir.starts_with(workspace);
        if is_wide {
            eprintln!("stockade: {variable}={}: nothing is opened there for an agent", printable(&dir));
        }
        Some(dir).filter(|_| !is_wide)
    });
    let known = |profile: &Profile| own.iter().any(|own| own.origin.source == profile.origin.source);
    let new: Vec<Profile> = profiles.into_iter().filter(|profile| !known(profile)).collect();
    let at = own.iter().rposition(is_builtin).map_or(0, |last| last + 1);
    own.splice(at..at, new);
    Ok(own)
}

/// The directory that a variable moves an agent's files to.
pub(super) fn moved_to(variable: &str) -> Option<PathBuf> {
    let dir = std::env::var_os(variable).map(PathBuf::from).filter(|dir| dir.is_absolute())?;
    Some(setup::real_as_far_as_it_exists(&dir))
}

/// The file that `execvp(3)` would execute first; one that is only read has a `/`.
pub(super) fn find(name: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Path::new(name).exists().then(|| name.into());
    }
    let is_program = |file: &PathBuf| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path?).map(|dir| dir.join(name)).find(is_program)
}

/// The program that a script names in its first line.
fn interpreter(script: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    let mut beginning = Vec::new();
    File::open(script).ok()?.take(256).read_to_end(&mut beginning).ok()?;
    let line = beginning.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let program = words.next()?;
    match words.find(|word| !word.starts_with('-') && !word.contains('=')) {
        Some(name) if program.ends_with("/env") => find(OsStr::new(name), path),
        _ => Some(program.into()),
    }
}

/// Why a program is nobody's word: it, a link to it or a directory above could be
/// changed in the jail, or the jail may not execute it.
fn changeable(file: &Path, policy: &Policy) -> Option<String> {
    let workspace = &policy.places.workspace;
    let says = |path: &Path, what: &str| Some(format!("{} {what}", printable(path)));
    for hop in hops(file) {
        let access = policy.access(&hop);
        let may_change = access.create.min(access.modify).min(access.remove) < Effect::Deny;
        if hop.starts_with(workspace) {
            return says(&hop, "lies in the workspace");
        }
        let moves = |dir: &Path| {
            let access = policy.access(dir);
            access.modify.min(access.remove) < Effect::Deny
        };
        if may_change || hop.ancestors().skip(1).any(moves) {
            return says(&hop, "can be changed in the jail");
        }
    }
    let real = file.canonicalize().ok()?;
    let access = policy.access(&real);
    if access.read.max(access.execute) > Effect::Allow { says(&real, "cannot be run") } else { None }
}

/// A file as it is named, and every name that leads on from there.
pub(super) fn hops(file: &Path) -> Vec<PathBuf> {
    const MOST: usize = 40;
    let mut hops = vec![file.to_path_buf()];
    let mut next = file.to_path_buf();
    while hops.len() < MOST {
        let (Some(dir), Some(name)) = (next.parent(), next.file_name()) else { break };
        let Ok(dir) = dir.canonicalize() else { break };
        let here = dir.join(name);
        let target = here.read_link().map(|target| dir.join(target));
        hops.push(here);
        match target {
            Ok(target) => next = target,
            Err(_) => break,
        }
    }
    hops.extend(file.canonicalize());
    hops
}
