//! Calls that the broker serves answer as the kernel would: the same errors
//! for odd arguments, inside the jail and outside.

use std::ffi::{CString, OsString};

use crate::support::Jail;
use crate::support::Tree;
use crate::support::attack::{Attack, report};
use crate::support::os::{self, FCHMODAT2, REMOVEXATTRAT, SETXATTRAT, addr, at, c, call};
use crate::support::tree::assert_same;

pub const ATTACKS: &[Attack] = &[
    ("odd-paths", odd_paths),
    ("odd-modes", odd_modes),
    ("odd-times", odd_times),
    ("odd-attributes", odd_attributes),
];

const CWD: i64 = libc::AT_FDCWD as i64;
const EMPTY: i64 = libc::AT_EMPTY_PATH as i64;
const NO_FOLLOW: i64 = libc::AT_SYMLINK_NOFOLLOW as i64;

/// A path that ends where its page of memory does, without a NUL.
fn unterminated() -> i64 {
    let page = call(libc::SYS_mmap, &[0, 8192, 3, i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS), -1, 0]);
    assert!(page > 0, "memory");
    assert_eq!(call(libc::SYS_munmap, &[page + 4096, 4096]), 0);
    // SAFETY: the first page is mapped and nobody else's.
    unsafe { std::ptr::write_bytes(page as *mut u8, b'a', 4096) };
    page
}

/// A path of `length` bytes that leads to `own.txt`.
fn padded(length: usize) -> CString {
    let mut path = "./".repeat((length - 7) / 2);
    path.push_str(if length.is_multiple_of(2) { "/own.txt" } else { "own.txt" });
    assert_eq!(path.len(), length);
    c(path)
}

fn odd_paths(_: &[OsString]) {
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, from).expect("make a link");
    link("to-own", "own.txt");
    link("to-link", "to-own");
    link("to-sub", "sub");
    link("loop", "loop");
    link("dangling", "nowhere");
    link("up", "../pkg/../pkg/own.txt");
    let long = "x".repeat(256);
    let just = "x".repeat(255);
    for path in [
        "own.txt",
        "./own.txt",
        "sub/../own.txt",
        "to-own",
        "to-link",
        "to-own/",
        "to-sub/",
        "to-sub/deep.txt",
        "to-sub/.",
        "loop",
        "loop/x",
        "dangling",
        "dangling/",
        "up",
        "own.txt/",
        "own.txt/.",
        "own.txt/..",
        "sub/",
        "sub/.",
        "sub/..",
        "missing",
        "missing/",
        "missing/../own.txt",
        "",
        ".",
        "./",
        "/proc/self/cwd/own.txt",
        "/proc/self/cwd",
        "/proc/self/cwd/",
        "/proc/thread-self/cwd/own.txt",
        "/proc/self/fd/99",
        "/proc/self/fd/99/x",
        "/proc/self/fd/x",
        "/proc/self/cwd/to-link",
        "/proc/self/cwd/../pkg/own.txt",
        &long,
        &just,
    ] {
        let name: String = path.chars().take(40).collect();
        let p = c(path);
        report(&format!("chmod {name}"), call(libc::SYS_fchmodat, &[CWD, at(&p), 0o751]));
        // the links in /proc are nobody's to change
        if path != "/proc/self/cwd" {
            report(&format!("lchown {name}"), call(libc::SYS_fchownat, &[CWD, at(&p), -1, -1, NO_FOLLOW]));
            report(&format!("utimensat {name}"), call(libc::SYS_utimensat, &[CWD, at(&p), 0, NO_FOLLOW]));
        }
    }
    for length in [4094, 4095, 4096, 4097] {
        let path = padded(length);
        report(&format!("length {length}"), call(libc::SYS_fchmodat, &[CWD, at(&path), 0o640]));
    }
    for (name, pointer) in [("null", 0), ("top", -1), ("low", 1), ("unterminated", unterminated())] {
        report(&format!("chmod {name}"), call(libc::SYS_fchmodat, &[CWD, pointer, 0o640]));
        report(&format!("setxattr {name}"), call(libc::SYS_setxattr, &[pointer, pointer, 0, 0, 0]));
        report(&format!("chown {name}"), call(libc::SYS_fchownat, &[CWD, pointer, -1, -1, 0]));
    }
}

