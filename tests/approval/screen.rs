//! `stockade approve` on the whole terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::{Jailed, asking};
use crate::support::fixture::write;
use crate::support::jail::stockade;
use crate::support::process::eventually;
use crate::support::{Jail, Screen};

/// Words of the screen where keys do not count yet.
const EARLY: &str = "Keys do not count yet";

/// A person at a screen.
pub(super) fn watching(jail: &Jail, rows: u16, columns: u16) -> Screen {
    Screen::start(jail.bare_command(stockade()).arg("approve"), rows, columns)
}

/// A script in a jail that goes on once it is watched.
fn begin(jail: &Jail, script: &str) -> Jailed {
    Jailed::start(jail.command(&["sh", "-c", &format!("until [ -e go ]; do sleep 0.02; done; {script}")]))
}

/// A script in a jail, and a person who watches it.
fn start(jail: &Jail, script: &str) -> (Jailed, Screen) {
    let running = begin(jail, script);
    let mut screen = watching(jail, 30, 100);
    screen.expect("0 questions, 1 session");
    write(&jail.work.join("go"), "");
    (running, screen)
}

/// Waits until a text is shown and keys count.
#[track_caller]
pub(super) fn ready(screen: &mut Screen, text: &str) {
    screen.until(&format!("{text:?} is to be answered"), |shown| {
        shown.contains(text) && !shown.contains(EARLY) && !shown.contains("did not count")
    });
}

fn log(jail: &Jail) -> String {
    jail.stockade(&["log", "--json"]).out()
}

#[test]
fn questions_of_all_sessions_are_one_list() {
    let (first, second) = together();
    let one = begin(&first, "rm -rf pkg/old || echo refused");
    let other = begin(&second, "rm notes || echo refused");
    let mut screen = watching(&first, 30, 140);
    screen.expect("0 questions, 2 sessions");
    write(&first.work.join("go"), "");
    screen.expect("wants to remove pkg/old (308 files and directories, 5.9 KiB)");
    screen.expect("-what a person wrote");
    write(&second.work.join("go"), "");
    screen.expect("2 questions, 2 sessions");
    let text = screen.text();
    let rows: Vec<&str> = text.lines().skip(1).take(2).collect();
    assert!(rows[0].starts_with("▸ rm -rf pkg/old") && rows[1].starts_with("  rm notes"), "{rows:#?}");
    for word in ["remove notes", "6 B", " min "] {
        assert!(rows[1].contains(word), "{word}: {rows:#?}");
    }
    screen.send("\u{1b}[B");
    screen.expect("wants to remove notes (6 B)");
    screen.expect(&format!("in {}", second.work.display()));
    screen.expect("-notes");
    ready(&mut screen, "▸ rm notes");
    screen.send("o");
    screen.expect("Yes, once: rm notes");
    assert!(!other.wait().out().contains("refused"));
    assert!(!second.work.join("notes").exists());
    ready(&mut screen, "▸ rm -rf pkg/old");
    screen.send("n");
    assert!(one.wait().out().contains("refused"));
    assert!(first.work.join("pkg/old").exists());
    screen.expect("0 questions, 0 sessions");
    screen.send("q");
    assert_eq!(screen.terminal.code(), 0);
}

/// Two workspaces of one person, whose sessions ask in the same place.
pub(super) fn together() -> (Jail, Jail) {
    let (mut first, mut second) = (asking(""), asking(""));
    let dir = first.base().join("runtime");
    fs::create_dir(&dir).expect("make a directory");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("set a mode");
    for jail in [&mut first, &mut second] {
        jail.env("XDG_RUNTIME_DIR", &dir);
    }
    (first, second)
}

#[test]
fn each_key_does_what_it_says() {
    let jail = asking("");
    let script = "rm notes || echo no-1; rm notes || echo no-2; rm pkg/old/d0/0; \
                  sh -c 'rm pkg/old/d1/1; rm pkg/old/d2/2'; sh -c 'rm -r pkg/old/d3'; \
                  mkdir pkg/old/d3; rm -r pkg/old/d4/4; rm pkg/old/d4/11; echo ended";
    let (running, mut screen) = start(&jail, script);
    ready(&mut screen, "wants to remove notes");
    screen.send("n");
    screen.expect("No: rm notes");
    ready(&mut screen, "wants to remove notes");
    screen.send("t");
    screen.expect("Why not?");
    // Letters that are keys elsewhere.
    screen.send("no, once; these are mine\r");
    for (question, key, said) in [
        ("wants to remove pkg/old/d0/0", "o", "Yes, once: rm pkg/old/d0/0"),
        ("wants to remove pkg/old/d1/1", "c", "Yes, to this command: rm pkg/old/d1/1"),
        ("wants to remove pkg/old/d3 ", "p", "Yes, to this path for the session: rm -r pkg/old/d3"),
        ("wants to remove pkg/old/d4/4", "o", "Yes, once: rm -r pkg/old/d4/4"),
        ("wants to remove pkg/old/d4/11", "n", "No: rm pkg/old/d4/11"),
    ] {
        ready(&mut screen, question);
        screen.send(key);
        screen.expect(said);
    }
    let out = running.wait().out();
    assert!(out.ends_with("no-1\nno-2\nended\n"), "{out}");
    let exists = |name: &str| jail.work.join(name).exists();
    let left = ["notes", "pkg/old/d0/0", "pkg/old/d1/1", "pkg/old/d2/2", "pkg/old/d4/4", "pkg/old/d4/11"];
    assert_eq!(left.map(exists), [true, false, false, false, false, true]);
    let log = log(&jail);
    assert!(log.contains("a person said no: no, once; these are mine"), "{log}");
}

