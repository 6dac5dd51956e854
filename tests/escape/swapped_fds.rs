//! Calls about a descriptor, or about a path through one, while another thread
//! closes it and opens something protected in its place.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::attack::{Attack, say};
use crate::support::os::{self, FCHMODAT2, addr, at, c, call};
use crate::support::pair::Pair;
use crate::support::{Entry, Jail};

pub const ATTACKS: &[Attack] = &[("swapped-fds", race)];

const CWD: i64 = libc::AT_FDCWD as i64;
const EMPTY: i64 = libc::AT_EMPTY_PATH as i64;
/// Where the descriptor that is swapped stands.
const FD: i64 = 100;
const TURNS: usize = 300;

/// A call about the descriptor; `link` is a free name.
type Call = (&'static str, fn(link: i64) -> i64);

fn reopen(flags: i32) -> i64 {
    let fd = os::open(format!("/proc/self/fd/{FD}"), flags);
    if fd >= 0 {
        call(libc::SYS_close, &[fd]);
    }
    fd
}

const CALLS: &[Call] = &[
    ("fchmod", |_| call(libc::SYS_fchmod, &[FD, 0o600])),
    ("fchmodat2", |_| call(FCHMODAT2, &[FD, at(&c("")), 0o604, EMPTY])),
    ("fchown", |_| call(libc::SYS_fchown, &[FD, nix::unistd::geteuid().as_raw().into(), -1])),
    ("futimens", |_| call(libc::SYS_utimensat, &[FD, 0, 0, 0])),
    ("fsetxattr", |_| call(libc::SYS_fsetxattr, &[FD, at(&c("user.swap")), at(&c("x")), 1, 0])),
    ("chmod by path", |_| call(libc::SYS_fchmodat, &[CWD, at(&c(format!("/proc/self/fd/{FD}"))), 0o640])),
    ("reopen", |_| reopen(libc::O_WRONLY)),
    ("reopen and empty", |_| reopen(libc::O_RDWR | libc::O_TRUNC)),
    ("reopen by openat2", |_| {
        let how = [i64::from(libc::O_WRONLY | libc::O_TRUNC), 0, 0];
        let fd = call(libc::SYS_openat2, &[CWD, at(&c(format!("/dev/fd/{FD}"))), addr(&how), 24]);
        if fd >= 0 { call(libc::SYS_close, &[fd]) } else { fd }
    }),
    ("truncate", |_| call(libc::SYS_truncate, &[at(&c(format!("/proc/self/fd/{FD}"))), 0])),
    ("link by path", |link| {
        let from = c(format!("/proc/self/fd/{FD}"));
        let made = call(libc::SYS_linkat, &[CWD, at(&from), CWD, link, libc::AT_SYMLINK_FOLLOW.into()]);
        call(libc::SYS_unlinkat, &[CWD, link, 0]);
        made
    }),
];

/// Arguments: how it is swapped, the attacker's own file, the victim.
fn race(args: &[OsString]) {
    let how = args[0].to_str().expect("a name");
    let (own, victim) = (Path::new(&args[1]), Path::new(&args[2]));
    let [ours, theirs] = [own, victim].map(|path| os::open(path, libc::O_RDONLY));
    assert!(ours >= 0 && theirs >= 0, "both can be read");
    let link = c(own.with_file_name("link"));
    let put = |away: bool| {
        if how == "closed" {
            call(libc::SYS_close, &[FD]);
        }
        call(libc::SYS_dup3, &[if away { theirs } else { ours }, FD, 0]);
    };
    let look = || victim.metadata().map(|meta| (meta.ctime(), meta.ctime_nsec(), meta.len())).ok();
    let before = look();
    for (name, act) in CALLS {
        put(false);
        Pair::race(put, |pair| {
            let (mut done, mut refused) = (0, 0);
            for turn in 1..=TURNS {
                let result = pair.turn(|| act(at(&link)));
                if look() != before {
                    return say(name, &format!("won {turn}"));
                }
                if result == -1 { refused += 1 } else { done += 1 }
            }
            say(name, &format!("lost {done} {refused}"));
        });
    }
}

#[test]
fn a_descriptor_swapped_in_a_call_changes_no_victim() {
    for how in ["replaced", "closed"] {
        let jail = Jail::new("standard");
        let (own, victim) = (jail.work.join("pkg/own-file"), jail.work.join(".git/config"));
        fs::write(&own, "own").expect("make a file");
        let before = Entry::of(&victim);
        let out = jail.attack("swapped-fds", &[how.as_ref(), own.as_os_str(), victim.as_os_str()]);
        let lines = out.lines();
        assert_eq!(lines.len(), CALLS.len(), "{} {}", out.out(), out.err());
        for (name, result) in &lines {
            let numbers: Vec<usize> = result.split(' ').filter_map(|number| number.parse().ok()).collect();
            assert!(result.starts_with("lost "), "{how}, {name}: {result}");
            assert!(numbers[0] > 0 && numbers[1] > 0, "{how}, {name}: met one alone: {result}");
        }
        assert_eq!(before, Entry::of(&victim));
    }
}

#[test]
fn outside_the_jail_the_victim_is_changed() {
    let jail = Jail::new("standard");
    let (own, victim) = (jail.work.join("pkg/own-file"), jail.work.join(".git/config"));
    fs::write(&own, "own").expect("make a file");
    let out = jail.control("swapped-fds", &["replaced".as_ref(), own.as_os_str(), victim.as_os_str()]);
    assert!(out.result("fchmod").starts_with("won "), "{}", out.out());
}
