//! What the broker refused: one JSON object a line, in a file of the session's
//! own that no jail can reach.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Events beyond this are counted and not written, so that a program that
/// loops over refused calls cannot fill the disk.
const MOST_RECORDED: u64 = 10_000;

/// A refused call.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The process that made it.
    pub pid: i32,
    /// That process's name for itself (`comm`), as far as it is printable.
    pub command: String,
    /// The system call.
    pub call: &'static str,
    /// The real path that it was about, made printable, or what was asked for.
    pub path: String,
    /// What came of it.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The policy says no.
    Refused,
    /// It could not be decided, so it was refused.
    Undecided,
}

/// A line of the log.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    session: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// The log of one session. Its directory and file are made at the first event.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    session: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    events: u64,
    unrecorded: u64,
    first: Option<(&'static str, String)>,
}

/// What happened, for the line at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Refused calls.
    pub events: u64,
    /// Those of them that are not in the log.
    pub unrecorded: u64,
    /// Call and path of the first.
    pub first: Option<(&'static str, String)>,
    /// The log.
    pub path: PathBuf,
}

impl Log {
    /// A log in `directory`, whose parents need not exist.
    pub fn new(directory: PathBuf, session: String) -> Log {
        Log { directory, session, state: Mutex::default() }
    }

    /// Records an event. It is counted even where it cannot be written.
    pub fn record(&self, event: &Event) {
        let mut state = self.state();
        state.events += 1;
        if state.first.is_none() {
            state.first = Some((event.call, event.path.clone()));
        }
        let written = if state.events > MOST_RECORDED { Ok(false) } else { self.write(&mut state, event) };
        match written {
            Ok(true) => {}
            Ok(false) => state.unrecorded += 1,
            Err(error) => {
                state.unrecorded += 1;
                tracing::warn!(%error, "cannot write to the audit log");
            }
        }
    }

    /// What happened so far.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        let (events, unrecorded, first) = (state.events, state.unrecorded, state.first.clone());
        Summary { events, unrecorded, first, path: self.path() }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("audit.jsonl")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State, event: &Event) -> io::Result<bool> {
        if state.file.is_none() {
            state.file = Some(create(&self.directory, &self.path())?);
        }
        let Some(file) = &mut state.file else {
            return Ok(false);
        };
        let line = Line { time: jiff::Timestamp::now().to_string(), session: &self.session, event };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        file.write_all(&text).map(|()| true)
    }
}

/// A new file for appending, readable by the user alone.
fn create(directory: &Path, path: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

impl Summary {
    /// The line for the end of a run; none where nothing was refused.
    pub fn line(&self) -> Option<String> {
        let (call, path) = self.first.as_ref()?;
        let log = self.path.display();
        let rest = match self.events {
            1 => String::new(),
            events => format!(" and {} more", events - 1),
        };
        Some(match self.unrecorded {
            0 => format!("refused: {call} {path}{rest}; recorded in {log}"),
            missing => format!("refused: {call} {path}{rest}; {missing} of them are not in {log}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(path: &str) -> Event {
        Event {
            pid: 1,
            command: "sh".into(),
            call: "chmod",
            path: path.into(),
            verdict: Verdict::Refused,
            rule: None,
        }
    }

    #[test]
    fn silence_leaves_no_trace() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let log = Log::new(dir.path().join("s"), "s".into());
        assert_eq!(log.summary().line(), None);
        assert!(!dir.path().join("s").exists());
        Ok(())
    }

    #[test]
    fn each_event_is_a_line_of_json() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let log = Log::new(dir.path().join("a/s"), "s".into());
        log.record(&event("/x\ny"));
        log.record(&event("/z"));
        let text = std::fs::read_to_string(dir.path().join("a/s/audit.jsonl"))?;
        let lines: Vec<serde_json::Value> =
            text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["path"], "/x\ny");
        assert_eq!(lines[0]["session"], "s");
        assert_eq!(lines[1]["verdict"], "refused");
        let line = log.summary().line().unwrap_or_default();
        assert!(line.starts_with("refused: chmod /x\ny and 1 more; recorded in"), "{line}");
        Ok(())
    }

    #[test]
    fn a_log_that_cannot_be_written_is_admitted() {
        let log = Log::new("/proc/none/s".into(), "s".into());
        log.record(&event("/x"));
        assert_eq!(log.summary().unrecorded, 1);
        assert!(log.summary().line().unwrap_or_default().contains("1 of them are not in"));
    }

    #[test]
    fn a_flood_is_counted_and_not_written() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let log = Log::new(dir.path().join("s"), "s".into());
        (0..MOST_RECORDED + 5).for_each(|_| log.record(&event("/x")));
        let text = std::fs::read_to_string(dir.path().join("s/audit.jsonl"))?;
        assert_eq!(text.lines().count() as u64, MOST_RECORDED);
        assert_eq!(log.summary().unrecorded, 5);
        Ok(())
    }
}
