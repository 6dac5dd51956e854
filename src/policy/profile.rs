//! The profile as it is written: the YAML schema and its errors. The only
//! place that knows serde_yaml.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::care::CareSpec;
use super::lines::{Lines, key_line};
use super::recipe::Recipe;
use super::vars::{self, VarError};
use super::written::{AccessDocument, ReviewSpec, Size, SocketsSpec, Span, one_or_more};
use super::{Access, Channel, GitMode, Network, Origin, pattern};

/// The schema version that this program reads.
const VERSION: u32 = 1;

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The text is not YAML, or not of the schema; line and column are in the message.
    #[error("{origin}:{column}: {message}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// Column from 1.
        column: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A `version` other than 1.
    #[error("{origin}: version {found}: expected {VERSION}")]
    Version {
        /// Where.
        origin: Origin,
        /// What was found.
        found: u32,
    },
    /// A path pattern that is no pattern.
    #[error("{origin}: bad pattern `{pattern}`: {reason}")]
    Pattern {
        /// The rule.
        origin: Origin,
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value of `env.set` that cannot be expanded.
    #[error("{origin}: env: set: {name}: {reason}")]
    Env {
        /// The profile.
        origin: Origin,
        /// The variable.
        name: String,
        /// What is wrong with it.
        reason: VarError,
    },
    /// An entry of `care` that means nothing.
    #[error("{origin}: care: {reason}")]
    Care {
        /// Where `care` stands.
        origin: Origin,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `extends` names a profile that cannot be found.
    #[error("{origin}: extends `{name}`: no such profile")]
    UnknownParent {
        /// The profile that extends.
        origin: Origin,
        /// The name.
        name: String,
    },
    /// Profiles that extend each other.
    #[error("{origin}: extends itself: {}", .cycle.join(" → "))]
    Cycle {
        /// The profile where the cycle was found.
        origin: Origin,
        /// The names along the cycle.
        cycle: Vec<String>,
    },
}

impl ProfileError {
    /// An `extends` that leads nowhere.
    pub fn unknown_parent(name: &str, origin: &Origin) -> ProfileError {
        ProfileError::UnknownParent { origin: origin.clone(), name: name.into() }
    }
}

/// A profile, as written.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// The profiles it builds on, parents first.
    pub extends: Vec<String>,
    /// Where it names them.
    pub extended_at: Origin,
    /// Its rules in order.
    pub rules: Vec<RuleSpec>,
    /// Its other settings.
    pub settings: SettingsSpec,
    /// Which places deserve more care: counts in the machine's policy and the user's own.
    pub care: Vec<CareSpec>,
    /// Where it says which sockets may be connected to.
    pub sockets_at: usize,
    /// Where it was read.
    pub origin: Origin,
}

impl Profile {
    /// Where it says which sockets may be connected to.
    pub(super) fn sockets_origin(&self) -> Origin {
        Origin { line: self.sockets_at, ..self.origin.clone() }
    }
}

/// A rule, as written.
#[derive(Debug, Clone)]
pub struct RuleSpec {
    /// What it gives.
    pub access: Access,
    /// The patterns it holds for.
    pub paths: Vec<String>,
    /// Why it is there.
    pub why: Arc<str>,
    /// A floor that later rules of its layer cannot loosen.
    pub is_final: bool,
    /// An answer: lets happen what the rules of its layer ask about, and nothing else.
    pub is_answer: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// Settings that are not about paths; what is absent is inherited.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SettingsSpec {
    /// The environment.
    #[serde(default)]
    pub env: EnvSpec,
    /// The network.
    pub network: Option<Network>,
    /// Unix sockets.
    pub unix_sockets: Option<SocketsSpec>,
    /// Resource limits.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// System calls.
    #[serde(default)]
    pub syscalls: SyscallsSpec,
    /// What git may do.
    pub git: Option<GitMode>,
    /// How a person is asked.
    #[serde(default)]
    pub approvals: ApprovalsSpec,
    /// What is kept for undo.
    #[serde(default)]
    pub undo: UndoSpec,
    /// Who reviews the work.
    #[serde(default)]
    pub review: ReviewSpec,
}

/// `approvals`, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalsSpec {
    /// After how long nobody's answer is a no.
    pub timeout: Option<Span>,
    /// After how many removals of one deed the next is asked about although it needs no yes.
    pub bulk: Option<u32>,
    /// Who may be asked.
    pub channels: Option<Vec<Channel>>,
    /// What is run when a question waits.
    pub notify: Option<Vec<String>>,
}

/// `undo`, as written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoSpec {
    /// Days after which what a session keeps may be removed.
    pub keep_days: Option<u32>,
    /// Bytes that are kept.
    pub max_size: Option<Size>,
    /// Bytes that copies leave free.
    pub min_free: Option<Size>,
}

/// `env`, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvSpec {
    /// Whether to start from the outer environment.
    pub inherit: Option<bool>,
    /// Names to keep.
    #[serde(default)]
    pub pass: Vec<String>,
    /// Names to leave out.
    #[serde(default)]
    pub drop: Vec<String>,
    /// Names to set.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

/// `limits`, as written: numbers, or sizes such as `4GiB`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSpec {
    /// Processes and threads of the user.
    pub processes: Option<Size>,
    /// Open descriptors of one process.
    pub open_files: Option<Size>,
    /// Address space of one process in bytes.
    pub memory: Option<Size>,
    /// The largest file in bytes.
    pub file_size: Option<Size>,
    /// Processor time of one process in seconds.
    pub cpu_seconds: Option<Size>,
    /// The largest core dump in bytes.
    pub core: Option<Size>,
}

