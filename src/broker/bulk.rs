//! Many removals, each of which needs no yes: asked about together.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::Call;
use super::ask::{ASKED, Ruling};
use super::judge::Judge;
use crate::approval::{Bulk, Deed, Process, Tally, Who, Whose};
use crate::policy::{Verb, Walk};
use crate::sys::{Errno, procfs};

/// How long it is believed that a thread's number still means the same thread.
const BELIEVED: Duration = Duration::from_secs(2);

/// What was removed, by whom, and what was said about it.
#[derive(Debug)]
pub(super) struct Removals {
    /// How many are no bulk yet.
    pub(super) most: u32,
    main: Pid,
    begun: Instant,
    names: RandomState,
    state: Mutex<State>,
    /// Whether any name could come back.
    is_any_gone: AtomicBool,
    /// Whether somebody said no, so that it must be looked whether that holds.
    was_refused: AtomicBool,
}

#[derive(Debug)]
struct State {
    tally: Tally,
    callers: HashMap<Pid, (Who, Instant)>,
}

impl Removals {
    pub(super) fn new(most: u32, main: Pid) -> Removals {
        Removals {
            most,
            main,
            begun: Instant::now(),
            names: RandomState::new(),
            state: Mutex::new(State { tally: Tally::new(most), callers: HashMap::new() }),
            is_any_gone: AtomicBool::new(false),
            was_refused: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        // From one, so that no time is before the first calm.
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1 << 20)
    }

    fn name(&self, path: &Path) -> u64 {
        self.names.hash_one(path.as_os_str())
    }

    fn add(&self, caller: Pid, paths: &[&Path], is_own: bool) -> Result<(), (Whose, Who)> {
        let names: Vec<u64> = paths.iter().map(|path| self.name(path)).collect();
        let now = self.now();
        let mut state = self.state();
        let who = state.who(caller, self.main);
        if is_own && state.tally.removes_its_own(who, names.len()) {
            return Ok(());
        }
        let added = state.tally.add(who, &names, now).map_err(|whose| (whose, who));
        self.is_any_gone.store(!state.tally.is_empty(), Ordering::SeqCst);
        added
    }

    /// Somebody made something, or did not remove it after all.
    fn made(&self, caller: Pid) {
        let mut state = self.state();
        let who = state.who(caller, self.main);
        state.tally.made(who);
    }

    /// A name is there again, or was not removed after all.
    fn back(&self, path: &Path) {
        // Mostly nothing is gone.
        if self.is_any_gone.load(Ordering::SeqCst) {
            let name = self.name(path);
            let mut state = self.state();
            state.tally.back(name);
            self.is_any_gone.store(!state.tally.is_empty(), Ordering::SeqCst);
        }
    }

    fn settle(&self, whose: Whose, who: Who) {
        self.state().tally.settle(whose, who);
    }
}

impl State {
    /// Whose thread this is. Whoever is taken for another is counted as that one.
    fn who(&mut self, thread: Pid, main: Pid) -> Who {
        if let Some((who, since)) = self.callers.get(&thread)
            && since.elapsed() < BELIEVED
        {
            return *who;
        }
        self.callers.retain(|_, (_, since)| since.elapsed() < BELIEVED);
        let unknown = Process { pid: thread.as_raw(), began: 0 };
        let mut who = Who::of(thread, main).unwrap_or(Who { process: unknown, command: unknown });
        let command = Pid::from_raw(who.command.pid);
        // A copy of the main process that runs nothing else is a helper of that.
        if command != main && procfs::arguments(command, usize::MAX) == procfs::arguments(main, usize::MAX) {
            who.command = Process::of(main).unwrap_or(who.command);
        }
        self.callers.insert(thread, (who, Instant::now()));
        who
    }
}

impl Judge {
    /// Whether it is counted where the path is removed at which a walk stands.
    pub(super) fn counts(&self, walk: &Walk<'_>) -> bool {
        self.removals.is_some() && self.policy.counts_in_bulk(walk)
    }

    /// Whether these may go, which [count](Self::counts), and of which each may by
    /// itself: more than so many at once may have to be asked about. `fails` tells whether the call would not remove
    /// anything. What is counted here and not removed is to be told to [`Self::is_left`].
    pub(super) fn remove_many(
        &self,
        call: &Call,
        paths: &[&Path],
        is_own: bool,
        fails: impl FnOnce() -> Option<Errno>,
    ) -> Result<(), Errno> {
        let (Some(removals), Some(path)) = (&self.removals, paths.first()) else { return Ok(()) };
        let calms = || removals.state().tally.calms();
        if removals.was_refused.load(Ordering::SeqCst)
            && let Some(reason) = self.questions.was_refused(call, path, calms())
        {
            return Err(self.refuse_bulk(call, path, Some(reason.unwrap_or_default())));
        }
        let Err((whose, who)) = removals.add(call.caller, paths, is_own) else { return Ok(()) };
        if let Some(errno) = fails() {
            return Err(errno);
        }
        let bulk = Bulk { whose, is_own };
        match self.questions.rule_bulk(call, self.listener(), path, bulk, calms()) {
            Ruling::Permitted => {
                removals.settle(whose, who);
                Ok(())
            }
            Ruling::Asked => Err(ASKED),
            Ruling::Unasked => Err(self.refuse_bulk(call, path, None)),
            Ruling::Forbidden(reason) => Err(self.refuse_bulk(call, path, Some(reason.unwrap_or_default()))),
        }
    }

    /// A name is there again.
    pub(super) fn is_back(&self, path: &Path) {
        if let Some(removals) = &self.removals {
            removals.back(path);
        }
    }

    /// A call made something of this name, which counts.
    pub(super) fn is_made(&self, call: &Call, path: &Path) {
        if let Some(removals) = &self.removals {
            removals.back(path);
            removals.made(call.caller);
        }
    }

    /// What a call was about to remove is still there.
    pub(super) fn is_left(&self, call: &Call, path: &Path, is_own: bool) {
        self.is_back(path);
        if let Some(removals) = self.removals.as_ref().filter(|_| is_own) {
            removals.made(call.caller);
        }
    }

    /// Somebody said no to a deed, or nobody said anything in time.
    pub(super) fn was_refused(&self, deed: &Deed) {
        if let (Some(removals), Some(bulk)) = (&self.removals, deed.bulk) {
            removals.was_refused.store(true, Ordering::SeqCst);
            removals.settle(bulk.whose, Who { process: deed.process, command: deed.command });
        }
    }

    /// Records that too much would be removed, and gives what the caller gets.
    pub(super) fn refuse_bulk(&self, call: &Call, path: &Path, said: Option<String>) -> Errno {
        let rule = self.removals.as_ref().map(Removals::rule);
        let hint = "a person has to agree to so many at once: run `stockade approve` in another terminal";
        self.refuse_by(call, (path, None), Verb::Remove, rule, said, || Some(hint.to_string()))
    }
}

impl Removals {
    /// What asks.
    pub(super) fn rule(&self) -> String {
        format!("approvals: {{bulk: {}}}", self.most)
    }

    /// Why it does.
    pub(super) fn why(&self, bulk: Bulk) -> String {
        let most = self.most;
        let what = match bulk.whose {
            Whose::Process => format!("this process has removed {most} things"),
            Whose::Command => format!("this command and its helpers have removed {most} things"),
            Whose::Session(_) => {
                "this session has removed many things, by one command after the other".into()
            }
        };
        format!("{what}, and each of them could go by itself; what the session made itself is not kept")
    }
}
