//! What a call names is swapped by another thread while the call is served: the
//! string in memory, a directory on the way, the directory descriptor, the
//! working directory. Every call about names and content, in and out.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::attack::{Attack, say};
use crate::support::os::{self, Flickering, addr, at, c, call};
use crate::support::pair::Pair;
use crate::support::tree::assert_same;
use crate::support::{Jail, Tree, naive};

pub const ATTACKS: &[Attack] = &[("swap", swap), ("swap-naive", swap_naive)];

const CWD: i64 = libc::AT_FDCWD as i64;
/// Where the descriptor that is swapped stands.
const FD: i64 = 100;
/// Turns within which the naive broker must lose.
const PATIENCE: usize = 50_000;

/// A call: its name, what of a victim's directory it is aimed at, the call
/// itself on a directory and a path, and what makes the next turn possible.
struct Family {
    name: &'static str,
    aim: &'static str,
    act: fn(&Own, i64, i64) -> i64,
    restore: fn(&Own),
}

/// The attacker's own directory, which looks like the victim's.
struct Own {
    dir: i64,
}

impl Own {
    fn make(&self, name: &str) {
        let flags = libc::O_CREAT | libc::O_WRONLY;
        call(libc::SYS_close, &[call(libc::SYS_openat, &[self.dir, at(&c(name)), flags.into(), 0o644])]);
    }

    fn make_dir(&self, name: &str) {
        call(libc::SYS_mkdirat, &[self.dir, at(&c(name)), 0o755]);
    }

    fn remove(&self, name: &str, flags: i32) {
        call(libc::SYS_unlinkat, &[self.dir, at(&c(name)), flags.into()]);
    }

    fn rename_from(&self, name: &str, dir: i64, path: i64, flags: u32) -> i64 {
        call(libc::SYS_renameat2, &[self.dir, at(&c(name)), dir, path, flags.into()])
    }
}

fn open(dir: i64, path: i64, flags: i32) -> i64 {
    let fd = call(libc::SYS_openat, &[dir, path, flags.into(), 0o644]);
    if fd >= 0 {
        call(libc::SYS_write, &[fd, at(&c("stolen")), 6]);
        call(libc::SYS_close, &[fd]);
    }
    fd
}

fn open_with_how(dir: i64, path: i64) -> i64 {
    let how = [i64::from(libc::O_WRONLY | libc::O_TRUNC), 0, 0];
    let fd = call(libc::SYS_openat2, &[dir, path, addr(&how), 24]);
    if fd >= 0 {
        call(libc::SYS_close, &[fd]);
    }
    fd
}

const fn family(
    name: &'static str,
    aim: &'static str,
    act: fn(&Own, i64, i64) -> i64,
    restore: fn(&Own),
) -> Family {
    Family { name, aim, act, restore }
}

/// Every call that the naive broker is asked about. A victim's directory has a
/// file `x` and an empty directory `d`.
const FAMILIES: &[Family] = &[
    family("write", "x", |_, dir, path| open(dir, path, libc::O_WRONLY), |_| ()),
    family("truncating open", "x", |_, dir, path| open(dir, path, libc::O_WRONLY | libc::O_TRUNC), |_| ()),
    family("openat2", "x", |_, dir, path| open_with_how(dir, path), |_| ()),
    family(
        "create",
        "new",
        |_, dir, path| open(dir, path, libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL),
        |own| own.remove("new", 0),
    ),
    family("truncate", "x", |_, _, path| call(libc::SYS_truncate, &[path, 0]), |_| ()),
    family("unlink", "x", |_, dir, path| call(libc::SYS_unlinkat, &[dir, path, 0]), |own| own.make("x")),
    family(
        "rmdir",
        "d",
        |_, dir, path| call(libc::SYS_unlinkat, &[dir, path, libc::AT_REMOVEDIR.into()]),
        |own| own.make_dir("d"),
    ),
    family(
        "rename from",
        "x",
        |own, dir, path| call(libc::SYS_renameat2, &[dir, path, own.dir, at(&c("z")), 0]),
        |own| own.make("x"),
    ),
    family("rename onto", "x", |own, dir, path| own.rename_from("y", dir, path, 0), |own| own.make("y")),
    family("rename to", "new", |own, dir, path| own.rename_from("y", dir, path, 0), |own| own.make("y")),
    family(
        "exchange",
        "x",
        |own, dir, path| own.rename_from("y", dir, path, libc::RENAME_EXCHANGE),
        |own| own.make("y"),
    ),
    family(
        "link from",
        "x",
        |own, dir, path| call(libc::SYS_linkat, &[dir, path, own.dir, at(&c("z")), 0]),
        |own| own.remove("z", 0),
    ),
    family(
        "link to",
        "new",
        |own, dir, path| call(libc::SYS_linkat, &[own.dir, at(&c("y")), dir, path, 0]),
        |own| own.remove("new", 0),
    ),
    family(
        "symlink",
        "new",
        |_, dir, path| call(libc::SYS_symlinkat, &[at(&c("y")), dir, path]),
        |own| own.remove("new", 0),
    ),
    family(
        "mkdir",
        "new",
        |_, dir, path| call(libc::SYS_mkdirat, &[dir, path, 0o755]),
        |own| own.remove("new", libc::AT_REMOVEDIR),
    ),
    family(
        "mknod",
        "new",
        |_, dir, path| call(libc::SYS_mknodat, &[dir, path, i64::from(libc::S_IFREG | 0o644), 0]),
        |own| own.remove("new", 0),
    ),
    family("chmod", "x", |_, dir, path| call(libc::SYS_fchmodat, &[dir, path, 0o640]), |_| ()),
];

