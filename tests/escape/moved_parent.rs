//! A directory moves while a call that goes up from it is served: what lies
//! above it is now the attacker's own, now a victim's.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::attack::{Attack, say};
use crate::support::os::{self, at, c, call};
use crate::support::pair::Pair;
use crate::support::tree::assert_same;
use crate::support::{Jail, Tree};

pub const ATTACKS: &[Attack] = &[("moved-parent", race)];

const CWD: i64 = libc::AT_FDCWD as i64;
const TURNS: usize = 200;

/// A call, and what makes the next one possible, from a directory upwards.
type Call = (&'static str, fn(dir: i64) -> i64);

fn unlink(dir: i64, path: &str, flags: i32) -> i64 {
    call(libc::SYS_unlinkat, &[dir, at(&c(path)), flags.into()])
}

fn open(dir: i64, path: &str, flags: i32) -> i64 {
    let fd = call(libc::SYS_openat, &[dir, at(&c(path)), flags.into(), 0o644]);
    if fd >= 0 { call(libc::SYS_close, &[fd]) } else { fd }
}

const CALLS: &[Call] = &[
    ("empty", |dir| open(dir, "../../x", libc::O_WRONLY | libc::O_TRUNC)),
    ("create", |dir| open(dir, "../../new", libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL)),
    ("chmod", |dir| call(libc::SYS_fchmodat, &[dir, at(&c("../../x")), 0o600])),
    ("mkdir", |dir| call(libc::SYS_mkdirat, &[dir, at(&c("../../made")), 0o755])),
    ("symlink", |dir| call(libc::SYS_symlinkat, &[at(&c("x")), dir, at(&c("../../link"))])),
    ("link", |dir| call(libc::SYS_linkat, &[dir, at(&c("own")), dir, at(&c("../../linked")), 0])),
    ("rename", |dir| call(libc::SYS_renameat2, &[dir, at(&c("../../x")), dir, at(&c("../../y")), 0])),
    ("unlink", |dir| unlink(dir, "../../x", 0)),
    ("rmdir", |dir| unlink(dir, "../../d", libc::AT_REMOVEDIR)),
];

/// Arguments: an empty directory and a victim's, each with a directory `in` where the attacker may move things.
fn race(args: &[OsString]) {
    let (own, victim) = (Path::new(&args[0]), Path::new(&args[1]));
    let (here, there) = (own.join("in/moving"), victim.join("in/moving"));
    fs::create_dir(&here).expect("make a directory");
    fs::write(here.join("own"), "own").expect("make a file");
    // made here, so that the session may remove it
    fs::write(own.join("x"), "own").expect("make a file");
    fs::create_dir(own.join("d")).expect("make a directory");
    let dir = os::open(&here, libc::O_PATH | libc::O_DIRECTORY);
    let (from, to) = (c(&here), c(&there));
    let put = |away: bool| {
        let [from, to] = if away { [&from, &to] } else { [&to, &from] };
        call(libc::SYS_renameat2, &[CWD, at(from), CWD, at(to), 0]);
    };
    let look = || {
        let stat = |name: &str| victim.join(name).symlink_metadata().ok();
        let there = |name: &str| stat(name).is_some();
        let file = stat("x").map(|meta| (meta.ino(), meta.ctime(), meta.ctime_nsec()));
        (file, ["d", "new", "made", "link", "linked", "y"].map(there))
    };
    let before = look();
    for (name, act) in CALLS {
        Pair::race_either_first(put, |pair| {
            let (mut done, mut refused, mut away) = (0, 0, 0);
            for turn in 1..=TURNS {
                let result = pair.turn(|| act(dir));
                if look() != before {
                    return say(name, &format!("won {turn}"));
                }
                if result == -1 {
                    refused += 1
                } else {
                    done += 1
                }
                away += usize::from(there.exists());
                // the attacker's own is put in order
                for name in ["new", "link", "linked", "y"] {
                    let _ = fs::remove_file(own.join(name));
                }
                let _ = fs::remove_dir(own.join("made"));
                let _ = fs::create_dir(own.join("d"));
                if !own.join("x").exists() {
                    let _ = fs::write(own.join("x"), "own");
                }
            }
            say(name, &format!("lost {done} {refused} {away}"));
        });
    }
}

fn arena(dir: &Path) {
    fs::create_dir_all(dir.join("in")).expect("make a directory");
    fs::create_dir(dir.join("d")).expect("make a directory");
    fs::write(dir.join("x"), "was here").expect("make a file");
}

#[test]
fn what_lies_above_a_directory_that_moves_is_safe() {
    for profile in ["standard", "ci"] {
        let mut jail = Jail::new(profile);
        let (own, victim) = (jail.work.join("pkg/own"), jail.work.join(".github/workflows/v"));
        fs::create_dir_all(own.join("in")).expect("make a directory");
        arena(&victim);
        jail.allow("scratch", own.join("in")).allow("scratch", victim.join("in"));
        let before = Tree::exact(&victim).without(&["in"]);
        let out = jail.attack("moved-parent", &[&own, &victim]);
        let lines = out.lines();
        assert_eq!(lines.len(), CALLS.len(), "{} {}", out.out(), out.err());
        eprintln!("{profile}: {lines:?}");
        for (name, result) in &lines {
            let numbers: Vec<usize> = result.split(' ').filter_map(|number| number.parse().ok()).collect();
            assert!(result.starts_with("lost "), "{profile}, {name}: {result}");
            assert!(numbers.iter().all(|number| *number > 0), "{profile}, {name}: one alone: {result}");
        }
        assert_same(&before, &Tree::exact(&victim).without(&["in"]));
    }
}

#[test]
fn outside_the_jail_it_is_changed() {
    let jail = Jail::new("ci");
    let (own, victim) = (jail.work.join("pkg/own"), jail.outside.join("v"));
    fs::create_dir_all(own.join("in")).expect("make a directory");
    arena(&victim);
    let out = jail.control("moved-parent", &[&own, &victim]);
    assert!(out.result("empty").starts_with("won "), "{}", out.out());
}
