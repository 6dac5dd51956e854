//! Reading logs, whole or not.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::chain::{self, Fault, State};
use super::{Verdict, is_session_id, log_path};
use crate::sys::file::open_regular;

/// A session's log as it is.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The lines that can be read.
    pub lines: Vec<Line>,
    /// Whether it is whole.
    pub state: State,
}

/// A line of a log.
#[derive(Debug, Clone)]
pub struct Line {
    /// The line as it is written.
    pub text: String,
    /// What it says.
    pub record: Record,
}

/// What a line says.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    /// The first line.
    Start(Start),
    /// A refused call.
    Call(Call),
    /// The last line.
    End(End),
}

/// Which session it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Start {
    /// When it began, as RFC 3339 has it.
    pub time: String,
    /// Its id.
    pub session: String,
    /// The version of Stockade.
    pub version: String,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Where it worked.
    pub workspace: String,
}

/// A refused call, as it is recorded; see [`super::Event`].
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    /// When, as RFC 3339 has it.
    pub time: String,
    /// The process.
    pub pid: i32,
    /// The process's name for itself.
    pub command: String,
    /// The system call.
    pub call: String,
    /// What it would have done to the path.
    pub verb: Option<String>,
    /// The path that it was about.
    pub path: String,
    /// The second path.
    pub to: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: Option<String>,
}

/// How a session ended.
#[derive(Debug, Clone, Deserialize)]
pub struct End {
    /// The exit status.
    pub status: u8,
    /// Refused calls.
    pub refused: u64,
    /// Those of them that are not recorded.
    pub unrecorded: u64,
}

/// The ids of the sessions that have a log, the oldest first; none where
/// there is no such directory.
pub fn sessions(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let id = name.to_str().filter(|name| is_session_id(name));
        ids.extend(id.filter(|id| log_path(dir, id).symlink_metadata().is_ok()).map(str::to_string));
    }
    ids.sort();
    Ok(ids)
}

/// Reads the log of a session in the directory of all sessions.
pub fn read(sessions: &Path, id: &str) -> io::Result<Recorded> {
    if !is_session_id(id) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut file = open_regular(&log_path(sessions, id))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(parse(&text, id))
}

fn parse(text: &[u8], id: &str) -> Recorded {
    let line = |line: &[u8]| {
        let text = std::str::from_utf8(line).ok()?;
        Some(Line { text: text.to_string(), record: serde_json::from_str(text).ok()? })
    };
    let lines: Vec<Line> = chain::lines(text).0.filter_map(line).collect();
    let is_foreign =
        matches!(lines.first(), Some(Line { record: Record::Start(start), .. }) if start.session != id);
    let state = match chain::check(text) {
        State::Closed | State::Open { .. } if is_foreign => {
            State::Broken { line: 1, fault: Fault::OtherSession }
        }
        state => state,
    };
    Recorded { lines, state }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_left_out_and_shows() {
        let good = br#"{"kind":"end","status":3,"refused":1,"unrecorded":0}"#;
        let text = [good.as_slice(), b"\nnonsense\n\xff\n", good, b"\n", good].concat();
        let recorded = parse(&text, "s");
        assert_eq!(recorded.lines.len(), 2, "the last line is torn");
        assert!(matches!(recorded.state, State::Broken { line: 1, fault: Fault::NoHash }));
    }

    #[test]
    fn only_sessions_are_found() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        assert_eq!(sessions(&dir.path().join("none"))?, [""; 0]);
        for id in ["20260102-030405-b", "20260102-030405-a", "..x", "without"] {
            fs::create_dir(dir.path().join(id))?;
        }
        fs::write(dir.path().join("file"), "")?;
        for id in ["20260102-030405-b", "20260102-030405-a", "..x"] {
            fs::write(log_path(dir.path(), id), "")?;
        }
        assert_eq!(sessions(dir.path())?, ["20260102-030405-a", "20260102-030405-b"]);
        Ok(())
    }

    #[test]
    fn nothing_but_a_regular_file_in_its_place_is_read() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("audit.jsonl"), "")?;
        fs::create_dir(dir.path().join("s"))?;
        let error = |id: &str| read(&dir.path().join("s"), id).expect_err("refused").kind();
        for id in ["..", ".", "", "/", "../s", "a/b", "-x", "a\0"] {
            assert_eq!(error(id), io::ErrorKind::InvalidInput, "{id:?}");
        }
        for id in ["link", "dir"] {
            fs::create_dir(dir.path().join("s").join(id))?;
        }
        std::os::unix::fs::symlink("/dev/null", log_path(&dir.path().join("s"), "link"))?;
        fs::create_dir(log_path(&dir.path().join("s"), "dir"))?;
        error("link");
        error("dir");
        Ok(())
    }
}
