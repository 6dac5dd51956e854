//! The report for the jail: what was refused, by which rule, what would allow
//! it. The jail can read it and not write it, so that a program can rely on it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};

use super::{Event, Verdict};
use crate::sys::file::open_regular;

/// A line of the report.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    call: &'static str,
    verb: Option<&'static str>,
    path: &'a str,
    to: Option<&'a str>,
    verdict: Verdict,
    rule: Option<&'a str>,
    hint: Option<&'a str>,
}

/// A refusal as the report tells it; see [`Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// When, as RFC 3339 has it.
    pub time: String,
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
    /// What would allow it.
    pub hint: Option<String>,
}

/// A report is text of some megabytes at most.
const LARGEST: u64 = 1 << 26;

/// Reads a report; empty where nothing was refused, so that none was made.
pub fn read_report(path: &Path) -> io::Result<Vec<Reported>> {
    // What the variable names could be anything.
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    // The last line may still be in the making.
    let lines = text.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// The report of one jail.
#[derive(Debug)]
pub(super) struct Report {
    path: PathBuf,
    file: Option<Held>,
}

/// An open report, locked if possible, so that other runs can tell that
/// somebody still writes it.
#[derive(Debug)]
enum Held {
    Locked(Flock<File>),
    /// Somebody in the jail was faster: then it stays as long as they do.
    Unlocked(File),
}

impl Report {
    /// A report that does not exist yet.
    pub(super) fn new(path: PathBuf) -> Report {
        Report { path, file: None }
    }

    /// Makes it, with nothing in it, if that has not been done yet.
    pub(super) fn make(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            if let Some(dir) = self.path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            let file = OpenOptions::new()
                .append(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(OFlag::O_NOFOLLOW.bits())
                .open(&self.path)?;
            let held = Flock::lock(file, FlockArg::LockExclusiveNonblock);
            self.file = Some(held.map_or_else(|(file, _)| Held::Unlocked(file), Held::Locked));
        }
        match &mut self.file {
            Some(Held::Locked(file)) => Ok(file),
            Some(Held::Unlocked(file)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Adds a line.
    pub(super) fn write(&mut self, time: &str, event: &Event) -> io::Result<()> {
        let Event { call, verb, path, to, verdict, rule, hint, .. } = event;
        let (to, rule, hint) = (to.as_deref(), rule.as_deref(), hint.as_deref());
        let line = Line { time, call, verb: *verb, path, to, verdict: *verdict, rule, hint };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.make()?.write_all(&text)
    }
}
