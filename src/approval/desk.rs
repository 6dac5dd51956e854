//! Questions that wait for an answer, and the calls that wait with them.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::remembered::{Answer, Deed, Process, Remembered, is_beneath};

/// How many questions may wait at once. Whoever asks more is refused: nobody
/// reads a flood.
const MOST: usize = 64;
/// How many paths a question shows.
const MOST_SHOWN: usize = 20;

/// Where questions lie until somebody answers them.
#[derive(Debug, Default)]
pub struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    questions: Vec<Pending>,
    remembered: Remembered,
    is_closed: bool,
}

/// A question as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub id: u64,
    /// How often what it is about has grown: an answer holds for what was shown.
    pub version: u32,
    /// The first deed that it is about.
    pub deed: Deed,
    /// All processes that wait for it.
    pub processes: Vec<Process>,
    /// All trees that it is about.
    pub trees: Vec<PathBuf>,
    /// The first paths that were asked about.
    pub paths: Vec<PathBuf>,
    /// The notifications of the calls that wait.
    pub calls: Vec<u64>,
    /// When it was asked, in milliseconds since 1970 (UTC).
    pub asked: i64,
}

/// Calls that need not wait any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Their notifications.
    pub calls: Vec<u64>,
    /// What was answered.
    pub answer: Answer,
}

/// Why an answer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// There is no such question any more.
    Gone,
    /// It is about more by now than was shown.
    Grown,
    /// It was answered for always, which it cannot be.
    NotAlways,
}

impl Desk {
    /// What was said before that holds for a deed.
    pub fn said(&self, deed: &Deed) -> Option<Answer> {
        self.state().remembered.find(deed).cloned()
    }

