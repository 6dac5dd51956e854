//! May it happen? By the policy, by what the session itself made, and by what
//! Landlock grants anyway. Refusals are recorded here.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nix::unistd::Pid;

use super::Call;
use super::aside::Aside;
use super::ask::{ASKED, Questions, Ruling};
use super::bulk::Removals;
use super::grants::Grants;
use super::index_lock::IndexLocks;
use super::own::Own;
use crate::audit::{Event, Log, Verdict};
use crate::landlock::rights::TRUNCATE;
use crate::policy::plan::{Plan, Rights};
use crate::policy::{Access, Decision, Effect, Policy, Verb, Walk, hint, printable, visible};
use crate::sys::Errno;
use crate::sys::file::Stat;
use crate::sys::seccomp::Listener;

/// Decides.
#[derive(Debug)]
pub(super) struct Judge {
    /// The rules.
    pub(super) policy: Arc<Policy>,
    /// What Landlock grants.
    pub(super) grants: Grants,
    /// What the session made.
    pub(super) own: Own,
    /// What was there before and has another name for now.
    pub(super) aside: Aside,
    /// Who holds the index of a repository.
    pub(super) index_locks: IndexLocks,
    /// What a person is asked.
    pub(super) questions: Questions,
    /// What was removed, where many removals are to be asked about.
    pub(super) removals: Option<Removals>,
    listener: Arc<Listener>,
    log: Arc<Log>,
    /// Read while a decision is made and acted upon, written while a directory
    /// gets another name: the paths behind pinned directories stay what they are.
    tree: RwLock<()>,
    /// Whether Landlock governs truncation.
    governs_truncation: bool,
}

impl Judge {
    pub(super) fn new(
        plan: &Plan,
        abi: u32,
        log: Arc<Log>,
        listener: Arc<Listener>,
        questions: Questions,
        main: Pid,
    ) -> Judge {
        let bulk = plan.policy.settings.approvals.bulk;
        Judge {
            removals: bulk.map(|most| Removals::new(most, main)),
            policy: Arc::clone(&plan.policy),
            grants: Grants::new(plan),
            own: Own::default(),
            aside: Aside::default(),
            index_locks: IndexLocks::default(),
            questions,
            listener,
            log,
            tree: RwLock::default(),
            governs_truncation: abi >= TRUNCATE,
        }
    }

    /// Where calls come from.
    pub(super) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// While this is held no directory gets another name through the broker.
    pub(super) fn hold_tree(&self) -> RwLockReadGuard<'_, ()> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// While this is held nothing else is decided.
    pub(super) fn hold_everything(&self) -> RwLockWriteGuard<'_, ()> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What Landlock lets happen at a path.
    pub(super) fn native(&self, path: &Path) -> Rights {
        self.grants.at(path)
    }

    /// Whether the kernel's rules say all there is to say about truncation.
    pub(super) fn governs_truncation(&self) -> bool {
        self.governs_truncation
    }

    /// The access to a path, for something that the session made or did not.
    pub(super) fn access(&self, path: &Path, stat: Option<&Stat>) -> Access {
        self.with_own(self.policy.access(path), stat)
    }

    /// What an access is for a certain file.
    pub(super) fn with_own(&self, access: Access, stat: Option<&Stat>) -> Access {
        if stat.is_some_and(|stat| self.own.has(stat)) { access.of_own_things() } else { access }
    }

    /// What comes out of scratch becomes the session's own: it could be changed
    /// freely there. A file with other names might have one elsewhere.
    pub(super) fn adopt(&self, stat: &Stat) {
        if stat.links == 1 || stat.is(libc::S_IFDIR) {
            self.own.add(stat);
        }
    }

    /// Whether a verb may meet a path. `stat` is what is there, if it matters
    /// whether the session made it. A refusal is recorded.
    pub(super) fn check(
        &self,
        call: &Call,
        path: &Path,
        verb: Verb,
        stat: Option<&Stat>,
    ) -> Result<(), Errno> {
        if self.allows(path, verb, stat) {
            return Ok(());
        }
        let effect = self.access(path, stat).effect(verb);
        self.ask(call, (path, None), verb, effect, &self.policy.decide(path, verb))
    }

