//! What is recorded of a refused call.

use serde::{Deserialize, Serialize};

/// A refused call.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The process that made it.
    pub pid: i32,
    /// That process's name for itself (`comm`), as far as it is printable.
    pub command: String,
    /// The system call.
    pub call: &'static str,
    /// What it would have done to the path, if that is known.
    pub verb: Option<&'static str>,
    /// The real path that it was about, made printable, or what was asked for.
    pub path: String,
    /// The second path of a rename or link.
    pub to: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
    /// What would allow it, if anything is known to.
    pub hint: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The policy says no.
    Refused,
    /// It could not be decided, so it was refused.
    Undecided,
    /// What it would have lost could not be saved, so it was refused.
    Unsaved,
}

impl Verdict {
    /// The verdict as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Refused => "refused",
            Verdict::Undecided => "undecided",
            Verdict::Unsaved => "unsaved",
        }
    }
}
