//! What the session made is its own to remove; what was there before is not.
//! Another thread puts the one in the other's place while a call is served.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::attack::{Attack, say};
use crate::support::os::{at, c, call, open};
use crate::support::pair::Pair;
use crate::support::{Jail, Tree};

pub const ATTACKS: &[Attack] = &[("own-race", race), ("own-race-moved", move_with_git)];

const CWD: i64 = libc::AT_FDCWD as i64;
const TURNS: usize = 400;

fn rename(from: &Path, to: &Path, flags: u32) -> i64 {
    let (from, to) = (c(from), c(to));
    call(libc::SYS_renameat2, &[CWD, at(&from), CWD, at(&to), flags.into()])
}

fn unlink(path: &Path) -> i64 {
    call(libc::SYS_unlinkat, &[CWD, at(&c(path)), 0])
}

fn make(path: &Path) -> i64 {
    call(libc::SYS_mknodat, &[CWD, at(&c(path)), i64::from(libc::S_IFREG | 0o644), 0])
}

/// Makes a file where the table of descriptors is full, so that it is taken back.
fn make_in_vain(path: &Path) -> i64 {
    open(path, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY)
}

fn fill_table() {
    let limit = [64_u64; 2];
    call(libc::SYS_prlimit64, &[0, libc::RLIMIT_NOFILE.into(), crate::support::os::addr(&limit), 0]);
    while call(libc::SYS_dup, &[0]) != -1 {}
}

/// Arguments: which race, a directory with the file `old`, scratch. In each turn
/// one thread acts on the own file `new` while the other puts `old` there.
fn race(args: &[OsString]) {
    let (dir, scratch) = (Path::new(&args[1]), Path::new(&args[2]));
    let (old, new, out) = (dir.join("old"), dir.join("new"), scratch.join("out"));
    let which = args[0].to_str().expect("a name");
    let inode = old.metadata().expect("stat").ino();
    let is_old = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.ino() == inode);
    let flags = if which.ends_with("exchange") { libc::RENAME_EXCHANGE } else { 0 };
    if which == "no descriptor" {
        fill_table();
    }
    let makes = which.starts_with("make") || which == "no descriptor";
    let act = || match which {
        "unlink" | "unlink, exchange" => unlink(&new),
        "rename out" | "rename out, exchange" => rename(&new, &out, 0),
        "make" => make(&new),
        "make a link" => call(libc::SYS_symlinkat, &[at(&c("x")), CWD, at(&c(&new))]),
        _ => make_in_vain(&new),
    };
    let mut met = 0;
    Pair::race_either_first(
        |_| {
            rename(&old, &new, flags);
        },
        |pair| {
            for turn in 1..=TURNS {
                if !makes {
                    make(&new);
                }
                pair.turn(act);
                if is_old(&new) {
                    met += 1;
                    // which must be refused
                    if makes && unlink(&new) == 0 {
                        return say("won", &turn.to_string());
                    }
                    rename(&new, &old, flags);
                }
                if !is_old(&old) {
                    return say("won", &turn.to_string());
                }
                unlink(&new);
                unlink(&out);
            }
            say("lost", &met.to_string());
        },
    );
}

/// Arguments: a directory that Landlock lets names be made in, and one where a
/// rule binds names. A directory moves from there to here, while another thread
/// makes a `.git` in it.
fn move_with_git(args: &[OsString]) {
    let (from, to) = (Path::new(&args[0]).join("moved"), Path::new(&args[1]).join("moved"));
    fs::create_dir(&from).expect("make a directory");
    for name in 0..100 {
        fs::create_dir(from.join(name.to_string())).expect("make a directory");
    }
    let dir = open(&from, libc::O_PATH | libc::O_DIRECTORY);
    let git = c(".git");
    let mut met = 0;
    Pair::race_either_first(
        |_| {
            call(libc::SYS_mkdirat, &[dir, at(&git), 0o755]);
        },
        |pair| {
            for turn in 1..=TURNS {
                let moved = pair.turn(|| rename(&from, &to, 0)) == 0;
                if moved && to.join(".git").exists() {
                    return say("won", &turn.to_string());
                }
                if moved {
                    met += 1;
                    rename(&to, &from, 0);
                }
                call(libc::SYS_unlinkat, &[dir, at(&git), libc::AT_REMOVEDIR.into()]);
            }
            say("lost", &met.to_string());
        },
    );
}

const RACES: [&str; 7] = [
    "unlink",
    "unlink, exchange",
    "rename out",
    "rename out, exchange",
    "make",
    "make a link",
    "no descriptor",
];

#[test]
fn what_was_there_before_is_not_taken_for_own_in_a_race() {
    for which in RACES {
        let jail = Jail::new("standard");
        let (dir, scratch) = (jail.work.join("pkg/race"), jail.work.join("target"));
        fs::create_dir_all(&dir).expect("make a directory");
        fs::create_dir_all(&scratch).expect("make a directory");
        fs::write(dir.join("old"), "old").expect("make a file");
        let out = jail.attack("own-race", &[which.as_ref(), dir.as_os_str(), scratch.as_os_str()]);
        eprintln!("{which}: {:?}", out.lines());
        let met: usize = out.result("lost").parse().expect("a number");
        assert!(met > 0, "{which}: the other thread was there in time");
        assert_eq!(fs::read_to_string(dir.join("old")).expect("the old file is there"), "old", "{which}");
    }
}

#[test]
fn no_git_comes_along_with_a_directory_that_moves() {
    let jail = Jail::new("ci");
    let before = Tree::exact(&jail.work.join("pkg"));
    let script = format!(
        "exec env STOCKADE_ATTACK=own-race-moved {} $TMPDIR $PWD/pkg",
        crate::support::jail::myself().display()
    );
    let mut jail = jail;
    jail.allow("read", crate::support::jail::myself());
    let out = jail.sh(&script);
    eprintln!("{:?}", out.lines());
    out.result("lost");
    assert!(!jail.work.join("pkg/moved/.git").exists());
    drop(before);
}
