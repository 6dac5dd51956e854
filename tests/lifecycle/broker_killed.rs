//! The broker is killed while the jail runs: who survives can change nothing
//! more than Landlock grants, and what was there stays.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::attack::{Attack, report, say};
use crate::support::os::{self, addr, at, c, call};
use crate::support::process::eventually;
use crate::support::tree::assert_same;
use crate::support::{Jail, Running, Tree, jail::myself};

pub const ATTACKS: &[Attack] = &[("survivor", survive)];

const CWD: i64 = libc::AT_FDCWD as i64;
const SOON: Duration = Duration::from_secs(20);

/// Every kind of change, of a directory that has a file `x` and an empty directory `d`.
fn change_all(what: &str, dir: &Path) {
    let path = |name: &str| c(dir.join(name));
    let (x, d, new) = (path("x"), path("d"), path("new"));
    let times = [libc::timespec { tv_sec: 86_400, tv_nsec: 0 }; 2];
    let how = [i64::from(libc::O_WRONLY | libc::O_TRUNC), 0, 0];
    let (name, me) = (c("user.survivor"), i64::from(nix::unistd::geteuid().as_raw()));
    let try_it =
        |step: &str, number: i64, args: &[i64]| report(&format!("{what} {step}"), call(number, args));
    report(&format!("{what} write"), os::open(dir.join("x"), libc::O_WRONLY));
    report(&format!("{what} truncating open"), os::open(dir.join("x"), libc::O_RDWR | libc::O_TRUNC));
    report(&format!("{what} create"), os::open(dir.join("new"), libc::O_WRONLY | libc::O_CREAT));
    report(&format!("{what} nameless"), os::open(dir, libc::O_WRONLY | libc::O_TMPFILE));
    try_it("openat2", libc::SYS_openat2, &[CWD, at(&x), addr(&how), 24]);
    try_it("truncate", libc::SYS_truncate, &[at(&x), 0]);
    try_it("unlink", libc::SYS_unlinkat, &[CWD, at(&x), 0]);
    try_it("rmdir", libc::SYS_unlinkat, &[CWD, at(&d), libc::AT_REMOVEDIR.into()]);
    try_it("rename", libc::SYS_renameat2, &[CWD, at(&x), CWD, at(&new), 0]);
    try_it("link", libc::SYS_linkat, &[CWD, at(&x), CWD, at(&new), 0]);
    try_it("symlink", libc::SYS_symlinkat, &[at(&x), CWD, at(&new)]);
    try_it("mkdir", libc::SYS_mkdirat, &[CWD, at(&new), 0o755]);
    try_it("mknod", libc::SYS_mknodat, &[CWD, at(&new), i64::from(libc::S_IFREG | 0o644), 0]);
    try_it("chmod", libc::SYS_fchmodat, &[CWD, at(&x), 0o777]);
    try_it("chown", libc::SYS_fchownat, &[CWD, at(&x), me, -1, 0]);
    try_it("utimensat", libc::SYS_utimensat, &[CWD, at(&x), addr(&times), 0]);
    try_it("setxattr", libc::SYS_setxattr, &[at(&x), at(&name), at(&name), 4, 0]);
    let reader = os::open(dir.join("x"), libc::O_RDONLY);
    if reader >= 0 {
        try_it("fchmod", libc::SYS_fchmod, &[reader, 0o777]);
        try_it("futimens", libc::SYS_utimensat, &[reader, 0, addr(&times), 0]);
        try_it("fsetxattr", libc::SYS_fsetxattr, &[reader, at(&name), at(&name), 4, 0]);
        report(&format!("{what} reopen"), os::open(format!("/proc/self/fd/{reader}"), libc::O_WRONLY));
    }
}

