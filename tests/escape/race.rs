//! Races: a path or a link changes between the check and the act.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::support::attack::{Attack, say};
use crate::support::os::{at, c, call};
use crate::support::tree::assert_same;
use crate::support::{Tree, both_modes};

pub const ATTACKS: &[Attack] =
    &[("race-link", swap_link), ("race-directory", swap_directory), ("race-string", swap_string)];

const SPAN: Duration = Duration::from_millis(1000);
const CWD: i64 = libc::AT_FDCWD as i64;

/// Calls `act` and `swap` in two threads for a while; prints how many acts went through.
pub(super) fn race(mut swap: impl FnMut() + Send, mut act: impl FnMut() -> i64) {
    let stop = AtomicBool::new(false);
    let (mut done, mut refused) = (0_u64, 0_u64);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                swap();
            }
        });
        let end = Instant::now() + SPAN;
        while Instant::now() < end {
            if act() == -1 { refused += 1 } else { done += 1 }
        }
        stop.store(true, Ordering::Relaxed);
    });
    say("done", &done.to_string());
    say("refused", &refused.to_string());
}

/// All metadata calls that follow a path, in turn.
fn change(path: i64, turn: &mut u64) -> i64 {
    *turn += 1;
    let time = libc::timespec { tv_sec: 86_400, tv_nsec: 0 };
    let times = [time; 2];
    let name = c("user.race");
    match *turn % 4 {
        0 => call(libc::SYS_fchmodat, &[CWD, path, 0o777]),
        1 => call(libc::SYS_utimensat, &[CWD, path, crate::support::os::addr(&times), 0]),
        2 => call(libc::SYS_setxattr, &[path, at(&name), at(&name), 4, 0]),
        _ => call(libc::SYS_fchownat, &[CWD, path, i64::from(nix::unistd::geteuid().as_raw()), -1, 0]),
    }
}

pub(super) fn exchange(a: &Path, b: &Path) {
    let (a, b) = (c(a), c(b));
    call(libc::SYS_renameat2, &[CWD, at(&a), CWD, at(&b), i64::from(libc::RENAME_EXCHANGE)]);
}

/// Arguments: scratch directory, own file in it, victim. A link points now here, now there.
fn swap_link(args: &[OsString]) {
    let scratch = Path::new(&args[0]);
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    std::os::unix::fs::symlink(&args[1], &one).expect("make a link");
    std::os::unix::fs::symlink(&args[2], &two).expect("make a link");
    let path = c(&one);
    let mut turn = 0;
    race(|| exchange(&one, &two), || change(at(&path), &mut turn));
}

/// A directory on the way is now a real one, now a link to the victim's.
fn swap_directory(args: &[OsString]) {
    let scratch = Path::new(&args[0]);
    let victim = Path::new(&args[2]);
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    let name = victim.file_name().expect("the victim has a name");
    fs::create_dir(&one).expect("make a directory");
    fs::write(one.join(name), "own").expect("make a file");
    std::os::unix::fs::symlink(victim.parent().expect("the victim has a parent"), &two).expect("make a link");
    let path = c(one.join(name));
    let mut turn = 0;
    race(|| exchange(&one, &two), || change(at(&path), &mut turn));
}

/// The string itself changes in memory: one byte tells the own file from a
/// link to the victim.
fn swap_string(args: &[OsString]) {
    let scratch = Path::new(&args[0]);
    fs::write(scratch.join("A"), "own").expect("make a file");
    std::os::unix::fs::symlink(&args[2], scratch.join("B")).expect("make a link");
    let mut bytes = c(scratch.join("A")).into_bytes_with_nul();
    let last = bytes.len() - 2;
    let address = bytes.as_mut_ptr() as i64;
    // SAFETY: the byte lives as long as the scoped threads, and Rust touches it
    // through this atomic alone.
    let byte = unsafe { AtomicU8::from_ptr(bytes.as_mut_ptr().add(last)) };
    let mut turn = 0;
    race(|| byte.store(byte.load(Ordering::Relaxed) ^ 3, Ordering::Relaxed), || change(address, &mut turn));
}

fn victim_survives(attack: &str) {
    both_modes(|jail| {
        for victim in [jail.work.join(".git/config"), jail.outside.join("victim"), jail.home.join(".ssh/id")]
        {
            let scratch = jail.work.join("pkg/race");
            fs::create_dir(&scratch).expect("make a directory");
            fs::write(scratch.join("own"), "own").expect("make a file");
            let before = [jail.home_tree(), Tree::exact(&jail.outside), Tree::exact(&jail.work.join(".git"))];
            let out = jail.attack(attack, &[&scratch, &scratch.join("own"), &victim]);
            let done: u64 = out.result("done").parse().expect("a number");
            let refused: u64 = out.result("refused").parse().expect("a number");
            let after = [jail.home_tree(), Tree::exact(&jail.outside), Tree::exact(&jail.work.join(".git"))];
            before.iter().zip(&after).for_each(|(b, a)| assert_same(b, a));
            assert!(refused > 0, "some calls met the victim and were refused");
            assert_eq!(done > 0, !jail.is_static(), "the own file may be changed where a broker serves");
            fs::remove_dir_all(&scratch).expect("remove the directory");
        }
    });
}

#[test]
fn a_swapped_link_reaches_no_victim() {
    victim_survives("race-link");
}

#[test]
fn a_swapped_directory_reaches_no_victim() {
    victim_survives("race-directory");
}

#[test]
fn a_swapped_string_reaches_no_victim() {
    victim_survives("race-string");
}
