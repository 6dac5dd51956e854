//! What the screen shows and what keys do: without a terminal and without a clock.

use std::collections::HashMap;
use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::approval::Answer;
use crate::approval::server::Shown;
use crate::approval::view::{Described, QUIET, answer_of};

/// How long a reason may be, in characters.
const MOST_CHARS: usize = 500;

/// What a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing beyond the screen.
    None,
    /// The end.
    Quit,
    /// To be stopped.
    Stop,
    /// An answer to the question under the cursor.
    Answer(Answer),
}

/// What the screen shows.
#[derive(Debug, Default)]
pub(super) struct State {
    questions: Vec<Shown>,
    /// How many sessions can ask.
    pub(super) sessions: usize,
    at: usize,
    /// When each version was drawn first, once it was.
    seen: HashMap<(String, u32), Option<Instant>>,
    /// Whether the question under the cursor has not been drawn as it is now.
    is_new: bool,
    /// When keys count again.
    ripe: Option<Instant>,
    /// Whether a key came too early.
    pub(super) was_early: bool,
    /// The first line of the details that is shown.
    pub(super) scroll: usize,
    /// How many lines a page of them has, and how far they go, as drawn last.
    pub(super) page: (usize, usize),
    /// Why not, as far as it is typed.
    pub(super) reason: Option<String>,
    /// What happened last.
    pub(super) notice: String,
}

impl State {
    /// The questions, the oldest first.
    pub(super) fn questions(&self) -> &[Shown] {
        &self.questions
    }

    /// Where the cursor is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The question under the cursor.
    pub(super) fn current(&self) -> Option<&Shown> {
        self.questions.get(self.at)
    }

    /// Takes over what is asked now.
    pub(super) fn take(&mut self, mut questions: Vec<Shown>, sessions: usize) {
        self.sessions = sessions;
        questions.sort_by_key(|question| (question.asked, question.name()));
        let before = self.current().cloned();
        self.questions = questions;
        if let Some(before) = &before {
            let is_there = |question: &Shown| question.name() == before.name();
            match self.questions.iter().position(is_there) {
                Some(at) => self.at = at,
                None => {
                    self.notice = format!("Nobody asks that any more: {}", Described::of(before).command);
                    self.reason = None;
                }
            }
        }
        self.settle(before.as_ref());
    }

    /// Sees to it that the cursor is on a question, and that it is known which are new.
    fn settle(&mut self, before: Option<&Shown>) {
        self.at = self.at.min(self.questions.len().saturating_sub(1));
        let key = |question: &Shown| (question.name(), question.version);
        let seen = std::mem::take(&mut self.seen);
        self.seen = self
            .questions
            .iter()
            .map(key)
            .map(|key| (key.clone(), seen.get(&key).copied().flatten()))
            .collect();
        let Some(now) = self.current() else { return };
        if before.is_some_and(|before| before.is_same(now)) {
            return;
        }
        if before.is_some_and(|before| before.name() == now.name()) {
            self.notice = "There is more to it now: look again.".into();
        } else {
            self.scroll = 0;
        }
        self.expect();
    }

    /// The question under the cursor counts as new.
    pub(super) fn expect(&mut self) {
        self.is_new = true;
        self.was_early = false;
    }

    /// It was drawn.
    pub(super) fn drawn(&mut self, now: Instant) {
        for seen in self.seen.values_mut() {
            seen.get_or_insert(now);
        }
        if std::mem::take(&mut self.is_new) {
            self.ripe = Some(now + QUIET);
        }
    }

    /// Whether a key for an answer counts.
    pub(super) fn is_ripe(&self, now: Instant) -> bool {
        !self.is_new && self.ripe.is_none_or(|ripe| now >= ripe)
    }

    /// A key.
    pub(super) fn press(&mut self, key: KeyEvent, now: Instant) -> Act {
        if key.kind == KeyEventKind::Release {
            return Act::None;
        }
        match key.code {
            KeyCode::Char('c') if key.modifiers == KeyModifiers::CONTROL => return Act::Quit,
            KeyCode::Char('z') if key.modifiers == KeyModifiers::CONTROL => return Act::Stop,
            _ if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => return Act::None,
            code if self.reason.is_some() => return self.write(code),
            _ => {}
        }
        let (page, last) = self.page;
        match key.code {
            KeyCode::Up => self.select(self.at.saturating_sub(1)),
            KeyCode::Down => self.select(self.at + 1),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(page),
            KeyCode::PageDown => self.scroll = (self.scroll + page).min(last),
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = last,
            KeyCode::Char(letter) => return self.letter(letter, now),
            _ => {}
        }
        Act::None
    }

    fn letter(&mut self, letter: char, now: Instant) -> Act {
        if self.current().is_none() {
            return if letter == 'q' { Act::Quit } else { Act::None };
        }
        if !self.is_ripe(now) {
            self.ripe = Some(now + QUIET);
            self.was_early = true;
            return Act::None;
        }
        self.was_early = false;
        self.notice.clear();
        match letter {
            'k' => self.select(self.at.saturating_sub(1)),
            'j' => self.select(self.at + 1),
            't' => self.reason = Some(String::new()),
            'q' => return Act::Quit,
            letter => {
                let answer = self.current().and_then(|question| answer_of(letter, question));
                return answer.map_or(Act::None, Act::Answer);
            }
        }
        Act::None
    }

    fn select(&mut self, at: usize) {
        if at == self.at || at >= self.questions.len() {
            return;
        }
        (self.at, self.scroll) = (at, 0);
        self.notice.clear();
        let question = &self.questions[at];
        match self.seen.get(&(question.name(), question.version)) {
            Some(Some(seen)) => self.ripe = self.ripe.max(Some(*seen + QUIET)),
            _ => self.expect(),
        }
    }

    /// A key while a reason is typed.
    fn write(&mut self, code: KeyCode) -> Act {
        let Some(reason) = &mut self.reason else { return Act::None };
        match code {
            KeyCode::Esc => self.reason = None,
            KeyCode::Backspace => drop(reason.pop()),
            KeyCode::Char(char) if reason.chars().count() < MOST_CHARS => reason.push(char),
            KeyCode::Enter if reason.trim().is_empty() => {
                self.notice = "Say why, or go back with Esc.".into()
            }
            KeyCode::Enter => return Act::Answer(Answer::No { reason: Some(reason.trim().to_string()) }),
            _ => {}
        }
        Act::None
    }

    /// Something that was pasted: only a reason takes it.
    pub(super) fn paste(&mut self, text: &str) {
        if let Some(reason) = &mut self.reason {
            let left = MOST_CHARS.saturating_sub(reason.chars().count());
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            reason.extend(line.chars().filter(|char| !char.is_control()).take(left));
        }
    }

    /// The question under the cursor was answered.
    pub(super) fn answered(&mut self, notice: String) {
        self.notice = notice;
        self.reason = None;
        if self.at < self.questions.len() {
            self.questions.remove(self.at);
        }
        self.settle(None);
    }

    /// An answer to it did not count.
    pub(super) fn failed(&mut self, why: String) {
        self.notice = why;
        self.reason = None;
        self.expect();
    }
}

#[cfg(test)]
mod tests;
