//! The hash chain of a log: pure.
//!
//! A line is a JSON object whose last member is `hash`: BLAKE3, in hexadecimal,
//! over the hash of the line before (64 zeros before the first) and the line
//! without that member. So with the hash before it in `$before` and the line in
//! `$line`, `printf '%s%s}' "$before" "${line%,\"hash\":*}" | b3sum` gives its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Hexadecimal digits of a hash.
const DIGITS: usize = 64;
const BEFORE_HASH: &str = ",\"hash\":\"";
const BEHIND_HASH: &str = "\"}";

/// The hash that the next line goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link(String);

impl Link {
    /// What the first line goes on from.
    pub(crate) fn start() -> Link {
        Link("0".repeat(DIGITS))
    }

    fn behind(&self, body: &str) -> Link {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes()).update(body.as_bytes());
        Link(hasher.finalize().to_hex().to_string())
    }
}

/// Makes a line, without its end, of a JSON object with at least one member.
pub(crate) fn seal(before: &Link, body: &str) -> (String, Link) {
    let link = before.behind(body);
    let open = body.strip_suffix('}').unwrap_or(body);
    (format!("{open}{BEFORE_HASH}{}{BEHIND_HASH}", link.0), link)
}

pub(crate) fn unseal(before: &Link, line: &str) -> Result<Link, Fault> {
    let rest = line.strip_suffix(BEHIND_HASH).ok_or(Fault::NoHash)?;
    let (rest, hash) =
        rest.len().checked_sub(DIGITS).and_then(|at| rest.split_at_checked(at)).ok_or(Fault::NoHash)?;
    let open = rest.strip_suffix(BEFORE_HASH).ok_or(Fault::NoHash)?;
    let link = before.behind(&format!("{open}}}"));
    if link.0 == hash { Ok(link) } else { Err(Fault::WrongHash) }
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The first: which session it is.
    Start,
    /// A refused call.
    Call,
    /// The last: how the session ended.
    End,
}

/// What every line says of its place.
#[derive(Deserialize)]
struct Place {
    seq: u64,
    kind: Kind,
}

/// In what state a log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Whole, from the first line to the last.
    Closed,
    /// Whole as far as it goes: the session still runs or was killed, or its
    /// last lines were cut off.
    Open {
        /// Whether the last line is not whole.
        torn: bool,
    },
    /// Not as it was written.
    Broken {
        /// The first line with which something is wrong, from 1.
        line: usize,
        /// What is wrong.
        fault: Fault,
    },
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It has no hash.
    NoHash,
    /// Its hash is another: the line was changed, or what comes before it.
    WrongHash,
    /// It is no line of a log.
    Unreadable,
    /// It has the wrong number, or is of a kind that does not come here.
    OutOfPlace,
    /// The log had ended before.
    BehindEnd,
    /// It belongs to another session.
    OtherSession,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::NoHash => "the line has no hash",
            Fault::WrongHash => "the hash does not match: this line was changed, or what stood before it",
            Fault::Unreadable => "this is no line of a log",
            Fault::OutOfPlace => "the line is out of place",
            Fault::BehindEnd => "something follows the end",
            Fault::OtherSession => "the log is another session's",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Closed => f.write_str("ok"),
            State::Open { torn: false } => f.write_str("not closed: the session still runs or was killed"),
            State::Open { torn: true } => {
                f.write_str("not closed: the session still runs or was killed; the last line is not whole")
            }
            State::Broken { line, fault } => write!(f, "broken at line {line}: {fault}"),
        }
    }
}

/// The lines of a log, and what is behind the last of them: nothing, unless
/// its end was not written.
pub(crate) fn lines(text: &[u8]) -> (impl Iterator<Item = &[u8]>, &[u8]) {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (whole, torn) = text.split_at(end);
    (whole.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]), torn)
}

/// Checks a log.
pub(super) fn check(text: &[u8]) -> State {
    let (lines, torn) = lines(text);
    let (mut link, mut count, mut has_ended) = (Link::start(), 0, false);
    for line in lines {
        let checked = if has_ended { Err(Fault::BehindEnd) } else { check_line(&link, count, line) };
        count += 1;
        match checked {
            Ok((next, kind)) => (link, has_ended) = (next, kind == Kind::End),
            Err(fault) => return State::Broken { line: count, fault },
        }
    }
    match (has_ended, torn.is_empty()) {
        (true, true) => State::Closed,
        (true, false) => State::Broken { line: count + 1, fault: Fault::BehindEnd },
        (false, whole) => State::Open { torn: !whole },
    }
}

fn check_line(before: &Link, index: usize, line: &[u8]) -> Result<(Link, Kind), Fault> {
    let line = std::str::from_utf8(line).map_err(|_| Fault::Unreadable)?;
    let link = unseal(before, line)?;
    let Place { seq, kind } = serde_json::from_str(line).map_err(|_| Fault::Unreadable)?;
    let is_in_place = usize::try_from(seq) == Ok(index) && (kind == Kind::Start) == (index == 0);
    if is_in_place { Ok((link, kind)) } else { Err(Fault::OutOfPlace) }
}

#[cfg(test)]
mod tests;
