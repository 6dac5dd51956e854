//! Calls that wait for a person's yes.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use nix::unistd::Pid;

use super::decode::Operation;
use super::judge::Judge;
use super::reply::{self, Reply, Served};
use super::{Call, Shared};
use crate::approval::{Answer, Bulk, Deed, Desk, Process, Released, Who, Whose};
use crate::policy::Verb;
use crate::sys::seccomp::Listener;
use crate::sys::{Errno, process};

/// What a handler gives where a person has to say yes first. No call of a program
/// ever ends with it.
pub(super) const ASKED: Errno = Errno::ENOANO;

/// What is asked, and what waits for it.
#[derive(Debug)]
pub(super) struct Questions {
    pub(super) desk: Desk,
    /// The session's main process.
    pub(super) main: Pid,
    pub(super) session: String,
    /// How many watch for questions: where nobody does, nobody is asked.
    watching: Arc<AtomicUsize>,
    /// Whether the jail stands still for a question on its terminal.
    pub(super) has_stopped: Arc<AtomicBool>,
    /// How long a question waits, in milliseconds.
    pub(super) timeout: i64,
    /// What calls need a yes for, by call, on their way out of a handler.
    raised: Mutex<HashMap<u64, Deed>>,
    /// Processes that need answers, by their first thread.
    known: Mutex<HashMap<Pid, (OwnedFd, Who)>>,
    pub(super) held: Mutex<HashMap<u64, Held>>,
}

#[derive(Debug)]
pub(super) struct Held {
    call: Call,
    operation: Operation,
    deed: Deed,
}

/// What is to become of something that needs a yes.
pub(super) enum Ruling {
    /// A person said yes.
    Permitted,
    /// A person said no, and perhaps why.
    Forbidden(Option<String>),
    /// Nobody can be asked.
    Unasked,
    /// It is asked now.
    Asked,
}

