//! Callers that are interrupted or killed in the middle, and many at once.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::support::attack::{Attack, say};
use crate::support::os::{addr, at, c, call, interrupt_every};
use crate::support::{Jail, Tree};

pub const ATTACKS: &[Attack] = &[("interrupted", interrupted), ("endless", endless), ("crowd", crowd)];

const CWD: i64 = libc::AT_FDCWD as i64;

/// Changes a mode again and again while a timer interrupts. Every call must
/// work; but where the handler does not restart calls, the kernel may end one
/// with EINTR until the broker has received it.
fn interrupted(_: &[OsString]) {
    for (name, flags) in [("restarting", libc::SA_RESTART), ("plain", 0)] {
        interrupt_every(50, flags);
        let path = c("own.txt");
        let mut failed = 0;
        let end = Instant::now() + Duration::from_millis(700);
        let mut turns = 0;
        while Instant::now() < end {
            turns += 1;
            let result = call(libc::SYS_fchmodat, &[CWD, at(&path), 0o600 | turns & 0o77]);
            let excused = flags == 0 && Errno::last() == Errno::EINTR;
            failed += i32::from(result != 0 && !excused);
        }
        call(libc::SYS_setitimer, &[0, addr(&[0_i64; 4]), 0]);
        say(name, &failed.to_string());
    }
}

fn endless(_: &[OsString]) {
    let path = c("own.txt");
    loop {
        call(libc::SYS_fchmodat, &[CWD, at(&path), 0o600]);
    }
}

/// Many threads change files of their own and count what failed.
fn crowd(_: &[OsString]) {
    let work = |i: usize| {
        let name = format!("file-{i}");
        std::fs::write(&name, "x").expect("make a file");
        let path = c(&name);
        (0..200).filter(|turn| call(libc::SYS_fchmodat, &[CWD, at(&path), 0o600 | turn & 0o7]) != 0).count()
    };
    let failed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32).map(|i| scope.spawn(move || work(i))).collect();
        threads.into_iter().map(|t| t.join().expect("a thread")).sum()
    });
    say("failed", &failed.to_string());
}

/// A brokered jail that works in `pkg`.
fn jail() -> Jail {
    let mut jail = Jail::new("ci");
    let pkg = jail.work.join("pkg");
    jail.cwd(pkg);
    jail
}

#[test]
fn signals_do_not_break_calls() {
    let out = jail().attack::<&str>("interrupted", &[]);
    assert_eq!(out.result("restarting"), "0", "failed calls");
    assert_eq!(out.result("plain"), "0", "failed calls");
}

#[test]
fn a_crowd_is_served() {
    assert_eq!(jail().attack::<&str>("crowd", &[]).result("failed"), "0");
}

#[test]
fn killed_callers_harm_nobody() {
    let mut jail = jail();
    let myself = crate::support::jail::myself();
    jail.allow("read", &myself);
    let before = Tree::exact(&jail.work.join(".git"));
    let script = format!(
        "for i in $(seq 30); do STOCKADE_ATTACK=endless {} & sleep 0.01; kill -9 $!; done; wait; chmod 640 own.txt && stat -c %a own.txt",
        myself.display()
    );
    assert_eq!(jail.run(&["bash", "-c", &script]).expect(0), "640\n");
    assert!(before == Tree::exact(&jail.work.join(".git")));
}
