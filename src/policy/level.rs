//! Levels of care: built-in profiles in order, from lenient to strict.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How careful a jail is with a repository. Each level is the built-in profile of
/// its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Undo is enough; only removing a lot asks.
    Relaxed,
    /// A person's own repository: removing what was there before asks.
    Standard,
    /// Secrets hidden, nothing removed, no network.
    Strict,
    /// Nothing may change.
    Readonly,
}

impl Level {
    /// All of them, from lenient to strict.
    pub const ALL: [Level; 4] = [Level::Relaxed, Level::Standard, Level::Strict, Level::Readonly];

    /// The name of its profile.
    pub fn name(self) -> &'static str {
        match self {
            Level::Relaxed => "relaxed",
            Level::Standard => "standard",
            Level::Strict => "strict",
            Level::Readonly => "readonly",
        }
    }

    /// The level of a profile's name.
    pub fn by_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_built_in_profiles_in_order() {
        assert!(Level::ALL.is_sorted());
        for level in Level::ALL {
            assert_eq!(Level::by_name(level.name()), Some(level));
            assert!(crate::policy::builtin::builtin(level.name()).is_some(), "{level}");
        }
        assert_eq!(Level::by_name("ci"), None);
    }
}
