//! Calls that wait for a person's yes.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::unistd::Pid;
use walkdir::WalkDir;

use super::decode::Operation;
use super::judge::Judge;
use super::reply::{self, Reply, Served};
use super::{Call, Shared};
use crate::approval::server::{MOST_TREES, Office, Shown};
use crate::approval::{Answer, Bulk, Deed, Desk, Pending, Process, Released, Stale, Who, Whose, lineage};
use crate::policy::{Verb, printable};
use crate::sys::procfs::is_stopped;
use crate::sys::seccomp::Listener;
use crate::sys::{Errno, process};

/// What a handler gives where a person has to say yes first. No call of a program
/// ever ends with it.
pub(super) const ASKED: Errno = Errno::ENOANO;

/// How much is looked at to say how much there is.
const MOST_ENTRIES: u64 = 20_000;
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// For how long who asks may be stopped.
const LONGEST_STOP: Duration = Duration::from_secs(1);

/// What is asked, and what waits for it.
#[derive(Debug)]
pub(super) struct Questions {
    desk: Desk,
    /// The session's main process.
    main: Pid,
    session: String,
    /// How many watch for questions: where nobody does, nobody is asked.
    watching: Arc<AtomicUsize>,
    /// Whether the jail stands still for a question on its terminal.
    pub(super) has_stopped: Arc<AtomicBool>,
    /// Questions of processes that stand still, and since when they do.
    stopped_since: Mutex<HashMap<u64, Instant>>,
    /// How long a question waits, in milliseconds.
    timeout: i64,
    /// What calls need a yes for, by call, on their way out of a handler.
    raised: Mutex<HashMap<u64, Deed>>,
    /// Processes that need answers, by their first thread.
    known: Mutex<HashMap<Pid, (OwnedFd, Who)>>,
    held: Mutex<HashMap<u64, Held>>,
}

#[derive(Debug)]
struct Held {
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
            stopped_since: Mutex::default(),
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

    fn release(self: &Arc<Shared>, released: Released) {
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

/// What those who answer see of the broker.
pub(super) struct Front(pub(super) Arc<Shared>);

impl Office for Front {
    fn pending(&self) -> Vec<Pending> {
        self.questions().desk.pending()
    }

    fn wait(&self, longest: Duration) {
        self.questions().desk.wait(longest);
    }

    fn show(&self, pending: &Pending) -> Shown {
        let policy = &self.0.judge.policy;
        let (rule, why) = self.reason(&pending.deed);
        let is_own = pending.deed.bulk.is_some_and(|bulk| bulk.is_own);
        let (entries, bytes, is_counted) = amount(&pending.trees);
        let mut lines = lineage(pending.deed.process, self.questions().main)
            .into_iter()
            .map(|line| line.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<String>>());
        let places = pending.paths.iter().chain(pending.trees.iter().take(MOST_TREES));
        let paths = |paths: &[PathBuf]| paths.iter().map(|path| printable(path)).collect();
        Shown {
            id: pending.id,
            version: pending.version,
            session: self.questions().session.clone(),
            workspace: printable(&policy.places.workspace),
            command: lines.next().unwrap_or_default(),
            parents: lines.collect(),
            verb: pending.deed.verb.name().to_string(),
            trees: paths(&pending.trees),
            places: places.map(|place| place.as_os_str().as_bytes().to_vec()).collect(),
            paths: paths(&pending.paths),
            calls: pending.calls.len(),
            entries,
            bytes,
            is_counted,
            may_always: self.may_always(pending),
            recoverable: policy.access(&pending.deed.path).keeps() && !is_own,
            rule,
            why,
            asked: pending.asked,
            until: pending.asked.saturating_add(self.questions().timeout),
        }
    }

    fn answer(&self, id: u64, version: u32, answer: Answer) -> Result<(), Stale> {
        if answer == Answer::Always {
            let pending = self.pending().into_iter().find(|pending| pending.id == id).ok_or(Stale::Gone)?;
            // Were it another version by now it would not be answered either.
            if pending.version == version && !self.may_always(&pending) {
                return Err(Stale::NotAlways);
            }
        }
        let released = self.questions().desk.answer(id, version, answer)?;
        self.0.release(released);
        Ok(())
    }

    fn abandon(&self) {
        self.refuse_before(i64::MAX, "nobody is there to answer");
    }

    fn tick(&self) {
        let now = Timestamp::now().as_millisecond();
        self.refuse_before(now.saturating_sub(self.questions().timeout), "nobody answered in time");
        let waits = |call| self.0.listener.is_waiting(call);
        lock(&self.questions().held).retain(|call, _| waits(*call));
        self.questions().desk.withdraw(waits, Process::lives);
        self.refuse_stopped();
    }
}

impl Front {
    fn questions(&self) -> &Questions {
        &self.0.judge.questions
    }

    /// Refuses what a process asks that somebody has stopped, and not just for a
    /// moment: it could not go on.
    fn refuse_stopped(&self) {
        let questions = self.questions();
        let is_ours = || questions.has_stopped.load(Ordering::SeqCst);
        if is_ours() {
            return;
        }
        let stands = |process: &Process| is_stopped(Pid::from_raw(process.pid));
        let mut pending = self.pending();
        pending.retain(|question| question.processes.iter().any(stands));
        if is_ours() {
            return;
        }
        let now = Instant::now();
        let mut since = lock(&questions.stopped_since);
        since.retain(|id, _| pending.iter().any(|question| question.id == *id));
        pending
            .retain(|question| now.duration_since(*since.entry(question.id).or_insert(now)) >= LONGEST_STOP);
        drop(since);
        for question in pending {
            let reason = Some("who asked was stopped".to_string());
            // It may have been answered meanwhile.
            let _ = self.answer(question.id, question.version, Answer::No { reason });
        }
    }

    /// Whether a question may be answered for always. How many there are will
    /// always be asked about.
    fn may_always(&self, pending: &Pending) -> bool {
        let Deed { path, verb, bulk, .. } = &pending.deed;
        bulk.is_none() && self.0.judge.policy.may_always(path, &pending.trees, *verb)
    }

    /// The rule that asks about a deed, and why it does.
    fn reason(&self, deed: &Deed) -> (String, String) {
        let Judge { policy, removals, .. } = &self.0.judge;
        if let (Some(removals), Some(bulk)) = (removals, deed.bulk) {
            return (removals.rule(), removals.why(bulk));
        }
        let rule = policy.decide(&deed.path, deed.verb).rule.map(|id| policy.rule(id));
        rule.map(|rule| (rule.to_string(), rule.why.to_string())).unwrap_or_default()
    }

    fn refuse_before(&self, time: i64, reason: &str) {
        for released in self.questions().desk.expire(time, reason) {
            self.0.release(released);
        }
    }
}

/// How many entries and bytes there are in some trees, and whether all were counted.
fn amount(trees: &[PathBuf]) -> (u64, u64, bool) {
    let since = Instant::now();
    let (mut entries, mut bytes) = (0, 0);
    for tree in trees {
        // What cannot be looked at is not counted.
        let walk = WalkDir::new(tree).follow_root_links(false).same_file_system(true);
        for entry in walk.into_iter().flatten() {
            if entries >= MOST_ENTRIES || since.elapsed() > LONGEST_LOOK {
                return (entries, bytes, false);
            }
            entries += 1;
            let found = entry.metadata().ok().filter(std::fs::Metadata::is_file);
            bytes += found.map_or(0, |found| found.len());
        }
    }
    (entries, bytes, true)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
