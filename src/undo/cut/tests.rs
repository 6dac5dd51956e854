//! Journals that end in a line of which nobody knows whether it came true.

use std::fs;
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use tempfile::TempDir;

use super::*;
use crate::sys::file;
use crate::undo::entry::{Gone, Meta, Object};
use crate::undo::ledger::Ledger;

/// A directory in which the session made `own` and found `old`, and its journal.
struct Scene {
    dir: TempDir,
    lines: Vec<Line>,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::tempdir().expect("a directory");
        let mut scene = Scene { dir, lines: Vec::new() };
        for name in ["own", "old"] {
            fs::write(scene.path(name), name).expect("write");
        }
        let made = scene.say(Entry::Create { path: scene.name("own"), kind: Kind::File });
        scene.say(Entry::Made { of: made, file: scene.file("own") });
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().expect("a real path").join(name)
    }

    fn name(&self, name: &str) -> Name {
        self.path(name).into()
    }

    fn file(&self, name: &str) -> Identity {
        gone(&self.path(name)).file
    }

    fn say(&mut self, entry: Entry) -> u64 {
        let seq = self.lines.len() as u64;
        self.lines.push(Line { seq, time: 0, by: 0, entry });
        seq
    }

    fn rename(&mut self, from: &str, to: &str, replaced: Option<Gone>) {
        let (file, kind) = (self.file(from), Kind::File);
        let (from, to) = (self.name(from), self.name(to));
        self.say(Entry::Rename { from, to, file, kind, exchange: false, replaced });
    }

    /// Where each thing was before the session and is after it.
    fn changes(&self) -> Vec<(Option<PathBuf>, Option<PathBuf>)> {
        let ledger = Ledger::of(&what_happened(&self.lines));
        let changes = ledger.changes.into_iter();
        changes.map(|it| (it.before.map(|it| it.path), it.after.map(|it| it.path))).collect()
    }
}

fn gone(path: &Path) -> Gone {
    let path = std::ffi::CString::new(path.to_str().expect("text")).expect("a path");
    let stat = file::stat(AT_FDCWD, &path).expect("stat");
    Gone {
        file: Identity::of(&stat),
        kind: Kind::File,
        meta: Meta::of(&stat),
        object: Some(Object::File(1)),
        copied: false,
        own: false,
        links: 1,
    }
}

#[test]
fn what_was_made_is_where_it_was_when_its_move_was_cut_off() {
    let mut scene = Scene::new();
    scene.rename("own", "new", None);
    assert_eq!(scene.changes(), [(None, Some(scene.path("own")))]);
    fs::rename(scene.path("own"), scene.path("new")).expect("rename");
    assert_eq!(scene.changes(), [(None, Some(scene.path("new")))]);
}

#[test]
fn what_was_made_is_there_when_what_replaces_it_did_not_come() {
    let mut scene = Scene::new();
    let own = Gone { own: true, object: None, ..gone(&scene.path("own")) };
    scene.rename("old", "own", Some(own));
    assert_eq!(scene.changes(), [(None, Some(scene.path("own")))]);
    let moved = (Some(scene.path("old")), Some(scene.path("own")));
    fs::rename(scene.path("old"), scene.path("own")).expect("rename");
    assert_eq!(scene.changes(), [moved]);
}

#[test]
fn what_arrives_in_place_of_something_made_may_not_have_come() {
    let mut scene = Scene::new();
    let gone = Gone { own: true, object: None, ..gone(&scene.path("own")) };
    scene.say(Entry::Remove { path: scene.name("own"), gone });
    assert_eq!(scene.changes(), [(None, Some(scene.path("own")))]);
    fs::remove_file(scene.path("own")).expect("remove");
    assert_eq!(scene.changes(), []);
}

#[test]
fn what_was_kept_for_a_move_that_did_not_come_stays_known() {
    let mut scene = Scene::new();
    let old = gone(&scene.path("old"));
    scene.rename("own", "old", Some(old));
    let removed = (Some(scene.path("old")), None);
    assert_eq!(scene.changes(), [removed.clone(), (None, Some(scene.path("own")))]);
    fs::rename(scene.path("own"), scene.path("old")).expect("rename");
    assert_eq!(scene.changes(), [(None, Some(scene.path("old"))), removed]);
}

#[test]
fn a_device_that_a_move_leaves_comes_after_it() {
    let mut scene = Scene::new();
    scene.rename("own", "new", None);
    scene.say(Entry::Create { path: scene.name("own"), kind: Kind::Device });
    fs::rename(scene.path("own"), scene.path("new")).expect("rename");
    let own = |name| (None, Some(scene.path(name)));
    assert_eq!(scene.changes(), [own("new"), own("own")]);
    fs::rename(scene.path("new"), scene.path("own")).expect("rename");
    assert!(scene.changes().contains(&own("own")));
    assert!(!scene.changes().contains(&own("new")));
}
