//! What others have open, or know by another name, may be removed and replaced
//! like anything else: they notice nothing of what is kept, and harm nobody.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::random::undo;
use super::{keeping, look_the_same};
use crate::support::Tree;
use crate::support::attack::Attack;
use crate::support::fixture::write;

pub const ATTACKS: &[Attack] = &[("undo-removed-while-opened", remove_while_opened), ("undo-held", hold)];

/// How many files are removed while they are opened.
const FILES: usize = 2000;

/// Two threads open what a third removes.
fn remove_while_opened(args: &[OsString]) {
    let dir = PathBuf::from(&args[0]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let open = || {
            while !is_over.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&dir).expect("list").flatten().take(4) {
                    drop(File::open(entry.path()));
                }
            }
        };
        scope.spawn(open);
        scope.spawn(open);
        for number in 0..FILES {
            fs::remove_file(dir.join(number.to_string())).expect("remove");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Holds files while they are removed and replaced.
fn hold(args: &[OsString]) {
    let dir = PathBuf::from(&args[0]);
    let open = |name: &str| File::open(dir.join(name)).expect("open");
    let [mut removed, mut replaced, mut linked] = ["removed", "replaced", "linked"].map(open);
    fs::remove_file(dir.join("removed")).expect("remove");
    fs::write(dir.join("new"), "new").expect("write");
    fs::rename(dir.join("new"), dir.join("replaced")).expect("rename");
    fs::remove_file(dir.join("linked")).expect("remove");
    for file in [&mut removed, &mut replaced, &mut linked] {
        let mut text = String::new();
        file.read_to_string(&mut text).expect("read");
        println!("{} {text}", file.metadata().expect("stat").nlink());
    }
    println!("{}", fs::metadata(dir.join("other")).expect("stat").nlink());
}

#[test]
fn what_is_opened_while_it_is_removed_harms_nobody() {
    let jail = keeping();
    let dir = jail.work.join("pkg/many");
    for number in 0..FILES {
        write(&dir.join(number.to_string()), &number.to_string());
    }
    let before = Tree::lasting(&dir);
    jail.attack("undo-removed-while-opened", &[&dir]).expect(0);
    assert_eq!(fs::read_dir(&dir).expect("list").count(), 0);
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&dir), "all is back");
}

#[test]
fn who_holds_it_sees_it_gone() {
    let jail = keeping();
    let dir = jail.work.join("pkg");
    for name in ["removed", "replaced", "linked"] {
        write(&dir.join(name), name);
    }
    fs::hard_link(dir.join("linked"), dir.join("other")).expect("link");
    let before = Tree::lasting(&dir);
    let out = jail.attack("undo-held", &[&dir]).expect(0);
    assert_eq!(out, "0 removed\n0 replaced\n1 linked\n1\n");
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&dir), "all is back, and one file has two names");
}
