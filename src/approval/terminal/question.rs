//! A question on the session's own terminal: what is shown, and what keys mean. Pure.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::keys::Key;
use crate::approval::Answer;
use crate::approval::server::Shown;
use crate::approval::view::{Described, answer_of, letters};

/// While keys do not count yet.
const WAITING: &str = "Stop typing for a moment, then answer.";
/// Before the reason of a no.
const REASON: &str = "no, because: ";

/// What a person has typed until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// Nothing that counts.
    Waiting,
    /// Keys count.
    Nothing,
    /// The beginning of a reason.
    Reason(String),
}

/// What a key comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// There may be something else to show.
    Go(Typed),
    /// It is answered.
    Answer(Answer),
    /// Everything is to stop for now.
    Suspend,
}

impl Typed {
    /// What comes of a key.
    pub(super) fn then(self, key: Key, question: &Shown) -> Step {
        match (self, key) {
            (typed, Key::Suspend) if typed != Typed::Waiting => Step::Suspend,
            (Typed::Reason(_), Key::Interrupt) => Step::Go(Typed::Nothing),
            (Typed::Reason(reason), Key::Enter) => {
                let reason = Some(reason.trim().to_string()).filter(|reason| !reason.is_empty());
                Step::Answer(Answer::No { reason })
            }
            (Typed::Reason(mut reason), Key::Backspace) => {
                reason.pop();
                Step::Go(Typed::Reason(reason))
            }
            (Typed::Reason(mut reason), Key::Char(char)) => {
                reason.push(char);
                Step::Go(Typed::Reason(reason))
            }
            (Typed::Nothing, Key::Interrupt) => Step::Answer(Answer::No { reason: None }),
            (Typed::Nothing, Key::Char('t')) => Step::Go(Typed::Reason(String::new())),
            (Typed::Nothing, Key::Char(letter)) => {
                answer_of(letter, question).map_or(Step::Go(Typed::Nothing), Step::Answer)
            }
            (typed, _) => Step::Go(typed),
        }
    }

    /// The line in which one types, in so many columns.
    fn line(&self, columns: usize, question: &Shown) -> String {
        match self {
            Typed::Waiting => start(WAITING, columns),
            Typed::Nothing => start(&letters(question), columns),
            Typed::Reason(reason) => {
                // The end of it is what one looks at.
                let room = columns.saturating_sub(REASON.len() + 1);
                let mut shown = reason.as_str();
                while shown.width() > room {
                    let mut chars = shown.chars();
                    chars.next();
                    shown = chars.as_str();
                }
                format!("{REASON}{shown}")
            }
        }
    }
}

/// The lines of a question, the last of them where one types. `others` more wait.
pub(super) fn lines(question: &Shown, others: usize, typed: &Typed, columns: u16) -> Vec<String> {
    let columns = usize::from(columns).max(20);
    let mut text = format!("stockade asks:\n\n{}", Described::of(question));
    if others > 0 {
        text.push_str(&format!("{others} more wait.\n"));
    }
    let mut lines: Vec<String> = text.lines().flat_map(|line| wrapped(line, columns)).collect();
    lines.push(String::new());
    lines.push(typed.line(columns, question));
    lines
}

/// A line in pieces that fit so many columns.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut width = 0;
    for char in line.chars() {
        let next = char.width().unwrap_or(0);
        if width + next > columns {
            pieces.push(String::new());
            width = 0;
        }
        width += next;
        if let Some(piece) = pieces.last_mut() {
            piece.push(char);
        }
    }
    pieces
}

/// The start of a text, where all of it has no room.
fn start(text: &str, columns: usize) -> String {
    wrapped(text, columns.saturating_sub(1)).swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::view::tests::question;

    fn after(keys: &[Key]) -> Step {
        keys.iter().fold(Step::Go(Typed::Nothing), |step, key| match step {
            Step::Go(typed) => typed.then(*key, &question()),
            step => step,
        })
    }

    #[test]
    fn keys_are_answers() {
        for (key, answer) in [
            ('n', Answer::No { reason: None }),
            ('o', Answer::Once),
            ('c', Answer::Command),
            ('p', Answer::Path),
            ('a', Answer::Always),
        ] {
            assert_eq!(after(&[Key::Other, Key::Char(key)]), Step::Answer(answer));
            let typed = Typed::Waiting;
            assert_eq!(
                typed.then(Key::Char(key), &question()),
                Step::Go(Typed::Waiting),
                "before they count"
            );
        }
        let never = Shown { may_always: false, ..question() };
        assert_eq!(Typed::Nothing.then(Key::Char('a'), &never), Step::Go(Typed::Nothing));
        assert_eq!(after(&[Key::Interrupt]), Step::Answer(Answer::No { reason: None }));
        assert_eq!(after(&[Key::Suspend]), Step::Suspend);
        for key in [Key::Enter, Key::Char('y'), Key::Char('O'), Key::Backspace] {
            assert_eq!(after(&[key]), Step::Go(Typed::Nothing), "{key:?}");
        }
    }

    #[test]
    fn a_reason_is_a_line() {
        let keys = [Key::Char('t'), Key::Char('o'), Key::Char('x'), Key::Backspace, Key::Char('p')];
        assert_eq!(after(&keys), Step::Go(Typed::Reason("op".into())));
        let sent = [&keys[..], &[Key::Enter]].concat();
        assert_eq!(after(&sent), Step::Answer(Answer::No { reason: Some("op".into()) }));
        assert_eq!(after(&[Key::Char('t'), Key::Enter]), Step::Answer(Answer::No { reason: None }));
        assert_eq!(after(&[Key::Char('t'), Key::Interrupt]), Step::Go(Typed::Nothing));
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        assert_eq!(wrapped("abcdef", 4), ["abcd", "ef"]);
        assert_eq!(wrapped("日本語", 4), ["日本", "語"]);
        assert_eq!(wrapped("", 4), [""]);
        for typed in [Typed::Waiting, Typed::Nothing, Typed::Reason("日本語x".repeat(20))] {
            assert!(typed.line(30, &question()).width() < 30, "{typed:?}");
        }
    }
}
