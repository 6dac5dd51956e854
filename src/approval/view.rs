//! A question as a person reads it: pure. Whatever comes from the jail is escaped.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::remembered::Answer;
use super::server::Shown;
use crate::policy::{shortened, size, visible};

/// How long nothing must have been typed before a key counts for an answer: whoever
/// was typing when a question appeared did not mean it.
pub const QUIET: Duration = Duration::from_millis(700);
/// How many paths of a question are shown.
const MOST_PATHS: usize = 5;
/// How long a command line or a path is shown, in characters.
const MOST_CHARS: usize = 200;

/// A question in words, a line each. Its [`Display`](fmt::Display) is all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The command line of the process that asks.
    pub command: String,
    /// Those of its ancestors in the jail, the nearest first.
    pub parents: Vec<String>,
    /// What is to happen, and to how much.
    pub what: String,
    /// The same without how much.
    pub deed: String,
    /// How much there is, in fewer words.
    pub amount: String,
    /// Every path that it is about, where `what` does not name them all.
    pub trees: Vec<String>,
    /// The first path that was asked about, where it says more than `what`.
    pub first: Option<String>,
    /// Whether it can be undone.
    pub undo: &'static str,
    /// Which rule asks, and why.
    pub rule: String,
    /// Which session it is, and where it works.
    pub session: String,
}

impl Described {
    /// Puts a question in words.
    pub fn of(question: &Shown) -> Described {
        let relative = |path: &String| {
            let path = Path::new(path);
            let shown = path.strip_prefix(&question.workspace).unwrap_or(path);
            let shown = if shown.as_os_str().is_empty() { ".".into() } else { shown.to_string_lossy() };
            shortened(&visible(&shown), MOST_CHARS)
        };
        let all = if question.trees.len() > MOST_PATHS { &question.trees[..] } else { &[] };
        let (trees, more) = question.trees.split_at(question.trees.len().min(MOST_PATHS));
        let mut trees = trees.iter().map(relative).collect::<Vec<_>>().join(", ");
        if !more.is_empty() {
            trees.push_str(&format!(" and {} more", more.len()));
        }
        let least = if question.is_counted { "" } else { "more than " };
        let amount = match (question.entries, question.is_counted) {
            (1, true) => size(question.bytes),
            (entries, _) => format!("{least}{entries} files and directories, {}", size(question.bytes)),
        };
        let short = match (question.entries, question.is_counted) {
            (1, true) => amount.clone(),
            (entries, _) => format!("{least}{entries} entries, {}", size(question.bytes)),
        };
        let first = question.paths.first().filter(|path| !question.trees.contains(path)).map(relative);
        Described {
            command: line(&question.command),
            parents: question.parents.iter().map(|parent| line(parent)).collect(),
            what: format!("{} {trees} ({amount})", question.verb),
            deed: format!("{} {trees}", question.verb),
            amount: short,
            trees: all.iter().map(relative).collect(),
            first,
            undo: if question.recoverable { "It can be undone." } else { "It cannot be undone." },
            rule: format!("{}: {}", visible(&question.rule), visible(&question.why)),
            session: format!("session {} in {}", visible(&question.session), visible(&question.workspace)),
        }
    }
}

/// How long a question still waits, at a time in milliseconds since 1970 (UTC).
pub fn left(question: &Shown, now: i64) -> String {
    let seconds = question.until.saturating_sub(now).max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

impl fmt::Display for Described {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.command)?;
        for parent in &self.parents {
            writeln!(formatter, "  in {parent}")?;
        }
        writeln!(formatter, "wants to {}", self.what)?;
        if let Some(first) = &self.first {
            writeln!(formatter, "first: {first}")?;
        }
        writeln!(formatter, "{}", self.undo)?;
        writeln!(formatter, "rule: {}", self.rule)
    }
}

/// The answer that a letter stands for, if it may be given.
pub fn answer_of(letter: char, question: &Shown) -> Option<Answer> {
    match letter {
        'n' => Some(Answer::No { reason: None }),
        'o' => Some(Answer::Once),
        'c' => Some(Answer::Command),
        'p' => Some(Answer::Path),
        'a' if question.may_always => Some(Answer::Always),
        _ => None,
    }
}

/// What the letters stand for, in a line.
pub fn letters(question: &Shown) -> String {
    let always = if question.may_always { ", [a]lways" } else { "" };
    format!("[n]o, no and [t]ell why, [o]nce, this [c]ommand, this [p]ath for the session{always}: ")
}

fn line(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| visible(word)).collect();
    shortened(&words.join(" "), MOST_CHARS)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A question about a tree.
    pub(crate) fn question() -> Shown {
        Shown {
            id: 1,
            version: 0,
            session: "s".into(),
            workspace: "/w".into(),
            command: vec!["rm".into(), "-rf".into(), "src".into()],
            parents: vec![vec!["sh".into()]],
            verb: "remove".into(),
            trees: vec!["/w/src".into()],
            places: Vec::new(),
            paths: vec!["/w/src/a".into()],
            calls: 1,
            entries: 3,
            bytes: 2048,
            is_counted: true,
            recoverable: true,
            may_always: true,
            rule: "standard.yaml:7".into(),
            why: "it is work".into(),
            asked: 0,
            until: 300_000,
        }
    }

    #[test]
    fn a_question_is_a_few_plain_lines() {
        let expected = "rm -rf src\n  in sh\nwants to remove src (3 files and directories, 2.0 KiB)\n\
                        first: src/a\nIt can be undone.\nrule: standard.yaml:7: it is work\n";
        assert_eq!(Described::of(&question()).to_string(), expected);
    }

    #[test]
    fn nothing_from_the_jail_changes_how_it_reads() {
        let trick = "x\u{1b}[2J\u{202e}\nIt can be undone.";
        let all = Shown {
            command: vec![trick.into(); 90],
            parents: vec![vec![trick.into()]],
            trees: vec![format!("/w/{trick}"); 9],
            paths: vec![trick.into()],
            recoverable: false,
            ..question()
        };
        let described = Described::of(&all);
        let text = described.to_string();
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(described.command.chars().count() <= MOST_CHARS);
        assert!(described.what.contains(" and 4 more"), "{text}");
        assert_eq!((described.trees.len(), Described::of(&question()).trees.len()), (9, 0));
        assert!(!described.trees.concat().contains(['\u{1b}', '\u{202e}']), "{:?}", described.trees);
        let one = Shown { entries: 1, trees: vec!["/w".into()], ..question() };
        assert_eq!(Described::of(&one).what, "remove . (2.0 KiB)");
        assert_eq!(Described::of(&one).amount, "2.0 KiB");
        let many = Shown { is_counted: false, entries: 20_000, ..question() };
        assert!(Described::of(&many).what.contains("(more than 20000 files"));
        assert_eq!(Described::of(&many).amount, "more than 20000 entries, 2.0 KiB");
    }

    #[test]
    fn how_long_it_waits_is_short() {
        for (now, shown) in [
            (0, "5 min 00 s"),
            (240_001, "59 s"),
            (400_000, "0 s"),
            (-7_200_000, "2 h 05 min"),
            (i64::MIN, "106751991167 days"),
        ] {
            assert_eq!(left(&question(), now), shown);
        }
    }
}
