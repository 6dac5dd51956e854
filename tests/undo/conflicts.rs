//! What a person changed during or after the session is never overwritten unasked.

use std::fs;

use super::random::{latest, undo};
use super::{keeping, look_the_same};
use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::pty::Terminal;
use crate::support::{Jail, Tree};

/// Files that the session changes, and a person afterwards.
fn changed_by_both() -> Jail {
    let jail = keeping();
    for name in ["edited", "removed", "emptied", "left", "moved"] {
        write(&jail.work.join(name), &format!("{name} before\n"));
    }
    let script = "echo agent > edited; rm removed; : > emptied; echo agent > left; mv moved away; \
                  echo agent > made; mkdir dir; echo agent > dir/in";
    jail.sh(script).expect(0);
    write(&jail.work.join("edited"), "person\n");
    write(&jail.work.join("removed"), "person\n");
    fs::remove_file(jail.work.join("emptied")).expect("remove");
    write(&jail.work.join("made"), "person\n");
    write(&jail.work.join("dir/mine"), "person\n");
    write(&jail.work.join("away"), "person\n");
    jail
}

fn text(jail: &Jail, name: &str) -> Option<String> {
    fs::read_to_string(jail.work.join(name)).ok()
}

#[test]
fn nothing_of_a_person_is_overwritten_unasked() {
    let jail = changed_by_both();
    let out = jail.stockade(&["undo", "--yes", &latest(&jail).expect("a session")]);
    assert_eq!(out.code(), 1, "{}", out.err());
    for (name, content) in
        [("edited", "person\n"), ("removed", "person\n"), ("made", "person\n"), ("away", "person\n")]
    {
        assert_eq!(text(&jail, name).as_deref(), Some(content), "{name}");
        assert!(out.err().contains(&format!("left alone: {name}")) || name == "away", "{}", out.err());
    }
    assert_eq!(text(&jail, "emptied"), None);
    assert_eq!(
        text(&jail, "left").as_deref(),
        Some("left before\n"),
        "what only the session changed is undone"
    );
    assert_eq!(text(&jail, "dir/mine").as_deref(), Some("person\n"));
    assert_eq!(text(&jail, "dir/in"), None);
}

#[test]
fn asked_for_it_is_overwritten_and_can_be_had_back() {
    let jail = changed_by_both();
    let persons = Tree::lasting(&jail.work);
    let out =
        jail.stockade(&["undo", "--yes", "--on-conflict", "theirs", &latest(&jail).expect("a session")]);
    assert_eq!(out.code(), 1, "the directory with the person's file stays: {}", out.err());
    for name in ["edited", "removed", "left"] {
        assert_eq!(text(&jail, name).as_deref(), Some(format!("{name} before\n").as_str()), "{}", out.err());
    }
    assert_eq!(text(&jail, "made"), None);
    undo(&jail);
    look_the_same(&persons, &Tree::lasting(&jail.work), "the undo is undone");
}

#[test]
fn the_old_version_is_put_beside() {
    let jail = changed_by_both();
    let session = latest(&jail).expect("a session");
    jail.stockade(&["undo", "--yes", "--on-conflict", "copy", &session]);
    for name in ["edited", "removed"] {
        assert_eq!(text(&jail, name).as_deref(), Some("person\n"));
        let copy = format!("{name}.before-{session}");
        assert_eq!(text(&jail, &copy).as_deref(), Some(format!("{name} before\n").as_str()), "{copy}");
    }
}

#[test]
fn a_part_is_undone_by_path_or_by_command() {
    let jail = keeping();
    for name in ["a", "b", "c"] {
        write(&jail.work.join(name), "before\n");
    }
    jail.sh("sed -i s/before/one/ a; sed -i s/before/two/ b c; sed -i s/two/three/ c").expect(0);
    let session = latest(&jail).expect("a session");
    jail.stockade(&["undo", "--yes", &session, "a"]).expect(0);
    assert_eq!(
        ["a", "b", "c"].map(|name| text(&jail, name).unwrap_or_default()),
        ["before\n", "two\n", "three\n"]
    );
    // The second command changed `c` together with the third.
    let out = jail.stockade(&["undo", "--yes", &session, "--command", "2"]);
    assert_eq!(out.code(), 1, "{}", out.err());
    assert!(out.err().contains("left alone: c: other commands"), "{}", out.err());
    assert_eq!(
        ["a", "b", "c"].map(|name| text(&jail, name).unwrap_or_default()),
        ["before\n", "before\n", "three\n"]
    );
    jail.stockade(&["undo", "--yes", &session]).expect(0);
    assert_eq!(text(&jail, "c").as_deref(), Some("before\n"));
}

