//! Callers that cannot be looked into, that become another program, or that are
//! stopped while a call is served: refused or right, never wrong.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::attack::{Attack, VARIABLE, report, say};
use crate::support::jail::myself;
use crate::support::os::{self, addr, at, c, call};
use crate::support::tree::assert_same;
use crate::support::{Jail, Tree};

pub const ATTACKS: &[Attack] = &[
    ("undumpable", undumpable),
    ("execs", execs),
    ("execs-in-call", exec_in_call),
    ("execs-after", after_exec),
    ("stopped", stopped),
    ("steady", steady),
];

const CWD: i64 = libc::AT_FDCWD as i64;

/// Changes of a file `x` and an empty directory `d` in a directory.
fn change_all(what: &str, dir: &Path) {
    let path = |name: &str| c(dir.join(name));
    let (x, d, new) = (path("x"), path("d"), path("new"));
    let times = [libc::timespec { tv_sec: 86_400, tv_nsec: 0 }; 2];
    let name = c("user.caller");
    let try_it =
        |step: &str, number: i64, args: &[i64]| report(&format!("{what} {step}"), call(number, args));
    report(&format!("{what} write"), os::open(dir.join("x"), libc::O_WRONLY));
    report(&format!("{what} create"), os::open(dir.join("new"), libc::O_WRONLY | libc::O_CREAT));
    try_it("truncate", libc::SYS_truncate, &[at(&x), 0]);
    try_it("chmod", libc::SYS_fchmodat, &[CWD, at(&x), 0o640]);
    try_it("utimensat", libc::SYS_utimensat, &[CWD, at(&x), addr(&times), 0]);
    try_it("setxattr", libc::SYS_setxattr, &[at(&x), at(&name), at(&name), 4, 0]);
    try_it("link", libc::SYS_linkat, &[CWD, at(&x), CWD, at(&new), 0]);
    try_it("symlink", libc::SYS_symlinkat, &[at(&x), CWD, at(&new)]);
    try_it("mkdir", libc::SYS_mkdirat, &[CWD, at(&new), 0o755]);
    try_it("mknod", libc::SYS_mknodat, &[CWD, at(&new), i64::from(libc::S_IFREG | 0o644), 0]);
    try_it("rename", libc::SYS_renameat2, &[CWD, at(&x), CWD, at(&new), 0]);
    try_it("rmdir", libc::SYS_unlinkat, &[CWD, at(&d), libc::AT_REMOVEDIR.into()]);
    try_it("unlink", libc::SYS_unlinkat, &[CWD, at(&x), 0]);
    let reader = os::open(dir.join("x"), libc::O_RDONLY);
    if reader >= 0 {
        try_it("fchmod", libc::SYS_fchmod, &[reader, 0o640]);
        report(&format!("{what} reopen"), os::open(format!("/proc/self/fd/{reader}"), libc::O_WRONLY));
    }
}

/// Arguments: a tracked directory, and others.
fn undumpable(args: &[OsString]) {
    let dumpable = |value: i64| call(libc::SYS_prctl, &[libc::PR_SET_DUMPABLE.into(), value]);
    assert_eq!(dumpable(0), 0);
    for dir in args {
        change_all(&dir.to_string_lossy(), Path::new(dir));
    }
    assert_eq!(dumpable(1), 0);
    let x = c(Path::new(&args[0]).join("x"));
    say(
        "dumpable again",
        if call(libc::SYS_fchmodat, &[CWD, at(&x), 0o604]) == 0 { "EACCES no more" } else { "no" },
    );
}

/// Argument: a tracked directory. Programs are replaced while their other
/// threads make calls.
fn execs(args: &[OsString]) {
    let mut wrong = 0;
    for _ in 0..40 {
        let mut child = Command::new(myself());
        let status = child.args(args).env(VARIABLE, "execs-in-call").status().expect("run");
        wrong += i32::from(status.code() != Some(7));
    }
    say("wrong", &wrong.to_string());
}

fn exec_in_call(args: &[OsString]) {
    let dir = Path::new(&args[0]);
    for thread in 0..3 {
        let dir = dir.to_owned();
        std::thread::spawn(move || {
            for turn in 0.. {
                let path = dir.join(format!("made-{thread}"));
                let made = os::open(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL);
                call(libc::SYS_close, &[made]);
                call(libc::SYS_fchmodat, &[CWD, at(&c(&path)), 0o600 | turn & 7]);
                call(libc::SYS_unlinkat, &[CWD, at(&c(&path)), 0]);
            }
        });
    }
    std::thread::sleep(Duration::from_micros(2000));
    let error = Command::new(myself()).args(args).env(VARIABLE, "execs-after").exec();
    say("exec", &error.to_string());
}