fn odd_modes(_: &[OsString]) {
    let (own, sub, empty, missing) = (c("own.txt"), c("sub"), c(""), c("missing"));
    std::os::unix::fs::symlink("own.txt", "link").expect("make a link");
    let link = c("link");
    let absolute = c(std::env::current_dir().expect("a directory").join("own.txt"));
    let file = os::open("own.txt", libc::O_RDONLY);
    let dir = os::open("sub", libc::O_RDONLY);
    let deep = c("deep.txt");
    let path_only = os::open("own.txt", libc::O_PATH);
    let path_link = os::open("link", libc::O_PATH | libc::O_NOFOLLOW);
    for mode in [0, 0o777, 0o7777, 0o100_644, 0o170_000, 0xffff_ffff, 0x1_0000_01a4] {
        report(&format!("mode {mode:o}"), call(libc::SYS_fchmodat, &[CWD, at(&own), mode]));
        report(&format!("fd mode {mode:o}"), call(libc::SYS_fchmod, &[file, mode]));
    }
    report("restore", call(libc::SYS_fchmod, &[file, 0o644]));
    for flags in [0, NO_FOLLOW, EMPTY, NO_FOLLOW | EMPTY, 0x8000, 0x200, 0x1_0000_0000] {
        for (name, dir, path) in [
            ("file", CWD, &own),
            ("link", CWD, &link),
            ("cwd", CWD, &empty),
            ("missing", CWD, &missing),
            ("by fd", file, &empty),
            ("by O_PATH", path_only, &empty),
            ("by O_PATH of link", path_link, &empty),
            ("beneath dir", dir, &deep),
            ("beneath file", file, &deep),
            ("beneath O_PATH file", path_only, &deep),
            ("beneath nothing", 99, &deep),
            ("nothing", 99, &empty),
            ("absolute beneath nothing", 99, &absolute),
            ("negative", -5, &deep),
        ] {
            report(&format!("fchmodat2 {name} {flags:x}"), call(FCHMODAT2, &[dir, at(path), 0o750, flags]));
            report(
                &format!("fchownat {name} {flags:x}"),
                call(libc::SYS_fchownat, &[dir, at(path), -1, -1, flags]),
            );
            report(
                &format!("utimensat {name} {flags:x}"),
                call(libc::SYS_utimensat, &[dir, at(path), 0, flags]),
            );
        }
    }
    for (name, fd) in [
        ("O_PATH", path_only),
        ("99", 99),
        ("-1", -1),
        ("cwd", CWD),
        ("dir", dir),
        ("high", 0x1_0000_0000 | file),
    ] {
        report(&format!("fchmod {name}"), call(libc::SYS_fchmod, &[fd, 0o755]));
        report(&format!("fchown {name}"), call(libc::SYS_fchown, &[fd, -1, -1]));
        report(&format!("futimens {name}"), call(libc::SYS_utimensat, &[fd, 0, 0, 0]));
    }
    report("sub", call(libc::SYS_fchmodat, &[CWD, at(&sub), 0o2755]));
    let me = i64::from(nix::unistd::geteuid().as_raw());
    for (user, group) in
        [(me, -1), (-1, i64::from(nix::unistd::getegid().as_raw())), (0xffff_ffff, 0xffff_ffff)]
    {
        report(&format!("chown {user} {group}"), call(libc::SYS_fchownat, &[CWD, at(&own), user, group, 0]));
    }
}