#[test]
fn on_a_terminal_a_person_is_asked_about_all_and_about_each_conflict() {
    let jail = changed_by_both();
    let session = latest(&jail).expect("a session");
    let start = || {
        let mut command = jail.bare_command(stockade());
        Terminal::start(command.args(["undo", &session, "edited", "removed", "emptied"]), 24, 80)
    };
    let mut terminal = start();
    terminal.expect("Undo 3 changes? [y/N] ");
    terminal.send("\n");
    assert_eq!(terminal.code(), 1);
    assert_eq!(text(&jail, "edited").as_deref(), Some("person\n"), "no answer is no");
    let mut terminal = start();
    terminal.expect("Undo 3 changes? [y/N] ");
    terminal.send("y\n");
    terminal.expect("edited: changed since the session. [s]kip, [o]verwrite,");
    terminal.send("o\n");
    terminal.expect("emptied: removed or moved since the session. [s]kip, [o]verwrite,");
    terminal.send("o\n");
    terminal.expect("removed: something else is there now. [s]kip, [o]verwrite,");
    terminal.send("what\ns\n");
    assert_eq!(terminal.code(), 1, "{}", terminal.screen());
    assert_eq!(
        ["edited", "emptied", "removed"].map(|name| text(&jail, name).unwrap_or_default()),
        ["edited before\n", "emptied before\n", "person\n"]
    );
}

#[test]
fn without_a_terminal_and_without_yes_nothing_happens() {
    let jail = changed_by_both();
    let before = Tree::exact(&jail.work);
    let session = latest(&jail).expect("a session");
    let out = jail.stockade(&["undo", &session]);
    assert_eq!(out.code(), 125);
    assert!(out.err().contains("no terminal to ask on"), "{}", out.err());
    jail.stockade(&["undo", "--dry-run", &session]).expect(0);
    look_the_same(&before, &Tree::exact(&jail.work), "nothing was done");
}

/// Two directories change places, and a file moves in one of them.
const SWAP: &str = "mv one three; mv two one; mv three two; mv two/a two/b";

fn swapped() -> (Jail, Tree) {
    let jail = keeping();
    for name in ["one/a", "two/a"] {
        write(&jail.work.join(name), name);
    }
    let before = Tree::lasting(&jail.work);
    jail.sh(SWAP).expect(0);
    (jail, before)
}

#[test]
fn what_changed_places_is_in_nobodys_way() {
    let (jail, before) = swapped();
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&jail.work), "undone");
}

#[test]
fn what_a_person_made_where_a_file_goes_back_to_stays() {
    let (jail, _) = swapped();
    write(&jail.work.join("two/a"), "person\n");
    let out = jail.stockade(&["undo", "--yes", &latest(&jail).expect("a session")]);
    assert_eq!(out.code(), 1, "{}", out.err());
    assert!(out.err().contains("left alone: one/a: something else is there now"), "{}", out.err());
    assert_eq!(
        ["one/a", "one/b", "two/a"].map(|name| text(&jail, name).unwrap_or_default()),
        ["person\n", "one/a", "two/a"]
    );
}

#[test]
fn what_somebody_did_between_sessions_is_not_undone_with_them() {
    for (between, is_refused) in [
        ("true", false),
        ("echo mine > README.md", true),
        ("echo mine > m; mv m README.md", true),
        ("rm made", true),
        ("echo mine > mine", false),
    ] {
        let jail = super::keeping();
        let before = std::fs::read_to_string(jail.work.join("README.md")).expect("read");
        let mut ids = Vec::new();
        for script in [
            "echo 1 >> README.md; echo 1 > made; mkdir d; echo 1 > d/x",
            "echo 2 >> README.md; mv d e; mkdir d; echo 2 > d/x; echo 2 > made",
        ] {
            jail.sh(script).expect(0);
            ids.extend(super::latest(&jail));
            if ids.len() == 1 {
                jail.bare(&["sh", "-c", between]).expect(0);
            }
        }
        let out = jail.stockade(&["undo", "--yes", &ids[0], &ids[1]]);
        assert_eq!(out.err().contains("between these sessions"), is_refused, "{between}: {}", out.err());
        assert_eq!(out.code(), if is_refused { 125 } else { 0 }, "{between}: {}", out.err());
        if !is_refused {
            assert_eq!(std::fs::read_to_string(jail.work.join("README.md")).expect("read"), before);
            assert!(!jail.work.join("made").exists() && !jail.work.join("e").exists());
        }
    }
}
