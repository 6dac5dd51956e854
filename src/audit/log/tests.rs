//! Writing a log, and reading it again.

use std::fs::{self, File};

use super::*;
use crate::audit::{Fault, Record, State, Verdict, read, sessions};

fn event(path: &str) -> Event {
    Event {
        pid: 1,
        command: "sh".into(),
        call: "chmod",
        verb: Some("modify"),
        path: path.into(),
        to: None,
        verdict: Verdict::Refused,
        rule: None,
        hint: Some("nothing".into()),
    }
}

const ID: &str = "20260102-030405-abcdef";

fn session() -> Session {
    let command = vec!["sh".into(), "-c".into(), "a\nb".into()];
    Session { id: ID.into(), started: Timestamp::UNIX_EPOCH, command, workspace: "/w".into() }
}

fn new_log(dir: &Path) -> Log {
    Log::new(&dir.join("sessions"), session(), Some(dir.join("reports/r")))
}

fn objects(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).expect("read");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn silence_leaves_no_trace() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let log = new_log(dir.path());
    log.close(0);
    assert_eq!(log.summary().line(), None);
    assert_eq!(fs::read_dir(dir.path())?.count(), 0);
    Ok(())
}

#[test]
fn each_event_is_a_line_between_start_and_end() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let log = new_log(dir.path());
    log.record(&event("/x\ny"));
    log.record(&Event { to: Some("/t".into()), verdict: Verdict::Undecided, ..event("/z") });
    log.close(7);
    let lines = objects(&log.path);
    assert_eq!(lines.len(), 4);
    let start = &lines[0];
    assert_eq!((&start["kind"], &start["schema"], &start["seq"]), (&"start".into(), &1.into(), &0.into()));
    assert_eq!((&start["time"], &start["workspace"]), (&"1970-01-01T00:00:00Z".into(), &"/w".into()));
    assert_eq!((&start["command"][2], &start["session"]), (&"a\\nb".into(), &ID.into()));
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    let call = &lines[1];
    assert_eq!((&call["path"], &call["to"], &call["seq"]), (&"/x\ny".into(), &().into(), &1.into()));
    assert_eq!((&call["pid"], &call["command"], &call["call"]), (&1.into(), &"sh".into(), &"chmod".into()));
    assert_eq!((&lines[2]["to"], &lines[2]["verdict"]), (&"/t".into(), &"undecided".into()));
    let end = &lines[3];
    assert_eq!((&end["status"], &end["refused"], &end["unrecorded"]), (&7.into(), &2.into(), &0.into()));

    let sessions_dir = dir.path().join("sessions");
    assert_eq!(sessions(&sessions_dir)?, [ID]);
    let recorded = read(&sessions_dir, ID)?;
    assert_eq!(recorded.state, State::Closed);
    assert!(matches!(&recorded.lines[2].record, Record::Call(call) if call.to.as_deref() == Some("/t")));
    Ok(())
}

#[test]
fn the_report_says_the_same_with_less() -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir()?;
    let log = new_log(dir.path());
    log.record(&event("/x"));
    log.record(&event("/y"));
    let report = dir.path().join("reports/r");
    let lines = objects(&report);
    assert_eq!(lines.len(), 2);
    let mut keys: Vec<&str> = lines[0].as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["call", "hint", "path", "rule", "time", "to", "verb", "verdict"]);
    assert_eq!((&lines[1]["path"], &lines[1]["hint"]), (&"/y".into(), &"nothing".into()));
    for path in [&report, &log.path] {
        assert_eq!(path.metadata()?.permissions().mode() & 0o777, 0o600);
    }
    Ok(())
}

#[test]
fn a_report_that_somebody_made_first_is_not_written() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let victim = dir.path().join("victim");
    fs::write(&victim, "")?;
    fs::create_dir(dir.path().join("reports"))?;
    std::os::unix::fs::symlink(&victim, dir.path().join("reports/r"))?;
    let log = new_log(dir.path());
    assert!(log.make_report().is_err());
    log.record(&event("/x"));
    assert_eq!(fs::read(&victim)?, b"");
    assert_eq!(log.summary().unrecorded, 0, "the log has it");
    Ok(())
}

#[test]
fn a_log_without_its_end_is_open_and_one_that_was_moved_is_broken() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let sessions = dir.path().join("sessions");
    let log = new_log(dir.path());
    log.record(&event("/x"));
    assert_eq!(read(&sessions, ID)?.state, State::Open { torn: false });
    let mut torn = fs::read(&log.path)?;
    torn.extend(b"{\"seq\":2,\"ki");
    fs::write(&log.path, torn)?;
    let recorded = read(&sessions, ID)?;
    assert_eq!((recorded.lines.len(), recorded.state), (2, State::Open { torn: true }));
    fs::rename(sessions.join(ID), sessions.join("other"))?;
    let foreign = State::Broken { line: 1, fault: Fault::OtherSession };
    assert_eq!(read(&sessions, "other")?.state, foreign);
    Ok(())
}

#[test]
fn a_log_that_cannot_be_written_is_admitted() {
    let log = Log::new(Path::new("/proc/none"), session(), None);
    log.record(&event("/x"));
    log.close(0);
    assert_eq!(log.summary().unrecorded, 1);
    let line = log.summary().line().unwrap_or_default();
    assert_eq!(line, format!("refused 1 call: chmod /x; cannot be recorded in /proc/none/{ID}/audit.jsonl"));
}

#[test]
fn a_failed_write_leaves_whole_lines() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let log = new_log(dir.path());
    log.record(&event("/x"));
    let whole = fs::read(&log.path)?;
    // A file that takes nothing in place of a full disk; what it holds is cut back.
    let writable = log
        .state()
        .file
        .as_mut()
        .map(|appended| std::mem::replace(&mut appended.file, File::open(&log.path).expect("open")));
    log.record(&event("/y"));
    assert_eq!((log.summary().unrecorded, fs::read(&log.path)?), (1, whole));
    log.state().file.as_mut().expect("open").file = writable.expect("open");
    log.record(&event("/z"));
    log.close(0);
    let recorded = read(&dir.path().join("sessions"), ID)?;
    assert_eq!((recorded.lines.len(), recorded.state), (4, State::Closed));
    Ok(())
}

#[test]
fn a_flood_is_counted_and_not_written() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let log = new_log(dir.path());
    (0..MOST_RECORDED + 5).for_each(|_| log.record(&event("/x")));
    log.close(0);
    let recorded = read(&dir.path().join("sessions"), ID)?;
    assert_eq!(recorded.lines.len() as u64, MOST_RECORDED + 2);
    assert_eq!(recorded.state, State::Closed);
    assert_eq!(log.summary().unrecorded, 5);
    let line = log.summary().line().unwrap_or_default();
    let expected = "refused 10005 calls, first: chmod /x; 5 of them are not recorded; see: stockade log";
    assert_eq!(line, format!("{expected} {ID}"));
    Ok(())
}
