//! A broker that is killed at any instant: what was changed until then is
//! undone from what its journal says.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::random::{latest, make, seeds, undo};
use super::{keeping, look_the_same};
use crate::support::Tree;
use crate::support::fixture::write;

/// Runs that are killed, unless the environment says otherwise.
const RUNS: u64 = 12;

/// The children of a process.
fn children(parent: u32) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
}

/// Kills the broker once the journal has grown to some bytes, then what it has
/// left behind. Gives whether it was still running.
fn kill_at(mut broker: Child, sessions: &Path, bytes: u64) -> bool {
    let since = Instant::now();
    let written = || {
        let entries = fs::read_dir(sessions).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.path().join("journal.jsonl").metadata().ok())
            .map(|file| file.len())
            .sum()
    };
    let mut left = children(broker.id());
    while since.elapsed() < Duration::from_secs(20) {
        left = Some(children(broker.id())).filter(|found| !found.is_empty()).unwrap_or(left);
        let size: u64 = written();
        if size >= bytes || broker.try_wait().expect("wait for the broker").is_some() {
            break;
        }
    }
    let was_running = broker.try_wait().expect("wait for the broker").is_none();
    broker.kill().expect("kill the broker");
    broker.wait().expect("wait for the broker");
    for pid in left {
        // It may have ended with the broker.
        let _ = kill(pid, Signal::SIGKILL);
        while Path::new(&format!("/proc/{pid}")).exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    was_running
}

#[test]
fn what_a_killed_broker_has_let_happen_is_undone() {
    let seeds = seeds(RUNS);
    let runs = seeds.end - seeds.start;
    let mut killed = 0;
    for seed in seeds {
        let mut jail = keeping();
        let base = jail.work.join("pkg");
        make(&base, seed..seed + 1);
        jail.cwd(&base);
        let before = Tree::lasting(&base);
        let args: [OsString; 2] = [base.clone().into_os_string(), seed.to_string().into()];
        let mut command = jail.attack_command("undo-random-calls", &args);
        let broker = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start it");
        let sessions = jail.home.join(".local/state/stockade/sessions");
        killed += u64::from(kill_at(broker, &sessions, 500 + seed * 7919 % 12_000));
        if latest(&jail).is_some() {
            undo(&jail);
        }
        look_the_same(&before, &Tree::lasting(&base), &format!("seed {seed}"));
    }
    assert!(killed * 3 > runs, "only {killed} of {runs} were killed in time");
}

#[test]
fn a_damaged_journal_is_told_of_and_undone_as_far_as_it_goes() {
    let jail = keeping();
    for name in ["a", "b"] {
        write(&jail.work.join(name), "before\n");
    }
    jail.sh("echo after > a; echo after > b").expect(0);
    let session = latest(&jail).expect("a session");
    let journal = jail.home.join(".local/state/stockade/sessions").join(&session).join("journal.jsonl");
    let text = fs::read_to_string(&journal).expect("read");
    let line = text.lines().position(|line| line.contains("\"content\"") && line.contains("/b\""));
    let line = line.expect("a line about b") + 1;
    write(&journal, &text.replace("/b\"", "/c\""));
    let told = format!("the journal of session {session} is damaged from line {line} on");
    let diff = jail.stockade(&["diff", &session]);
    assert!(diff.err().contains(&told), "{}", diff.err());
    let undone = jail.stockade(&["undo", "--yes", &session]);
    undone.expect(0);
    assert!(undone.err().contains(&told), "{}", undone.err());
    let now = ["a", "b"].map(|name| fs::read_to_string(jail.work.join(name)).expect("read"));
    assert_eq!(now, ["before\n", "after\n"]);
}
