//! Signals to `stockade` itself, and processes that outlive their command.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use crate::support::process::{eventually, wait};
use crate::support::{Jail, both_modes};

const SOON: Duration = Duration::from_secs(5);

fn is_there(pid: &str) -> bool {
    Path::new("/proc").join(pid).join("status").exists()
}

/// Whether a process runs, or is at least not yet taken away.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    is_there(pid) && !status.contains("State:\tZ")
}

#[test]
fn daemons_end_with_the_command() {
    both_modes(|jail| {
        let script = "setsid sleep 1000 & a=$!; sleep 1001 > /dev/null 2>&1 & b=$!; nohup sleep 1002 > /dev/null 2>&1 & c=$!; \
                      (setsid sh -c 'trap \"\" TERM HUP INT; (sleep 1003; sleep 1004) & echo $! > pkg/pid; wait' &) ; \
                      while ! test -s pkg/pid; do sleep 0.01; done; echo $a $b $c $(cat pkg/pid)";
        let text = jail.sh(script).expect(0);
        let pids: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(pids.len(), 4, "{text}");
        for pid in pids {
            assert!(eventually(SOON, || !runs(pid)), "process {pid} is gone");
        }
    });
}

/// Starts a command and waits for the first line that it prints.
fn start(jail: &Jail, script: &str) -> (Child, String) {
    let mut command = jail.command(&["bash", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("start stockade");
    let mut line = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("stdout is piped"));
    reader.read_line(&mut line).expect("read a line");
    // whoever still writes must not meet a closed pipe
    std::thread::spawn(move || reader.lines().for_each(drop));
    (child, line.trim().to_owned())
}

fn signal(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).expect("a process id");
    // SAFETY: a child of this test that has not been waited for.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[test]
fn signals_are_passed_on() {
    both_modes(|jail| {
        for (number, name) in [
            (libc::SIGTERM, "TERM"),
            (libc::SIGHUP, "HUP"),
            (libc::SIGUSR2, "USR2"),
            (libc::SIGINT, "INT"),
            (libc::SIGUSR1, "USR1"),
        ] {
            let script = format!("trap 'exit 7' {name}; echo ready; while :; do sleep 0.02; done");
            let (mut child, line) = start(jail, &script);
            assert_eq!(line, "ready");
            eprintln!("{name}");
            signal(&child, number);
            assert_eq!(wait(&mut child, SOON * 2).code(), Some(7), "{name}");
        }
        let (mut child, line) = start(jail, "echo $$; exec sleep 100");
        signal(&child, libc::SIGTERM);
        assert_eq!(wait(&mut child, SOON * 2).code(), Some(143));
        assert!(eventually(SOON, || !runs(&line)));
    });
}

#[test]
fn a_killed_stockade_frees_nobody() {
    both_modes(|jail| {
        let victim = jail.home.join("victim");
        // nobody is left to remove the private directory
        let outside = jail.outside.clone();
        jail.env("TMPDIR", outside);
        let script = format!(
            "chmod 777 {0} 2>/dev/null; echo $$; while :; do chmod 777 {0}; echo x > {0}; sleep 0.01; done 2>/dev/null",
            victim.display()
        );
        let (mut child, pid) = start(jail, &script);
        let before = crate::support::Entry::of(&victim);
        signal(&child, libc::SIGKILL);
        wait(&mut child, SOON);
        if !eventually(SOON, || !runs(&pid)) {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("read the status");
            let pid: i32 = pid.parse().expect("a process id");
            // SAFETY: the process that this test had started.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            assert!(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"), "{status}");
        }
        assert_eq!(before, crate::support::Entry::of(&victim));
        // a later run clears up after the one that could not
        let left = || -> Vec<PathBuf> {
            let entries = fs::read_dir(&jail.outside).expect("list").flatten().map(|e| e.path());
            entries
                .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("stockade-")))
                .collect()
        };
        let reports = usize::from(!jail.is_static());
        assert_eq!(left().len(), 1 + reports, "the killed run's directory, and its report");
        jail.run(&["true"]).expect(0);
        assert_eq!(left().len(), 1 + reports, "what is young stays");
        let earlier = SystemTime::now() - Duration::from_secs(3600);
        for path in left() {
            fs::File::open(path).and_then(|file| file.set_modified(earlier)).expect("make it old");
        }
        jail.run(&["true"]).expect(0);
        assert_eq!(left(), Vec::<PathBuf>::new());
        // its log is whole as far as it goes, which is no error
        let said = jail.stockade(&["log", "--verify"]).expect(0);
        assert_eq!(said.contains("not closed"), !jail.is_static(), "{said}");
    });
}
