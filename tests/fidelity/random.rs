//! Random sequences of calls, performed natively and in a jail: every result
//! and the tree at the end are the same.
//!
//! A failing seed is printed with its steps, cut down to those that matter. To
//! run one again: `STOCKADE_TEST_SEED=N cargo test --test suite -- random`; to
//! run more of them than usual: `STOCKADE_TEST_SEEDS=10000`.
//!
//! What differs on purpose, or cannot be helped:
//!
//! - The links in procfs themselves (`/proc/self/cwd`, `/proc/self/fd/N`), not
//!   what they lead to, are nobody's to change. The kernel has many words for
//!   that; in the jail the rule for `/proc` speaks first ([`is_accepted`]).
//! - A device is opened by the caller alone, and only where Landlock lets it:
//!   `EACCES`, also where there is no such device ([`is_accepted`]).
//! - `fcntl(F_GETFL)` does not tell `O_NOFOLLOW`: what the broker opens it has
//!   pinned before, and opens through its own link (`perform` masks it).
//! - A directory that holds one which cannot be listed cannot be renamed, since
//!   what is in it cannot be seen (`perform` leaves such steps out).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::calls::sequence;
use super::perform::{Manner, Performer};
use crate::support::attack::Attack;
use crate::support::os::call;
use crate::support::{Jail, Output};

pub const ATTACKS: &[Attack] = &[("random-calls", perform), ("random-calls-in-threads", perform_in_threads)];

/// Steps of a sequence.
const LENGTH: usize = 40;
/// What comes before the lines of a seed.
const SEED: &str = "seed ";
/// The environment variable that names one seed to be run again.
const AGAIN: &str = "STOCKADE_TEST_SEED";
/// The environment variable that says how many seeds each test runs.
const MORE: &str = "STOCKADE_TEST_SEEDS";

/// Goes to where the worlds are made: into the temporary directory if that is
/// asked for, else it is here. All of it is thrown away.
fn stand_in_base(args: &[OsString]) -> PathBuf {
    if args[0] == "tmp" {
        let tmp = std::env::var_os("TMPDIR").expect("a temporary directory");
        std::env::set_current_dir(tmp).expect("enter the temporary directory");
    }
    let base = std::env::current_dir().expect("a directory");
    assert!(base.components().count() > 2, "{} is to be thrown away", base.display());
    base
}

/// Root without its capabilities and nobody with open files, as in the jail;
/// and writing into closed pipes is no end.
fn as_in_the_jail() {
    use caps::{CapSet, clear};
    for set in [CapSet::Bounding, CapSet::Ambient, CapSet::Effective, CapSet::Permitted, CapSet::Inheritable]
    {
        // Who has none may not give any away.
        let _ = clear(None, set);
    }
    call(libc::SYS_close_range, &[3, i64::from(i32::MAX), 0]);
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGPIPE);
    signals.thread_block().expect("block a signal");
}

fn number(arg: &OsString) -> u64 {
    arg.to_str().and_then(|text| text.parse().ok()).expect("a number")
}

/// The lines of a seed; of all its steps, or of those that are to be kept.
fn lines(base: &Path, seed: u64, keep: Option<&[usize]>, manner: Manner) -> String {
    let steps = sequence(seed, LENGTH).into_iter().enumerate();
    let steps: Vec<_> = steps.filter(|(index, _)| keep.is_none_or(|keep| keep.contains(index))).collect();
    format!("{SEED}{seed}\n{}", Performer::new(base, seed, manner).run(&steps))
}

/// Arguments: where, first seed, how many, and perhaps the steps to be kept.
fn perform(args: &[OsString]) {
    as_in_the_jail();
    let base = stand_in_base(args);
    let keep: Option<Vec<usize>> = args.get(3).map(|list| {
        let list = list.to_str().expect("text").split(',').filter(|number| !number.is_empty());
        list.map(|number| number.parse().expect("a number")).collect()
    });
    for seed in number(&args[1])..number(&args[1]) + number(&args[2]) {
        print!("{}", lines(&base, seed, keep.as_deref(), Manner::Alone));
    }
}

/// The same, the seeds being spread over threads.
fn perform_in_threads(args: &[OsString]) {
    const THREADS: u64 = 4;
    as_in_the_jail();
    let base = stand_in_base(args);
    let (first, count) = (number(&args[1]), number(&args[2]));
    let told: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let seeds = (first..first + count).filter(move |seed| seed % THREADS == thread);
                let base = &base;
                scope.spawn(move || seeds.map(|seed| lines(base, seed, None, Manner::Beside)).collect())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    told.iter().for_each(|text| print!("{text}"));
}

/// A way to run sequences in a jail.
struct Setting {
    profile: &'static str,
    attack: &'static str,
    /// `here` or `tmp`.
    place: &'static str,
    /// Something beside is hidden, so that reading visits the broker too.
    hides: bool,
}

impl Setting {
    fn run(&self, jailed: bool, first: u64, count: u64, keep: Option<&[usize]>) -> Output {
        let mut jail = Jail::new(self.profile);
        let pkg = jail.work.join("pkg");
        jail.cwd(&pkg).limit(Duration::from_secs(300));
        if self.hides {
            let secret = pkg.join("sub/deep.txt");
            jail.allow("hidden", secret);
        }
        let mut args = vec![self.place.to_owned(), first.to_string(), count.to_string()];
        args.extend(keep.map(|keep| keep.iter().map(|index| format!("{index},")).collect()));
        if jailed {
            return jail.attack(self.attack, &args);
        }
        let tmp = jail.outside.join("tmp");
        std::fs::create_dir(&tmp).expect("make a directory");
        jail.env("TMPDIR", &tmp);
        jail.control(self.attack, &args)
    }

