//! Files of several names, of which a session mentions some: all of them are one
//! file again, with the content that it had.

use super::random::undo;
use super::{keeping, look_the_same};
use crate::support::fixture::write;
use crate::support::{Tree, os};

/// What is done to `one`, `g/one` and `far/one`, which are the same file.
const SCRIPTS: &[(&str, &str)] = &[
    ("written by a name that goes", "echo 2 >> one; rm one"),
    ("written by a new name", "ln one new; echo 2 >> new"),
    ("written by a name that goes while a new one stays", "ln one new; echo 2 >> one; rm one"),
    ("a new name in place of another file", "ln one new; mv new other; echo 2 >> one; rm one"),
    ("a name taken away and given again", "rm one; ln g/one one"),
    ("the same, and written", "rm one; ln g/one one; echo 2 > one"),
    ("another of its names moved to where one was", "rm one; mv g/one one"),
    ("two names changed round", "mv one tmp; mv g/one one; mv tmp g/one"),
    ("one name gone, one elsewhere", "rm one; mv g/one d; chmod 600 d"),
    ("all of them in a directory that goes", "mv one g/two; rm -r g; echo 2 > far/one"),
    ("all gone", "rm one g/one far/one"),
    ("a name replaced by another file, and back", "mv one tmp; mv other one; mv one other; mv tmp one"),
];

#[test]
fn names_of_one_file_are_one_file_again() {
    for (what, script) in SCRIPTS {
        let mut jail = keeping();
        let base = jail.work.join("pkg/links");
        for name in ["one", "other"] {
            write(&base.join(name), &format!("{name}\n"));
        }
        for dir in ["g", "far"] {
            std::fs::create_dir(base.join(dir)).expect("make a directory");
            std::fs::hard_link(base.join("one"), base.join(dir).join("one")).expect("make a link");
        }
        os::age(&base);
        jail.cwd(&base);
        let before = Tree::lasting(&base);
        let out = jail.sh(&format!("set -e; {script}"));
        assert_eq!(out.code(), 0, "{what}: {}", out.err());
        let after = Tree::lasting(&base);
        undo(&jail);
        look_the_same(&before, &Tree::lasting(&base), &format!("{what}, undone"));
        undo(&jail);
        look_the_same(&after, &Tree::lasting(&base), &format!("{what}, the undo undone"));
    }
}
