//! Programs whose signals come all the time, and shells that wait all the time:
//! nothing hangs, and nothing fails that would work outside.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::support::attack::{Attack, say};
use crate::support::fixture::write;
use crate::support::os::{addr, at, c, call, interrupt_every};
use crate::support::{Jail, skip};

pub const ATTACKS: &[Attack] = &[("timer", changes_under_a_timer)];

const CWD: i64 = libc::AT_FDCWD as i64;

#[test]
fn pipelines_in_dash() {
    if !Path::new("/usr/bin/dash").exists() {
        return skip("pipelines_in_dash", "no dash");
    }
    let mut jail = Jail::new("standard");
    jail.limit(Duration::from_secs(240));
    let script = "for turn in $(seq 20); do for i in $(seq 300); do echo $i | cat | cat >/dev/null; done; done; echo end";
    assert_eq!(jail.run(&["dash", "-c", script]).expect(0), "end\n");
}

/// Goroutines that make and remove 10,000 files by bare system calls, beside
/// others that compute, so that the runtime interrupts them all the time.
const GO: &str = r#"package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

func main() {
	var failed, preempted int64
	var files, busy sync.WaitGroup
	stop := make(chan bool)
	for i := 0; i < 2; i++ {
		busy.Add(1)
		go func() {
			defer busy.Done()
			for n := int64(0); ; n++ {
				select {
				case <-stop:
					atomic.AddInt64(&preempted, n)
					return
				default:
					for j := 0; j < 1000000; j++ {
						n += int64(j) & 1
					}
				}
			}
		}()
	}
	check := func(what string, err error) {
		if err != nil && atomic.AddInt64(&failed, 1) < 10 {
			fmt.Println(what, err)
		}
	}
	for i := 0; i < 16; i++ {
		files.Add(1)
		go func(i int) {
			defer files.Done()
			for n := 0; n < 625; n++ {
				name := fmt.Sprintf("%s/%d-%d", os.Args[1], i, n)
				fd, err := syscall.Open(name, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_EXCL, 0644)
				check("open", err)
				check("close", syscall.Close(fd))
				check("chmod", syscall.Chmod(name, 0600))
				check("rename", syscall.Rename(name, name+"x"))
				check("unlink", syscall.Unlink(name+"x"))
			}
		}(i)
	}
	files.Wait()
	close(stop)
	busy.Wait()
	fmt.Println("failed", failed)
}
"#;

#[test]
fn a_go_program_under_its_own_signals() {
    let mut jail = Jail::new("standard");
    jail.limit(Duration::from_secs(120)).env("GO111MODULE", "off").env("GOFLAGS", "");
    if !Command::new("go").arg("version").output().is_ok_and(|out| out.status.success()) {
        return skip("a_go_program_under_its_own_signals", "no go");
    }
    write(&jail.outside.join("many.go"), GO);
    let cache = jail.outside.join("cache");
    jail.env("GOCACHE", &cache);
    let program = jail.work.join("pkg/many");
    let source = jail.outside.join("many.go");
    jail.bare(&["go".as_ref(), "build".as_ref(), "-o".as_ref(), program.as_os_str(), source.as_os_str()])
        .expect(0);
    let dir = jail.work.join("pkg/files");
    std::fs::create_dir(&dir).expect("make a directory");
    let out = jail.run(&[&program, &dir]);
    assert_eq!(out.expect(0), "failed 0\n", "{}", out.err());
    assert_eq!(std::fs::read_dir(&dir).expect("list").count(), 0);
}

/// Argument: a directory. Changes things while a timer interrupts each
/// millisecond; a call that says EINTR must have done nothing.
fn changes_under_a_timer(args: &[OsString]) {
    let path = |name: &str| c(Path::new(&args[0]).join(name));
    let (file, moved, dir) = (path("file"), path("moved"), path("dir"));
    let exists = |path: &std::ffi::CString| call(libc::SYS_faccessat, &[CWD, at(path), 0, 0]) == 0;
    for (name, flags) in [("restarting", libc::SA_RESTART), ("plain", 0)] {
        interrupt_every(1000, flags);
        let (mut calls, mut interrupted, mut wrong) = (0, 0, Vec::new());
        // Makes a call until it is not interrupted; `done` is whether it has an effect already.
        let mut change = |what: &str, act: &dyn Fn() -> i64, done: &dyn Fn() -> bool| {
            loop {
                calls += 1;
                let result = act();
                match Errno::last() {
                    _ if result >= 0 => return,
                    Errno::EINTR if !done() => interrupted += 1,
                    errno => return wrong.push(format!("{what}: {errno}")),
                }
            }
        };
        let end = Instant::now() + Duration::from_millis(SIGNALS);
        while Instant::now() < end {
            let create = i64::from(libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY);
            let open = || {
                let fd = call(libc::SYS_openat, &[CWD, at(&file), create, 0o644]);
                if fd >= 0 { call(libc::SYS_close, &[fd]) } else { fd }
            };
            change("open", &open, &|| exists(&file));
            change("chmod", &|| call(libc::SYS_fchmodat, &[CWD, at(&file), 0o600]), &|| false);
            change("mkdir", &|| call(libc::SYS_mkdirat, &[CWD, at(&dir), 0o755]), &|| exists(&dir));
            let rename = || call(libc::SYS_renameat2, &[CWD, at(&file), CWD, at(&moved), 0]);
            change("rename", &rename, &|| exists(&moved));
            let remove = i64::from(libc::AT_REMOVEDIR);
            change("rmdir", &|| call(libc::SYS_unlinkat, &[CWD, at(&dir), remove]), &|| !exists(&dir));
            change("unlink", &|| call(libc::SYS_unlinkat, &[CWD, at(&moved), 0]), &|| !exists(&moved));
        }
        call(libc::SYS_setitimer, &[0, addr(&[0_i64; 4]), 0]);
        say(&format!("{name} calls"), &calls.to_string());
        say(&format!("{name} interrupted"), &interrupted.to_string());
        say(&format!("{name} wrong"), &format!("{wrong:?}"));
    }
}

/// How many signals the timer sends: one each millisecond.
const SIGNALS: u64 = 1500;

/// How often the share of signals that interrupt a call is measured: where others
/// keep the machine busy, the broker wakes late, and more calls are interrupted
/// before it has heard of them.
const TRIES: usize = 5;

#[test]
fn changes_under_a_timer_are_done_or_not() {
    let jail = Jail::new("standard");
    let dir = jail.work.join("pkg/timer");
    std::fs::create_dir(&dir).expect("make a directory");
    let is_rarely_interrupted = |_| {
        let out = jail.attack("timer", &[&dir]);
        eprintln!("{}", out.out());
        for name in ["restarting", "plain"] {
            assert_eq!(out.result(&format!("{name} wrong")), "[]");
        }
        assert_eq!(out.result("restarting interrupted"), "0");
        // Of signals, not of calls: those come as often on a slow machine, these do not.
        // Where received calls are interrupted too, it is most of the signals.
        out.result("plain interrupted").parse::<u64>().expect("a number") * 10 < SIGNALS
    };
    assert!((0..TRIES).any(is_rarely_interrupted), "more than one signal in ten interrupts a call");
}
