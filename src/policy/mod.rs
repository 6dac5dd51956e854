//! What a jailed program may do, as pure data: no I/O, no clock, no system
//! calls. What must be known about the machine comes in through [`facts`].
//!
//! Data goes one way: text → [`profile::Profile`] → [`Policy`] → [`plan::Plan`].

pub mod access;
pub mod agent;
mod agents;
pub mod always;
pub mod builtin;
pub mod care;
pub mod explain;
pub mod facts;
pub mod git;
pub mod hint;
pub mod learn;
pub mod level;
mod lines;
pub mod merge;
pub mod pattern;
pub mod plan;
pub mod profile;
pub mod recipe;
pub mod report;
mod rights;
pub mod rules;
pub mod settings;
mod sockets;
mod split;
mod trie;
pub mod trust;
pub mod vars;
mod walk;
mod words;
mod written;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

pub use access::{Access, Effect, Verb};
pub use care::CareRules;
pub use level::Level;
pub use merge::{LayerSource, PolicyError, resolve};
pub use pattern::Pattern;
pub use report::ReportPlaces;
pub use rules::{Layer, Policy, Rule};
pub use settings::{
    Approvals, Channel, EnvRules, GitMode, Limits, Network, Settings, SyscallRules, UndoLimits, UnixSockets,
};
pub use walk::Walk;
pub use words::{printable, shortened, size, visible};
pub use written::{Size, Span};

/// Whose rules a layer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerKind {
    /// The machine's policy, or Stockade's own: can only tighten.
    Machine,
    /// The user's profile and the command line.
    User,
    /// The repository's file: can only tighten.
    Repository,
}

/// Something a person should know about how a policy or plan came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The rule or setting that it is about.
    pub origin: Origin,
    /// What happened to it.
    pub text: String,
}

/// Where a rule was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The profile's file, `built-in profile NAME`, or `command line`.
    pub source: Arc<str>,
    /// Line from 1; 0 where there are no lines.
    pub line: usize,
}

impl Default for Origin {
    fn default() -> Origin {
        Origin { source: "".into(), line: 0 }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}", self.source),
        }
    }
}

/// A decision about one path and verb.
#[derive(Debug, Clone)]
#[must_use]
pub struct Decision {
    /// What happens.
    pub effect: Effect,
    /// The rule that says so (the strictest layer's), or none where the default did.
    pub rule: Option<RuleId>,
}

/// A rule's place in its policy: layer, then index in the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId {
    /// Index into the policy's layers.
    pub layer: usize,
    /// Index into the layer's rules.
    pub index: usize,
}

/// Where the jail stands: what relative patterns and variables refer to.
/// All paths are absolute, real (no symbolic link in them) and normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The workspace: relative patterns start here.
    pub workspace: PathBuf,
    /// The user's home: `~` starts here.
    pub home: PathBuf,
    /// The session's private temporary directory (`TMPDIR` inside).
    pub tmpdir: PathBuf,
    /// Where the report for the jail may lie; none where there is to be none.
    pub report: Option<ReportPlaces>,
}
