//! The profiles that come with Stockade, embedded in the program.

use super::profile::{self, Profile, ProfileError};

/// Names and texts, in the order in which they are listed.
const PROFILES: [(&str, &str); 16] = [
    ("ci", include_str!("../../profiles/ci.yaml")),
    ("standard", include_str!("../../profiles/standard.yaml")),
    ("readonly", include_str!("../../profiles/readonly.yaml")),
    ("base", include_str!("../../profiles/base.yaml")),
    (
        "workspace/scratch",
        include_str!("../../profiles/workspace/scratch.yaml"),
    ),
    (
        "workspace/tracked",
        include_str!("../../profiles/workspace/tracked.yaml"),
    ),
    (
        "workspace/read",
        include_str!("../../profiles/workspace/read.yaml"),
    ),
    (
        "workspace/guards",
        include_str!("../../profiles/workspace/guards.yaml"),
    ),
    ("toolchains", include_str!("../../profiles/toolchains.yaml")),
    (
        "toolchains/rust",
        include_str!("../../profiles/toolchains/rust.yaml"),
    ),
    (
        "toolchains/node",
        include_str!("../../profiles/toolchains/node.yaml"),
    ),
    (
        "toolchains/python",
        include_str!("../../profiles/toolchains/python.yaml"),
    ),
    ("toolchains/go", include_str!("../../profiles/toolchains/go.yaml")),
    (
        "toolchains/java",
        include_str!("../../profiles/toolchains/java.yaml"),
    ),
    (
        "toolchains/ruby",
        include_str!("../../profiles/toolchains/ruby.yaml"),
    ),
    ("toolchains/c", include_str!("../../profiles/toolchains/c.yaml")),
];

/// The built-in profile of this name, parsed.
pub fn builtin(name: &str) -> Option<Result<Profile, ProfileError>> {
    let (name, text) = builtin_names().find(|(known, _)| *known == name)?;
    Some(profile::parse(text, &format!("built-in profile {name}")))
}

/// Names and texts of all built-in profiles.
pub fn builtin_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROFILES.into_iter()
}
