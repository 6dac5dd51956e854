//! What a policy says beside paths.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

use super::words::printable;

/// Network access of the jail, from strict to lenient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// No internet sockets at all.
    #[default]
    None,
    /// TCP to and from this machine's loopback addresses, by the broker alone.
    Loopback,
    /// As outside the jail.
    Open,
}

/// Pathname and abstract Unix sockets, from strict to lenient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnixSockets {
    /// What the jail itself made, and the paths that rules name
    /// ([`super::Policy::allows_socket`]). Before Landlock governs connecting
    /// (ABI 9) the broker decides, and serves no datagram sockets.
    #[default]
    Own,
    /// As outside the jail; the jail can then reach every service of the user.
    Open,
}

/// What may happen in `.git` and what it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GitMode {
    /// Nothing may change.
    #[default]
    Protected,
    /// History may grow and change, through the broker; hooks, settings and what
    /// else runs outside the jail later may not.
    Commit,
}

/// Which environment variables reach the jail. Names may hold `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EnvRules {
    /// Start from Stockade's own environment, else from an empty one.
    pub inherit: bool,
    /// Kept whatever `drop` says, and taken from Stockade's environment even
    /// where `inherit` is off.
    pub pass: Vec<String>,
    /// Left out, unless `pass` names it.
    pub drop: Vec<String>,
    /// Left out whatever `pass` says: named by the machine or the repository.
    pub drop_always: Vec<String>,
    /// Set last. Values may use `${HOME}`, `${WORKSPACE}` and `${TMPDIR}`.
    #[serde(serialize_with = "serialize_values")]
    pub set: BTreeMap<String, OsString>,
}

impl Default for EnvRules {
    fn default() -> EnvRules {
        EnvRules {
            inherit: true,
            pass: Vec::new(),
            drop: Vec::new(),
            drop_always: Vec::new(),
            set: BTreeMap::new(),
        }
    }
}

/// Resource limits, set with `setrlimit(2)`; none means as outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Limits {
    /// Processes and threads of the user (`RLIMIT_NPROC`).
    pub processes: Option<u64>,
    /// Open descriptors of one process (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Bytes of address space of one process (`RLIMIT_AS`).
    pub memory: Option<u64>,
    /// Bytes of the largest file (`RLIMIT_FSIZE`).
    pub file_size: Option<u64>,
    /// Seconds of processor time of one process (`RLIMIT_CPU`).
    pub cpu_seconds: Option<u64>,
    /// Bytes of a core dump (`RLIMIT_CORE`).
    pub core: Option<u64>,
}

/// Exceptions to the table of system calls, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SyscallRules {
    /// Let through, of those that the table marks as opt-in.
    pub allow: Vec<String>,
    /// Refused on top of what the table refuses.
    pub deny: Vec<String>,
}

/// How much is kept for undo, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UndoLimits {
    /// Days after which what a session keeps may be removed.
    pub keep_days: u32,
    /// Bytes that one session may keep, and all together after pruning.
    pub max_size: u64,
    /// Bytes that copies must leave free on the file system.
    pub min_free: u64,
}

impl Default for UndoLimits {
    fn default() -> UndoLimits {
        UndoLimits { keep_days: 30, max_size: 20 << 30, min_free: 64 << 20 }
    }
}

/// Who may be asked where a rule says `ask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// The terminal of the session.
    Terminal,
    /// Whoever runs `stockade approve`.
    Approve,
    /// Whoever sees a notification on the desktop, and then runs that.
    Desktop,
}

/// How a person is asked where a rule says `ask`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approvals {
    /// Seconds after which nobody's answer is a no.
    pub timeout: u64,
    /// Who may be asked; nobody: then it is refused.
    pub channels: Vec<Channel>,
    /// More than so many removals of one deed are asked about although each needs
    /// no yes; none: they are not counted.
    pub bulk: Option<u32>,
    /// A program and its arguments, run when a question waits: it tells a person who
    /// is elsewhere.
    pub notify: Vec<String>,
}

impl Default for Approvals {
    fn default() -> Approvals {
        let channels = vec![Channel::Terminal, Channel::Approve, Channel::Desktop];
        Approvals { timeout: 5 * 60, channels, notify: Vec::new(), bulk: None }
    }
}

/// Who reviews what was changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ReviewRules {
    /// Whether work counts as done only when it was reviewed.
    pub required: bool,
    /// Who reviews it, beside those that are named: command lines, or names of agents.
    pub reviewers: Vec<String>,
}

/// Everything of a policy that is not about paths.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Settings {
    /// The environment.
    pub env: EnvRules,
    /// The network.
    pub network: Network,
    /// Unix sockets.
    pub unix_sockets: UnixSockets,
    /// Resource limits.
    pub limits: Limits,
    /// System calls.
    pub syscalls: SyscallRules,
    /// What git may do.
    pub git: GitMode,
    /// How a person is asked.
    pub approvals: Approvals,
    /// What is kept for undo.
    pub undo: UndoLimits,
    /// Who reviews what was changed.
    pub review: ReviewRules,
}

fn serialize_values<S: Serializer>(
    set: &BTreeMap<String, OsString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(set.iter().map(|(name, value)| (name, printable(Path::new(value)))))
}