fn odd_times(_: &[OsString]) {
    let (own, missing) = (c("own.txt"), c("missing"));
    let time = |s: i64, n: i64| libc::timespec { tv_sec: s, tv_nsec: n };
    let (now, omit) = (libc::UTIME_NOW, libc::UTIME_OMIT);
    for (name, times) in [
        ("plain", [time(1, 2), time(3, 4)]),
        ("nanoseconds", [time(1, 999_999_999), time(3, 1_000_000_000)]),
        ("negative nanoseconds", [time(1, -1), time(3, 0)]),
        ("before 1970", [time(-5, 0), time(-5, 0)]),
        ("far", [time(i64::MAX, 0), time(i64::MIN, 0)]),
        ("now", [time(0, now), time(0, now)]),
        ("omit one", [time(7, 7), time(0, omit)]),
        ("omit other", [time(0, omit), time(8, 8)]),
        ("omit both", [time(0, omit), time(0, omit)]),
        ("now and omit", [time(0, now), time(0, omit)]),
        ("last", [time(9, 0), time(9, 0)]),
    ] {
        let times = addr(&times);
        report(name, call(libc::SYS_utimensat, &[CWD, at(&own), times, 0]));
        report(&format!("{name} missing"), call(libc::SYS_utimensat, &[CWD, at(&missing), times, 0]));
        report(&format!("{name} bad fd"), call(libc::SYS_utimensat, &[99, 0, times, 0]));
        report(&format!("{name} bad path"), call(libc::SYS_utimensat, &[CWD, -1, times, 0]));
        report(&format!("{name} bad flags"), call(libc::SYS_utimensat, &[CWD, at(&own), times, 0x8000]));
    }
    report("null path", call(libc::SYS_utimensat, &[CWD, 0, 0, 0]));
    report("null path, flags", call(libc::SYS_utimensat, &[CWD, 0, 0, NO_FOLLOW]));
    report("bad times", call(libc::SYS_utimensat, &[CWD, at(&own), -1, 0]));
    report("bad times missing", call(libc::SYS_utimensat, &[CWD, at(&missing), -1, 0]));
    #[cfg(target_arch = "x86_64")]
    for (name, micro) in [("good", 5), ("too many", 1_000_000), ("negative", -1)] {
        let times = [libc::timeval { tv_sec: 9, tv_usec: micro }; 2];
        report(&format!("utimes {name}"), call(libc::SYS_utimes, &[at(&own), addr(&times)]));
        report(&format!("futimesat {name}"), call(libc::SYS_futimesat, &[CWD, at(&own), addr(&times)]));
        report(&format!("futimesat null {name}"), call(libc::SYS_futimesat, &[CWD, 0, addr(&times)]));
        let buf = libc::utimbuf { actime: 9, modtime: 9 };
        report(&format!("utime {name}"), call(libc::SYS_utime, &[at(&own), addr(&buf)]));
        report("utime bad", call(libc::SYS_utime, &[at(&own), 1]));
    }
}

