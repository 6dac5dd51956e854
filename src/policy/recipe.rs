//! Recipes: how a known agent is run without a person, as an author and as a reviewer. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::profile::{self, ProfileError};

/// Name and text of those that come with Stockade.
macro_rules! embedded {
    ($($name:literal),+) => {
        [$(($name, include_str!(concat!("../../profiles/review/", $name, ".yaml")))),+]
    };
}

/// In the order in which they are listed.
const RECIPES: [(&str, &str); 11] = embedded!(
    "claude", "codex", "gemini", "opencode", "copilot", "aider", "goose", "cursor", "crush", "amp", "pi"
);

/// How an agent takes part in a review.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// As an author.
    pub author: Part,
    /// As a reviewer.
    pub reviewer: Part,
    /// What a reviewer gets a copy of, in a home that is thrown away: `~/…`, as the agent
    /// itself keeps it where no variable moves it.
    #[serde(default)]
    pub state: Vec<String>,
}

/// How a command is run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The command and its arguments. `{review}` stands for the directory of the review,
    /// `{prompt}` for what is asked, where that is an argument.
    pub command: Vec<String>,
    /// Arguments behind these from the second round on, to go on with the conversation.
    #[serde(default)]
    pub resume: Vec<String>,
    /// Variables that are set.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// What stands for the text of what is asked.
pub const PROMPT: &str = "{prompt}";
/// What stands for the directory of the review.
pub const REVIEW: &str = "{review}";

impl Recipe {
    /// The recipe of a name that comes with Stockade.
    pub fn builtin(name: &str) -> Option<Result<Recipe, ProfileError>> {
        let (_, text) = RECIPES.into_iter().find(|(known, _)| *known == name)?;
        Some(profile::parse_recipe(text, &format!("built-in recipe {name}")))
    }

    /// The names of those that come with Stockade.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RECIPES.into_iter().map(|(name, _)| name)
    }
}

impl Part {
    /// A command as a person typed it: it reads what is asked, or the changes.
    pub fn typed(command: Vec<String>) -> Part {
        Part { command, resume: Vec::new(), env: BTreeMap::new() }
    }

    /// Whether what is asked stands among the arguments.
    pub fn takes_prompt(&self) -> bool {
        self.command.iter().any(|word| word.contains(PROMPT))
    }

    /// The words of the command, filled in. What is filled in is not looked at again.
    pub fn words(&self, resumes: bool, fill: &[(&str, &str)]) -> Vec<String> {
        let (head, tail) = match self.command.iter().position(|word| word.contains(PROMPT)) {
            Some(at) if resumes => self.command.split_at(at),
            _ => (&self.command[..], &[][..]),
        };
        let resume = if resumes { &self.resume[..] } else { &[] };
        head.iter().chain(resume).chain(tail).map(|word| filled(word, fill)).collect()
    }
}

fn filled(word: &str, fill: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = word;
    while let Some((at, mark, text)) =
        fill.iter().filter_map(|(mark, text)| Some((rest.find(mark)?, *mark, *text))).min()
    {
        out.push_str(&rest[..at]);
        out.push_str(text);
        rest = &rest[at + mark.len()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::super::agent::Agent;
    use super::*;

    #[test]
    fn there_is_a_recipe_for_every_agent() {
        let agents: Vec<&str> = super::super::agent::AGENTS.iter().map(|agent| agent.name).collect();
        assert_eq!(Recipe::names().collect::<Vec<_>>(), agents);
        for name in agents {
            let recipe = Recipe::builtin(name).expect("a recipe").unwrap_or_else(|error| panic!("{error}"));
            let agent = Agent::by_name(name).expect("an agent");
            for part in [&recipe.author, &recipe.reviewer] {
                assert!(agent.commands.contains(&part.command[0].as_str()) || agent.needs_path, "{name}");
            }
            assert!(recipe.reviewer.takes_prompt(), "{name}: its standard input is the diff");
            assert!(recipe.state.iter().all(|path| path.starts_with("~/")), "{name}");
        }
    }

    #[test]
    fn what_is_filled_in_is_text() {
        let words = ["a", "x={review}/{prompt}", "{prompt}"].map(String::from).to_vec();
        let part = Part { resume: vec!["--go-on".into()], ..Part::typed(words) };
        let fill = [(PROMPT, "say {review}"), (REVIEW, "/r")];
        assert_eq!(part.words(false, &fill), ["a", "x=/r/say {review}", "say {review}"]);
        let plain =
            Part { resume: vec!["--go-on".into()], ..Part::typed(vec!["a".into(), "{prompt}".into()]) };
        assert_eq!(plain.words(true, &fill), ["a", "--go-on", "say {review}"]);
    }
}