/// `syscalls`, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyscallsSpec {
    /// Names to let through.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Names to refuse.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// The document, key by key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default, deserialize_with = "one_or_more")]
    extends: Vec<String>,
    #[serde(default)]
    rules: Vec<RuleDocument>,
    #[serde(default)]
    env: EnvSpec,
    network: Option<Network>,
    unix_sockets: Option<SocketsSpec>,
    #[serde(default)]
    limits: LimitsSpec,
    #[serde(default)]
    syscalls: SyscallsSpec,
    git: Option<GitMode>,
    #[serde(default)]
    approvals: ApprovalsSpec,
    #[serde(default)]
    undo: UndoSpec,
    #[serde(default)]
    review: ReviewSpec,
    #[serde(default)]
    care: Vec<CareSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleDocument {
    access: AccessDocument,
    #[serde(deserialize_with = "one_or_more")]
    paths: Vec<String>,
    #[serde(default)]
    why: String,
    #[serde(default, rename = "final")]
    is_final: bool,
}

/// Parses a profile. `source` names the text in errors.
pub fn parse(text: &str, source: &str) -> Result<Profile, ProfileError> {
    let document: Document = serde_yaml::from_str(text).map_err(|error| syntax_error(&error, source))?;
    let mut profile = build(document, &Lines::of(text), source)?;
    let care_at = Origin { line: key_line(text, "care"), ..profile.origin.clone() };
    profile.care.iter_mut().for_each(|entry| entry.origin = care_at.clone());
    check(&profile, text)?;
    Ok(profile)
}

/// Parses a recipe. `source` names the text in errors.
pub fn parse_recipe(text: &str, source: &str) -> Result<Recipe, ProfileError> {
    serde_yaml::from_str(text).map_err(|error| syntax_error(&error, source))
}

/// Parses a profile that `build.rs` turned into JSON.
pub(super) fn parse_prepared(json: &str, source: &str) -> Result<Profile, ProfileError> {
    let prepared = serde_json::from_str(json).map_err(|error| ProfileError::Syntax {
        origin: Origin { source: source.into(), line: error.line() },
        column: error.column(),
        message: error.to_string(),
    })?;
    let (version, extends, sockets, rules, document): (usize, usize, usize, Vec<usize>, Document) = prepared;
    build(document, &Lines { version, extends, sockets, rules }, source)
}

fn build(document: Document, lines: &Lines, source: &str) -> Result<Profile, ProfileError> {
    let source: Arc<str> = source.into();
    let origin = |line| Origin { source: Arc::clone(&source), line };
    if document.version != VERSION {
        return Err(ProfileError::Version { origin: origin(lines.version), found: document.version });
    }
    let fallback = lines.rules.first().copied().unwrap_or(0);
    let exact = lines.rules.len() == document.rules.len() + 1;
    let mut rules = Vec::with_capacity(document.rules.len());
    for (index, rule) in document.rules.into_iter().enumerate() {
        let origin = origin(if exact { lines.rules[index + 1] } else { fallback });
        rules.push(RuleSpec {
            access: rule.access.0,
            paths: rule.paths,
            why: rule.why.into(),
            is_final: rule.is_final,
            is_answer: false,
            origin,
        });
    }
    Ok(Profile {
        name: document.name,
        description: document.description,
        extended_at: origin(if document.extends.is_empty() { 0 } else { lines.extends }),
        extends: document.extends,
        rules,
        settings: SettingsSpec {
            env: document.env,
            network: document.network,
            unix_sockets: document.unix_sockets,
            limits: document.limits,
            approvals: document.approvals,
            undo: document.undo,
            review: document.review,
            syscalls: document.syscalls,
            git: document.git,
        },
        care: document.care,
        sockets_at: lines.sockets,
        origin: origin(0),
    })
}

/// Checks patterns and values, wherever the jail will stand. (Those of
/// built-in profiles are checked by a test.)
fn check(profile: &Profile, text: &str) -> Result<(), ProfileError> {
    for rule in &profile.rules {
        rule.paths.iter().try_for_each(|pattern| check_pattern(pattern, &rule.origin))?;
    }
    let origin = Origin { line: key_line(text, "env"), ..profile.origin.clone() };
    for (name, value) in &profile.settings.env.set {
        let bad = |reason| ProfileError::Env { origin: origin.clone(), name: name.clone(), reason };
        vars::check_value(value).map_err(bad)?;
    }
    for entry in &profile.care {
        if let Some(reason) = entry.fault() {
            return Err(ProfileError::Care { origin: entry.origin.clone(), reason });
        }
        entry.paths.iter().try_for_each(|pattern| check_pattern(pattern, &entry.origin))?;
    }
    let origin = profile.sockets_origin();
    let sockets = profile.settings.unix_sockets.iter().filter_map(|spec| spec.allow.as_ref());
    sockets.flatten().try_for_each(|pattern| check_pattern(pattern, &origin))
}

fn check_pattern(pattern: &str, origin: &Origin) -> Result<(), ProfileError> {
    let bad =
        |reason: String| ProfileError::Pattern { origin: origin.clone(), pattern: pattern.into(), reason };
    vars::check_pattern(pattern).map_err(|error| bad(error.to_string()))?;
    pattern::check_globs(pattern).map_err(|error| bad(error.to_string()))
}

fn syntax_error(error: &serde_yaml::Error, source: &str) -> ProfileError {
    let (line, column) = error.location().map_or((0, 0), |location| (location.line(), location.column()));
    let full = error.to_string();
    // serde_yaml ends its messages with the place, which stands in front here.
    let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message).to_string();
    ProfileError::Syntax { origin: Origin { source: source.into(), line }, column, message }
}
