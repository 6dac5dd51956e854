//! `report`, inside jails and outside, and `agent-notes`.

use crate::support::jail::stockade;
use crate::support::{Jail, each_mode};

/// A jail in which Stockade itself may be run.
fn jail() -> Jail {
    let mut jail = Jail::new("standard");
    jail.allow("read", stockade());
    jail.env("STOCKADE", stockade());
    jail
}

#[test]
fn an_agent_is_told_what_was_refused_and_what_to_do_instead() {
    let jail = jail();
    let text = jail
        .sh("$STOCKADE report; chmod 600 .git/config; chmod 640 .git/config; rm README.md; echo ---; $STOCKADE report")
        .expect(0);
    let (before, after) = text.split_once("---\n").expect("two reports");
    assert!(before.starts_with("Nothing was refused"), "{text}");
    let config = jail.work.join(".git/config");
    assert!(after.starts_with(&format!("refused: to modify {}, by ", config.display())), "{after}");
    for shown in ["(2 times)", "why      read ", "leave .git as it is", "to remove", "stockade approve"] {
        assert!(after.contains(shown), "{shown}: {after}");
    }
    let json = jail.sh("chmod 600 .git/config; rm README.md; $STOCKADE report --json --last 1").expect(0);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(1), "{json}");
    assert_eq!((&json[0]["verb"], &json[0]["times"]), (&"remove".into(), &1.into()), "{json}");
    assert!(json[0]["instead"].is_string() && json[0]["hint"].is_string(), "{json}");
}

#[test]
fn without_a_report_it_says_what_it_is_for() {
    let jail = jail();
    assert!(jail.stockade(&["report"]).expect(0).contains("programs in a jail"));
    assert_eq!(jail.stockade(&["report", "--json"]).expect(0), "[]\n");
    each_mode("standard", |jail| {
        jail.allow("read", stockade());
        let text = jail.run(&[stockade().as_os_str(), "report".as_ref()]).expect(0);
        assert_eq!(text.contains("--static"), jail.is_static(), "{text}");
    });
}

#[test]
fn what_the_variable_names_is_read_with_care() {
    let mut jail = jail();
    let fifo = jail.outside.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("make a FIFO");
    jail.env("STOCKADE_REPORT", &fifo);
    let out = jail.stockade(&["report"]);
    assert_eq!(out.code(), 125, "{}", out.err());
}

#[test]
fn agent_notes_are_printed() {
    let text = jail().stockade(&["agent-notes"]).expect(0);
    assert!(text.starts_with("## ") && text.contains("stockade report"), "{text}");
}
