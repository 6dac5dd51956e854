//! Coding agents: which one a command line starts, the flags that switch its own
//! prompts and sandbox off, and where its files are when a variable moves them. Pure:
//! whoever asks looks for the files, and whether the jail could have changed them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

pub use super::agents::AGENTS;
use super::profile::Profile;
use super::vars;

/// An agent. Its rules and environment are the built-in profile `agents/NAME`.
#[derive(Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: &'static str,
    /// Names of its program.
    pub commands: &'static [&'static str],
    /// Other programs have that name too: it must lie in one of the packages.
    pub needs_path: bool,
    /// Its packages, as registries and the directories of programs name them.
    pub packages: &'static [&'static str],
    /// Its Python modules.
    pub modules: &'static [&'static str],
    /// What switches its own prompts and sandbox off, updates and telemetry too where
    /// no variable does.
    pub flags: &'static [Flags],
    /// First arguments behind which they stand, instead of in front of all.
    pub flags_after: &'static [&'static str],
    /// First arguments with which none of these flags are added.
    pub without_flags: &'static [&'static str],
    /// Variables that move its files.
    pub moved: &'static [Moved],
}

/// Arguments that are added to a person's own.
#[derive(Debug, PartialEq, Eq)]
pub struct Flags {
    /// What is added.
    pub add: &'static [&'static str],
    /// Not where one of these is there already, alone or before `=`; `*` at the end
    /// stands for anything.
    pub unless: &'static [&'static str],
}

/// A variable that moves an agent's files into a directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Moved {
    /// The variable.
    pub by: &'static str,
    /// Beginnings of patterns, and what stands for them behind the directory. Of two
    /// that fit the first holds.
    pub parts: &'static [(&'static str, &'static str)],
}

/// An agent in a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Which one.
    pub agent: &'static Agent,
    /// Where its own arguments begin.
    pub at: usize,
    /// What says that it is this one.
    pub by: By,
}

/// What says which agent it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Files that are executed or read as a program, as the command line names them.
    Files(Vec<OsString>),
    /// A package or module that another program looks for, perhaps in the workspace or
    /// in a cache that jails can write.
    Package(OsString),
}

/// Programs that run a file.
const RUNTIMES: [&str; 3] = ["node", "bun", "deno"];

/// Programs that run a package, with their subcommand for it.
const RUNNERS: [(&str, &str); 9] = [
    ("npx", ""),
    ("bunx", ""),
    ("pnpx", ""),
    ("uvx", ""),
    ("npm", "exec"),
    ("npm", "x"),
    ("pnpm", "dlx"),
    ("yarn", "dlx"),
    ("pipx", "run"),
];

/// Arguments with which a program says something about itself and ends.
const ABOUT_ITSELF: [&str; 5] = ["--help", "-h", "--version", "-v", "-V"];

impl Agent {
    /// The agent of a name.
    pub fn by_name(name: &str) -> Option<&'static Agent> {
        AGENTS.iter().find(|agent| agent.name == name)
    }

    /// The name of its profile.
    pub fn profile(&self) -> String {
        format!("agents/{}", self.name)
    }

    /// What is added to its arguments, and at which place.
    pub fn added(&self, args: &[OsString]) -> (usize, Vec<&'static str>) {
        let is_behind = args.first().is_some_and(|first| self.flags_after.iter().any(|known| first == known));
        (usize::from(is_behind), self.flags_for(args))
    }

    fn flags_for(&self, args: &[OsString]) -> Vec<&'static str> {
        let first = args.first().and_then(|arg| arg.to_str()).unwrap_or_default();
        let own = args.iter().take_while(|arg| *arg != "--");
        let own: Vec<&[u8]> = own.map(|arg| arg.as_bytes()).collect();
        let is_about_itself = ABOUT_ITSELF.iter().any(|about| own.contains(&about.as_bytes()));
        if self.without_flags.contains(&first) || is_about_itself {
            return Vec::new();
        }
        let missing = self
            .flags
            .iter()
            .filter(|flags| !own.iter().any(|arg| flags.unless.iter().any(|known| is_given(arg, known))));
        missing.flat_map(|flags| flags.add).copied().collect()
    }

    /// Whether a real path leads through one of its packages.
    fn has(&self, real: &Path) -> bool {
        let names: Vec<&OsStr> = real
            .components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name),
                _ => None,
            })
            .collect();
        self.packages.iter().any(|package| {
            let wanted: Vec<&OsStr> = package.split('/').map(OsStr::new).collect();
            names.windows(wanted.len()).any(|part| part == wanted)
        })
    }

    fn is_package(&self, spec: &[u8]) -> bool {
        // `name@version`, `name==version`, `name[extra]`, and a scope begins with `@`
        let end = spec.iter().skip(1).position(|byte| b"@=[<>~".contains(byte));
        let name = &spec[..end.map_or(spec.len(), |end| end + 1)];
        self.packages.iter().any(|package| package.as_bytes() == name)
    }
}

