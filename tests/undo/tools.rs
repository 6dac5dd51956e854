//! Random work with ordinary tools, several at a time, in a tree that was there
//! before, then undo.
//!
//! `STOCKADE_TEST_SEED` and `STOCKADE_TEST_SEEDS` as for the random calls.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::random::{seeds, undo};
use super::{keeping, look_the_same};
use crate::fidelity::Chance;
use crate::support::fixture::write;
use crate::support::{Jail, Tree, os};

/// Seeds that are run unless more are asked for.
const SEEDS: u64 = 12;
/// Commands of each of the shells that work at the same time.
const LENGTH: usize = 25;

/// Commands; `A` and `B` are names of anything, `D` of a directory, `N` a number.
const COMMANDS: &[&str] = &[
    "cp A B",
    "cp -a A B",
    "cp --remove-destination A B",
    "mv A B",
    "mv -T A B",
    "mv -n A D",
    "rm -rf A",
    "rm -f A",
    "rmdir A",
    "mkdir -p D/B",
    "mkdir A",
    "ln A B",
    "ln -sfn A B",
    "ln -f A B",
    "echo N >> A",
    "echo N > A",
    "printf N | dd of=A bs=1 seek=N conv=notrunc 2> /dev/null",
    "truncate -s N A",
    "sed -i s/1/N/ A",
    "touch -d @N A",
    "touch A",
    "chmod 6N0 A",
    "chmod -R g+w,o-r D",
    "sort -o A A",
    "tar cf - D | tar xf - -C D",
    "tar cf A D",
    "find D -type f -delete",
    "find D -type f -exec sed -i s/2/N/ '{}' +",
    "install -m 755 A B",
    "gzip -f A",
    "gunzip -f A.gz",
    "split -l 1 A D/part",
    "setfattr -n user.n -v N A",
    "rsync -a --delete D/ A/",
    "cat A B > D/both",
    "perl -pi -e s/3/N/ A",
];

const NAMES: &[&str] = &["a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/f", "g", "g/a", "g/b", "g/d"];
const DIRS: &[&str] = &["d", "d/e", "g", "."];

/// A script of random commands.
fn script(chance: &mut Chance) -> String {
    let mut text = String::new();
    for _ in 0..LENGTH {
        for letter in chance.of(COMMANDS).chars() {
            let written = match letter {
                'A' | 'B' => write!(text, "{}", chance.of(NAMES)),
                'D' => write!(text, "{}", chance.of(DIRS)),
                'N' => write!(text, "{}", chance.below(7)),
                _ => write!(text, "{letter}"),
            };
            written.expect("write to a string");
        }
        text.push_str(" 2> /dev/null\n");
    }
    text
}

fn make(dir: &Path) {
    for (number, name) in ["a", "b", "d/a", "d/b", "d/e/a", "g/a"].iter().enumerate() {
        write(&dir.join(name), &format!("{number}\n1\n2\n3\n"));
    }
    std::fs::hard_link(dir.join("b"), dir.join("g/b")).expect("make a link");
    std::os::unix::fs::symlink("../a", dir.join("d/e/f")).expect("make a link");
    os::age(dir);
}

fn is_undone(seed: u64) {
    let mut chance = Chance::new(seed);
    let mut jail: Jail = keeping();
    let base = jail.work.join("pkg/tools");
    make(&base);
    jail.cwd(&base).limit(Duration::from_secs(60));
    let before = Tree::lasting(&base);
    let scripts: String = (0..3).map(|_| format!("(\n{}) &\n", script(&mut chance))).collect();
    let script = format!("{scripts}wait\nchmod -R u+rwX .");
    let out = jail.sh(&script);
    assert_eq!(out.code(), 0, "seed {seed}: {}", out.err());
    let after = Tree::lasting(&base);
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&base), &format!("seed {seed}, undone\n{script}"));
    undo(&jail);
    look_the_same(&after, &Tree::lasting(&base), &format!("seed {seed}, the undo undone\n{script}"));
}

#[test]
fn what_tools_do_at_the_same_time_is_undone() {
    seeds(SEEDS).for_each(is_undone);
}
