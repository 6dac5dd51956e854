//! `stockade review`: an author works, reviewers read, in rounds.
//!
//! Every turn is a `stockade run` of its own: its own process, jail and session.

mod changes;
mod people;
mod turns;

use std::fs;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use super::args::{JailArgs, ReviewArgs};
use super::error::CliError;
use super::sources::REPOSITORY_POLICY;
use super::{print, print_json, session, setup};
use crate::launch::facts::FileSystem;
use crate::policy::{Access, Policy, printable, shortened, visible};
use crate::review::{Finding, Outcome, Report, Round, Rounds, Step, Tree, make_dir, sarif, schema};
use crate::sys::process;
use changes::Changes;
use people::Person;
use turns::Turns;

/// The report that stays with the session's records.
const REPORT: &str = "report.json";
/// Reviews that are older are removed when a new one begins.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Runs the subcommand and gives the exit status.
pub(super) fn main(args: &ReviewArgs) -> Result<u8, CliError> {
    if args.schema {
        return print_json(&schema()).map(|()| 0);
    }
    let review = Review::prepare(args)?;
    let report = review.run()?;
    if args.json {
        print_json(&report)?;
    } else if args.sarif {
        print_json(&sarif(&report))?;
    } else if args.markdown {
        print(&report.markdown())?;
    } else {
        print(&report.text())?;
    }
    Ok(report.outcome.status())
}

/// A review that can begin.
struct Review<'a> {
    args: &'a ReviewArgs,
    /// The author's jail.
    jail: JailArgs,
    author: Option<Person>,
    reviewers: Vec<Person>,
    quorum: usize,
    /// How many reviewers the policy names.
    needed: usize,
    task: String,
    workspace: PathBuf,
    sessions_dir: PathBuf,
    /// What the author may do, which says what is scratch.
    policy: Policy,
    /// What a reviewer may read.
    readers: Policy,
    id: String,
    dir: PathBuf,
    /// Sessions whose work is reviewed.
    given: Vec<String>,
}

