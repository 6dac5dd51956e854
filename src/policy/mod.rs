//! What a jailed program may do, as pure data: no I/O, no clock, no system
//! calls. What must be known about the machine comes in through [`facts`].
//!
//! Data goes one way: text → [`profile::Profile`] → [`Policy`] → [`plan::Plan`].

pub mod facts;
pub mod plan;

use std::fmt;
use std::path::PathBuf;

/// What a program wants to do with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read a file's content or list a directory.
    Read,
    /// Execute a file, or map it executable.
    Execute,
    /// Make a new name of any kind.
    Create,
    /// Change the content or metadata of what exists; replacing a file by
    /// rename counts here.
    Modify,
    /// Take a name away, and with it perhaps the content; moving something
    /// out of its zone counts here.
    Remove,
}

impl Verb {
    /// All verbs, in the order in which they are listed to people.
    pub const ALL: [Verb; 5] = [
        Verb::Read,
        Verb::Execute,
        Verb::Create,
        Verb::Modify,
        Verb::Remove,
    ];

    /// The verb as it is written in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Execute => "execute",
            Verb::Create => "create",
            Verb::Modify => "modify",
            Verb::Remove => "remove",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens when a verb meets a path, from lenient to strict: the
/// ordering is the strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// It happens.
    Allow,
    /// It happens after what is needed to undo it has been saved.
    Keep,
    /// A person decides; no person means no.
    Ask,
    /// It does not happen.
    Deny,
}

impl Effect {
    /// The effect as it is written in a profile.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Allow => "allow",
            Effect::Keep => "keep",
            Effect::Ask => "ask",
            Effect::Deny => "deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One effect for each verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Effect of [`Verb::Read`].
    pub read: Effect,
    /// Effect of [`Verb::Execute`].
    pub execute: Effect,
    /// Effect of [`Verb::Create`].
    pub create: Effect,
    /// Effect of [`Verb::Modify`].
    pub modify: Effect,
    /// Effect of [`Verb::Remove`].
    pub remove: Effect,
}

impl Access {
    /// Everything, at native speed.
    pub const SCRATCH: Access = Access::new(
        Effect::Allow,
        Effect::Allow,
        Effect::Allow,
        Effect::Allow,
        Effect::Allow,
    );
    /// Changes are saved for undo; removal asks.
    pub const TRACKED: Access = Access::new(
        Effect::Allow,
        Effect::Allow,
        Effect::Keep,
        Effect::Keep,
        Effect::Ask,
    );
    /// Reading and executing only.
    pub const READ: Access = Access::new(
        Effect::Allow,
        Effect::Allow,
        Effect::Deny,
        Effect::Deny,
        Effect::Deny,
    );
    /// Nothing.
    pub const HIDDEN: Access = Access::new(
        Effect::Deny,
        Effect::Deny,
        Effect::Deny,
        Effect::Deny,
        Effect::Deny,
    );

    /// An access from its five effects, in the order of [`Verb::ALL`].
    pub const fn new(
        read: Effect,
        execute: Effect,
        create: Effect,
        modify: Effect,
        remove: Effect,
    ) -> Access {
        Access {
            read,
            execute,
            create,
            modify,
            remove,
        }
    }

    /// The effect of one verb.
    pub fn effect(&self, verb: Verb) -> Effect {
        match verb {
            Verb::Read => self.read,
            Verb::Execute => self.execute,
            Verb::Create => self.create,
            Verb::Modify => self.modify,
            Verb::Remove => self.remove,
        }
    }

    /// Verb by verb the stricter of the two.
    #[must_use]
    pub fn strictest(self, other: Access) -> Access {
        Access {
            read: self.read.max(other.read),
            execute: self.execute.max(other.execute),
            create: self.create.max(other.create),
            modify: self.modify.max(other.modify),
            remove: self.remove.max(other.remove),
        }
    }
}

/// Network access of the jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// No internet sockets at all.
    #[default]
    None,
    /// As outside the jail.
    Open,
}

/// Pathname and abstract Unix sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnixSockets {
    /// Only what the jail itself made: stream and seqpacket socket pairs, and,
    /// where the kernel's Landlock governs connecting (ABI 9), sockets in scratch.
    #[default]
    Own,
    /// As outside the jail; the jail can then reach every service of the user.
    Open,
}

/// Where a rule was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The profile's file, `built-in profile NAME`, or `command line`.
    pub source: String,
    /// Line from 1; 0 where there are no lines.
    pub line: usize,
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
}
