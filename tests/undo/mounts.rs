//! A workspace on another mount than the user's state: nothing is copied there
//! either, what is kept lies at the top of that mount, and no jail reaches it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::random::{latest, undo};
use super::{keeping, look_the_same};
use crate::support::fixture::write;
use crate::support::{Jail, Tree, os};

/// A mount that everybody may write to. Jails are told to hide it at first: where
/// one can reach what lies there, files are copied.
const MOUNT: &str = "/dev/shm";

/// A workspace on that mount, removed at the end with what was kept there.
struct Elsewhere {
    jail: Jail,
    work: tempfile::TempDir,
}

impl Elsewhere {
    /// With a profile that hides the rest of the mount, or leaves it as it is.
    fn new(hides: bool) -> Elsewhere {
        let mut jail = keeping();
        let profile = jail.base().join("elsewhere.yaml");
        let hidden = format!("  - {{access: hidden, paths: [{MOUNT}], why: it is not used}}\n");
        let text = format!(
            "version: 1\nname: elsewhere\nextends: standard\nrules:\n{}  - access: {{read: allow, execute: \
             allow, create: keep, modify: keep, remove: keep}}\n    paths: [\".\"]\n    why: it is all kept\n",
            if hides { &hidden } else { "" }
        );
        write(&profile, &text);
        jail.profile(&profile);
        let work = tempfile::tempdir_in(MOUNT).expect("make a directory");
        assert_ne!(
            fs::metadata(work.path()).expect("stat").dev(),
            fs::metadata(&jail.work).expect("stat").dev(),
            "{MOUNT} is a mount of its own"
        );
        jail.cwd(work.path());
        for name in ["removed", "replaced", "written", "left"] {
            write(&work.path().join(name), name);
        }
        os::age(work.path());
        Elsewhere { jail, work }
    }

    fn store(&self) -> PathBuf {
        let user = nix::unistd::geteuid();
        Path::new(MOUNT).join(format!(".stockade-{user}")).join(latest(&self.jail).expect("a session"))
    }

    /// Removes, replaces and writes.
    fn change(&self) {
        self.jail.sh("rm removed; echo new > n; mv n replaced; echo more >> written").expect(0);
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // Everything that this home's sessions keep, wherever that is.
        let out = self.jail.stockade(&["prune", "--all"]);
        if !std::thread::panicking() {
            assert_eq!(out.code(), 0, "{}", out.err());
        }
    }
}

#[test]
fn what_is_kept_stays_on_its_mount() {
    let there = Elsewhere::new(true);
    let (jail, work) = (&there.jail, there.work.path());
    let inode = |path: &Path| fs::metadata(path).expect("stat").ino();
    let before = Tree::lasting(work);
    let removed = inode(&work.join("removed"));
    there.change();
    let store = there.store();
    assert_eq!(fs::metadata(&store).expect("stat").permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(&store).expect("list").count(), 2, "the small copy lies with the others");
    let kept =
        fs::read_dir(&store).expect("list").any(|entry| inode(&entry.expect("list").path()) == removed);
    assert!(kept, "the file itself is kept");
    undo(jail);
    look_the_same(&before, &Tree::lasting(work), "undone");
    assert_eq!(inode(&work.join("removed")), removed);
    undo(jail);
    assert!(!work.join("removed").exists());
}

#[test]
fn where_the_jail_could_reach_it_there_is_none() {
    let there = Elsewhere::new(false);
    let before = Tree::lasting(there.work.path());
    there.change();
    assert!(!there.store().exists());
    undo(&there.jail);
    look_the_same(&before, &Tree::lasting(there.work.path()), "undone from copies");
}

#[test]
fn no_jail_reaches_it_whatever_is_allowed() {
    let mut there = Elsewhere::new(true);
    there.jail.sh("rm removed").expect(0);
    let store = there.store();
    let before = Tree::exact(&store);
    let script = format!(
        "for act in 'cat $o/*' 'ls $o' 'rm -r $o' 'chmod 777 $o' 'touch $o/9' 'mv $o moved' 'mv {MOUNT}/.stockade-* moved'; do \
         o={}; (eval \"$act\") && echo \"$act\"; done; echo done",
        store.display()
    );
    for profile in ["standard", "ci"] {
        there.jail.profile(profile);
        there.jail.allow("scratch", MOUNT);
        let out = there.jail.sh(&script);
        assert_eq!(out.out(), "done\n", "{profile}: {}", out.err());
        look_the_same(&before, &Tree::exact(&store), profile);
    }
}
