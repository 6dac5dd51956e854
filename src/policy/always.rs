//! What a person said always to, as rules: which questions take that for an
//! answer, and how it is written. An answer lets happen what the user's own rules
//! ask about, is kept for undo, and changes nothing else.

use std::path::{Path, PathBuf};

use super::profile::Profile;
use super::rules::Policy;
use super::walk::LayerWalk;
use super::words::{printable, visible};
use super::{Effect, LayerKind, Verb, vars};

/// What the file of answers begins with.
pub const HEAD: &str = "version: 1
name: always
description: What you said always to. A rule lets happen there what your profiles ask about, kept for undo, and nothing else.
rules:
";

/// The longest reason that is written, in characters.
const MOST_CHARS: usize = 200;

/// A profile whose rules are answers, and that says nothing else.
#[must_use]
pub fn answers(mut profile: Profile) -> Profile {
    profile.rules.iter_mut().for_each(|rule| rule.is_answer = true);
    Profile { settings: Default::default(), extends: Vec::new(), care: Vec::new(), ..profile }
}

/// A rule as it is written: a verb that may meet some paths, and why.
pub fn rule(verb: Verb, paths: &[PathBuf], why: &str) -> Option<String> {
    let effects = Verb::ALL.map(|other| {
        let effect = if other == verb { Effect::Keep } else { Effect::Ask };
        format!("{other}: {}", effect.name())
    });
    let texts: Option<Vec<String>> =
        paths.iter().map(|path| pattern(path).map(|text| yaml_text(&text))).collect();
    let why: String = visible(why).chars().take(MOST_CHARS).collect();
    let (effects, texts, why) = (effects.join(", "), texts?.join(", "), yaml_text(&why));
    Some(format!("  - access: {{{effects}}}\n    paths: [{texts}]\n    why: {why}\n"))
}

/// A path as it is written in a rule.
pub fn pattern(path: &Path) -> Option<String> {
    vars::escape(path).into_string().ok()
}

/// What JSON takes for a text YAML does as well.
fn yaml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Policy {
    /// Whether a person may say always to a verb on paths, asked about because of
    /// one of them: where the user's own rules ask, and nobody else's, and where it
    /// can be written down what was shown.
    pub fn may_always(&self, path: &Path, paths: &[PathBuf], verb: Verb) -> bool {
        let can_be_written = |path: &PathBuf| path.to_str().is_some_and(|text| text == printable(path));
        let is_too_wide = |path: &PathBuf| self.places.home.starts_with(path);
        self.only_user_asks(path, verb)
            && paths.iter().any(|tree| path.starts_with(tree))
            && paths
                .iter()
                .all(|tree| can_be_written(tree) && !is_too_wide(tree) && !self.others_ask(tree, verb))
    }

    /// Whether the user's own rules ask about a verb at a path, none of which is a
    /// floor, and nobody else's.
    pub fn only_user_asks(&self, path: &Path, verb: Verb) -> bool {
        let is_asked = |layer: &super::Layer| match layer.kind {
            LayerKind::User => LayerWalk::to(layer, path).takes_answer(verb),
            LayerKind::Machine | LayerKind::Repository => false,
        };
        self.layers.iter().any(is_asked) && !self.others_ask(path, verb)
    }

    fn others_ask(&self, path: &Path, verb: Verb) -> bool {
        let mut others = self.layers.iter().filter(|layer| layer.kind != LayerKind::User);
        others.any(|layer| layer.access(path).effect(verb) >= Effect::Ask)
    }
}
