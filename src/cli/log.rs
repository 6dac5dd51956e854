//! `stockade log`: what was refused, and whether the record of it is whole.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::LogArgs;
use super::error::CliError;
use super::{print, setup};
use crate::audit::{self, Call, End, Line, Record, Recorded, Start, State};
use crate::policy::visible;

/// Where a chain is broken.
const BROKEN: u8 = 1;
/// Columns are not made wider than this for the sake of one long path.
const WIDEST: usize = 60;

/// Runs the subcommand and gives the exit status.
pub(super) fn main(args: &LogArgs) -> Result<u8, CliError> {
    let dir = setup::sessions_dir(&setup::home()?);
    let sessions = audit::sessions(&dir).map_err(|error| CliError::Record(dir.clone(), error))?;
    let named = args.session.as_deref().map(|text| find(text, &sessions)).transpose()?;
    if args.verify {
        return verify(&dir, named.map_or(sessions.as_slice(), std::slice::from_ref));
    }
    let Some(id) = named.or(sessions.last()) else {
        eprintln!("stockade: nothing was refused yet");
        return Ok(0);
    };
    let Recorded { lines, state } = read(&dir, id)?;
    match state {
        State::Closed | State::Open { torn: false } => {}
        State::Open { torn: true } | State::Broken { .. } => eprintln!("stockade: {id}: {state}"),
    }
    let shown = |line: &&Line| !args.refused || matches!(line.record, Record::Call(_));
    let shown: Vec<&Line> = lines.iter().filter(shown).collect();
    let text = if args.json {
        shown.iter().map(|line| format!("{}\n", line.text)).collect()
    } else {
        for_people(&shown, !args.refused && matches!(state, State::Open { .. }))
    };
    print(&text).map(|()| 0)
}

/// The session of this id, or the only one whose id begins so.
pub(super) fn find<'a>(text: &str, sessions: &'a [String]) -> Result<&'a String, CliError> {
    if !audit::is_session_id(text) {
        return Err(CliError::BadSession(text.into()));
    }
    if let Some(session) = sessions.iter().find(|session| *session == text) {
        return Ok(session);
    }
    let begin: Vec<&String> = sessions.iter().filter(|session| session.starts_with(text)).collect();
    match begin.as_slice() {
        [] => Err(CliError::UnknownSession(text.into())),
        [session] => Ok(session),
        _ => Err(CliError::AmbiguousSession {
            prefix: text.into(),
            sessions: begin.into_iter().cloned().collect(),
        }),
    }
}

fn read(dir: &Path, id: &str) -> Result<Recorded, CliError> {
    audit::read(dir, id).map_err(|error| CliError::Record(PathBuf::from(dir).join(id), error))
}

/// Says of each session whether its log is whole.
fn verify(dir: &Path, sessions: &[String]) -> Result<u8, CliError> {
    let mut status = 0;
    for id in sessions {
        let (is_broken, said) = match audit::read(dir, id) {
            Ok(Recorded { state, .. }) => (matches!(state, State::Broken { .. }), state.to_string()),
            Err(error) => (true, format!("cannot be read: {error}")),
        };
        if is_broken {
            status = BROKEN;
        }
        print(&format!("{id}  {said}\n"))?;
    }
    if sessions.is_empty() {
        eprintln!("stockade: nothing was refused yet");
    }
    Ok(status)
}

/// The lines as a person reads them, with nothing in them that a terminal obeys.
fn for_people(lines: &[&Line], is_open: bool) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    let mut end = None;
    for line in lines {
        match &line.record {
            Record::Start(start) => text.push_str(&heading(start)),
            Record::Call(call) => rows.push(row(call)),
            Record::End(said) => end = Some(said),
        }
    }
    text.push_str(&table(&rows));
    if let Some(End { status, refused, unrecorded }) = end {
        let missing =
            if *unrecorded > 0 { format!(", {unrecorded} of them not recorded") } else { "".into() };
        text.push_str(&format!("ended with status {status}; refused: {refused}{missing}\n"));
    } else if is_open {
        text.push_str("not closed: the session still runs or was killed\n");
    }
    text
}

fn heading(start: &Start) -> String {
    let Start { time, session, version, command, workspace } = start;
    let [session, version, workspace] = [session, version, workspace].map(|text| visible(text));
    let (command, time) = (visible(&command.join(" ")), local(time, "%Y-%m-%d %H:%M:%S %Z"));
    format!("session {session}, {time}, stockade {version}\ncommand {command}\nin {workspace}\n\n")
}

/// Time, verdict, process, call, path and rule.
fn row(call: &Call) -> [String; 6] {
    let Call { time, pid, command, call, path, to, verdict, rule, .. } = call;
    let path = match to {
        Some(to) => format!("{} → {}", visible(path), visible(to)),
        None => visible(path),
    };
    let rule = rule.as_deref().unwrap_or("no rule");
    let process = format!("{}[{pid}]", visible(command));
    [local(time, "%H:%M:%S"), verdict.name().into(), process, visible(call), path, visible(rule)]
}

/// Aligned columns; nothing where there are no rows.
fn table(rows: &[[String; 6]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(|column| width(column).min(WIDEST));
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A recorded time where this machine is; as it is written, if it is none.
fn local(time: &str, format: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned_datetime(TimeZone::system()).strftime(format).to_string(),
        Err(_) => visible(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_beginning() {
        let sessions = ["20260102-030405-aa", "20260102-030405-ab", "2026"].map(String::from);
        let found = |text| find(text, &sessions).ok().map(String::as_str);
        assert_eq!(found("20260102-030405-ab"), Some("20260102-030405-ab"));
        assert_eq!(found("20260102-030405-ab2"), None);
        assert_eq!(found("2026"), Some("2026"), "the whole id wins over a beginning");
        assert!(
            matches!(find("202", &sessions), Err(CliError::AmbiguousSession { sessions, .. }) if sessions.len() == 3)
        );
        assert!(matches!(find("3", &sessions), Err(CliError::UnknownSession(_))));
        for text in ["", "../2026", ".", "2026/", "/", "-2026", "2026\n", "é"] {
            assert!(matches!(find(text, &sessions), Err(CliError::BadSession(_))), "{text:?}");
        }
    }

    #[test]
    fn columns_are_aligned_and_nothing_unseen_is_left() {
        let call = |call: &str, path: &str, to: Option<&str>| Call {
            time: "never\u{1b}[2J".into(),
            pid: 7,
            command: "sh".into(),
            call: call.into(),
            verb: None,
            path: path.into(),
            to: to.map(Into::into),
            verdict: audit::Verdict::Refused,
            rule: to.map(|_| "read \u{202e}".into()),
        };
        let rows = [row(&call("chmod", "/é", None)), row(&call("renameat2", "/a\nb", Some("/c\u{9b}")))];
        let time = r"never\u{1b}[2J";
        assert_eq!(
            table(&rows),
            format!(
                "{time}  refused  sh[7]  chmod      /é                   no rule\n\
                 {time}  refused  sh[7]  renameat2  /a\\u{{a}}b → /c\\u{{9b}}  read \\u{{202e}}\n"
            )
        );
        assert_eq!(table(&[]), "");
    }
}
