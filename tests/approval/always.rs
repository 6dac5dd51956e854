//! What a person says always to is written down, for later sessions, where no jail
//! can write.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::{answer, asking, id, start};
use crate::support::fixture::write;
use crate::support::{Jail, Tree};

fn file(jail: &Jail) -> PathBuf {
    jail.home.join(".config/stockade/always.yaml")
}

/// Says always to what a script asks about.
#[track_caller]
fn say_always(jail: &Jail, script: &str) {
    let (running, mut watcher) = start(jail, &format!("{script}; echo ended"));
    let question = watcher.questions(1).remove(0);
    assert_eq!(question["may_always"], true);
    answer(jail, &["--yes", id(&question), "--for", "always"]);
    let out = running.wait();
    assert!(out.out().ends_with("ended\n"), "{}", out.err());
    fs::remove_file(jail.work.join("go")).expect("remove the start's file");
}

#[test]
fn it_holds_for_the_session_and_for_later_ones() {
    let jail = asking("");
    let before = Tree::lasting(&jail.work.join("pkg/old/d1"));
    // Another process on the same tree asks no more.
    say_always(&jail, "rm -r pkg/old/d0; mkdir pkg/old/d0; rm -r pkg/old/d0");
    say_always(&jail, "rm pkg/old/d1/1; rm pkg/old/d1/1");
    let text = fs::read_to_string(file(&jail)).expect("it is written");
    assert!(
        text.contains("why: \"you said always on 20") && text.contains("asked by rm -r pkg/old/d0"),
        "{text}"
    );
    assert!(text.contains("remove: keep}"), "{text}");
    assert_eq!(file(&jail).metadata().expect("stat").permissions().mode() & 0o777, 0o600);
    write(&jail.work.join("pkg/old/d0/again"), "again\n");
    write(&jail.work.join("pkg/old/d1/1"), "what a person wrote\n");
    let out = jail.sh("rm pkg/old/d0/again pkg/old/d1/1");
    assert_eq!(out.code(), 0, "nobody watches: {}", out.err());
    assert_ne!(jail.sh("rm pkg/old/d1/8").code(), 0, "nobody said that");
    jail.stockade(&["undo", "--yes"]).expect(0);
    assert!(jail.work.join("pkg/old/d0/again").exists());
    assert_eq!(before.names(), Tree::lasting(&jail.work.join("pkg/old/d1")).names());
    let why = jail.stockade(&["why", "remove", "pkg/old/d0/again"]).expect(0);
    assert!(why.contains("keep") && why.contains("you said always"), "{why}");
}

#[test]
fn it_is_shown_and_can_be_taken_back() {
    let jail = asking("");
    for script in ["rm -r pkg/old/d0", "rm -r pkg/old/d1", "rm -r pkg/old/d2"] {
        say_always(&jail, script);
    }
    let show = |args: &[&str]| jail.stockade(&[&["profile", "show"], args].concat()).expect(0);
    for text in [show(&[]), show(&["standard"])] {
        assert!(text.contains("  2  ") && text.contains("pkg/old/d1"), "{text}");
    }
    let copy = jail.outside.join("shown.yaml");
    write(&copy, &show(&["standard"]));
    jail.stockade(&["profile", "check", copy.to_str().expect("UTF-8")]).expect(0);
    jail.stockade(&["profile", "forget", "2"]).expect(0);
    let text = show(&[]);
    assert!(
        !text.contains("pkg/old/d1") && text.contains("pkg/old/d0") && text.contains("pkg/old/d2"),
        "{text}"
    );
    jail.stockade(&["profile", "forget", "pkg/old/d2"]).expect(0);
    for what in ["2", "0", "pkg/old/d2", "pkg"] {
        let out = jail.stockade(&["profile", "forget", what]);
        assert_eq!(out.code(), 125);
        assert!(out.err().contains("never said always"), "{}", out.err());
    }
    jail.stockade(&["profile", "forget", "1"]).expect(0);
    assert!(!file(&jail).exists());
    assert!(show(&[]).contains("not said always"), "{}", show(&[]));
    // What a person wrote by hand is not pulled apart.
    let text =
        "version: 1\nname: always\nrules: [{access: tracked, paths: [/a]}, {access: tracked, paths: [/b]}]\n";
    write(&file(&jail), text);
    assert_eq!(jail.stockade(&["profile", "forget", "1"]).code(), 125);
    assert_eq!(fs::read_to_string(file(&jail)).expect("read"), text);
}