fn odd_attributes(_: &[OsString]) {
    let (own, value) = (c("own.txt"), vec![b'v'; 70_000]);
    std::os::unix::fs::symlink("own.txt", "link").expect("make a link");
    let link = c("link");
    let (fd, path_only) = (os::open("own.txt", libc::O_RDONLY), os::open("own.txt", libc::O_PATH));
    let pointer = value.as_ptr() as i64;
    let long = format!("user.{}", "n".repeat(250));
    let longer = format!("user.{}", "n".repeat(251));
    for name in ["user.a", "user.", "", "a", "system.a", "nothing.a", long.as_str(), longer.as_str()] {
        let n = c(name);
        let short: String = name.chars().take(12).collect();
        report(
            &format!("set {short} {}", name.len()),
            call(libc::SYS_setxattr, &[at(&own), at(&n), pointer, 3, 0]),
        );
        report(
            &format!("on link {short} {}", name.len()),
            call(libc::SYS_lsetxattr, &[at(&link), at(&n), pointer, 3, 0]),
        );
        report(
            &format!("fd {short} {}", name.len()),
            call(libc::SYS_fsetxattr, &[fd, at(&n), pointer, 3, 0]),
        );
        report(&format!("remove {short} {}", name.len()), call(libc::SYS_removexattr, &[at(&own), at(&n)]));
        report(&format!("again {short} {}", name.len()), call(libc::SYS_removexattr, &[at(&own), at(&n)]));
    }
    let name = c("user.b");
    let missing = c("missing");
    for flags in [0, 1, 2, 3, 4, 0x1_0000_0000] {
        report(
            &format!("flags {flags:x}"),
            call(libc::SYS_setxattr, &[at(&own), at(&name), pointer, 1, flags]),
        );
        report(
            &format!("missing {flags:x}"),
            call(libc::SYS_setxattr, &[at(&missing), at(&name), pointer, 1, flags]),
        );
    }
    for size in [0, 1, 3000, 65_537, 1 << 40] {
        report(&format!("size {size}"), call(libc::SYS_setxattr, &[at(&own), at(&name), pointer, size, 0]));
        report(&format!("null value {size}"), call(libc::SYS_setxattr, &[at(&own), at(&name), 0, size, 0]));
    }
    report("O_PATH", call(libc::SYS_fsetxattr, &[path_only, at(&name), pointer, 1, 0]));
    report("O_PATH remove", call(libc::SYS_fremovexattr, &[path_only, at(&name)]));
    report("bad name", call(libc::SYS_setxattr, &[at(&own), -1, pointer, 1, 0]));
    report("unterminated name", call(libc::SYS_setxattr, &[at(&own), unterminated(), pointer, 1, 0]));
    let empty = c("");
    for (size, tail) in [(0, 0_u64), (8, 0), (16, 0), (24, 0), (24, 1), (4096, 0), (5000, 0)] {
        let mut args = [0_u64; 700];
        args[0] = pointer as u64;
        args[1] = 2;
        args[2] = tail;
        report(
            &format!("setxattrat {size} {tail}"),
            call(SETXATTRAT, &[CWD, at(&own), 0, at(&name), addr(&args), size]),
        );
        report(
            &format!("by fd {size} {tail}"),
            call(SETXATTRAT, &[fd, at(&empty), EMPTY, at(&name), addr(&args), size]),
        );
    }
    for flags in [0, NO_FOLLOW, EMPTY, 0x8000] {
        report(&format!("removexattrat {flags:x}"), call(REMOVEXATTRAT, &[CWD, at(&own), flags, at(&name)]));
        report(
            &format!("removexattrat link {flags:x}"),
            call(REMOVEXATTRAT, &[CWD, at(&link), flags, at(&name)]),
        );
    }
}

/// Runs an attack in scratch inside a brokered jail and outside; lines and trees must be equal.
#[track_caller]
pub fn same(attack: &str) {
    let run = |jailed: bool| {
        let mut jail = Jail::new("ci");
        let pkg = jail.work.join("pkg");
        jail.cwd(&pkg);
        let out = if jailed { jail.attack::<&str>(attack, &[]) } else { jail.control::<&str>(attack, &[]) };
        assert_eq!(out.code(), 0, "{}", out.err());
        (out.lines(), Tree::shape(&pkg))
    };
    let (outside, inside) = (run(false), run(true));
    let differ: Vec<_> = outside.0.iter().zip(&inside.0).filter(|(a, b)| a != b).collect();
    assert!(differ.is_empty(), "outside and inside: {differ:#?}");
    assert_eq!(outside.0.len(), inside.0.len());
    assert_same(&outside.1, &inside.1);
}

#[test]
fn paths() {
    same("odd-paths");
}

#[test]
fn modes_and_flags() {
    same("odd-modes");
}

#[test]
fn times() {
    same("odd-times");
}

#[test]
fn attributes() {
    same("odd-attributes");
}