    /// Runs seeds natively and in the jail; gives the seeds that differ, with both texts.
    fn differing(&self, first: u64, count: u64, keep: Option<&[usize]>) -> Vec<(u64, String, String)> {
        let [outside, inside] = [false, true].map(|jailed| {
            let out = self.run(jailed, first, count, keep);
            let text = out.out();
            assert_eq!(out.code(), 0, "jailed: {jailed}; it ended after:\n{}\n{}", tail(&text), out.err());
            text
        });
        let split = |text: &str| -> Vec<String> { text.split(SEED).skip(1).map(str::to_owned).collect() };
        let (outside, inside) = (split(&outside), split(&inside));
        assert_eq!(outside.len() as u64, count, "all seeds ran");
        assert_eq!(inside.len() as u64, count, "all seeds ran");
        let both = outside.into_iter().zip(inside).filter(|(a, b)| !are_alike(a, b));
        both.map(|(a, b)| (a.lines().next().and_then(|n| n.parse().ok()).expect("a seed"), a, b)).collect()
    }

    /// Cuts a failing sequence down to the steps that matter.
    fn shrink(&self, seed: u64) -> Vec<usize> {
        let mut keep: Vec<usize> = (0..LENGTH).collect();
        let mut size = LENGTH / 2;
        while size > 0 {
            let mut start = 0;
            while start < keep.len() {
                let mut fewer = keep.clone();
                fewer.drain(start..(start + size).min(keep.len()));
                if self.differing(seed, 1, Some(&fewer)).is_empty() {
                    start += size;
                } else {
                    keep = fewer;
                }
            }
            size /= 2;
        }
        keep
    }

    #[track_caller]
    fn check(&self, first: u64, count: u64) {
        let variable = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let count = variable(MORE).unwrap_or(count);
        let (first, count) = variable(AGAIN).map_or((first, count), |seed| (seed, 1));
        let found = self.differing(first, count, None);
        if found.is_empty() {
            return;
        }
        let mut report = String::new();
        for (seed, outside, inside) in found.iter().take(3) {
            let cut = (self.attack == "random-calls").then(|| self.shrink(*seed));
            let cut = cut.and_then(|keep| self.differing(*seed, 1, Some(&keep)).pop());
            let (outside, inside) = cut.as_ref().map_or((outside, inside), |(_, a, b)| (a, b));
            report.push_str(&told(*seed, outside, inside));
        }
        panic!(
            "{} of {count} seeds differ in profile {}; {AGAIN}=N runs one\n{report}",
            found.len(),
            self.profile
        );
    }
}

fn are_alike(outside: &str, inside: &str) -> bool {
    let both = || outside.lines().zip(inside.lines());
    outside.lines().count() == inside.lines().count() && both().all(|(a, b)| a == b || is_accepted(a, b))
}

/// Whether a step may end differently, which has no consequences.
fn is_accepted(outside: &str, inside: &str) -> bool {
    let (Some((step, outside)), Some((same, inside))) = (outside.rsplit_once(": "), inside.rsplit_once(": "))
    else {
        return false;
    };
    let is_error = |result: &str| result.starts_with('E');
    let is_procfs = step.contains("/proc/") || step.contains("/dev/fd/");
    // Natively the times and the owner of such a link can be set, without any effect.
    let is_link = ["\"/proc/self/cwd\"", "}\""].iter().any(|end| step.contains(end));
    let sets_link = is_link && ["lchown", "fchownat", "utimensat"].iter().any(|call| step.contains(call));
    let in_procfs = is_procfs && is_error(inside) && (is_error(outside) || (outside == "0" && sets_link));
    step == same && (in_procfs || (outside, inside) == ("ENXIO", "EACCES"))
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// The steps of a sequence, and both versions where they differ.
fn told(seed: u64, outside: &str, inside: &str) -> String {
    let mut text = format!("seed {seed}\n");
    let (mut a, mut b) = (outside.lines().skip(1), inside.lines().skip(1));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return text,
            (Some(a), Some(b)) if a == b && a.starts_with('=') => {}
            (Some(a), Some(b)) if is_accepted(a, b) => text.push_str(&format!("    {a}\n")),
            (a, b) if a == b => text.push_str(&format!("    {}\n", a.unwrap_or_default())),
            (a, b) => {
                text.push_str(&format!("  - {}\n  + {}\n", a.unwrap_or_default(), b.unwrap_or_default()));
            }
        }
    }
}

const TRACKED: Setting = Setting { profile: "standard", attack: "random-calls", place: "here", hides: false };

#[test]
fn random_calls_in_a_tracked_directory() {
    TRACKED.check(0, 400);
}

#[test]
fn random_calls_where_reading_is_mediated() {
    Setting { hides: true, ..TRACKED }.check(10_000, 200);
}

#[test]
fn random_calls_in_guarded_scratch() {
    Setting { profile: "ci", ..TRACKED }.check(20_000, 200);
}

#[test]
fn random_calls_in_the_temporary_directory() {
    Setting { place: "tmp", ..TRACKED }.check(30_000, 200);
}

#[test]
fn random_calls_in_threads() {
    Setting { attack: "random-calls-in-threads", ..TRACKED }.check(40_000, 200);
}