    /// Lets a call wait. False where it must be refused, since too much waits or
    /// the session ends.
    pub fn hold(&self, call: u64, deed: Deed, now: i64) -> bool {
        let mut state = self.state();
        if state.is_closed {
            return false;
        }
        if let Some(question) = state.questions.iter_mut().find(|question| question.takes(&deed)) {
            question.add(call, deed);
            return true;
        }
        if state.questions.len() >= MOST {
            return false;
        }
        state.next += 1;
        let question = Pending {
            id: state.next,
            version: 0,
            processes: vec![deed.process],
            trees: deed.trees.clone(),
            paths: vec![deed.path.clone()],
            deed,
            calls: vec![call],
            asked: now,
        };
        state.questions.push(question);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits until there is a question or no more will come, but no longer than so.
    pub fn wait(&self, longest: Duration) {
        let is_calm = |state: &mut State| state.questions.is_empty() && !state.is_closed;
        // Whatever woke it is looked for by the caller.
        let _ = self.changed.wait_timeout_while(self.state(), longest, is_calm);
    }

    /// The questions as they stand, the oldest first.
    pub fn pending(&self) -> Vec<Pending> {
        self.state().questions.clone()
    }

    /// Answers the question that was shown in this version, and keeps the answer
    /// in mind.
    pub fn answer(&self, id: u64, version: u32, answer: Answer) -> Result<Released, Stale> {
        let mut state = self.state();
        let index = state.questions.iter().position(|question| question.id == id);
        let index = index.ok_or(Stale::Gone)?;
        let is_no = matches!(answer, Answer::No { .. });
        // A no is right whatever else has come to it.
        if state.questions[index].version != version && !is_no {
            return Err(Stale::Grown);
        }
        Ok(state.release(index, answer))
    }

    /// Refuses what was asked before a time.
    pub fn expire(&self, before: i64, reason: &str) -> Vec<Released> {
        let mut state = self.state();
        let mut released = Vec::new();
        while let Some(index) = state.questions.iter().position(|question| question.asked < before) {
            released.push(state.release(index, Answer::No { reason: Some(reason.to_string()) }));
        }
        released
    }

    /// Refuses everything from now on; gives the calls that wait.
    pub fn close(&self) -> Vec<u64> {
        let mut state = self.state();
        state.is_closed = true;
        self.changed.notify_all();
        state.questions.drain(..).flat_map(|question| question.calls).collect()
    }

    /// Forgets calls whose callers are gone, and questions that nobody waits for.
    pub fn withdraw(&self, waits: impl Fn(u64) -> bool, lives: impl Fn(Process) -> bool) {
        let mut state = self.state();
        for question in &mut state.questions {
            question.calls.retain(|call| waits(*call));
        }
        state.questions.retain(|question| !question.calls.is_empty());
        state.remembered.forget(lives);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn release(&mut self, index: usize, answer: Answer) -> Released {
        let Pending { calls, processes, deed, trees, .. } = self.questions.remove(index);
        self.remembered.add(answer.clone(), processes, &deed, trees);
        Released { calls, answer }
    }
}

impl Pending {
    /// Whether a deed belongs to it: of the same process, or of a helper on the
    /// same tree.
    fn takes(&self, deed: &Deed) -> bool {
        let is_helper = self.deed.command == deed.command && is_beneath(&deed.path, &self.trees);
        self.deed.verb == deed.verb && (self.processes.contains(&deed.process) || is_helper)
    }

    fn add(&mut self, call: u64, deed: Deed) {
        self.calls.push(call);
        if self.paths.len() < MOST_SHOWN && !self.paths.contains(&deed.path) {
            self.paths.push(deed.path);
        }
        if !self.processes.contains(&deed.process) {
            self.processes.push(deed.process);
        }
        let new: Vec<PathBuf> =
            deed.trees.into_iter().filter(|tree| !is_beneath(tree, &self.trees)).collect();
        if !new.is_empty() {
            self.trees.extend(new);
            self.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Verb;

    fn process(pid: i32) -> Process {
        Process { pid, began: 1 }
    }

    /// A deed of a process of command 1 on a tree.
    fn deed(pid: i32, tree: &str, path: &str) -> Deed {
        Deed {
            process: process(pid),
            command: process(1),
            verb: Verb::Remove,
            path: path.into(),
            trees: vec![tree.into()],
            bulk: None,
        }
    }

    #[test]
    fn calls_of_one_process_are_one_question() {
        let desk = Desk::default();
        for (call, path) in ["/w/a/1", "/w/a/2", "/w/a/b/3"].iter().enumerate() {
            assert!(desk.hold(call as u64, deed(5, "/w/a", path), 7));
        }
        assert!(desk.hold(9, deed(6, "/w/a/b", "/w/a/b/4"), 8), "a helper");
        assert!(desk.hold(10, deed(6, "/w/c", "/w/c/1"), 8), "the helper elsewhere");
        let pending = desk.pending();
        assert_eq!(pending.len(), 1);
        assert_eq!((pending[0].calls.len(), pending[0].asked, pending[0].version), (5, 7, 1));
        assert_eq!(desk.answer(pending[0].id, 0, Answer::Once), Err(Stale::Grown));
        let released = desk.answer(pending[0].id, 1, Answer::Once).expect("it is answered");
        assert_eq!(released, Released { calls: vec![0, 1, 2, 9, 10], answer: Answer::Once });
        assert_eq!(desk.said(&deed(6, "/w/a", "/w/a/5")), Some(Answer::Once));
        assert_eq!(desk.said(&deed(7, "/w/a", "/w/a/5")), None);
        assert_eq!(desk.answer(pending[0].id, 1, Answer::Once), Err(Stale::Gone));
    }

    #[test]
    fn others_and_other_verbs_ask_on_their_own() {
        let desk = Desk::default();
        desk.hold(1, deed(5, "/w/a", "/w/a/1"), 0);
        desk.hold(2, deed(6, "/w/b", "/w/b/1"), 0);
        desk.hold(3, Deed { verb: Verb::Modify, ..deed(5, "/w/a", "/w/a/1") }, 0);
        desk.hold(4, Deed { command: process(2), ..deed(8, "/w/a", "/w/a/1") }, 0);
        assert_eq!(desk.pending().len(), 4);
    }

    #[test]
    fn a_no_holds_whatever_it_has_grown_to() {
        let desk = Desk::default();
        desk.hold(1, deed(5, "/w/a", "/w/a/1"), 0);
        desk.hold(2, deed(5, "/w/b", "/w/b/1"), 0);
        let no = Answer::No { reason: Some("keep it".into()) };
        let released = desk.answer(1, 0, no.clone()).expect("it is answered");
        assert_eq!(released.calls, [1, 2]);
        assert_eq!(desk.said(&deed(5, "/w/b", "/w/b/2")), Some(no));
    }

    #[test]
    fn what_nobody_answers_is_refused_and_what_nobody_waits_for_is_no_question() {
        let desk = Desk::default();
        desk.hold(1, deed(5, "/w/a", "/w/a/1"), 10);
        desk.hold(2, deed(6, "/w/b", "/w/b/1"), 20);
        desk.hold(3, deed(7, "/w/c", "/w/c/1"), 30);
        let expired = desk.expire(20, "nobody answered");
        assert_eq!(expired.len(), 1);
        assert_eq!(expired[0].calls, [1]);
        desk.withdraw(|call| call != 2, |_| true);
        assert_eq!(desk.pending().iter().map(|pending| pending.id).collect::<Vec<_>>(), [3]);
        assert_eq!(desk.close(), [3]);
        assert!(!desk.hold(4, deed(5, "/w/a", "/w/a/1"), 40), "the session ends");
    }

    #[test]
    fn a_flood_is_refused() {
        let desk = Desk::default();
        let held = |pid: i32| desk.hold(1, deed(pid, &format!("/w/{pid}"), &format!("/w/{pid}/x")), 0);
        let held = (0..1000).filter(|pid| held(*pid)).count();
        assert_eq!(held, MOST);
        // What belongs to a question that is shown still waits with it.
        assert!(desk.hold(2, deed(3, "/w/3", "/w/3/y"), 0));
    }
}
