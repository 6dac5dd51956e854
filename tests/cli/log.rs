//! `log`: what was refused, found again, and checked.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::support::jail::stockade;
use crate::support::{Jail, Output};

const REFUSED: &str = "chmod 600 .git/config; touch -c -d yesterday .git/HEAD; true";

/// The session's id in the line at the end of a run.
#[track_caller]
fn id(out: &Output) -> String {
    let error = out.err();
    let (_, id) = error.split_once("; see: stockade log ").unwrap_or_else(|| panic!("no command: {error}"));
    id.trim_end().to_owned()
}

fn file(jail: &Jail, id: &str) -> PathBuf {
    jail.home.join(".local/state/stockade/sessions").join(id).join("audit.jsonl")
}

fn objects(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn a_run_that_refuses_nothing_leaves_no_record() {
    let jail = Jail::new("ci");
    let out = jail.sh("chmod 600 pkg/own.txt; echo $STOCKADE_REPORT");
    assert!(!PathBuf::from(out.expect(0).trim()).exists());
    assert_eq!(out.err(), "");
    assert!(!jail.home.join(".local").exists());
    for args in [&["log"] as &[&str], &["log", "--verify"], &["log", "--json", "--refused"]] {
        let out = jail.stockade(args);
        assert_eq!((out.expect(0).as_str(), out.err().as_str()), ("", "stockade: nothing was refused yet\n"));
    }
}

#[test]
fn what_modes_forbid_is_not_the_jails_refusal() {
    let jail = Jail::new("standard");
    let out =
        jail.sh("mkdir d && touch d/a && chmod 0 d && { touch d/b; rm d/a; mv d/a b; ! cd d; }; chmod 700 d");
    assert_eq!(out.code(), 0, "{}", out.err());
    assert!(
        out.err().contains("Permission denied") && !out.err().contains("stockade: refused"),
        "{}",
        out.err()
    );
}

#[test]
fn the_line_at_the_end_names_a_command_that_works() {
    let jail = Jail::new("ci");
    let out = jail.sh(&format!("{REFUSED} 2>/dev/null"));
    let last = out.err().lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("stockade: refused 2 calls, first: fchmodat /"), "{last}");
    let (_, command) = last.split_once("; see: stockade ").expect("a command");
    let args: Vec<&str> = command.split(' ').collect();
    let text = jail.stockade(&args).expect(0);
    assert_eq!(text, jail.stockade(&["log"]).expect(0), "without a session the latest is meant");
    assert!(text.contains(&format!("session {}", args[1])), "{text}");
    let out = jail.sh("chmod 600 .git/config");
    assert!(out.err().contains("stockade: refused 1 call: fchmodat /"), "{}", out.err());
    assert_ne!(text, jail.stockade(&["log"]).expect(0), "and now that is another");
}

#[test]
fn people_read_time_verdict_process_call_path_and_rule() {
    let jail = Jail::new("ci");
    let out = jail.sh(&format!("{REFUSED}; exit 3"));
    let text = jail.stockade(&["log", &id(&out)]).expect(0);
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("refused ")).collect();
    assert_eq!(rows.len(), 2, "{text}");
    let path = jail.work.join(".git/config").display().to_string();
    for word in ["refused", "chmod[", "fchmodat", &path, "read ", "workspace/guards"] {
        assert!(rows[0].contains(word), "{word} in {}", rows[0]);
    }
    assert_eq!(rows[0].find("refused"), rows[1].find("refused"));
    assert!(text.ends_with("ended with status 3; refused: 2\n"), "{text}");
    assert!(text.contains(&format!("in {}\n", jail.work.display())), "{text}");
    let rows_only = jail.stockade(&["log", "--refused", &id(&out)]).expect(0);
    assert_eq!(rows_only.lines().collect::<Vec<_>>(), rows);
}

#[test]
fn times_are_local() {
    let mut jail = Jail::new("ci");
    let out = jail.sh("chmod 600 .git/config");
    let recorded = objects(&jail.stockade(&["log", "--json", "--refused"]).expect(0));
    let utc = recorded[0]["time"].as_str().expect("a time")[11..19].to_owned();
    jail.env("TZ", "UTC0");
    assert!(jail.stockade(&["log", "--refused", &id(&out)]).expect(0).starts_with(&utc));
    jail.env("TZ", "<+05>-5");
    let local = jail.stockade(&["log", "--refused", &id(&out)]).expect(0);
    let hour = |time: &str| time[..2].parse::<u32>().expect("an hour");
    assert_eq!(hour(&local), (hour(&utc) + 5) % 24, "{utc}, {local}");
}

#[test]
fn json_is_what_was_recorded() {
    let jail = Jail::new("ci");
    let out = jail.sh(REFUSED);
    let text = jail.stockade(&["log", "--json"]).expect(0);
    assert_eq!(text, fs::read_to_string(file(&jail, &id(&out))).expect("read"));
    let lines = objects(&text);
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert_eq!(kinds, ["start", "call", "call", "end"]);
    assert_eq!((&lines[0]["schema"], &lines[0]["command"][0]), (&1.into(), &"sh".into()));
    assert_eq!(lines[0]["workspace"], jail.work.display().to_string());
    for key in
        ["time", "session", "pid", "command", "call", "verb", "path", "verdict", "rule", "hint", "hash"]
    {
        assert!(!lines[1][key].is_null(), "{key} in {}", lines[1]);
    }
    assert_eq!(lines[3]["status"], 0);
    let calls = objects(&jail.stockade(&["log", "--json", "--refused"]).expect(0));
    assert_eq!(calls, lines[1..3]);
}

