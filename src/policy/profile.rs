//! The profile as it is written: the YAML schema and its errors. The only
//! place that knows serde_yaml.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::vars::{self, VarError};
use super::{Access, Effect, GitMode, Network, Origin, UnixSockets, pattern};

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
    /// Its rules in order.
    pub rules: Vec<RuleSpec>,
    /// Its other settings.
    pub settings: SettingsSpec,
    /// Where it was read.
    pub origin: Origin,
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
    pub unix_sockets: Option<UnixSockets>,
    /// Resource limits.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// System calls.
    #[serde(default)]
    pub syscalls: SyscallsSpec,
    /// What git may do.
    pub git: Option<GitMode>,
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

/// A number with an optional unit: KiB, MiB, GiB, TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

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
    unix_sockets: Option<UnixSockets>,
    #[serde(default)]
    limits: LimitsSpec,
    #[serde(default)]
    syscalls: SyscallsSpec,
    git: Option<GitMode>,
    #[expect(dead_code, reason = "checked as written; given a meaning when approvals are built")]
    approvals: Option<ApprovalsDocument>,
    #[expect(dead_code, reason = "checked as written; given a meaning when undo is built")]
    undo: Option<UndoDocument>,
}

/// Checked as written; given a meaning when approvals are built.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "part of the schema that profiles may already use")]
struct ApprovalsDocument {
    timeout: Option<String>,
    bulk: Option<u32>,
    channels: Option<Vec<String>>,
}

/// Checked as written; given a meaning when undo is built.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "part of the schema that profiles may already use")]
struct UndoDocument {
    keep_days: Option<u32>,
    max_size: Option<Size>,
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

/// A named access, or all five effects.
struct AccessDocument(Access);

/// Parses a profile. `source` names the text in errors.
pub fn parse(text: &str, source: &str) -> Result<Profile, ProfileError> {
    let document: Document = serde_yaml::from_str(text).map_err(|error| syntax_error(&error, source))?;
    let profile = build(document, &rule_lines(text), source)?;
    check(&profile)?;
    Ok(profile)
}

/// Parses a profile that was turned into JSON from `text`, which is still
/// needed for the places of its rules.
pub(super) fn parse_prepared(json: &str, text: &str, source: &str) -> Result<Profile, ProfileError> {
    let document: Document = serde_json::from_str(json).map_err(|error| ProfileError::Syntax {
        origin: Origin { source: source.into(), line: error.line() },
        column: error.column(),
        message: error.to_string(),
    })?;
    build(document, &rule_lines(text), source)
}

fn build(document: Document, lines: &[usize], source: &str) -> Result<Profile, ProfileError> {
    let source: Arc<str> = source.into();
    let origin = |line| Origin { source: Arc::clone(&source), line };
    if document.version != VERSION {
        return Err(ProfileError::Version { origin: origin(0), found: document.version });
    }
    let fallback = lines.first().copied().unwrap_or(0);
    let exact = lines.len() == document.rules.len() + 1;
    let mut rules = Vec::with_capacity(document.rules.len());
    for (index, rule) in document.rules.into_iter().enumerate() {
        let origin = origin(if exact { lines[index + 1] } else { fallback });
        rules.push(RuleSpec {
            access: rule.access.0,
            paths: rule.paths,
            why: rule.why.into(),
            is_final: rule.is_final,
            origin,
        });
    }
    Ok(Profile {
        name: document.name,
        description: document.description,
        extends: document.extends,
        rules,
        settings: SettingsSpec {
            env: document.env,
            network: document.network,
            unix_sockets: document.unix_sockets,
            limits: document.limits,
            syscalls: document.syscalls,
            git: document.git,
        },
        origin: origin(0),
    })
}

/// Checks patterns and values, wherever the jail will stand. (Those of
/// built-in profiles are checked by a test.)
fn check(profile: &Profile) -> Result<(), ProfileError> {
    for rule in &profile.rules {
        rule.paths.iter().try_for_each(|pattern| check_pattern(pattern, &rule.origin))?;
    }
    let nowhere = super::Places { workspace: "/".into(), home: "/".into(), tmpdir: "/".into() };
    for (name, value) in &profile.settings.env.set {
        let bad = |reason| ProfileError::Env { origin: profile.origin.clone(), name: name.clone(), reason };
        vars::expand_value(value, &nowhere).map_err(bad)?;
    }
    Ok(())
}

fn check_pattern(pattern: &str, origin: &Origin) -> Result<(), ProfileError> {
    let bad =
        |reason: String| ProfileError::Pattern { origin: origin.clone(), pattern: pattern.into(), reason };
    vars::check(pattern).map_err(|error| bad(error.to_string()))?;
    pattern::check_globs(pattern).map_err(|error| bad(error.to_string()))
}

fn syntax_error(error: &serde_yaml::Error, source: &str) -> ProfileError {
    let (line, column) = error.location().map_or((0, 0), |location| (location.line(), location.column()));
    let full = error.to_string();
    // serde_yaml ends its messages with the place, which stands in front here.
    let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message).to_string();
    ProfileError::Syntax { origin: Origin { source: source.into(), line }, column, message }
}

/// Line numbers: of `rules:` first, then of each rule. serde_yaml keeps no
/// places, so block sequences are counted in the text; for other styles the
/// counts do not agree and the caller falls back to the first.
fn rule_lines(text: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut indent = None;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let content = line.trim_start();
        let depth = line.len() - content.len();
        if lines.is_empty() {
            if line.starts_with("rules:") {
                lines.push(number);
            }
        } else if content.is_empty() || content.starts_with('#') {
            continue;
        } else if content.starts_with("- ") && depth == *indent.get_or_insert(depth) {
            lines.push(number);
        } else if depth == 0 {
            break;
        }
    }
    lines
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string or a list of strings")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.into()])
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = list.next_element()? {
                all.push(text);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Visitor)
}

impl<'de> Deserialize<'de> for AccessDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AccessDocument, D::Error> {
        struct Visitor;
        const NAMES: &[&str] = &["scratch", "tracked", "read", "hidden"];
        const VERBS: &[&str] = &["read", "execute", "create", "modify", "remove"];
        const EFFECTS: &[&str] = &["allow", "keep", "ask", "deny"];
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = AccessDocument;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("scratch, tracked, read, hidden, or an effect for each of the five verbs")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<AccessDocument, E> {
                Access::by_name(name).map(AccessDocument).ok_or_else(|| E::unknown_variant(name, NAMES))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<AccessDocument, A::Error> {
                use serde::de::Error;
                let mut effects = BTreeMap::new();
                while let Some((verb, effect)) = map.next_entry::<String, String>()? {
                    let known = VERBS.iter().find(|known| **known == verb);
                    let verb = *known.ok_or_else(|| A::Error::unknown_field(&verb, VERBS))?;
                    let effect = Effect::by_name(&effect)
                        .ok_or_else(|| A::Error::unknown_variant(&effect, EFFECTS))?;
                    if effects.insert(verb, effect).is_some() {
                        return Err(A::Error::duplicate_field(verb));
                    }
                }
                let get = |verb: &'static str| {
                    effects.get(verb).copied().ok_or_else(|| A::Error::missing_field(verb))
                };
                let (read, execute) = (get("read")?, get("execute")?);
                let access = Access::new(read, execute, get("create")?, get("modify")?, get("remove")?);
                Ok(AccessDocument(access))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or a size such as 512MiB or 4GiB")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Size, E> {
                Ok(Size(number))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Size, E> {
                size(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn size(text: &str) -> Option<Size> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift).map(Size)
}