impl Questions {
    pub(super) fn new(main: Pid, session: String, timeout: u64, watching: Arc<AtomicUsize>) -> Questions {
        let timeout = i64::try_from(timeout.saturating_mul(1000)).unwrap_or(i64::MAX);
        Questions {
            desk: Desk::default(),
            main,
            session,
            watching,
            has_stopped: Arc::default(),
            timeout,
            raised: Mutex::default(),
            known: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// What is to become of what a call needs a yes for.
    pub(super) fn rule(&self, call: &Call, listener: &Listener, verb: Verb, path: &Path) -> Ruling {
        if self.watching.load(Ordering::SeqCst) == 0 {
            return Ruling::Unasked;
        }
        let Some(who) = self.who(call.caller) else { return Ruling::Unasked };
        let deed = Deed::of(who, verb, path);
        let said = self.desk.said(&deed);
        self.conclude(call, listener, deed, said)
    }

    /// The same for the removal of which there are too many.
    pub(super) fn rule_bulk(
        &self,
        call: &Call,
        listener: &Listener,
        path: &Path,
        bulk: Bulk,
        calms: u32,
    ) -> Ruling {
        if self.watching.load(Ordering::SeqCst) == 0 {
            return Ruling::Unasked;
        }
        let Some(who) = self.who(call.caller) else { return Ruling::Unasked };
        let Some(deed) = self.deed(who, path, bulk) else { return Ruling::Unasked };
        let said = self.said_of_many(who, path, calms);
        self.conclude(call, listener, deed, said)
    }

    /// Whether a no holds for the removal of something that needs no yes by
    /// itself, and why, where the session was calm so often.
    pub(super) fn was_refused(&self, call: &Call, path: &Path, calms: u32) -> Option<Option<String>> {
        let who = self.who(call.caller)?;
        match self.said_of_many(who, path, calms) {
            Some(Answer::No { reason }) => Some(reason),
            _ => None,
        }
    }

    /// What was said about a removal by its process, else about all of its command,
    /// else about all of the session.
    fn said_of_many(&self, who: Who, path: &Path, calms: u32) -> Option<Answer> {
        let kinds = [Whose::Process, Whose::Command, Whose::Session(calms)];
        let deeds = kinds.into_iter().filter_map(|whose| self.deed(who, path, Bulk { whose, is_own: false }));
        deeds.into_iter().find_map(|deed| self.desk.said(&deed))
    }

    /// What is asked about many removals: by whom they are.
    fn deed(&self, who: Who, path: &Path, bulk: Bulk) -> Option<Deed> {
        let who = match bulk.whose {
            Whose::Process => who,
            Whose::Command => Who { process: who.command, ..who },
            Whose::Session(_) => {
                let main = Process::of(self.main)?;
                Who { process: main, command: main }
            }
        };
        Some(Deed { bulk: Some(bulk), ..Deed::of(who, Verb::Remove, path) })
    }

    fn conclude(&self, call: &Call, listener: &Listener, mut deed: Deed, said: Option<Answer>) -> Ruling {
        if said.is_none() {
            deed.find_trees();
        }
        // What was read is about whoever made the call.
        if !listener.is_waiting(call.id) {
            return Ruling::Unasked;
        }
        match said {
            Some(Answer::No { reason }) => Ruling::Forbidden(reason),
            Some(_) => Ruling::Permitted,
            None => {
                lock(&self.raised).insert(call.id, deed);
                Ruling::Asked
            }
        }
    }

    /// Whose thread this is. What was found of a process by its first thread holds
    /// for as long as it lives, which its descriptor tells.
    fn who(&self, thread: Pid) -> Option<Who> {
        let mut known = lock(&self.known);
        if let Some((held, who)) = known.get(&thread)
            && process::is_alive(held)
        {
            return Some(*who);
        }
        let held = process::open(thread);
        let who = Who::of(thread, self.main)?;
        if let Ok(held) = held
            && who.process.pid == thread.as_raw()
        {
            known.retain(|_, (held, _)| process::is_alive(held));
            known.insert(thread, (held, who));
        }
        Some(who)
    }
}

impl Shared {
    /// Lets a call wait for an answer.
    pub(super) fn hold(&self, call: Call, operation: Operation) -> Served {
        let questions = &self.judge.questions;
        let Some(deed) = lock(&questions.raised).remove(&call.id) else { return Err(Errno::EACCES) };
        // First, since the answer may come at once.
        lock(&questions.held).insert(call.id, Held { call, operation, deed: deed.clone() });
        if questions.desk.hold(call.id, deed, Timestamp::now().as_millisecond()) {
            return Ok(Reply::Held);
        }
        match lock(&questions.held).remove(&call.id) {
            Some(held) => Err(self.judge.refuse_asked(&call, &held.deed, "too much is asked at once")),
            None => Ok(Reply::Held),
        }
    }

    /// Refuses what waits, and whatever would wait from now on: the session ends.
    pub(super) fn refuse_the_rest(&self) {
        for id in self.judge.questions.desk.close() {
            reply::send(self, id, Err(Errno::EACCES));
        }
    }

    pub(super) fn release(self: &Arc<Shared>, released: Released) {
        let Released { calls, answer } = released;
        for id in calls {
            let held = lock(&self.judge.questions.held).remove(&id);
            let Some(Held { call, operation, deed }) = held else { continue };
            let served = match &answer {
                Answer::No { reason } => {
                    self.judge.was_refused(&deed);
                    Err(self.judge.refuse_asked(&call, &deed, reason.as_deref().unwrap_or_default()))
                }
                _ => self.attempt(call, operation),
            };
            self.settle(id, served);
        }
    }
}

impl Judge {
    /// Records that a person does not let something happen, and gives what the
    /// caller gets.
    fn refuse_asked(&self, call: &Call, deed: &Deed, reason: &str) -> Errno {
        if deed.bulk.is_some() {
            return self.refuse_bulk(call, &deed.path, Some(reason.to_string()));
        }
        let decision = self.policy.decide(&deed.path, deed.verb);
        self.refuse_for(call, (&deed.path, None), deed.verb, &decision, Some(reason.to_string()))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
