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
use crate::fidelity::{Manner, Performer, sequence, small_world};
use crate::support::attack::Attack;
use crate::support::{Jail, Tree, os};

pub const ATTACKS: &[Attack] = &[("undo-random-calls", perform)];

/// Steps of a sequence.
const LENGTH: usize = 40;
/// Seeds that are run unless more are asked for.
const SEEDS: u64 = 60;

/// Arguments: where the worlds are, first seed, how many.
fn perform(args: &[OsString]) {
    let base = PathBuf::from(&args[0]);
    let number = |arg: &OsString| arg.to_str().and_then(|text| text.parse::<u64>().ok()).expect("a number");
    for seed in number(&args[1])..number(&args[1]) + number(&args[2]) {
        let steps: Vec<_> = sequence(seed, LENGTH).into_iter().enumerate().collect();
        print!(
            "{}",
            Performer::standing_in(&base, pen(&base, seed), world(&base, seed), Manner::Alone).run(&steps)
        );
    }
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
    let (first, count) = match variable("STOCKADE_TEST_SEED") {
        Some(seed) => (seed, 1),
        None => (0, variable("STOCKADE_TEST_SEEDS").unwrap_or(SEEDS)),
    };
    for seed in first..first + count {
        let mut jail = keeping();
        let base = jail.work.join("pkg");
        make(&base, seed..seed + 1);
        jail.cwd(&base).limit(Duration::from_secs(60));
        let before = Tree::lasting(&base);
        let args = [base.clone().into_os_string(), seed.to_string().into(), "1".into()];
        let out = jail.attack("undo-random-calls", &args);
        assert_eq!(out.code(), 0, "{}", out.err());
        let told = out.out();
        let after = Tree::lasting(&base);
        let check = |one: &Tree, other: &Tree| look_the_same(one, other, &format!("seed {seed}\n{told}"));
        undo(&jail);
        check(&before, &Tree::lasting(&base));
        undo(&jail);
        check(&after, &Tree::lasting(&base));
    }
}
