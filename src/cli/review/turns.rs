//! The turns of a review: what is laid out for each, run, and read back.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::super::agent;
use super::super::args::AgentFlags;
use super::super::error::CliError;
use super::super::{run, setup};
use super::changes::Changes;
use super::people::Person;
use super::{Review, changes};
use crate::policy::recipe::{PROMPT, REVIEW};
use crate::policy::{Access, Policy, printable};
use crate::review::{
    Assignment, Finding, Job, Judgement, Limits, Material, Reviewed, Role, Turn, Verdict, Worked, of_file,
    of_output, prompt, work,
};
use crate::sys::process;

/// Bytes that a program may print in a turn.
const MOST_OUTPUT: u64 = 256 << 20;
/// Bytes of that which are kept.
const KEPT_OUTPUT: usize = 4 << 20;

/// Runs turns.
pub(super) struct Turns<'a> {
    review: &'a Review<'a>,
    deadline: Instant,
    myself: PathBuf,
    home: PathBuf,
    is_interrupted: AtomicBool,
}

impl<'a> Turns<'a> {
    pub(super) fn new(review: &'a Review<'a>, deadline: Instant) -> Result<Turns<'a>, CliError> {
        let myself = std::env::current_exe().map_err(CliError::CurrentDirectory)?;
        let home = setup::home()?;
        Ok(Turns { review, deadline, myself, home, is_interrupted: AtomicBool::new(false) })
    }

    /// The author's turn.
    pub(super) fn author(&self, who: &Person, round: usize, findings: &[Finding]) -> Result<Turn, CliError> {
        let review = self.review;
        review.say(&format!("round {round} of {}: author {}", review.args.rounds, who.name));
        let dir = self.dir(round, "author");
        let material = Material { task: &review.task, previous: findings, work: None };
        let asked = prompt::author(&review.task, findings);
        let laid_out = material.lay_out(&dir).and_then(|()| fs::write(dir.join("prompt.md"), &asked));
        laid_out.map_err(|error| CliError::Review(dir.clone(), error))?;
        let assignment = Assignment { session: new_id(), dir: dir.clone(), role: Role::Author };
        let input = if who.part.takes_prompt() { None } else { Some(dir.join("prompt.md")) };
        let words = who.part.words(round > 1, &fill(&asked, &dir.to_string_lossy()));
        let jail = self.author_jail();
        let worked = self.work(&assignment, &jail, &words, input)?;
        let turn = self.turn(who, &assignment, &worked, worked.failure());
        review.say(&match &turn.failure {
            Some(why) => format!("the author failed: {why}; see {}", turn.log),
            None => format!("the author is done after {:.1} s", turn.seconds),
        });
        Ok(turn)
    }

    /// The reviewers' turns, all at once.
    pub(super) fn reviewers(
        &self,
        round: usize,
        previous: &[Finding],
        changes: &Changes,
        tree: &str,
    ) -> Result<Vec<Reviewed>, CliError> {
        let people = &self.review.reviewers;
        let turn = |number: usize, who| self.reviewer(who, (round, number), previous, changes, tree);
        let turn = &turn;
        thread::scope(|scope| {
            let threads: Vec<_> =
                (1..).zip(people).map(|(number, who)| scope.spawn(move || turn(number, who))).collect();
            // A panic of the thread was printed when it happened.
            let lost = || CliError::Review(self.review.dir.clone(), io::Error::other("a reviewer was lost"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(lost()))).collect()
        })
    }

    fn reviewer(
        &self,
        who: &Person,
        (round, number): (usize, usize),
        previous: &[Finding],
        changes: &Changes,
        tree: &str,
    ) -> Result<Reviewed, CliError> {
        let review = self.review;
        review.say(&format!("round {round} of {}: reviewer {}", review.args.rounds, who.name));
        let dir = self.dir(round, &format!("reviewer-{number}"));
        let failed = |error| CliError::Review(dir.clone(), error);
        let work = Some((changes.patch.as_str(), &changes.refusals[..]));
        Material { task: &review.task, previous, work }.lay_out(&dir).map_err(failed)?;
        let name = dir.to_string_lossy();
        let asked = prompt::reviewer(tree, &name, changes.withheld.len());
        let words = who.part.words(false, &fill(&asked, &name));
        if let Some(doubt) = who.doubt(&words, &review.jail)? {
            return self.unheard(who, &dir, &format!("{doubt}, so the author could have put it there"));
        }
        if let Some(file) = words.iter().find_map(|word| changed(word, changes, &review.policy)) {
            let why =
                format!("the author changed {}, or could have, which would review it", printable(&file));
            return self.unheard(who, &dir, &why);
        }
        let home = who.home(&dir.with_extension("home"), &self.home).map_err(failed)?;
        let (set, unset) = who.environment();
        let role = Role::Reviewer { tree: tree.into(), home: home.clone(), set, unset };
        let assignment = Assignment { session: new_id(), dir: dir.clone(), role };
        let jail = ["--profile".into(), "readonly".into()];
        let worked = self.work(&assignment, &jail, &words, Some(dir.join("diff.patch")));
        if let Some(home) = &home {
            fs::remove_dir_all(home).map_err(failed)?;
        }
        let worked = worked?;
        let verdict = match worked.failure() {
            Some(why) => Err(why),
            None => of_file(&assignment.verdict(), tree)
                .unwrap_or_else(|| of_output(&worked.output, tree))
                .map_err(|fault| fault.to_string()),
        };
        let turn = self.turn(who, &assignment, &worked, verdict.as_ref().err().cloned());
        self.tell(&turn, verdict.as_ref().ok());
        Ok(Reviewed { turn, verdict: verdict.ok() })
    }

    /// The turn of a reviewer that is not run.
    fn unheard(&self, who: &Person, dir: &Path, why: &str) -> Result<Reviewed, CliError> {
        let log = log_of(dir);
        fs::write(&log, format!("{why}\n")).map_err(|error| CliError::Review(dir.into(), error))?;
        let turn = Turn {
            name: who.name.clone(),
            session: new_id(),
            status: None,
            seconds: 0.0,
            log: log.display().to_string(),
            failure: Some(why.into()),
        };
        self.tell(&turn, None);
        Ok(Reviewed { turn, verdict: None })
    }

    fn tell(&self, turn: &Turn, verdict: Option<&Verdict>) {
        let review = self.review;
        let Some(verdict) = verdict else {
            let why = turn.failure.as_deref().unwrap_or_default();
            return review.say(&format!("reviewer {} failed: {why}; see {}", turn.name, turn.log));
        };
        let said = match verdict.verdict {
            Judgement::Approve => "approves".to_string(),
            Judgement::Changes => match verdict.findings.len() {
                1 => "wants changes: 1 finding".into(),
                count => format!("wants changes: {count} findings"),
            },
        };
        review.say(&format!("reviewer {} {said}, after {:.1} s", turn.name, turn.seconds));
        verdict.findings.iter().for_each(|finding| review.say(&format!("  {finding}")));
    }

    /// Runs a command in its jail, which is a process of its own.
    fn work(
        &self,
        assignment: &Assignment,
        jail: &[std::ffi::OsString],
        words: &[String],
        input: Option<PathBuf>,
    ) -> Result<Worked, CliError> {
        let failed = |error| CliError::Review(assignment.dir.clone(), error);
        let file = assignment.dir.with_extension("assignment.json");
        fs::write(&file, serde_json::to_vec(assignment)?).map_err(failed)?;
        let mut command = Command::new(&self.myself);
        command.arg("run").arg("--assignment").arg(&file).args(jail);
        command.arg("--workspace").arg(&self.review.workspace).arg("--").args(words);
        let log = log_of(&assignment.dir);
        let limits = Limits {
            deadline: self.deadline.min(Instant::now() + self.review.args.turn_timeout),
            output: MOST_OUTPUT,
            kept: KEPT_OUTPUT,
        };
        work(Job { command, input, log }, limits, &|| self.is_over()).map_err(failed)
    }

    /// Whether somebody wants it to end.
    fn is_over(&self) -> bool {
        let came = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().any(process::has_come);
        self.is_interrupted.fetch_or(came, Ordering::SeqCst) || came
    }

    fn turn(&self, who: &Person, assignment: &Assignment, worked: &Worked, failure: Option<String>) -> Turn {
        Turn {
            name: who.name.clone(),
            session: assignment.session.clone(),
            status: worked.status.code(),
            seconds: worked.took.as_secs_f64(),
            log: log_of(&assignment.dir).display().to_string(),
            failure,
        }
    }

    fn author_jail(&self) -> Vec<std::ffi::OsString> {
        let args = &self.review.args.jail;
        let mut words: Vec<std::ffi::OsString> = Vec::new();
        for (flag, value) in [("--profile", &args.profile), ("--agent", &args.agent)] {
            if let Some(value) = value {
                words.extend([flag.into(), value.into()]);
            }
        }
        for rule in &args.allow {
            words.extend(["--allow".into(), rule.clone()]);
        }
        if args.agent_flags == AgentFlags::Keep {
            words.extend(["--agent-flags".into(), "keep".into()]);
        }
        words
    }

    fn dir(&self, round: usize, name: &str) -> PathBuf {
        self.review.dir.join(format!("round-{round}")).join(name)
    }

    /// Removes what only running turns need.
    pub(super) fn clean_up(&self) {
        changes::remove_files(&self.review.dir, "assignment.json");
    }
}

/// The file that a word of a reviewer's command names, if it is what the author made of it.
fn changed(word: &str, changes: &Changes, author: &Policy) -> Option<PathBuf> {
    let named = agent::find(OsStr::new(word), std::env::var_os("PATH").as_deref())?;
    let named = std::path::absolute(named).ok()?;
    let is_own = |path: &Path| {
        author.access(path) == Access::SCRATCH || path.ancestors().any(|path| changes.paths.contains(path))
    };
    agent::hops(&named).into_iter().find(|hop| is_own(hop))
}

fn new_id() -> String {
    run::session_id(jiff::Timestamp::now())
}

fn log_of(dir: &Path) -> PathBuf {
    dir.with_extension("log")
}

fn fill<'a>(asked: &'a str, dir: &'a str) -> [(&'static str, &'a str); 2] {
    [(PROMPT, asked), (REVIEW, dir)]
}
