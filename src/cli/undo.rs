//! `stockade undo`: what a session did is taken back.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use super::args::{OnConflict, UndoArgs};
use super::ask::{answer, ask};
use super::error::CliError;
use super::session::{chosen, opened};
use super::{print, setup};
use crate::audit::Session;
use crate::policy::visible;
use crate::undo::{
    Act, Back, Conflict, Item, Keeper, Ledger, Opened, Outcome, Plan, Resolution, Selection, Undo, UndoError,
};

/// Something was left as it is.
const INCOMPLETE: u8 = 1;
/// How many changes a preview lists, unless it is all that was asked for.
const MOST_SHOWN: usize = 40;
/// An undo that takes longer than this shows how far it is.
const QUIET: Duration = Duration::from_millis(500);

/// Runs the subcommand and gives the exit status.
pub(super) fn main(args: &UndoArgs) -> Result<u8, CliError> {
    let home = setup::home()?;
    let sessions = setup::sessions_dir(&home);
    let (ids, paths) = chosen(&sessions, &args.what)?;
    if args.command.is_some() && ids.len() > 1 {
        return Err(CliError::CommandOfMany);
    }
    let id = ids.join(" ");
    let failed = |error| CliError::Undo(id.clone(), error);
    let chain = opened(&sessions, &ids)?;
    if chain.is_running() {
        return Err(failed(UndoError::Running));
    }
    let ledger = chain.ledger();
    if ids.len() > 1
        && let Some(undone) = chain.undone(&sessions)
    {
        return Err(CliError::UndoneAlready(undone.into()));
    }
    if ids.len() > 1
        && let Some(path) = chain.disturbed()
    {
        return Err(CliError::ChangedBetween(path));
    }
    let selection = Selection { paths, command: args.command };
    let is_whole = selection.paths.is_empty() && selection.command.is_none();
    let back = Back::of(&sessions, &ledger).map_err(|error| failed(UndoError::Journal(id.clone(), error)))?;
    let look =
        |opened: &Opened| Plan::new(&ledger, &selection, &back, opened).map_err(|errno| failed(errno.into()));
    let mut plan = look(&Opened::default())?;
    let base = ledger.session.workspace.clone();
    if plan.items.is_empty() {
        eprintln!("stockade: nothing is left to undo in session {id}");
        return Ok(0);
    }
    print(&preview(&id, &ledger, &plan, &base, args.dry_run))?;
    if args.dry_run {
        return Ok(0);
    }
    if !args.yes && !ask(&format!("Undo {}?", things(plan.count())))? {
        return Ok(INCOMPLETE);
    }
    let own = new_session(&ids, &base);
    let last = ids.last().map_or("", String::as_str);
    let keeper = Keeper::of_undo(&sessions, own.clone(), last);
    keeper.follow(nix::unistd::getpid());
    let objects = chain.objects(&sessions);
    let undo = Undo::new(&keeper, &objects, last);
    if plan.is_partly_hidden() {
        plan = look(&undo.open_closed(&plan))?;
    }
    let mut resolver = Resolver { how: args.on_conflict(), base: &base, failed: None };
    let mut bar = Bar::new(plan.items.len());
    let outcome = undo.run(plan, |item| resolver.resolve(item), |done| bar.show(done));
    bar.clear();
    if keeper.has_begun() {
        let record = |error| CliError::Record(keeper.journal_path().to_path_buf(), error);
        keeper.close(&sessions, &own.id, 0).map_err(record)?;
        let is_whole = is_whole && outcome.is_complete();
        for id in &ids {
            if let Err(error) = Keeper::mark_undone(&sessions, id, &own.id, is_whole) {
                eprintln!("stockade: the journal of session {id} cannot be told of this undo: {error}");
            }
        }
    }
    resolver.failed.map_or(Ok(()), Err)?;
    summary(&outcome, &base, keeper.has_begun().then_some(own.id.as_str()))
}

fn new_session(undone: &[String], workspace: &Path) -> Session {
    let started = jiff::Timestamp::now();
    let command = ["stockade", "undo"].into_iter().chain(undone.iter().map(String::as_str));
    let command = command.map(Into::into).collect();
    Session { id: super::run::session_id(started), started, command, workspace: workspace.to_path_buf() }
}

fn things(count: usize) -> String {
    if count == 1 { "1 change".into() } else { format!("{count} changes") }
}

