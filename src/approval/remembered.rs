//! Answers, and how far each of them goes: pure.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bulk::Whose;
use crate::policy::Verb;

/// A process: numbers are used again, so with the time at which it began, in
/// clock ticks since the machine did (`proc_pid_stat(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it began.
    pub began: u64,
}

/// What a process is about to do and needs a yes for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The process, whichever of its threads makes the call.
    pub process: Process,
    /// The command that it belongs to: a child of the session's main process.
    pub command: Process,
    /// What happens.
    pub verb: Verb,
    /// To what.
    pub path: PathBuf,
    /// What the process was asked to do this to, as far as that can be told from
    /// its arguments: the path, or something above it.
    pub trees: Vec<PathBuf>,
    /// Where it needs a yes for all that was removed before it alone.
    pub bulk: Option<Bulk>,
}

/// Removals that are asked about since they are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk {
    /// Whose they are.
    pub whose: Whose,
    /// Whether what goes next was made by the session itself, so that nothing of
    /// it is kept.
    pub is_own: bool,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It does not happen, nor does the rest of it.
    No {
        /// What the agent is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// This process may do this to these trees.
    Once,
    /// Every process of this command may do this, anywhere where it is asked about.
    Command,
    /// Every process of the session may do this to these trees.
    Path,
    /// The same, and whoever answers writes it down for later sessions.
    Always,
}

/// What was said about deeds, the latest last.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    said: Vec<Said>,
}

#[derive(Debug)]
struct Said {
    answer: Answer,
    processes: Vec<Process>,
    command: Process,
    verb: Verb,
    trees: Vec<PathBuf>,
    bulk: Option<Bulk>,
}

impl Remembered {
    /// Keeps an answer that was given about deeds of these processes.
    pub(super) fn add(&mut self, answer: Answer, processes: Vec<Process>, deed: &Deed, trees: Vec<PathBuf>) {
        let Deed { command, verb, bulk, .. } = *deed;
        self.said.push(Said { answer, processes, command, verb, trees, bulk });
    }

    /// What was said that holds for a deed; the latest counts.
    pub(super) fn find(&self, deed: &Deed) -> Option<&Answer> {
        self.said.iter().rev().find(|said| said.holds_for(deed)).map(|said| &said.answer)
    }

    /// Forgets what holds for no process that lives.
    pub(super) fn forget(&mut self, lives: impl Fn(Process) -> bool) {
        self.said.retain_mut(|said| {
            said.processes.retain(|process| lives(*process));
            match said.answer {
                Answer::No { .. } | Answer::Once => !said.processes.is_empty(),
                Answer::Command => lives(said.command),
                Answer::Path | Answer::Always => true,
            }
        });
    }
}

impl Said {
    fn holds_for(&self, deed: &Deed) -> bool {
        let is_there = || is_beneath(&deed.path, &self.trees);
        let is_by_them = || self.processes.contains(&deed.process) && self.is_of_that_time(deed);
        self.verb == deed.verb
            && match self.answer {
                Answer::No { .. } | Answer::Once => is_by_them() && is_there(),
                Answer::Command => self.command == deed.command,
                Answer::Path | Answer::Always => is_there(),
            }
    }

    /// What was said about all that the session removed holds until it is calm.
    fn is_of_that_time(&self, deed: &Deed) -> bool {
        match self.bulk.map(|bulk| bulk.whose) {
            Some(session @ Whose::Session(_)) => deed.bulk.is_some_and(|bulk| bulk.whose == session),
            _ => true,
        }
    }
}

/// Whether a path is one of some trees or beneath one.
pub(super) fn is_beneath(path: &Path, trees: &[PathBuf]) -> bool {
    trees.iter().any(|tree| path.starts_with(tree))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32) -> Process {
        Process { pid, began: 1 }
    }

    fn deed(pid: i32, path: &str) -> Deed {
        Deed {
            process: process(pid),
            command: process(pid / 10),
            verb: Verb::Remove,
            path: path.into(),
            trees: vec!["/w/src".into()],
            bulk: None,
        }
    }

    fn said(answer: Answer) -> Remembered {
        let mut remembered = Remembered::default();
        let first = deed(51, "/w/src/a");
        remembered.add(answer, vec![first.process], &first, first.trees.clone());
        remembered
    }

    #[test]
    fn an_answer_goes_as_far_as_it_says() {
        let cases = [
            // The deed, and whether it is covered by: once, this command, this path.
            (deed(51, "/w/src/b/c"), [true, true, true]),
            (deed(51, "/w/src"), [true, true, true]),
            (deed(51, "/w/srcs"), [false, true, false]),
            (deed(52, "/w/src/b"), [false, true, true]),
            (deed(61, "/w/src/b"), [false, false, true]),
            (deed(61, "/w/other"), [false, false, false]),
            (Deed { verb: Verb::Modify, ..deed(51, "/w/src/b") }, [false, false, false]),
            (Deed { process: Process { pid: 51, began: 2 }, ..deed(51, "/w/src/b") }, [false, true, true]),
        ];
        for (deed, expected) in cases {
            let answers = [Answer::Once, Answer::Command, Answer::Path, Answer::Always];
            let expected = [expected[0], expected[1], expected[2], expected[2]];
            assert_eq!(answers.map(|answer| said(answer).find(&deed).is_some()), expected, "{deed:?}");
            let no = said(Answer::No { reason: None });
            assert_eq!(no.find(&deed).is_some(), expected[0], "a no goes as far as once: {deed:?}");
        }
    }

    #[test]
    fn an_answer_about_a_deed_holds_for_it_also_where_it_is_bulk() {
        let bulk = |whose, deed: Deed| Deed { bulk: Some(Bulk { whose, is_own: false }), ..deed };
        let once = said(Answer::Once);
        assert!(once.find(&bulk(Whose::Process, deed(51, "/w/src/b"))).is_some());
        assert!(once.find(&bulk(Whose::Process, deed(51, "/w/other"))).is_none());
        // What was said of a whole session is about that time alone.
        let mut remembered = Remembered::default();
        let first = bulk(Whose::Session(3), deed(51, "/w/src/a"));
        remembered.add(Answer::Once, vec![first.process], &first, first.trees.clone());
        assert!(remembered.find(&first).is_some());
        assert!(remembered.find(&bulk(Whose::Session(4), deed(51, "/w/src/a"))).is_none());
        assert!(remembered.find(&bulk(Whose::Process, deed(51, "/w/src/a"))).is_none());
        assert!(remembered.find(&deed(51, "/w/src/a")).is_none());
    }

    #[test]
    fn the_latest_counts_and_the_dead_are_forgotten() {
        let mut remembered = said(Answer::Once);
        let again = deed(51, "/w/src/a");
        remembered.add(Answer::No { reason: None }, vec![again.process], &again, again.trees.clone());
        assert_eq!(remembered.find(&again), Some(&Answer::No { reason: None }));
        remembered.add(Answer::Path, vec![again.process], &again, vec!["/w/src".into()]);
        remembered.forget(|_| false);
        assert_eq!(remembered.said.len(), 1, "what holds for a path holds for the session");
        assert_eq!(remembered.find(&again), Some(&Answer::Path));
    }
}
