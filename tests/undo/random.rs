//! Random sequences of calls in a world that was there before, then undo: the
//! world is as it was, to the byte, with modes, times, attributes and links;
//! and undoing the undo gives what the session had left.
//!
//! To run one seed again: `STOCKADE_TEST_SEED=N cargo test --test suite -- undo`;
//! to run more: `STOCKADE_TEST_SEEDS=1000`.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{keeping, look_the_same};
use crate::fidelity::{Manner, Performer, Step, sequence, small_world};
use crate::support::attack::Attack;
use crate::support::{Jail, Tree, is_root, os};

pub const ATTACKS: &[Attack] = &[
    ("undo-random-calls", perform),
    ("undo-random-rest", leave),
    ("undo-random-on", go_on),
    ("undo-random-threads", crowd),
];

/// Steps of a sequence.
const LENGTH: usize = 40;
/// Steps of one of several sessions that follow each other.
const SHORT: usize = 12;
/// Seeds that are run unless more are asked for.
const SEEDS: u64 = 60;

fn parsed(args: &[OsString]) -> (PathBuf, u64) {
    let seed = args[1].to_str().and_then(|text| text.parse().ok()).expect("a number");
    (PathBuf::from(&args[0]), seed)
}

fn steps(seed: u64) -> Vec<(usize, Step)> {
    sequence(seed, LENGTH).into_iter().enumerate().collect()
}

/// Performs a sequence and removes everything. Arguments: where the world is, and
/// the seed.
fn perform(args: &[OsString]) {
    let (base, seed) = parsed(args);
    let performer = Performer::standing_in(&base, pen(&base, seed), world(&base, seed), Manner::Alone);
    print!("{}", performer.run(&steps(seed)));
}

/// The same, and leaves it as it is.
fn leave(args: &[OsString]) {
    let (base, seed) = parsed(args);
    let mut performer = Performer::standing_in(&base, pen(&base, seed), world(&base, seed), Manner::Alone);
    print!("{}", performer.leave(&steps(seed)));
}

/// A short sequence in what earlier ones left, if there is enough of it. A third argument is
/// its seed.
fn go_on(args: &[OsString]) {
    let (base, seed) = parsed(args);
    let world = world(&base, seed);
    if ["d", "d/e", "f", "g", "to-f", "suid", "ro"]
        .iter()
        .all(|name| world.join(name).symlink_metadata().is_ok())
        && !world.join("gone").exists()
    {
        let mut performer = Performer::standing_in(&base, pen(&base, seed), world, Manner::Alone);
        print!("{}", performer.leave(&steps(parsed(&args[1..]).1)[..SHORT]));
    }
}

/// The same with four threads in one world, each with a sequence of its own.
fn crowd(args: &[OsString]) {
    let (base, seed) = parsed(args);
    let performer = |_| Performer::standing_in(&base, pen(&base, seed), world(&base, seed), Manner::Beside);
    // All stand before the first one takes a step: it may close the world.
    let performers: Vec<Performer> = (0..4).map(performer).collect();
    std::thread::scope(|scope| {
        for (number, mut performer) in (0..).zip(performers) {
            scope.spawn(move || performer.leave(&steps(seed * 4 + number)));
        }
    });
}

fn pen(base: &Path, seed: u64) -> PathBuf {
    base.join(format!("s{seed}"))
}

fn world(base: &Path, seed: u64) -> PathBuf {
    pen(base, seed).join("a/b/c/r/w")
}

/// Makes the worlds outside the jail, with times long past.
pub fn make(base: &Path, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let world = world(base, seed);
        small_world::make(&world, Path::new("/proc/self/cwd"));
        // What nobody may look into cannot be compared by everybody.
        for name in ["locked", "noenter"] {
            fs::set_permissions(world.join(name), Permissions::from_mode(0o755)).expect("set a mode");
        }
        os::age(&pen(base, seed));
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// The seeds to run: so many, unless the environment says otherwise.
pub fn seeds(count: u64) -> std::ops::Range<u64> {
    match variable("STOCKADE_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("STOCKADE_TEST_SEEDS").unwrap_or(count),
    }
}

/// The session that began last; none where none left anything.
pub fn latest(jail: &Jail) -> Option<String> {
    let sessions = jail.home.join(".local/state/stockade/sessions");
    let names = fs::read_dir(sessions).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.max().and_then(|name| name.into_string().ok())
}

/// Undoes the session that began last.
#[track_caller]
pub fn undo(jail: &Jail) {
    let out = jail.stockade(&["undo", "--yes", &latest(jail).expect("a session")]);
    assert_eq!(out.code(), 0, "{}\n{}", out.out(), out.err());
}

#[test]
fn random_calls_are_undone_and_the_undo_as_well() {
    for seed in seeds(SEEDS) {
        // What is left may hold directories that only root can look into.
        match seed % 3 {
            1 if is_root() => is_undone("undo-random-rest", seed),
            2 if is_root() => is_undone("undo-random-threads", seed),
            _ => is_undone("undo-random-calls", seed),
        }
    }
}

fn is_undone(attack: &str, seed: u64) {
    let mut jail = keeping();
    let base = jail.work.join("pkg");
    make(&base, seed..seed + 1);
    jail.cwd(&base).limit(Duration::from_secs(60));
    let before = Tree::lasting(&base);
    let out = jail.attack(attack, &[base.clone().into_os_string(), seed.to_string().into()]);
    assert_eq!(out.code(), 0, "{}", out.err());
    let told = out.out();
    let after = Tree::lasting(&base);
    let check = |one: &Tree, other: &Tree, what: &str| {
        look_the_same(one, other, &format!("{attack}, seed {seed}, {what}\n{told}"));
    };
    undo(&jail);
    check(&before, &Tree::lasting(&base), "undone");
    undo(&jail);
    check(&after, &Tree::lasting(&base), "the undo undone");
}

#[test]
fn sessions_that_followed_each_other_are_undone_as_one() {
    // What is left may hold directories that only root can look into.
    if !is_root() {
        return;
    }
    let (mut sessions, mut worlds) = (0, 0);
    for seed in seeds(SEEDS / 3) {
        worlds += 1;
        let mut jail = keeping();
        let base = jail.work.join("pkg");
        make(&base, seed..seed + 1);
        jail.cwd(&base).limit(Duration::from_secs(60));
        let before = Tree::lasting(&base);
        let (mut ids, mut told) = (Vec::new(), String::new());
        for turn in 0..3 {
            if !world(&base, seed).is_dir() {
                break;
            }
            let sequence = seed + 1000 * turn;
            let args = [base.clone().into_os_string(), seed.to_string().into(), sequence.to_string().into()];
            let out = jail.attack("undo-random-on", &args);
            assert_eq!(out.code(), 0, "{}", out.err());
            ids.extend(latest(&jail));
            told = format!("{told}--- {sequence}\n{}", out.out());
        }
        ids.dedup();
        sessions += ids.len();
        let after = Tree::lasting(&base);
        let mut words = vec!["undo".to_string(), "--yes".into()];
        words.extend(ids);
        let out = jail.stockade(&words);
        assert_eq!(out.code(), 0, "seed {seed}\n{told}\n{}\n{}", out.out(), out.err());
        look_the_same(&before, &Tree::lasting(&base), &format!("seed {seed}, undone\n{told}"));
        undo(&jail);
        look_the_same(&after, &Tree::lasting(&base), &format!("seed {seed}, the undo undone\n{told}"));
    }
    assert!(sessions >= 2 * worlds, "{sessions} sessions in {worlds} worlds");
}
