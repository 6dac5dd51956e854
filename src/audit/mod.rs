//! What the broker refused: one JSON object a line, in a file of the session's
//! own that no jail can reach, and in a report that the jail can read.
//!
//! The lines of the log are a hash chain (`chain`): what is changed, taken
//! out, put in or moved shows. The chain has no key, so it shows damage and
//! careless edits; whoever may write the file can also write it anew.

mod appended;
pub(crate) mod chain;
mod event;
mod log;
mod read;
mod report;

use std::path::{Path, PathBuf};

pub(crate) use appended::Appended;
pub use chain::{Fault, State};
pub use event::{Event, Verdict};
pub use log::{Log, Session, Summary};
pub use read::{Call, End, Line, Record, Recorded, Start, read, sessions};
pub use report::{Reported, read_report};

/// Where a session's log lies in the directory of all sessions.
fn log_path(sessions: &Path, id: &str) -> PathBuf {
    sessions.join(id).join("audit.jsonl")
}

/// Whether a text has the form of a session's id: no path, and no option.
pub fn is_session_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_plain) && !text.starts_with('-')
}