/// Acts until the victim changed or all turns are over.
fn attack(pair: &Pair, family: &Family, own: &Own, victim: &Path, turns: usize, (dir, path): (i64, i64)) {
    let look = || {
        let stat = |name: &str| victim.join(name).symlink_metadata().ok();
        let file = stat("x").map(|m| (m.ino(), m.nlink(), m.len(), m.mode(), m.mtime_nsec()));
        (file, stat("d").is_some(), stat("new").is_some())
    };
    let before = look();
    let (mut done, mut refused) = (0, 0);
    for turn in 1..=turns {
        match pair.turn(|| (family.act)(own, dir, path)) {
            -1 => refused += 1,
            _ => done += 1,
        }
        if look() != before {
            return say(family.name, &format!("won {turn}"));
        }
        (family.restore)(own);
    }
    say(family.name, &format!("lost {done} {refused}"));
}

/// Arguments: what is swapped, how many turns for each family, the attacker's directory, the
/// victim's; each of which has a directory of its own for every family.
fn swap(args: &[OsString]) {
    swap_under(args, || ());
}

fn swap_under(args: &[OsString], guard: impl FnOnce()) {
    let turns = args[1].to_str().expect("numbers").split(',').map(|text| text.parse().expect("a number"));
    let (arena, victim) = (Path::new(&args[2]), Path::new(&args[3]));
    let (one, other) = (arena.join("A"), arena.join("B"));
    fs::create_dir(&one).expect("make a directory");
    symlink(victim, &other).expect("make a link");
    let ours = os::open(&one, libc::O_PATH | libc::O_DIRECTORY);
    let theirs = os::open(victim, libc::O_PATH | libc::O_DIRECTORY);
    guard();
    for (family, turns) in FAMILIES.iter().zip(turns) {
        let name = family.name;
        fs::create_dir_all(one.join(name).join("d")).expect("make a directory");
        let own = Own { dir: os::open(one.join(name), libc::O_PATH | libc::O_DIRECTORY) };
        own.make("x");
        own.make("y");
        let tail = format!("{name}/{}", family.aim);
        let victim = victim.join(name);
        let run = |pair: &Pair, named| attack(pair, family, &own, &victim, turns, named);
        match args[0].to_str() {
            Some("string") => {
                let path = Flickering::new(arena.join("?").join(tail), b'A', b'B');
                Pair::race(|_| path.flip(), |pair| run(pair, (CWD, path.at())));
            }
            Some("directory") => {
                let path = c(one.join(tail));
                Pair::race(|_| exchange(&one, &other), |pair| run(pair, (CWD, at(&path))));
                if one.is_symlink() {
                    exchange(&one, &other);
                }
            }
            Some("descriptor") => {
                let put = |away: bool| {
                    call(libc::SYS_dup3, &[if away { theirs } else { ours }, FD, 0]);
                };
                put(false);
                // truncate takes no descriptor, but a path through one
                let path = c(if name == "truncate" { format!("/proc/self/fd/{FD}/{tail}") } else { tail });
                Pair::race(put, |pair| run(pair, (FD, at(&path))));
            }
            _ => {
                let go = |away: bool| {
                    call(libc::SYS_fchdir, &[if away { theirs } else { ours }]);
                };
                go(false);
                let path = c(tail);
                Pair::race(go, |pair| run(pair, (CWD, at(&path))));
            }
        }
    }
}

