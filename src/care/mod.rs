//! How much care a repository deserves, and why: a level, from what is found in it.
//!
//! Looking and judging are apart. `walk`, `repository`, `work` and `read` look, within
//! a [`Budget`] and without following links; the other files are pure: `files` says which
//! files are worth a look by their names, `secrets`, `infra` and `owners` what contents
//! mean, `config`, `index` and `ignore` read what git wrote.
//!
//! A repository is hostile until shown otherwise, so git is never run (its settings
//! could run programs), and what does not fit the budget is left out and said so.

mod config;
mod files;
mod ignore;
mod index;
mod infra;
mod owners;
mod read;
mod repository;
mod secrets;
mod walk;
mod work;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::policy::{CareRules, Level, visible};
use repository::Repository;

/// How many reasons of one weight are kept; the rest would tell nothing new.
const MOST_ALIKE: usize = 20;

/// What a repository deserves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    /// The level, at least standard: nothing found is no sign that little is needed.
    pub level: Level,
    /// Why: the highest level first, then what weighs most.
    pub reasons: Vec<Reason>,
    /// Whether everything was looked at: not so where the budget ran out, or where
    /// something could not be read.
    pub is_complete: bool,
    /// How many entries of directories were looked at.
    pub looked_at: usize,
}

impl Care {
    /// The level where a person's own default is another: a reason raises it, and
    /// nothing lowers it.
    #[must_use]
    pub fn above(&self, default: Level) -> Level {
        self.reasons.first().map_or(default, |reason| reason.level.max(default))
    }
}

/// One reason for a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The level that it calls for.
    pub level: Level,
    /// What was found, as words that may follow "because of". Nothing of what files
    /// say but names of teams and settings of the machine's policy, escaped.
    pub what: String,
    /// Where, from the workspace. Names are as they are: escape them to print them.
    pub path: Option<PathBuf>,
    weight: Weight,
}

/// What weighs more comes first among reasons of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Policy,
    State,
    Key,
    Credentials,
    Environment,
    Production,
    Embargo,
    Owners,
    Work,
}

impl Reason {
    fn strict(weight: Weight, what: impl Into<String>, path: impl Into<PathBuf>) -> Reason {
        Reason { level: Level::Strict, what: what.into(), path: Some(path.into()), weight }
    }

    fn of_work(what: impl Into<String>) -> Reason {
        Reason { level: Level::Standard, what: what.into(), path: None, weight: Weight::Work }
    }
}

/// How much may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Entries of directories. No directory gets more than a quarter of them.
    pub entries: usize,
    /// Files whose content is read, but for those of git.
    pub reads: usize,
    /// Time.
    pub time: Duration,
}

impl Budget {
    /// For the start of every run.
    pub const RUN: Budget = Budget { entries: 20_000, reads: 500, time: Duration::from_millis(8) };
    /// For who asks.
    pub const COMMAND: Budget = Budget { entries: 2_000_000, reads: 20_000, time: Duration::from_secs(2) };
}

/// What is still to be spent.
#[derive(Debug)]
struct Purse {
    entries: usize,
    reads: usize,
    per_directory: usize,
    until: Option<Instant>,
    is_enough: bool,
}

impl Purse {
    fn new(budget: Budget) -> Purse {
        Purse {
            entries: budget.entries,
            reads: budget.reads,
            per_directory: (budget.entries / 4).max(1),
            // None: longer than there will be a clock.
            until: Instant::now().checked_add(budget.time),
            is_enough: true,
        }
    }

    /// Whether there is time; notes it where there is none.
    fn has_time(&mut self) -> bool {
        let has = self.until.is_none_or(|until| Instant::now() < until);
        self.is_enough &= has;
        has
    }

    /// Takes one of a count; notes it where there is none.
    fn take_read(&mut self) -> bool {
        let has = self.reads > 0 && self.has_time();
        self.reads = self.reads.saturating_sub(1);
        self.is_enough &= has;
        has
    }
}

/// Looks at a workspace, which must be a real path, and says what it deserves by what
/// is in it and by `rules`, which come from the machine's policy and the user. In `home`
/// lie git's own settings, which say what remotes are short for.
pub fn look(workspace: &Path, home: &Path, rules: &CareRules, budget: Budget) -> Care {
    let mut purse = Purse::new(budget);
    let repository = Repository::around(workspace, home, budget);
    let mut reasons = by_policy(workspace, repository.as_ref(), rules);
    let found = walk::walk(workspace, repository.as_ref(), &mut purse);
    reasons.extend(found.reasons);
    let work = work::judge(repository.as_ref(), &found.work, &mut purse);
    reasons.extend(work);
    let is_complete = purse.is_enough && repository.is_none_or(|repository| repository.is_whole);
    sort(&mut reasons);
    let level = reasons.first().map_or(Level::Standard, |reason| reason.level);
    Care { level, reasons, is_complete, looked_at: budget.entries - purse.entries }
}

/// What the machine and the user say about the place.
fn by_policy(workspace: &Path, repository: Option<&Repository>, rules: &CareRules) -> Vec<Reason> {
    let reason = |level, what: String| Reason { level, what, path: None, weight: Weight::Policy };
    let words = |why: &str, origin: &dyn std::fmt::Display| match why {
        "" => visible(&format!("({origin})")),
        why => visible(&format!("({origin}): {why}")),
    };
    let by_path = rules
        .for_path(workspace)
        .map(|rule| reason(rule.level, format!("the rule for its path {}", words(&rule.why, &rule.origin))));
    let mut reasons: Vec<Reason> = by_path.collect();
    for url in repository.into_iter().flat_map(|repository| &repository.remotes) {
        let named = rules.for_remote(url);
        reasons.extend(named.map(|(rule, text)| {
            let what = format!("the rule for remotes `{}` {}", visible(text), words(&rule.why, &rule.origin));
            reason(rule.level, what)
        }));
    }
    reasons
}

/// Sorts them, leaves out those that are there twice, and most of very many alike.
fn sort(reasons: &mut Vec<Reason>) {
    let depth = |reason: &Reason| reason.path.as_ref().map_or(0, |path| path.components().count());
    reasons.sort_by(|a, b| {
        let head = |reason: &Reason| (std::cmp::Reverse(reason.level), reason.weight, depth(reason));
        head(a).cmp(&head(b)).then_with(|| a.path.cmp(&b.path)).then_with(|| a.what.cmp(&b.what))
    });
    reasons.dedup();
    let mut counts: BTreeMap<Weight, usize> = BTreeMap::new();
    reasons.retain(|reason| {
        let count = counts.entry(reason.weight).or_default();
        *count += 1;
        *count <= MOST_ALIKE
    });
}
