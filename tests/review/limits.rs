//! Authors and reviewers that hang, flood, or do not want to end.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{APPROVE, WORK, command, report, review, world};
use crate::support::process::{LIMIT, eventually, finish};

/// Processes that run a script of this home.
fn alive(home: &std::path::Path) -> usize {
    let bin = home.join("bin").to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/proc").expect("read /proc").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(&bin)).count()
}

#[test]
fn who_hangs_is_ended() {
    for (author, reviewer, status, who) in [
        ("sleep 1000", APPROVE, 12, "author"),
        ("trap '' TERM HUP INT; echo x >> src/work; while :; do sleep 1; done", APPROVE, 12, "author"),
        (WORK, "sleep 1000", 11, "reviewer"),
        (WORK, "trap '' TERM; verdict approve; while :; do sleep 1; done", 11, "reviewer"),
    ] {
        let jail = world();
        let done = report(&review(&jail, author, &[reviewer], &["--turn-timeout", "1s"]), status);
        let why = done["why"].as_str().unwrap_or_default();
        assert!(why.contains("it took too long"), "{who}: {why}");
        assert_eq!(alive(&jail.home), 0, "{author} / {reviewer}");
        // Also of who had to be killed the session was closed in good order.
        let sessions = jail.stockade(&["sessions", "--json"]).out();
        assert!(!sessions.contains("killed"), "{author} / {reviewer}: {sessions}");
    }
}

#[test]
fn all_of_it_has_an_end() {
    let jail = world();
    let done = report(&review(&jail, WORK, &["sleep 1000"], &["--timeout", "2s"]), 11);
    assert!(done["why"].as_str().is_some_and(|why| why.contains("it took too long")), "{}", done["why"]);
}

#[test]
fn who_floods_is_ended_and_costs_little() {
    let jail = world();
    let done = report(&review(&jail, WORK, &["verdict approve; yes approve"], &[]), 11);
    assert!(done["why"].as_str().is_some_and(|why| why.contains("it printed too much")), "{}", done["why"]);
    let log = done["rounds"][0]["reviewers"][0]["log"].as_str().expect("a log");
    assert!(std::fs::metadata(log).expect("look at the log").len() <= 9 << 20);
    assert_eq!(alive(&jail.home), 0);
    // What an author says at length is no reason to fail.
    let jail = world();
    report(
        &review(&jail, "cat > /dev/null; head -c 20000000 /dev/zero; echo x >> src/work", &[APPROVE], &[]),
        0,
    );
}

#[test]
fn who_interrupts_gets_a_report_and_nothing_is_left() {
    for (signal, has_reviewer) in [(Signal::SIGINT, true), (Signal::SIGTERM, false)] {
        let jail = world();
        let author = if has_reviewer { WORK } else { "echo x >> src/work; sleep 1000" };
        let mut child = command(&jail, author, &["sleep 1000"], &["--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start");
        let name = if has_reviewer { "bin/reviewer0" } else { "bin/author" };
        let runs = || {
            let entries = std::fs::read_dir("/proc").expect("read /proc").flatten();
            let script = jail.home.join(name).to_string_lossy().into_owned();
            let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
            lines
                .filter(|line| line.starts_with(b"/bin/sh"))
                .any(|line| String::from_utf8_lossy(&line).contains(&script))
        };
        assert!(eventually(LIMIT, runs), "it starts");
        std::thread::sleep(Duration::from_millis(100));
        kill(Pid::from_raw(child.id().cast_signed()), signal).expect("send a signal");
        let done = report(&finish(&mut child, LIMIT), if has_reviewer { 11 } else { 12 });
        assert!(done["why"].as_str().is_some_and(|why| why.contains("interrupted")), "{}", done["why"]);
        assert_eq!(alive(&jail.home), 0);
    }
}
