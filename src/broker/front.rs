//! What those who answer see of the broker: questions as a person is to see them,
//! and what becomes of answers.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::unistd::Pid;
use walkdir::WalkDir;

use super::Shared;
use super::ask::{Questions, lock};
use super::judge::Judge;
use crate::approval::server::{MOST_TREES, Office, Shown};
use crate::approval::{Answer, Deed, Pending, Process, Stale, lineage};
use crate::policy::printable;
use crate::sys::procfs::is_stopped;

/// How much is looked at to say how much there is.
const MOST_ENTRIES: u64 = 20_000;
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// For how long who asks may be stopped.
const LONGEST_STOP: Duration = Duration::from_secs(1);

/// What those who answer see of the broker.
pub(super) struct Front {
    shared: Arc<Shared>,
    /// How much each question was found to be about, and in which version.
    amounts: Mutex<HashMap<u64, (u32, Amount)>>,
    /// Questions of processes that stand still, and since when they do.
    stopped_since: Mutex<HashMap<u64, Instant>>,
}

/// How many entries and bytes there are in some trees.
#[derive(Debug, Clone, Copy)]
struct Amount {
    entries: u64,
    bytes: u64,
    /// Whether all of them were counted.
    is_counted: bool,
}

impl Office for Front {
    fn pending(&self) -> Vec<Pending> {
        self.questions().desk.pending()
    }

    fn wait(&self, longest: Duration) {
        self.questions().desk.wait(longest);
    }

    fn show(&self, pending: &Pending) -> Shown {
        let policy = &self.shared.judge.policy;
        let (rule, why) = self.reason(&pending.deed);
        let is_own = pending.deed.bulk.is_some_and(|bulk| bulk.is_own);
        let Amount { entries, bytes, is_counted } = self.amount(pending);
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
        self.shared.release(released);
        Ok(())
    }

    fn abandon(&self) {
        self.refuse_before(i64::MAX, "nobody is there to answer");
    }

    fn tick(&self) {
        let now = Timestamp::now().as_millisecond();
        self.refuse_before(now.saturating_sub(self.questions().timeout), "nobody answered in time");
        let waits = |call| self.shared.listener.is_waiting(call);
        lock(&self.questions().held).retain(|call, _| waits(*call));
        self.questions().desk.withdraw(waits, Process::lives);
        self.refuse_stopped();
        let pending = self.pending();
        lock(&self.amounts).retain(|id, _| pending.iter().any(|question| question.id == *id));
    }
}

impl Front {
    pub(super) fn new(shared: Arc<Shared>) -> Front {
        Front { shared, amounts: Mutex::default(), stopped_since: Mutex::default() }
    }

    /// How much a question is about, which is looked at once in each version of it.
    fn amount(&self, pending: &Pending) -> Amount {
        let known = lock(&self.amounts).get(&pending.id).copied();
        if let Some((version, amount)) = known
            && version == pending.version
        {
            return amount;
        }
        let amount = Amount::of(&pending.trees);
        lock(&self.amounts).insert(pending.id, (pending.version, amount));
        amount
    }

    fn questions(&self) -> &Questions {
        &self.shared.judge.questions
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
        let mut since = lock(&self.stopped_since);
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
        bulk.is_none() && self.shared.judge.policy.may_always(path, &pending.trees, *verb)
    }

    /// The rule that asks about a deed, and why it does.
    fn reason(&self, deed: &Deed) -> (String, String) {
        let Judge { policy, removals, .. } = &self.shared.judge;
        if let (Some(removals), Some(bulk)) = (removals, deed.bulk) {
            return (removals.rule(), removals.why(bulk));
        }
        let rule = policy.decide(&deed.path, deed.verb).rule.map(|id| policy.rule(id));
        rule.map(|rule| (rule.to_string(), rule.why.to_string())).unwrap_or_default()
    }

    fn refuse_before(&self, time: i64, reason: &str) {
        for released in self.questions().desk.expire(time, reason) {
            self.shared.release(released);
        }
    }
}

impl Amount {
    /// Looks at some trees for a while.
    fn of(trees: &[PathBuf]) -> Amount {
        let since = Instant::now();
        let mut amount = Amount { entries: 0, bytes: 0, is_counted: true };
        for tree in trees {
            // What cannot be looked at is not counted.
            let walk = WalkDir::new(tree).follow_root_links(false).same_file_system(true);
            for entry in walk.into_iter().flatten() {
                if amount.entries >= MOST_ENTRIES || since.elapsed() > LONGEST_LOOK {
                    return Amount { is_counted: false, ..amount };
                }
                amount.entries += 1;
                let found = entry.metadata().ok().filter(std::fs::Metadata::is_file);
                amount.bytes += found.map_or(0, |found| found.len());
            }
        }
        amount
    }
}
