//! The profiles that come with Stockade, embedded in the program: as written,
//! and as JSON, made from it at build time, for a fast start.

use super::profile::{self, Profile, ProfileError};

/// What their source is called, before the name.
const SOURCE: &str = "built-in profile ";

/// Name, text and JSON of a profile.
macro_rules! embedded {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../profiles/", $name, ".yaml")),
            include_str!(concat!(env!("OUT_DIR"), "/profiles/", $name, ".json")),
        )
    };
}

/// In the order in which they are listed.
const PROFILES: [(&str, &str, &str); 37] = [
    embedded!("ci"),
    embedded!("relaxed"),
    embedded!("standard"),
    embedded!("strict"),
    embedded!("readonly"),
    embedded!("base"),
    embedded!("private"),
    embedded!("workspace/scratch"),
    embedded!("workspace/tracked"),
    embedded!("workspace/kept"),
    embedded!("workspace/lasting"),
    embedded!("workspace/read"),
    embedded!("workspace/guards"),
    embedded!("workspace/output"),
    embedded!("workspace/secrets"),
    embedded!("toolchains"),
    embedded!("toolchains/rust"),
    embedded!("toolchains/node"),
    embedded!("toolchains/python"),
    embedded!("toolchains/go"),
    embedded!("toolchains/java"),
    embedded!("toolchains/ruby"),
    embedded!("toolchains/c"),
    embedded!("toolchains/frozen"),
    embedded!("agents/claude"),
    embedded!("agents/codex"),
    embedded!("agents/gemini"),
    embedded!("agents/opencode"),
    embedded!("agents/copilot"),
    embedded!("agents/aider"),
    embedded!("agents/goose"),
    embedded!("agents/cursor"),
    embedded!("agents/crush"),
    embedded!("agents/amp"),
    embedded!("agents/pi"),
    embedded!("agents/common"),
    embedded!("agents/providers"),
];

/// The built-in profile of this name, parsed.
pub fn builtin(name: &str) -> Option<Result<Profile, ProfileError>> {
    let (name, _, json) = PROFILES.into_iter().find(|(known, ..)| *known == name)?;
    Some(profile::parse_prepared(json, &format!("{SOURCE}{name}")))
}

/// Whether a profile is one of those that come with Stockade.
pub fn is_builtin(profile: &Profile) -> bool {
    profile.origin.source.starts_with(SOURCE)
}

/// Names and texts of all built-in profiles.
pub fn builtin_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROFILES.into_iter().map(|(name, text, _)| (name, text))
}