/// Arguments: a tracked directory, scratch, and directories to attack. Eight
/// threads change things until that fails.
fn survive(args: &[OsString]) {
    let (tracked, scratch) = (Path::new(&args[0]), Path::new(&args[1]));
    say("pid", &std::process::id().to_string());
    let _ = std::io::stdout().flush();
    let held = fs::File::create(scratch.join("held"));
    let ends = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (dir, ends) = (c(tracked.join(format!("loop-{thread}"))), &ends);
            scope.spawn(move || {
                let start = Instant::now();
                while start.elapsed() < SOON {
                    let made = call(libc::SYS_mkdirat, &[CWD, at(&dir), 0o755]);
                    let removed = call(libc::SYS_unlinkat, &[CWD, at(&dir), libc::AT_REMOVEDIR.into()]);
                    if made != 0 || removed != 0 {
                        // Before waiting for the lock, which may fail and try again.
                        let errno = nix::errno::Errno::last();
                        ends.lock().expect("lock").push(errno);
                        return;
                    }
                }
            });
        }
    });
    for errno in ends.into_inner().expect("lock") {
        say("loop", &format!("{errno:?}"));
    }
    for dir in &args[2..] {
        change_all(&dir.to_string_lossy(), Path::new(dir));
    }
    change_all("scratch", scratch);
    // what Landlock lets a descriptor do needs nobody
    let works =
        held.and_then(|mut held| held.write_all(b"text")).and_then(|()| fs::read(scratch.join("held")));
    say("held", if works.is_ok_and(|text| text == b"text") { "works" } else { "fails" });
}

/// A file and a directory to attack.
fn victim(dir: &Path) {
    fs::create_dir_all(dir.join("d")).expect("make a directory");
    fs::write(dir.join("x"), "the victim").expect("make a file");
}

#[test]
fn who_survives_the_broker_changes_nothing() {
    let mut jail = Jail::new("standard");
    // nobody is left to remove the private directory
    let outside = jail.outside.clone();
    jail.env("TMPDIR", &outside).allow("read", myself());
    let scratch = jail.work.join("target");
    victim(&scratch);
    let victims = [outside.join("v"), jail.work.join(".git/v"), jail.work.join("pkg/v"), jail.home.join("v")];
    victims.iter().for_each(|dir| victim(dir));
    let mut args = vec![jail.work.join("pkg"), scratch.clone()];
    args.extend(victims.clone());
    // a child of the command, which is not killed with the broker
    let mut command = jail.run_command();
    command.args(["--", "sh", "-c", "\"$@\" & wait", "sh"]).arg(myself()).args(&args);
    command.env(crate::support::attack::VARIABLE, "survivor");
    let look = || {
        let places = [&jail.work.join("README.md"), &jail.work.join(".git"), &jail.home.join(".ssh")];
        places.into_iter().chain(&victims).map(|dir| Tree::exact(dir)).collect::<Vec<_>>()
    };
    let before = look();
    let mut running = Running::start(&mut command);
    let pid = running.result("pid", SOON);
    std::thread::sleep(Duration::from_millis(150));
    running.kill();
    let mut lines = Vec::new();
    while let Some(line) = running.line(SOON) {
        lines.push(line);
    }
    assert!(eventually(SOON, || !Path::new("/proc").join(&pid).exists()), "the survivor ends");
    assert_eq!(lines.last().map(String::as_str), Some("held: works"), "{lines:?}");
    lines.pop();
    assert_eq!(lines.iter().filter(|line| *line == "loop: ENOSYS").count(), 8, "{lines:?}");
    assert!(lines.len() > 8 + 3 * 17, "{lines:?}");
    // what is not asked about Landlock refuses
    let is_refused = |line: &&String| ["ENOSYS", "EACCES"].iter().any(|errno| line.ends_with(errno));
    let others: Vec<&String> = lines.iter().filter(|line| !is_refused(line)).collect();
    assert!(others.is_empty(), "{others:?}");
    before.iter().zip(&look()).for_each(|(before, after)| assert_same(before, after));
    for thread in 0..8 {
        // the last call was performed or not, and nothing between
        let _ = fs::remove_dir(jail.work.join(format!("pkg/loop-{thread}")));
    }
    assert!(!jail.work.join("pkg/new").exists());
}

#[test]
fn outside_the_jail_the_changes_work() {
    let jail = Jail::new("standard");
    victim(&jail.outside.join("v"));
    let args = ["/nowhere".into(), jail.work.join("pkg"), jail.outside.join("v")];
    let out = jail.control("survivor", &args);
    let works = out.lines().iter().filter(|(_, result)| result == "ok").count();
    assert!(works >= 8, "{}", out.out());
}
