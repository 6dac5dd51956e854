//! Who watches before a session begins is asked from its first call on.

use std::fs::File;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Jailed, Watcher, answer, asking, id};
use crate::support::Jail;
use crate::support::process::eventually;

/// Somebody who watches all sessions to come.
fn watching(jail: &Jail) -> Watcher {
    let watcher = Watcher::new(jail);
    let announced = jail.home.join(".local/state/stockade/approvals/watched");
    let is_held = || {
        File::open(&announced).is_ok_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err())
    };
    assert!(eventually(Duration::from_secs(20), is_held));
    watcher
}

#[test]
fn the_first_call_of_a_session_is_asked_about() {
    let jail = asking("");
    let mut watcher = watching(&jail);
    // Whenever they look, in between or just before.
    for pause in [0, 170, 340] {
        std::thread::sleep(Duration::from_millis(pause));
        let running = Jailed::start(jail.command(&["rm", "notes"]));
        let question = watcher.questions(1).remove(0);
        answer(&jail, &["--no", id(&question), "--reason", "somebody was there"]);
        assert_ne!(running.wait().code(), 0);
        let log = jail.stockade(&["log", "--json"]).out();
        assert!(log.contains("a person said no: somebody was there"), "{log}");
    }
    assert!(jail.work.join("notes").exists());
}

#[test]
fn who_does_not_come_is_not_waited_for_long() {
    let jail = asking("");
    let watcher = watching(&jail);
    let stopped = Pid::from_raw(i32::try_from(watcher.child.id()).expect("a process id"));
    kill(stopped, Signal::SIGSTOP).expect("stop it");
    let since = Instant::now();
    let out = jail.sh("rm notes; rm -rf pkg/old");
    assert_ne!(out.code(), 0);
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert!(jail.work.join("notes").exists() && jail.work.join("pkg/old/d0").exists());
    let log = jail.stockade(&["log", "--json"]).out();
    assert!(log.contains("nobody is there to answer"), "{log}");
}