/// Ends with 7 where everything works, and nothing of the old program is served
/// to this one.
fn after_exec(args: &[OsString]) {
    let dir = Path::new(&args[0]);
    let listed = fs::read_dir("/proc/self/fd").expect("list the descriptors").count();
    let path = dir.join("after");
    let works = (0..20_u32).all(|turn| {
        let mode = 0o600 | turn & 7;
        let made = fs::write(&path, turn.to_string()).is_ok();
        let changed = call(libc::SYS_fchmodat, &[CWD, at(&c(&path)), mode.into()]) == 0;
        let found = path.metadata().map(|meta| meta.permissions().mode() & 0o777).ok();
        let content = fs::read_to_string(&path).ok();
        made && changed
            && found == Some(mode)
            && content == Some(turn.to_string())
            && fs::remove_file(&path).is_ok()
    });
    // 0, 1, 2 and the one that lists; descriptors without O_CLOEXEC may be left
    // of the old program's threads, one each
    let status = if works && listed <= 7 { 7 } else { 1 };
    // SAFETY: ends the process without running anything more of it.
    unsafe { libc::_exit(status) }
}

/// Argument: a tracked directory. A child is stopped and continued all the time.
fn stopped(args: &[OsString]) {
    let mut child = Command::new(myself()).args(args).env(VARIABLE, "steady").spawn().expect("start a child");
    let pid = i64::from(child.id());
    let mut stops = 0;
    while child.try_wait().expect("wait").is_none() {
        call(libc::SYS_kill, &[pid, libc::SIGSTOP.into()]);
        std::thread::sleep(Duration::from_micros(300));
        call(libc::SYS_kill, &[pid, libc::SIGCONT.into()]);
        std::thread::sleep(Duration::from_micros(300));
        stops += 1;
    }
    say("often stopped", if stops > 200 { "yes" } else { "no" });
}

fn steady(args: &[OsString]) {
    let dir = Path::new(&args[0]);
    let (file, sub) = (dir.join("steady"), dir.join("steady-dir"));
    let (mut turns, mut wrong) = (0_u32, Vec::new());
    let end = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < end {
        turns += 1;
        let mode = 0o600 | turns & 0o77;
        let mut step = |name: &str, result: std::io::Result<()>| {
            if let Err(error) = result {
                wrong.push(format!("{name}: {error}"));
            }
        };
        step("write", fs::write(&file, turns.to_string()));
        step("chmod", fs::set_permissions(&file, fs::Permissions::from_mode(mode)));
        let found = file.metadata().map(|meta| meta.permissions().mode() & 0o777);
        let content = fs::read_to_string(&file);
        if found.ok() != Some(mode) || content.ok() != Some(turns.to_string()) {
            step("content", Err(std::io::Error::other("another one")));
        }
        step("mkdir", fs::create_dir(&sub));
        step("rename", fs::rename(&file, sub.join("x")));
        step("unlink", fs::remove_file(sub.join("x")));
        step("rmdir", fs::remove_dir(&sub));
    }
    say("wrong", &format!("{wrong:?}"));
    say("many turns", if turns > 100 { "yes" } else { "no" });
}

fn victim(dir: &Path) {
    fs::create_dir_all(dir.join("d")).expect("make a directory");
    fs::write(dir.join("x"), "the victim").expect("make a file");
}

#[test]
fn who_cannot_be_looked_into_is_refused() {
    let jail = Jail::new("standard");
    let dirs = [jail.work.join("pkg/v"), jail.work.join(".git/v"), jail.outside.join("v")];
    dirs.iter().for_each(|dir| victim(dir));
    let before = dirs.each_ref().map(|dir| Tree::exact(dir));
    let mut out = jail.attack("undumpable", &dirs);
    assert_eq!(out.result("dumpable again"), "EACCES no more");
    let lines: Vec<(String, String)> = out.lines();
    assert!(lines.len() > 3 * 13, "{lines:?}");
    let wrong: Vec<_> =
        lines.iter().filter(|(step, result)| step != "dumpable again" && result != "EACCES").collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    // the last step alone changed something
    fs::set_permissions(dirs[0].join("x"), fs::Permissions::from_mode(0o644)).expect("chmod");
    let after = dirs.each_ref().map(|dir| Tree::exact(dir));
    assert_same(&before[1], &after[1]);
    assert_same(&before[2], &after[2]);
    assert_eq!(before[0].names(), after[0].names());
    assert_eq!(fs::read(dirs[0].join("x")).expect("read"), b"the victim");
    out = jail.control("undumpable", &dirs);
    assert_eq!(out.result(&format!("{} truncate", dirs[0].display())), "ok", "it works outside");
}

#[test]
fn programs_that_are_replaced_in_a_call_are_served_rightly() {
    let mut jail = Jail::new("standard");
    jail.limit(Duration::from_secs(120));
    let dir = jail.work.join("pkg/execs");
    fs::create_dir(&dir).expect("make a directory");
    let out = jail.attack("execs", &[&dir]);
    assert_eq!(out.result("wrong"), "0", "{}", out.err());
    let left: Vec<_> = fs::read_dir(&dir).expect("list").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.len() <= 3 && !left.contains(&"after".into()), "{left:?}");
}

#[test]
fn stopped_callers_are_served_rightly() {
    let jail = Jail::new("standard");
    let dir = jail.work.join("pkg/stops");
    fs::create_dir(&dir).expect("make a directory");
    let out = jail.attack("stopped", &[&dir]);
    assert_eq!(out.result("wrong"), "[]");
    assert_eq!(out.result("many turns"), "yes");
    assert_eq!(out.result("often stopped"), "yes");
}