#[test]
fn it_is_not_taken_where_others_ask_or_much_is_removed() {
    let tightened = "version: 1\nname: here\nrules:\n  - {access: tracked, paths: [pkg], why: ours}\n";
    // What the session made itself, where what was there before is asked about.
    let own = "mkdir -p pkg/own; touch pkg/own/1 pkg/own/2 pkg/own/3 pkg/own/4; rm -r pkg/own";
    for (settings, repository, script) in
        [("", tightened, "rm -rf pkg/old/d0"), ("approvals: {bulk: 2}\n", "", own)]
    {
        let jail = asking(settings);
        if !repository.is_empty() {
            write(&jail.work.join(".stockade.yaml"), repository);
        }
        let (running, mut watcher) = start(&jail, &format!("{script}; echo ended"));
        let question = watcher.questions(1).remove(0);
        assert_eq!(question["may_always"], false, "{question}");
        let out = jail.stockade(&["approve", "--yes", id(&question), "--for", "always"]);
        assert_eq!(out.code(), 125);
        assert!(out.err().contains("cannot be answered for always"), "{}", out.err());
        assert!(jail.work.join("pkg/old/d0").exists() && !file(&jail).exists());
        answer(&jail, &["--no", id(&question)]);
        running.wait();
    }
}

#[test]
fn no_jail_can_write_it() {
    for exists in [false, true] {
        for place in [".config", "."] {
            let mut jail = Jail::new("ci");
            let dir = jail.home.join(".config/stockade");
            fs::create_dir_all(jail.home.join(".config")).expect("make a directory");
            if exists {
                write(&file(&jail), "version: 1\nname: always\n");
            }
            jail.allow("scratch", jail.home.join(place));
            let before = fs::read_to_string(file(&jail)).ok();
            let script = format!(
                "cd {}; echo x > always.yaml; echo x >> always.yaml; mkdir -p x; rm -f always.yaml; mv always.yaml x; \
                 ln -s /tmp/x always.yaml; ln -sf /tmp/x always.yaml; chmod 777 . always.yaml; cd ..; \
                 mkdir stockade; mv stockade other; ln -s /tmp stockade; mkdir -p x/stockade; mv x/stockade .; \
                 cd ..; mv .config conf && mkdir -p .config/stockade; rm -rf .config; ln -s /tmp .config; echo end",
                dir.display()
            );
            assert!(jail.sh(&script).out().ends_with("end\n"));
            assert_eq!(fs::read_to_string(file(&jail)).ok(), before, "{place}");
            assert_eq!(dir.symlink_metadata().is_ok(), exists, "{place}: nothing was planted");
            assert!(jail.home.join(".config").symlink_metadata().is_ok_and(|found| found.is_dir()));
        }
    }
}

#[test]
fn no_link_is_followed_and_nobody_elses_file_is_believed() {
    let jail = asking("");
    let victim = jail.outside.join("victim");
    let before = fs::read_to_string(&victim).expect("read");
    let dir = jail.home.join(".config/stockade");
    let say = || {
        let (running, mut watcher) = start(&jail, "rm -r pkg/old/d0; echo ended");
        let question = watcher.questions(1).remove(0);
        let out = jail.stockade(&["approve", "--yes", id(&question), "--for", "always"]);
        running.wait();
        fs::remove_file(jail.work.join("go")).expect("remove the start's file");
        write(&jail.work.join("pkg/old/d0/0"), "again\n");
        out
    };
    let (running, mut watcher) = start(&jail, "rm -r pkg/old/d0; echo ended");
    let question = watcher.questions(1).remove(0);
    // What was not there at the start is there when it is answered.
    fs::create_dir_all(&dir).expect("make the directory");
    symlink(&victim, file(&jail)).expect("make a link");
    let out = jail.stockade(&["approve", "--yes", id(&question), "--for", "always"]);
    assert_eq!(out.code(), 125);
    assert!(out.err().contains("holds for the session alone"), "{}", out.err());
    assert!(running.wait().out().ends_with("ended\n"));
    assert_eq!(fs::read_to_string(&victim).expect("read"), before);
    assert_eq!(jail.sh("true").code(), 125, "a link is no settings of the user's");
    fs::remove_file(file(&jail)).expect("remove the link");
    fs::remove_file(jail.work.join("go")).expect("remove the start's file");
    write(&jail.work.join("pkg/old/d0/0"), "again\n");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o707)).expect("set a mode");
    assert_eq!(jail.sh("true").code(), 125, "others could write it");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("set a mode");
    assert_eq!(say().code(), 0);
    assert!(file(&jail).is_file());
    let left: Vec<_> = fs::read_dir(&dir).expect("list").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["always.yaml"], "nothing else is left there");
}