fn exchange(a: &Path, b: &Path) {
    let (a, b) = (c(a), c(b));
    call(libc::SYS_renameat2, &[CWD, at(&a), CWD, at(&b), libc::RENAME_EXCHANGE.into()]);
}

/// The same under a naive broker, which finds harmless what lies in the arena.
fn swap_naive(args: &[OsString]) {
    let arena = PathBuf::from(&args[2]);
    swap_under(args, || naive::watch(move |path| path.starts_with(&arena)));
}

/// A directory with what every family is aimed at.
fn victim(dir: &Path) -> PathBuf {
    for family in FAMILIES {
        fs::create_dir_all(dir.join(family.name).join("d")).expect("make a directory");
        fs::write(dir.join(family.name).join("x"), "the victim").expect("make a file");
    }
    dir.to_owned()
}

/// For each family, how many turns the naive broker withstood.
fn turns_of_naive(jail: &Jail, what: &str) -> Vec<(String, usize)> {
    let (arena, victim) = (jail.work.join("pkg/naive"), victim(&jail.outside.join("naive")));
    fs::create_dir(&arena).expect("make a directory");
    let turns = [PATIENCE.to_string().as_str(); FAMILIES.len()].join(",");
    let args = [what.into(), turns.into(), arena.into_os_string(), victim.into_os_string()];
    let out = jail.control("swap-naive", &args);
    let lines = out.lines();
    assert_eq!(lines.len(), FAMILIES.len(), "{} {}", out.out(), out.err());
    lines
        .into_iter()
        .map(|(name, result)| {
            let turn = result.strip_prefix("won ").and_then(|turn| turn.parse().ok());
            let turn = turn.unwrap_or_else(|| panic!("{name}: the naive broker withstood: {result}"));
            (name, turn)
        })
        .collect()
}

/// Swaps in each profile, aimed at a protected place, for longer than the naive
/// broker withstood.
fn victims_survive(what: &str) {
    let naive = turns_of_naive(&Jail::new("ci"), what);
    eprintln!("the naive broker withstood {naive:?}");
    let turns: Vec<String> = naive.iter().map(|(_, turns)| (3 * turns).clamp(40, 1000).to_string()).collect();
    for profile in ["standard", "ci"] {
        let jail = Jail::new(profile);
        let (protected, arena) = (jail.work.join(".git/vault"), jail.work.join("pkg/arena"));
        let victim = victim(if profile == "ci" { &protected } else { &jail.outside });
        fs::create_dir(&arena).expect("make a directory");
        let before = Tree::exact(&victim);
        let args =
            [what.into(), turns.join(",").into(), arena.into_os_string(), victim.clone().into_os_string()];
        let out = jail.attack("swap", &args);
        assert_eq!(out.lines().len(), FAMILIES.len(), "{} {}", out.out(), out.err());
        for (name, result) in out.lines() {
            let numbers: Vec<usize> = result.split(' ').filter_map(|n| n.parse().ok()).collect();
            assert!(result.starts_with("lost "), "{profile}, {name}: {result}");
            assert!(numbers[0] > 0 && numbers[1] > 0, "{profile}, {name}: met one alone: {result}");
        }
        assert_same(&before, &Tree::exact(&victim));
    }
}

#[test]
fn a_string_swapped_in_memory_reaches_no_victim() {
    victims_survive("string");
}

#[test]
fn a_directory_swapped_for_a_link_reaches_no_victim() {
    victims_survive("directory");
}

#[test]
fn a_swapped_descriptor_reaches_no_victim() {
    victims_survive("descriptor");
}

#[test]
fn a_swapped_working_directory_reaches_no_victim() {
    victims_survive("cwd");
}