#[test]
fn sessions_are_found_by_as_much_as_is_needed() {
    let jail = Jail::new("ci");
    let [first, second] = [0, 1].map(|_| id(&jail.sh("chmod 600 .git/config")));
    let same = first.bytes().zip(second.bytes()).take_while(|(a, b)| a == b).count();
    let text = jail.stockade(&["log", &first[..=same]]).expect(0);
    assert!(text.contains(&first), "{text}");
    let out = jail.stockade(&["log", &first[..same]]);
    assert_eq!(out.code(), 125);
    assert!(out.err().contains(&first) && out.err().contains(&second), "{}", out.err());
    for (name, word) in [
        ("9999", "9999"),
        ("../sessions", "no session"),
        ("..", "no session"),
        ("/etc/passwd", "no session"),
        ("", "no session"),
        ("\u{1b}[31m", r"\u{1b}[31m"),
    ] {
        for options in [&["log"] as &[&str], &["log", "--verify"]] {
            let out = jail.stockade(&[options, &[name]].concat());
            assert_eq!((out.code(), out.out().as_str()), (125, ""), "{name:?}: {}", out.err());
            assert!(out.err().contains(word), "{name:?}: {}", out.err());
        }
    }
    assert_eq!(jail.stockade(&["log", "--verify", "--json"]).code(), 125);
}

#[test]
fn what_was_done_to_a_log_shows() {
    let jail = Jail::new("ci");
    let ids = [0, 1, 2].map(|_| id(&jail.sh(REFUSED)));
    let verify = |args: &[&str]| {
        let out = jail.stockade(&[&["log", "--verify"], args].concat());
        (out.code(), out.out())
    };
    let all: String = ids.iter().map(|id| format!("{id}  ok\n")).collect();
    let (status, said) = verify(&[]);
    // Within one second the order is by chance.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!((status, sorted(&said)), (0, sorted(&all)));
    let path = file(&jail, &ids[1]);
    let text = fs::read_to_string(&path).expect("read");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let changed = text.replacen("work/.git", "Work/.git", 1);
    for (content, status, said) in [
        (lines[..3].concat(), 0, "not closed: the session still runs or was killed"),
        (text[..text.len() - 9].to_owned(), 0, "the last line is not whole"),
        (changed, 1, "broken at line 2: the hash does not match"),
        (lines[1..].concat(), 1, "broken at line 1: "),
        ([lines[0], lines[2], lines[3]].concat(), 1, "broken at line 2: "),
        ([lines[0], lines[2], lines[1], lines[3]].concat(), 1, "broken at line 2: "),
        ([&text, lines[3]].concat(), 1, "broken at line 5: something follows the end"),
        (format!("{text}x"), 1, "broken at line 5: something follows the end"),
        (
            fs::read_to_string(file(&jail, &ids[0])).expect("read"),
            1,
            "broken at line 1: the log is another session's",
        ),
    ] {
        fs::write(&path, content).expect("write");
        let (found, words) = verify(&[&ids[1]]);
        assert!(found == status && words.contains(said), "{said}: {found} {words}");
        let (found, words) = verify(&[]);
        assert_eq!(found, status, "{words}");
        assert!(words.contains(said) && words.matches("  ok\n").count() == 2, "{words}");
        // It can be read all the same, and what is wrong is said.
        let out = jail.stockade(&["log", &ids[1]]);
        assert!(out.expect(0).contains(".git/"), "{}", out.err());
        assert_eq!(
            out.err().contains("broken") || out.err().contains("not whole"),
            !said.starts_with("not closed")
        );
    }
}

#[test]
fn a_log_that_is_no_file_is_broken() {
    let jail = Jail::new("ci");
    let id = id(&jail.sh(REFUSED));
    let path = file(&jail, &id);
    fs::remove_file(&path).expect("remove");
    std::os::unix::fs::symlink("/dev/zero", &path).expect("link");
    let out = jail.stockade(&["log", "--verify"]);
    assert!(out.code() == 1 && out.out().contains("cannot be read"), "{}", out.out());
    assert_eq!(jail.stockade(&["log"]).code(), 125);
}

#[test]
fn names_from_the_jail_are_shown_escaped() {
    let jail = Jail::new("ci");
    let names: [&[u8]; 4] = [b"\x1b[31m", "gpj\u{202e}exe".as_bytes(), b"new\nline", b"\xff\xc2\x9b"];
    for name in names {
        fs::write(jail.work.join(".github").join(OsStr::from_bytes(name)), "").expect("write");
    }
    let script =
        "chmod 600 .github/*; cp /bin/chmod \"$TMPDIR/$(printf 'x\\033[5m')\"; \"$TMPDIR\"/x* 600 .git/HEAD";
    let out = jail.sh(script);
    let unseen =
        |text: &str| text.chars().any(|char| char != '\n' && (char.is_control() || char == '\u{202e}'));
    let id = id(&out);
    for args in [&["log", id.as_str()] as &[&str], &["log", "--json", &id], &["log", "--refused", &id]] {
        let text = jail.stockade(args).expect(0);
        assert!(!unseen(&text), "{text:?}");
        assert_eq!(text.matches("fchmodat").count(), names.len() + 2, "{text}");
    }
    let last = out.err().lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("stockade: ") && !unseen(&last), "{last:?}");
}

#[test]
fn a_jail_is_told_where_else_to_look() {
    let mut jail = Jail::new("ci");
    jail.sh(REFUSED);
    jail.allow("read", stockade());
    let out = jail.run(&[stockade().as_os_str(), OsStr::new("log")]);
    assert_eq!((out.code(), out.out().as_str()), (125, ""), "{}", out.err());
    assert!(
        out.err().contains("Permission denied") && out.err().contains("STOCKADE_REPORT"),
        "{}",
        out.err()
    );
}
