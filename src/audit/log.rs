//! The log of one session: made at the first refusal, only ever appended to.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use super::appended::Appended;
use super::chain::Kind;
use super::report::Report;
use super::{Event, log_path};
use crate::policy::printable;

/// Events beyond this are counted and not written, so that a program that
/// loops over refused calls cannot fill the disk.
const MOST_RECORDED: u64 = 10_000;

/// The version of what is written, for programs that read it.
const SCHEMA: u32 = 1;

/// A run of a command in a jail.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id, which is also the name of its directory.
    pub id: String,
    /// When it began.
    pub started: Timestamp,
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// Where it works.
    pub workspace: PathBuf,
}

/// A line of the log, without its hash.
#[derive(Serialize)]
struct Line<'a, T> {
    seq: u64,
    kind: Kind,
    time: &'a str,
    session: &'a str,
    #[serde(flatten)]
    rest: T,
}

/// What the first line says.
#[derive(Serialize)]
struct Start {
    schema: u32,
    version: &'static str,
    command: Vec<String>,
    workspace: String,
}

/// What the last line says.
#[derive(Serialize)]
struct End {
    status: u8,
    refused: u64,
    unrecorded: u64,
}

/// The log of one session. Its directory and file are made at the first event.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    session: Session,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: Option<Appended>,
    report: Option<Report>,
    events: u64,
    unrecorded: u64,
    first: Option<(&'static str, String)>,
}

/// What happened, for the line at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The session's id.
    pub session: String,
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
    /// The log of a session in the directory of all sessions, which need not
    /// exist. What is recorded goes to the jail's report as well.
    pub fn new(sessions: &Path, session: Session, report: Option<PathBuf>) -> Log {
        let path = log_path(sessions, &session.id);
        let report = report.map(Report::new);
        let state = State { file: None, report, events: 0, unrecorded: 0, first: None };
        Log { path, session, state: Mutex::new(state) }
    }

    /// Makes the jail's report now, before there is anything to report.
    pub fn make_report(&self) -> io::Result<()> {
        self.state().report.as_mut().map_or(Ok(()), |report| report.make().map(drop))
    }

    /// Records an event. It is counted even where it cannot be written.
    pub fn record(&self, event: &Event) {
        let mut state = self.state();
        state.events += 1;
        if state.first.is_none() {
            state.first = Some((event.call, event.path.clone()));
        }
        if state.events > MOST_RECORDED {
            state.unrecorded += 1;
            return;
        }
        let time = Timestamp::now().to_string();
        if let Err(error) = self.append(&mut state, Kind::Call, &time, event) {
            state.unrecorded += 1;
            tracing::warn!(%error, "cannot write to the audit log");
        }
        if let Some(Err(error)) = state.report.as_mut().map(|report| report.write(&time, event)) {
            tracing::warn!(%error, "cannot write to the jail's report");
        }
    }

    /// Writes the last line, if there is a log.
    pub fn close(&self, status: u8) {
        let mut state = self.state();
        if state.file.is_none() {
            return;
        }
        let end = End { status, refused: state.events, unrecorded: state.unrecorded };
        if let Err(error) = self.append(&mut state, Kind::End, &Timestamp::now().to_string(), &end) {
            tracing::warn!(%error, "cannot close the audit log");
        }
    }

    /// What happened so far.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        let (session, path) = (self.session.id.clone(), self.path.clone());
        let (events, unrecorded, first) = (state.events, state.unrecorded, state.first.clone());
        Summary { session, events, unrecorded, first, path }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, state: &mut State, kind: Kind, time: &str, rest: impl Serialize) -> io::Result<()> {
        let session = &*self.session.id;
        if state.file.is_none() {
            let mut file = Appended::create(&self.path)?;
            let started = self.session.started.to_string();
            let rest = Start {
                schema: SCHEMA,
                version: env!("CARGO_PKG_VERSION"),
                command: self.session.command.iter().map(|word| printable(Path::new(word))).collect(),
                workspace: printable(&self.session.workspace),
            };
            if let Err(error) =
                file.append(&Line { seq: 0, kind: Kind::Start, time: &started, session, rest })
            {
                // The next event begins anew.
                let _ = fs::remove_file(&self.path);
                return Err(error);
            }
            state.file = Some(file);
        }
        let Some(file) = &mut state.file else { return Err(io::ErrorKind::NotFound.into()) };
        file.append(&Line { seq: file.lines(), kind, time, session, rest })
    }
}

impl Summary {
    /// The line for the end of a run; none where nothing was refused.
    pub fn line(&self) -> Option<String> {
        let (call, path) = self.first.as_ref()?;
        let what = match self.events {
            1 => format!("refused 1 call: {call} {path}"),
            events => format!("refused {events} calls, first: {call} {path}"),
        };
        let see = format!("see: stockade log {}", self.session);
        Some(match self.unrecorded {
            0 => format!("{what}; {see}"),
            all if all == self.events => format!("{what}; cannot be recorded in {}", printable(&self.path)),
            missing => format!("{what}; {missing} of them are not recorded; {see}"),
        })
    }
}

#[cfg(test)]
mod tests;