/// What an undo is going to do, as a person reads it.
fn preview(id: &str, ledger: &Ledger, plan: &Plan, base: &Path, is_whole: bool) -> String {
    let command: Vec<String> =
        ledger.session.command.iter().map(|word| visible(&word.to_string_lossy())).collect();
    let mut text = format!("session {id}: {}\n", command.join(" "));
    let told: Vec<&Item> = plan.items.iter().filter(|item| item.is_told()).collect();
    let shown = if is_whole { told.len() } else { told.len().min(MOST_SHOWN) };
    for item in &told[..shown] {
        let path = shown_path(&item.path, base);
        let line = match (item.act, &item.now) {
            (Act::Remove, _) => format!("remove    {path}"),
            (Act::BringBack, _) => format!("restore   {path}"),
            (Act::MoveBack, Some(now)) if *now != item.path => {
                format!("move back {path} (now {})", shown_path(now, base))
            }
            (Act::MoveBack | Act::Rewrite, _) => format!("rewrite   {path}"),
            (Act::Metadata, _) => format!("metadata  {path}"),
        };
        let hidden = item.is_hidden.then_some("in a directory that is closed");
        let but = item.conflict.map(reason).or(hidden).map(|why| format!(": {why}"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {line}{}", but.unwrap_or_default());
    }
    if shown < told.len() {
        let _ = writeln!(text, "  … and {} more (--dry-run lists all)", told.len() - shown);
    }
    text
}

fn reason(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Changed => "changed since the session",
        Conflict::Missing => "removed or moved since the session",
        Conflict::Occupied => "something else is there now",
        Conflict::Shared => "other commands of the session changed it as well",
    }
}

fn shown_path(path: &Path, base: &Path) -> String {
    if path == base {
        return ".".into();
    }
    visible(&path.strip_prefix(base).unwrap_or(path).to_string_lossy())
}

/// Decides what becomes of conflicts.
struct Resolver<'a> {
    how: OnConflict,
    base: &'a Path,
    failed: Option<CliError>,
}

impl Resolver<'_> {
    fn resolve(&mut self, item: &Item) -> Resolution {
        match self.how {
            OnConflict::Skip => Resolution::Skip,
            OnConflict::Theirs => Resolution::Overwrite,
            OnConflict::Copy => Resolution::Copy,
            OnConflict::Ask => match self.ask(item) {
                Ok(resolution) => resolution,
                Err(error) => {
                    // Nobody can be asked any more, so nothing is overwritten.
                    self.failed = Some(error);
                    self.how = OnConflict::Skip;
                    Resolution::Skip
                }
            },
        }
    }

    fn ask(&mut self, item: &Item) -> Result<Resolution, CliError> {
        let path = shown_path(&item.path, self.base);
        let why = item.conflict.map_or("", reason);
        loop {
            let question =
                format!("{path}: {why}. [s]kip, [o]verwrite, put the old version beside it as a [c]opy? ");
            match answer(&question)?.as_str() {
                "s" | "skip" | "" => return Ok(Resolution::Skip),
                "o" | "overwrite" => return Ok(Resolution::Overwrite),
                "c" | "copy" => return Ok(Resolution::Copy),
                _ => {}
            }
        }
    }
}

/// How far a long undo is, on a terminal.
struct Bar {
    all: usize,
    since: Instant,
    shown: Instant,
    is_shown: bool,
}

impl Bar {
    fn new(all: usize) -> Bar {
        Bar { all, since: Instant::now(), shown: Instant::now(), is_shown: false }
    }

    fn show(&mut self, done: usize) {
        const WIDTH: usize = 30;
        let is_time = self.since.elapsed() > QUIET && self.shown.elapsed() > Duration::from_millis(100);
        if !is_time || !std::io::stderr().is_terminal() {
            return;
        }
        let full = (done * WIDTH / self.all.max(1)).min(WIDTH);
        eprint!("\r[{}{}] {done} of {}", "#".repeat(full), " ".repeat(WIDTH - full), self.all);
        self.shown = Instant::now();
        self.is_shown = true;
    }

    fn clear(&mut self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// What was done and what was not.
fn summary(outcome: &Outcome, base: &Path, own: Option<&str>) -> Result<u8, CliError> {
    for path in &outcome.copies {
        print(&format!("the old version is in {}\n", shown_path(path, base)))?;
    }
    for (path, conflict) in &outcome.skipped {
        eprintln!("stockade: left alone: {}: {}", shown_path(path, base), reason(*conflict));
    }
    for (path, error) in &outcome.failed {
        eprintln!("stockade: not undone: {}: {error}", shown_path(path, base));
    }
    let again = own.map(|id| format!("; to take that back: stockade undo {id}")).unwrap_or_default();
    print(&format!("undone: {}{again}\n", things(outcome.undone)))?;
    Ok(if outcome.is_complete() { 0 } else { INCOMPLETE })
}

impl UndoArgs {
    /// What to do about conflicts: a person is asked where there is one.
    fn on_conflict(&self) -> OnConflict {
        let is_asked = !self.yes && std::io::stdin().is_terminal();
        match self.on_conflict {
            Some(OnConflict::Ask) | None if is_asked => OnConflict::Ask,
            Some(OnConflict::Ask) | None => OnConflict::Skip,
            Some(how) => how,
        }
    }
}