impl Review<'_> {
    fn prepare(args: &ReviewArgs) -> Result<Review<'_>, CliError> {
        let home = setup::home()?;
        let sessions_dir = setup::sessions_dir(&home);
        let given = sessions(args, &sessions_dir)?;
        let workspace = match given.first() {
            Some(id) => changes::workspace(&sessions_dir, id)?,
            None => setup::workspace_of(args.jail.workspace.as_deref())?,
        };
        let author = args.author.as_deref().map(Person::author).transpose()?;
        let jail = JailArgs { workspace: Some(workspace.clone()), ..copied(&args.jail) };
        let task = task(args)?;
        if task.trim().is_empty() && author.as_ref().is_some_and(|author| author.is_by_name) {
            return Err(CliError::NoTask);
        }
        let policy = setup::given_for(&jail, &[], &FileSystem)?.1;
        let mut needed = policy.settings.review.reviewers.clone();
        needed.dedup();
        // Those that the policy names come last.
        let named = args.reviewer.iter().filter(|command| !needed.contains(command));
        let reviewers =
            named.chain(&needed).map(|text| Person::reviewer(text)).collect::<Result<Vec<_>, _>>()?;
        if reviewers.is_empty() {
            return Err(CliError::NoReviewer);
        }
        let quorum = args.quorum.unwrap_or(reviewers.len());
        if quorum == 0 || quorum > reviewers.len() {
            return Err(CliError::Quorum(quorum, reviewers.len()));
        }
        if policy.access(&workspace) == Access::SCRATCH {
            return Err(CliError::ReviewOfScratch(workspace));
        }
        let readers = JailArgs {
            profile: Some("readonly".into()),
            workspace: Some(workspace.clone()),
            ..JailArgs::default()
        };
        let readers = setup::given_for(&readers, &[], &FileSystem)?.1;
        let id = super::run::session_id(jiff::Timestamp::now());
        let reviews = setup::reviews_dir(&home);
        remove_old(&reviews);
        let dir = reviews.join(&id);
        Ok(Review {
            jail,
            author,
            reviewers,
            quorum,
            needed: needed.len(),
            task,
            workspace,
            sessions_dir,
            policy,
            readers,
            id,
            dir,
            given,
            args,
        })
    }

    fn run(&self) -> Result<Report, CliError> {
        make_dir(&self.dir).map_err(|error| CliError::Review(self.dir.clone(), error))?;
        let started = jiff::Timestamp::now();
        let deadline = Instant::now() + self.args.timeout;
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            process::note(signal).map_err(|errno| CliError::Output(errno.into()))?;
        }
        let turns = Turns::new(self, deadline)?;
        let mut report = Report {
            schema: 1,
            id: self.id.clone(),
            started: started.to_string(),
            ended: String::new(),
            workspace: self.workspace.display().to_string(),
            outcome: Outcome::Stalled,
            why: String::new(),
            tree: None,
            sessions: self.given.clone(),
            changed: Vec::new(),
            withheld: Vec::new(),
            undo: None,
            undone: false,
            rounds: Vec::new(),
        };
        (report.outcome, report.why) = self.rounds(&turns, &mut report)?;
        turns.clean_up();
        let changes = Changes::of(&self.sessions_dir, &report.sessions, &self.readers)?;
        report.changed = changes.lines();
        report.withheld = changes.withheld;
        if !report.changed.is_empty() {
            report.undo = Some(format!("stockade undo {}", report.sessions.join(" ")));
        }
        if report.outcome != Outcome::Approved && self.args.undo_on_reject && report.undo.is_some() {
            report.undone = self.take_back(&report.sessions)?;
            report.undo.take_if(|_| report.undone);
        }
        report.ended = jiff::Timestamp::now().to_string();
        let path = self.dir.join(REPORT);
        let text = serde_json::to_vec_pretty(&report)?;
        fs::write(&path, text).map_err(|error| CliError::Review(path, error))?;
        Ok(report)
    }

    /// Goes on until it is over: how, and why.
    fn rounds(&self, turns: &Turns<'_>, report: &mut Report) -> Result<(Outcome, String), CliError> {
        let mut rounds = Rounds::new(self.args.rounds, self.quorum, self.needed, self.author.is_some());
        let mut tree = Tree::new(&self.workspace);
        let mut findings: Vec<Finding> = Vec::new();
        loop {
            let number = report.rounds.len() + 1;
            report.rounds.push(Round { author: None, tree: None, reviewers: Vec::new() });
            let round = &mut report.rounds[number - 1];
            if let Some(author) = &self.author {
                let turn = turns.author(author, number, &findings)?;
                report.sessions.extend(changes::is_there(&self.sessions_dir, &turn.session));
                let failure = turn.failure.clone();
                round.author = Some(turn);
                if let Some(why) = failure {
                    return Ok((Outcome::AuthorFailed, why));
                }
            }
            let changes = Changes::of(&self.sessions_dir, &report.sessions, &self.readers)?;
            if changes.lines().is_empty() {
                return Ok(match self.author {
                    Some(_) => (Outcome::AuthorFailed, "the author changed nothing".into()),
                    None => (Outcome::Stalled, "nothing is left of what the session changed".into()),
                });
            }
            if changes.paths.contains(&self.workspace.join(REPOSITORY_POLICY)) {
                let why = format!("it made {REPOSITORY_POLICY}, which says what reviewers may read");
                return Ok((Outcome::AuthorFailed, why));
            }
            let now = |tree: &mut Tree| {
                tree.hash(&self.policy, &changes.paths)
                    .map_err(|error| CliError::Review(self.workspace.clone(), error))
            };
            let hash = now(&mut tree)?;
            round.tree = Some(hash.clone());
            report.tree = Some(hash.clone());
            if let Some(Step::Over(outcome, why)) = rounds.authored(&hash) {
                return Ok((outcome, why));
            }
            round.reviewers = turns.reviewers(number, &findings, &changes, &hash)?;
            let after = Changes::of(&self.sessions_dir, &report.sessions, &self.readers)?;
            if now(&mut tree)? != hash || after.paths != changes.paths {
                return Ok((Outcome::ReviewerFailed, "the tree changed while it was reviewed".into()));
            }
            let verdicts: Vec<_> = round.reviewers.iter().map(|who| who.verdict.as_ref()).collect();
            match rounds.reviewed(&verdicts) {
                Step::Over(Outcome::ReviewerFailed, why) => {
                    let failures = round.reviewers.iter().filter_map(|who| who.turn.failure.clone());
                    let failures: Vec<String> = failures.collect();
                    let why = if failures.is_empty() { why } else { failures.join("; ") };
                    return Ok((Outcome::ReviewerFailed, why));
                }
                Step::Over(outcome, why) => return Ok((outcome, why)),
                Step::Author(wanted) => findings = wanted,
            }
        }
    }

    /// Takes the work back; whether all of it is.
    fn take_back(&self, sessions: &[String]) -> Result<bool, CliError> {
        let myself = std::env::current_exe().map_err(CliError::CurrentDirectory)?;
        let mut command = Command::new(myself);
        command.arg("undo").args(sessions).args(["--yes", "--on-conflict", "skip"]);
        let output = command.output().map_err(|error| CliError::Review(self.dir.clone(), error))?;
        if !output.status.success() {
            eprint!("{}", visible_lines(&output.stderr));
        }
        Ok(output.status.success())
    }

    /// Says how it goes, where somebody may look.
    fn say(&self, text: &str) {
        let time =
            jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%H:%M:%S");
        let prefix = if std::io::stderr().is_terminal() { format!("{time} ") } else { String::new() };
        eprintln!("stockade: {prefix}{}", visible(text));
    }
}

/// Lines of a program, with nothing in them that a terminal obeys.
fn visible_lines(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().map(|line| visible(line) + "\n").collect()
}

/// The sessions that are named.
fn sessions(args: &ReviewArgs, dir: &Path) -> Result<Vec<String>, CliError> {
    let known = session::journals(dir)?;
    let mut found: Vec<String> =
        args.sessions.iter().map(|text| session::find(text, &known).cloned()).collect::<Result<_, _>>()?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// What the author is to do.
fn task(args: &ReviewArgs) -> Result<String, CliError> {
    match &args.task {
        Some(path) if path.as_os_str() == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map(|_| text).map_err(|error| CliError::Review("-".into(), error))
        }
        Some(path) => fs::read_to_string(path).map_err(|error| CliError::Review(path.clone(), error)),
        None => Ok(String::new()),
    }
}

/// The same arguments.
fn copied(jail: &JailArgs) -> JailArgs {
    JailArgs {
        profile: jail.profile.clone(),
        workspace: jail.workspace.clone(),
        allow: jail.allow.clone(),
        static_mode: false,
        agent: jail.agent.clone(),
        agent_flags: jail.agent_flags,
        only_reads: false,
    }
}

/// Removes what reviews of long ago left. What cannot be removed now is tried again.
fn remove_old(reviews: &Path) {
    let now = SystemTime::now();
    for entry in fs::read_dir(reviews).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.map(|time| now.duration_since(time).unwrap_or_default());
        if age.is_ok_and(|age| age > KEPT) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A command as it is shown.
fn named(words: &str) -> String {
    shortened(&printable(Path::new(words)), 60)
}
