//! What the session made is its own to remove; what was there before is not.
//! Another thread puts the one in the other's place while a call is served.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::attack::{Attack, say};
use crate::support::os::{self, at, c, call, open};
use crate::support::pair::Pair;
use crate::support::{Jail, Tree};

pub const ATTACKS: &[Attack] = &[("own-race", race), ("own-race-moved", move_with_git)];

const CWD: i64 = libc::AT_FDCWD as i64;
const TURNS: usize = 1500;

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
    call(libc::SYS_prlimit64, &[0, libc::RLIMIT_NOFILE.into(), os::addr(&limit), 0]);
    while call(libc::SYS_dup, &[0]) != -1 {}
}

/// Arguments: which race, a directory with the old file `a`, scratch. One thread
/// acts on `b`, which is the session's own or not there at all, while another
/// lets the two change places, or the old file go to and fro.
fn race(args: &[OsString]) {
    let which = args[0].to_str().expect("a name");
    let (a, b) = (Path::new(&args[1]).join("a"), Path::new(&args[1]).join("b"));
    let out = Path::new(&args[2]).join("out");
    let old = os::open(&a, libc::O_PATH);
    let inode = a.metadata().expect("stat").ino();
    let link = format!("/proc/self/fd/{old}");
    let is_gone = || fs::metadata(&link).map_or(0, |old| old.nlink()) == 0;
    if which == "full table" {
        fill_table();
    }
    let stop = AtomicBool::new(false);
    let act = || match which {
        "unlink" => (make(&b), unlink(&b)).1,
        "rename out" => (make(&b), rename(&b, &out, 0)).1,
        "make" => (make(&b), unlink(&b)).1,
        "make a link" => (call(libc::SYS_symlinkat, &[at(&c("x")), CWD, at(&c(&b))]), unlink(&b)).1,
        _ => (make_in_vain(&b), unlink(&b)).1,
    };
    let swap = || match which {
        "unlink" | "rename out" => rename(&a, &b, libc::RENAME_EXCHANGE),
        _ => (rename(&a, &b, 0), rename(&b, &a, 0)).1,
    };
    std::thread::scope(|scope| {
        let swaps = scope.spawn(|| {
            let mut swaps = 0;
            while !stop.load(Ordering::Relaxed) {
                swaps += i32::from(swap() == 0);
            }
            swaps
        });
        let mut acts = 0;
        let won = (0..TURNS).any(|_| {
            acts += i32::from(act() == 0);
            let is_out = out.symlink_metadata().is_ok_and(|out| out.ino() == inode);
            unlink(&out);
            is_out || is_gone()
        });
        stop.store(true, Ordering::Relaxed);
        let swaps = swaps.join().expect("the thread ends");
        say(if won { "won" } else { "lost" }, &format!("{acts} {swaps}"));
    });
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

const RACES: [&str; 5] = ["unlink", "rename out", "make", "make a link", "full table"];

#[test]
fn what_was_there_before_is_not_taken_for_own_in_a_race() {
    for which in RACES {
        let jail = Jail::new("standard");
        let (dir, scratch) = (jail.work.join("pkg/race"), jail.work.join("target"));
        fs::create_dir_all(&dir).expect("make a directory");
        fs::create_dir_all(&scratch).expect("make a directory");
        fs::write(dir.join("a"), "old").expect("make a file");
        let inode = dir.join("a").metadata().expect("stat").ino();
        let out = jail.attack("own-race", &[which.as_ref(), dir.as_os_str(), scratch.as_os_str()]);
        eprintln!("{which}: {:?}", out.lines());
        out.result("lost");
        let is_old = |name: &str| dir.join(name).metadata().is_ok_and(|found| found.ino() == inode);
        assert!(is_old("a") || is_old("b"), "{which}: the old file is there");
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