#[test]
fn keys_in_the_first_moment_do_not_count() {
    let jail = asking("");
    let (running, mut screen) = start(&jail, "rm notes || echo refused");
    // Somebody types on, whatever comes.
    let typed = eventually(Duration::from_secs(20), || {
        screen.send("pocot");
        screen.text().contains("did not count")
    });
    assert!(typed, "{}", screen.text());
    ready(&mut screen, "wants to remove notes");
    assert!(jail.work.join("notes").exists());
    // What is pasted is no answer either.
    screen.send("\u{1b}[200~o\u{1b}[201~");
    screen.send("t");
    screen.expect("Why not?");
    screen.send("\u{1b}[200~a\nb\u{1b}[201~");
    screen.expect("Why not? a b");
    screen.send("\r");
    assert!(running.wait().out().contains("refused"));
    assert!(jail.work.join("notes").exists());
    assert!(log(&jail).contains("a person said no: a b"));
}

#[test]
fn what_nobody_asks_any_more_goes_away() {
    let jail = asking("");
    let script = "rm notes & asks=$!; until [ -e enough ]; do sleep 0.02; done; kill -9 $asks; wait; echo ended; \
                  until [ -e end ]; do sleep 0.02; done";
    let (running, mut screen) = start(&jail, script);
    ready(&mut screen, "▸ rm notes");
    screen.send("t");
    screen.expect("Why not?");
    write(&jail.work.join("enough"), "");
    screen.expect("0 questions, 1 session");
    screen.until("the question is to be gone", |shown| {
        !shown.contains("Why not?") && !shown.contains("wants to remove")
    });
    screen.expect("Nobody asks that any more: rm notes");
    write(&jail.work.join("end"), "");
    assert!(running.wait().out().ends_with("ended\n"));
    assert!(jail.work.join("notes").exists());
}

/// Asks about one file, and about another elsewhere when it is let.
const GROWING: &str = r#"
import os, threading, time
def remove(name):
    try:
        os.remove(name)
    except OSError:
        print("refused", name)
one = threading.Thread(target=remove, args=["0"])
one.start()
while not os.path.exists("../../../more"):
    time.sleep(0.02)
remove("../d1/1")
one.join()
print("ended")
"#;

#[test]
fn what_grows_is_to_be_looked_at_again() {
    let jail = asking("");
    write(&jail.work.join("grow.py"), GROWING);
    let (running, mut screen) = start(&jail, "cd pkg/old/d0; python3 ../../../grow.py");
    ready(&mut screen, "wants to remove pkg/old/d0 (44 files and directories, 860 B)");
    write(&jail.work.join("more"), "");
    screen.expect("There is more to it now: look again.");
    screen.expect("wants to remove pkg/old/d0, pkg/old/d1 (");
    screen.expect("-what a person wrote");
    screen.send("o");
    screen.expect("did not count");
    assert!(jail.work.join("pkg/old/d0/0").exists());
    ready(&mut screen, "wants to remove pkg/old/d0, pkg/old/d1 (");
    screen.send("o");
    assert!(running.wait().out().ends_with("ended\n"));
    let left = ["d0/0", "d1/1", "d1/8"].map(|name| jail.work.join("pkg/old").join(name).exists());
    assert_eq!(left, [false, false, true]);
}

#[test]
fn another_size_is_drawn_anew_and_details_are_turned_over() {
    let jail = asking("");
    let (running, mut screen) = start(&jail, "rm -rf pkg/old || echo refused");
    screen.expect("-what a person wrote");
    screen.resize(16, 60);
    screen.expect("lines 1 to ");
    screen.until("all of it is to fit", |shown| {
        shown.lines().count() == 16
            && shown.contains("yes, to this path for the session")
            && shown.contains("q quit")
    });
    screen.until("files are further down", |shown| !shown.contains("What would be lost"));
    for _ in 0..3 {
        screen.send("\u{1b}[6~");
    }
    screen.expect("pkg/old/d0/");
    screen.send("\u{1b}[F");
    screen.expect("There is more that is not shown.");
    screen.send("\u{1b}[H");
    screen.expect("lines 1 to ");
    screen.resize(40, 120);
    screen.until("all of it is to be used", |shown| {
        shown.lines().count() == 40
            && shown.contains("What would be lost")
            && shown.contains("-what a person wrote")
    });
    // Nothing at all fits here, and nothing breaks.
    for (rows, columns) in [(1, 1), (3, 9), (30, 100)] {
        screen.resize(rows, columns);
    }
    ready(&mut screen, "wants to remove pkg/old");
    screen.send("n");
    assert!(running.wait().out().contains("refused"));
}

#[test]
fn nothing_from_the_jail_moves_on_the_screen() {
    let jail = asking("");
    let name = "x\u{1b}[2J\u{1b}[H\u{202e}q";
    write(&jail.work.join(name), "all\u{1b}]0;title\u{7}\u{202e} is well\r\u{9b}2J\n");
    let script = r#"name=$(printf 'x\033[2J\033[H\342\200\256q'); rm -f "$name" || echo refused"#;
    let (running, mut screen) = start(&jail, script);
    ready(&mut screen, r"rm -f x\u{1b}[2J\u{1b}[H\u{202e}q");
    screen.expect(r"▸ rm -f x\u{1b}[ … 1b}[H\u{202e}q");
    screen.expect(r"wants to remove x\x1b[2J\x1b[H\xe2\x80\xaeq");
    screen.expect(r"-all\u{1b}]0;title\u{7}\u{202e} is well\u{d}\u{9b}2J");
    let text = screen.text();
    assert!(!text.contains('\u{202e}'), "{text}");
    assert!(text.starts_with("stockade approve   1 question, 1 session\n"), "{text}");
    screen.send("n");
    assert!(running.wait().out().contains("refused"));
    assert!(jail.work.join(name).exists());
}
