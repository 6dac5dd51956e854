//! Where saving is impossible nothing is lost; and nobody but the user reaches
//! what is saved.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use super::random::latest;
use super::{keeping, look_the_same};
use crate::support::fixture::write;
use crate::support::{Jail, Tree};

/// A jail whose sessions may keep so much.
fn limited(limit: &str) -> Jail {
    let mut jail = keeping();
    let profile = jail.base().join("limited.yaml");
    let text = fs::read_to_string(jail.base().join("keep.yaml")).expect("read the profile");
    write(&profile, &format!("{text}undo: {{{limit}}}\n"));
    jail.profile(&profile);
    jail
}

fn is_refused(jail: &Jail, script: &str, why: &str) {
    write(&jail.work.join("big"), &"x".repeat(1 << 20));
    let before = Tree::exact(&jail.work);
    let out = jail.sh(&format!("({script}); cat $STOCKADE_REPORT"));
    assert!(out.err().contains(why), "{script}: {}\n{}", out.out(), out.err());
    assert!(out.out().contains("cannot be saved for undo"), "{script}: {}\n{}", out.out(), out.err());
    look_the_same(&before.without_dir_times(), &Tree::exact(&jail.work).without_dir_times(), script);
}

#[test]
fn beyond_the_quota_nothing_is_changed() {
    for script in ["echo >> big", ": > big", "truncate -s 1 big", "rm big", "echo > new; mv new big"] {
        let script = script.replace("echo > new; mv new", "cp -p README.md $TMPDIR/new; cp $TMPDIR/new");
        is_refused(&limited("max_size: 64KiB"), &script, "Disk quota exceeded");
    }
}

#[test]
fn on_a_full_disk_nothing_is_changed() {
    for script in ["echo >> big", ": > big", "truncate -s 1 big"] {
        is_refused(&limited("min_free: 1000000GiB"), script, "No space left on device");
    }
}

#[test]
fn a_store_that_is_gone_costs_nothing() {
    for kept in ["objects", "journal.jsonl", ""] {
        let jail = keeping();
        for name in ["first", "second", "third"] {
            write(&jail.work.join(name), name);
        }
        let sessions = jail.home.join(".local/state/stockade/sessions");
        let mut command = jail.command(&[
            "sh",
            "-c",
            "rm first; echo > ready; n=0; while test ! -e go -a $n -lt 400; do sleep 0.05; n=$((n+1)); done; \
             rm second && exit 7; (: > third) && exit 7; exit 0",
        ]);
        let running = command.stderr(Stdio::piped()).spawn().expect("start it");
        let is_ready = || jail.work.join("ready").exists();
        assert!(crate::support::process::eventually(std::time::Duration::from_secs(20), is_ready));
        let session = latest(&jail).expect("a session");
        let dir = sessions.join(&session);
        let path = if kept.is_empty() { dir } else { dir.join(kept) };
        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.expect("remove it");
        write(&jail.work.join("go"), "");
        let out = running.wait_with_output().expect("wait for it");
        assert_eq!(out.status.code(), Some(0), "without {kept}");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.contains("cannot remove 'second': Input/output error"), "without {kept}: {said}");
        for name in ["second", "third"] {
            let text = fs::read_to_string(jail.work.join(name)).unwrap_or_default();
            assert_eq!(text, name, "without {kept}");
        }
    }
}

#[test]
fn no_jail_reaches_the_store_and_no_other_user() {
    let mut jail = keeping();
    write(&jail.work.join("secret"), "kept\n");
    jail.sh("rm secret").expect(0);
    let store = jail.home.join(".local/state/stockade/sessions").join(latest(&jail).expect("a session"));
    let objects = fs::read_dir(store.join("objects")).expect("list the objects");
    let object = objects.map(|entry| entry.expect("an entry").path()).next().expect("an object");
    assert_eq!(fs::read_to_string(&object).expect("read the object"), "kept\n");
    for dir in [store.as_path(), &store.join("objects")] {
        assert_eq!(fs::metadata(dir).expect("stat").permissions().mode() & 0o777, 0o700);
    }
    let before = Tree::exact(&store);
    let script = format!(
        "o={}; for act in 'cat $o' 'ls $(dirname $o)' 'rm $o' ': > $o' 'chmod 600 $o' 'ln $o here' 'mv $o here' \
         'touch $(dirname $o)/9' 'ln README.md $(dirname $o)/8' 'mv README.md $(dirname $o)/7'; do \
         (eval \"$act\") && echo \"$act\"; done; echo done",
        object.display()
    );
    for profile in ["ci", "relaxed", "standard", "strict", "readonly"] {
        jail.profile(profile);
        let out = jail.sh(&script);
        assert_eq!(out.out(), "done\n", "{profile}: {}", out.err());
        look_the_same(&before, &Tree::exact(&store), profile);
    }
    assert!(!jail.work.join("here").exists());
}

#[test]
fn what_cannot_be_read_cannot_be_saved_and_stays() {
    let jail = keeping();
    let path = jail.work.join("write-only");
    write(&path, "content\n");
    fs::set_permissions(&path, Permissions::from_mode(0o200)).expect("set a mode");
    let out = jail.sh("echo more >> write-only; echo $?");
    assert!(out.out().contains('2') || out.out().contains('1'), "{} {}", out.out(), out.err());
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set a mode");
    assert_eq!(fs::read_to_string(&path).expect("read it"), "content\n");
}