fn is_given(arg: &[u8], known: &str) -> bool {
    match known.strip_suffix('*') {
        Some(beginning) => arg.starts_with(beginning.as_bytes()),
        None => arg.strip_prefix(known.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'='),
    }
}

/// The agent that a command line starts. `real` finds the real path of a program, as
/// `execvp(3)` would, or of a file.
pub fn named(argv: &[OsString], real: &dyn Fn(&OsStr) -> Option<PathBuf>) -> Option<Named> {
    let program = argv.first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    let found = real(program);
    let in_package =
        |path: &Option<PathBuf>| path.as_ref().and_then(|path| AGENTS.iter().find(|agent| agent.has(path)));
    let by_name = AGENTS.iter().find(|agent| agent.commands.contains(&name) && !agent.needs_path);
    if let Some(agent) = by_name.or_else(|| in_package(&found)) {
        return Some(Named { agent, at: 1, by: By::Files(vec![program.clone()]) });
    }
    let option = |arg: &OsString| arg.as_bytes().starts_with(b"-");
    let after = |at: usize| argv.iter().skip(at).position(|arg| !option(arg)).map(|place| place + at);
    if RUNTIMES.contains(&name) {
        let at = after(1)?;
        // not looked for as a program is
        let script = Path::new(".").join(&argv[at]).into_os_string();
        let agent = in_package(&real(&script))?;
        return Some(Named { agent, at: at + 1, by: By::Files(vec![program.clone(), script]) });
    }
    if name.starts_with("python") {
        let at = argv.iter().position(|arg| arg == "-m").filter(|at| after(1) == Some(at + 1))? + 1;
        let agent = AGENTS.iter().find(|agent| agent.modules.iter().any(|module| argv[at] == *module))?;
        return Some(Named { agent, at: at + 1, by: By::Package(argv[at].clone()) });
    }
    let sub = argv.get(1).and_then(|arg| arg.to_str()).unwrap_or_default();
    let (_, sub) = RUNNERS.iter().find(|(runner, own)| *runner == name && (own.is_empty() || *own == sub))?;
    let at = after(if sub.is_empty() { 1 } else { 2 })?;
    let agent = AGENTS.iter().find(|agent| agent.is_package(argv[at].as_bytes()))?;
    Some(Named { agent, at: at + 1, by: By::Package(argv[at].clone()) })
}

/// An agent's profiles with their patterns moved to where variables say that the files
/// are, each an absolute and real path.
#[must_use]
pub fn moved(
    agent: &Agent,
    mut profiles: Vec<Profile>,
    place: &dyn Fn(&str) -> Option<PathBuf>,
) -> Vec<Profile> {
    for moved in agent.moved {
        let Some(dir) = place(moved.by).and_then(|dir| vars::escape(&dir).into_string().ok()) else {
            continue;
        };
        let rules = profiles.iter_mut().flat_map(|profile| &mut profile.rules);
        for pattern in rules.flat_map(|rule| &mut rule.paths) {
            if let Some(new) = moved.beneath(pattern, &dir) {
                *pattern = new;
            }
        }
    }
    profiles
}

impl Moved {
    /// What stands for a path, or a pattern, where the variable names that directory; none
    /// where it stays.
    pub fn beneath(&self, path: &str, dir: &str) -> Option<String> {
        self.parts.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from)?;
            let is_beneath = rest.is_empty() || rest.starts_with('/');
            is_beneath.then(|| format!("{dir}{to}{rest}"))
        })
    }
}

/// What a plan says about the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Its name.
    pub name: &'static str,
    /// Its profile.
    pub profile: String,
    /// The arguments that are added to the person's.
    pub added: Vec<&'static str>,
}
