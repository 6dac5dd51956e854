//! Who takes part in a review: by command line, or by an agent's name.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::agent;
use super::super::args::JailArgs;
use super::super::error::CliError;
use super::super::{profiles, setup};
use super::{copied, named};
use crate::launch::facts::FileSystem;
use crate::policy::agent::Agent;
use crate::policy::recipe::{Part, Recipe};

/// Variables that would lead an agent to the real home.
const HOME_BASES: [&str; 4] = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];

/// Somebody who takes part.
#[derive(Debug)]
pub(super) struct Person {
    /// How it is called.
    pub(super) name: String,
    /// What is run.
    pub(super) part: Part,
    /// Whether an agent's name says it, so that nothing but a task tells it what to do.
    pub(super) is_by_name: bool,
    /// Which agent it is.
    agent: Option<&'static Agent>,
    /// What it needs of the home.
    state: Vec<String>,
}

impl Person {
    /// An author.
    pub(super) fn author(text: &str) -> Result<Person, CliError> {
        Person::of(text, |recipe| recipe.author)
    }

    /// A reviewer.
    pub(super) fn reviewer(text: &str) -> Result<Person, CliError> {
        Person::of(text, |recipe| recipe.reviewer)
    }

    fn of(text: &str, part: fn(Recipe) -> Part) -> Result<Person, CliError> {
        let words = shlex::split(text).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| CliError::ReviewCommand(text.into()))?;
        if let [name] = &words[..]
            && let Some(recipe) = profiles::recipe(name)?
        {
            let state = recipe.state.clone();
            let agent = Agent::by_name(name);
            return Ok(Person { name: name.clone(), part: part(recipe), is_by_name: true, agent, state });
        }
        let command: Vec<OsString> = words.iter().map(OsString::from).collect();
        let agent = agent::choose(&JailArgs::default(), &command)?.agent;
        let recipe = agent.map(|agent| profiles::recipe(agent.name)).transpose()?.flatten();
        let state = recipe.map(|recipe| recipe.state).unwrap_or_default();
        Ok(Person { name: named(text), part: Part::typed(words), is_by_name: false, agent, state })
    }

    /// What speaks against an agent's program, if the author's jail could have put it there.
    pub(super) fn doubt(&self, words: &[String], author: &JailArgs) -> Result<Option<String>, CliError> {
        let jail = JailArgs { agent: None, ..copied(author) };
        let command: Vec<OsString> = words.iter().map(OsString::from).collect();
        let choice = setup::given_for(&jail, &command, &FileSystem)?.2;
        Ok(choice.doubt.filter(|_| self.agent.is_some()))
    }

    /// Makes a home for an agent that is thrown away, with a copy of what the agent needs in
    /// it. None for other programs: they find the real one, which they cannot change.
    pub(super) fn home(&self, place: &Path, real: &Path) -> io::Result<Option<PathBuf>> {
        let Some(agent) = self.agent else { return Ok(None) };
        fs::DirBuilder::new().mode(0o700).create(place)?;
        for path in &self.state {
            let Some(rest) = path.strip_prefix("~/") else { continue };
            let moved = agent.moved.iter().find_map(|moved| {
                let dir = agent::moved_to(moved.by)?;
                moved.beneath(path, dir.to_str()?)
            });
            let from = moved.map_or_else(|| real.join(rest), PathBuf::from);
            copy(&from, &place.join(rest))?;
        }
        Ok(Some(place.to_path_buf()))
    }

    /// Variables that are set for it beside others, and those that are taken away.
    pub(super) fn environment(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let moving = self.agent.into_iter().flat_map(|agent| agent.moved).map(|moved| moved.by);
        let unset = self.agent.map(|_| HOME_BASES.into_iter().chain(moving));
        (self.part.env.clone(), unset.into_iter().flatten().map(String::from).collect())
    }
}

/// Copies a regular file, where there is one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::metadata(from) {
        Ok(metadata) if metadata.is_file() => {}
        _ => return Ok(()),
    }
    if let Some(dir) = to.parent() {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(dir)?;
    }
    let mut reader = fs::File::open(from)?;
    let mut writer = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut reader, &mut writer).map(drop)
}