    /// What becomes of what an effect does not let happen by itself: a person may
    /// have to be asked (`ASKED`), or has been, or it is refused.
    pub(super) fn ask(
        &self,
        call: &Call,
        (path, to): (&Path, Option<&Path>),
        verb: Verb,
        effect: Effect,
        decision: &Decision,
    ) -> Result<(), Errno> {
        let ruling = match effect {
            Effect::Ask => self.questions.rule(call, &self.listener, verb, path),
            _ => Ruling::Unasked,
        };
        match ruling {
            Ruling::Permitted => Ok(()),
            Ruling::Asked => Err(ASKED),
            Ruling::Unasked => Err(self.refuse(call, path, to, verb, decision)),
            Ruling::Forbidden(reason) => {
                Err(self.refuse_for(call, (path, to), verb, decision, Some(reason.unwrap_or_default())))
            }
        }
    }

    /// The same without a record.
    pub(super) fn allows(&self, path: &Path, verb: Verb, stat: Option<&Stat>) -> bool {
        self.allows_at(&self.policy.walk(path), verb, stat)
    }

    /// The same for the path at which a walk stands.
    pub(super) fn allows_at(&self, walk: &Walk<'_>, verb: Verb, stat: Option<&Stat>) -> bool {
        // What the session made is asked about last, since most is decided without.
        self.permits(walk.decide(verb).effect)
            || (stat.is_some() && self.permits(self.with_own(walk.access(), stat).effect(verb)))
    }

    /// Whether an effect lets it happen by itself.
    pub(super) fn permits(&self, effect: Effect) -> bool {
        effect <= Effect::Keep
    }

    /// Records a refusal, and gives what the caller gets.
    pub(super) fn refuse(
        &self,
        call: &Call,
        path: &Path,
        to: Option<&Path>,
        verb: Verb,
        decision: &Decision,
    ) -> Errno {
        self.refuse_for(call, (path, to), verb, decision, None)
    }

    /// The same where a person said no: the reason, empty if there was none.
    pub(super) fn refuse_for(
        &self,
        call: &Call,
        (path, to): (&Path, Option<&Path>),
        verb: Verb,
        decision: &Decision,
        said: Option<String>,
    ) -> Errno {
        let rule = decision.rule.map(|id| self.policy.rule(id).to_string());
        self.refuse_by(call, (path, to), verb, rule, said, || hint::hint(&self.policy, path, verb))
    }

    /// The same for whatever it is that refuses.
    pub(super) fn refuse_by(
        &self,
        call: &Call,
        (path, to): (&Path, Option<&Path>),
        verb: Verb,
        rule: Option<String>,
        said: Option<String>,
        hint: impl FnOnce() -> Option<String>,
    ) -> Errno {
        let said = said.map(|reason| match reason.as_str() {
            "" => "a person said no".to_string(),
            reason => format!("a person said no: {}", visible(reason)),
        });
        self.log.record(&Event {
            verb: Some(verb.name()),
            to: to.map(printable),
            rule,
            hint: said.or_else(hint),
            ..event(call, printable(path), Verdict::Refused)
        });
        Errno::EACCES
    }

    /// Records that something may happen and does not, since what would be lost
    /// cannot be saved, and gives what the caller gets.
    pub(super) fn unsaved(&self, call: &Call, path: &Path, errno: Errno) -> Errno {
        let hint = match errno {
            Errno::EDQUOT => "the session keeps as much as `undo: {max_size: …}` allows",
            Errno::ENOSPC => "free some space, or lower `undo: {min_free: …}`",
            _ => "see what became of the directory in which Stockade keeps sessions",
        };
        let why = format!("cannot be saved for undo: {}", errno.desc());
        self.log.record(&Event {
            rule: Some(why),
            hint: Some(hint.into()),
            ..event(call, printable(path), Verdict::Unsaved)
        });
        errno
    }

    /// Records that a setting does not let an address be used, and gives what
    /// the caller gets.
    pub(super) fn refuse_address(&self, call: &Call, address: String, setting: &str, errno: Errno) -> Errno {
        self.log.record(&Event { rule: Some(setting.into()), ..event(call, address, Verdict::Refused) });
        errno
    }

    /// Records that a call could not be decided about, and gives what the caller gets.
    pub(super) fn undecided(&self, call: &Call, what: &str) -> Errno {
        self.log.record(&event(call, printable(Path::new(what)), Verdict::Undecided));
        Errno::EACCES
    }
}

/// What is known of every refusal.
fn event(call: &Call, path: String, verdict: Verdict) -> Event {
    let Call { caller, name, .. } = *call;
    Event {
        pid: caller.as_raw(),
        command: command(caller),
        call: name,
        verb: None,
        path,
        to: None,
        verdict,
        rule: None,
        hint: None,
    }
}

/// What the caller calls itself; empty where it is gone.
fn command(caller: Pid) -> String {
    let name = std::fs::read(format!("/proc/{caller}/comm")).unwrap_or_default();
    name.trim_ascii_end().escape_ascii().to_string()
}
