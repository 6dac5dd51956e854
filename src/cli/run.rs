//! `stockade run`: the jail itself.

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use super::args::RunArgs;
use super::care;
use super::channels::channels;
use super::error::CliError;
use super::setup::{self, Prepared};
use super::sources::Inferred;
use crate::audit::{Log, Session, Summary};
use crate::broker::Records;
use crate::launch::{self, Ended, LaunchError, Request};
use crate::policy::agent::Applied;
use crate::policy::plan::{Mode, Plan};
use crate::policy::{Access, Network, UnixSockets, size};
use crate::review::Assignment;
use crate::sys::socket::can_take_descriptors;
use crate::undo::{Keeper, Sparing, prune};

/// Runs the command in its jail and gives its exit status.
pub(super) fn main(mut args: RunArgs) -> Result<u8, CliError> {
    // Freed with the process, which ends right after the command.
    let assignment = args.assignment.as_deref().map(assignment).transpose()?;
    args.jail.only_reads = assignment.as_ref().is_some_and(Assignment::only_reads);
    let Prepared { plan, agent, command, level, notices } =
        setup::plan(&args.jail, &args.command, assignment.as_ref())?;
    let plan = ManuallyDrop::new(plan);
    let opening = opening(level, agent.as_ref());
    opening.iter().chain(&notices).for_each(|line| eprintln!("stockade: {line}"));
    let id = assignment.map(|assignment| assignment.session);
    Ok(session(&plan, &command, args.best_effort, id)?.0?.status)
}

/// The part in a review that a file says.
fn assignment(path: &Path) -> Result<Assignment, CliError> {
    let reviews = setup::reviews_dir(&setup::home()?);
    Assignment::read(path, &reviews).map_err(|error| CliError::Review(path.into(), error))
}

/// A session from its beginning to its end: how the command ended, and what was refused.
pub(super) fn session(
    plan: &Plan,
    command: &[OsString],
    best_effort: bool,
    id: Option<String>,
) -> Result<(Result<Ended, LaunchError>, Summary), CliError> {
    warn(plan);
    let records = records(plan, command, id)?;
    let ended = launch::run(Request { plan, argv: command, best_effort, records: records.clone() });
    let status = ended.as_ref().map_or_else(LaunchError::status, |ended| ended.status);
    records.log.close(status);
    let summary = records.log.summary();
    sum_up(&summary);
    let sessions = setup::sessions_dir(&plan.policy.places.home);
    match records.keeper.close(&sessions, &summary.session, status) {
        Ok(closed) => {
            tell_changes(&summary.session, closed.changed, plan);
            if records.keeper.has_begun() {
                make_room(&sessions, plan);
            }
        }
        Err(error) => eprintln!("stockade: the journal of what was changed cannot be closed: {error}"),
    }
    Ok((ended, summary))
}

/// The records of a new session, of which nothing is written yet.
pub(super) fn records(plan: &Plan, command: &[OsString], id: Option<String>) -> Result<Records, CliError> {
    let places = &plan.policy.places;
    let started = jiff::Timestamp::now();
    let session = Session {
        id: id.unwrap_or_else(|| session_id(started)),
        started,
        command: command.to_vec(),
        workspace: places.workspace.clone(),
    };
    let report = plan.report.as_ref().map(|report| report.path.clone());
    let sessions = setup::sessions_dir(&places.home);
    let limits = plan.policy.settings.undo;
    let policy = Arc::clone(&plan.policy);
    let may_lie = Box::new(move |path: &Path| policy.access(path) == Access::HIDDEN);
    Ok(Records {
        session: session.id.clone(),
        channels: channels(plan, &session.id)?,
        keeper: Arc::new(Keeper::new(&sessions, session.clone(), limits, may_lie)),
        log: Arc::new(Log::new(&sessions, session, report)),
    })
}

/// The one line with which a run begins: what was found out about it.
fn opening(level: Option<Inferred>, agent: Option<&Applied>) -> Option<String> {
    let level = level.map(|Inferred { level, reason }| match reason {
        Some(reason) => format!("{level}, because of {}", care::words(&reason)),
        None => format!("{level}, since nothing here calls for more"),
    });
    let agent = agent.map(|Applied { name, added, .. }| {
        let off = if added.is_empty() { "" } else { ", its own prompts off" };
        format!("agent {name}{off}")
    });
    let parts: Vec<String> = level.into_iter().chain(agent).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Says aloud what opens the jail wide.
fn warn(plan: &Plan) {
    if plan.policy.settings.unix_sockets == UnixSockets::Open {
        eprintln!(
            "stockade: unix_sockets: open lets the jail use every service of yours that has a socket, \
             such as docker and ssh-agent"
        );
    }
    let settings = &plan.policy.settings;
    if settings.network == Network::Loopback && plan.mode == Mode::Brokered && !can_take_descriptors() {
        eprintln!("stockade: network: loopback acts as none here, since pidfd_getfd is forbidden");
    }
    plan.notes.iter().for_each(|note| tracing::info!("{}", note.text));
}

/// Sorts by time to the millisecond, and cannot be met twice.
pub(super) fn session_id(started: jiff::Timestamp) -> String {
    let milliseconds = started.subsec_millisecond();
    format!("{}-{milliseconds:03x}{:04x}", started.strftime("%Y%m%d-%H%M%S"), setup::random() & 0xffff)
}

/// Removes what old sessions keep, as the profile says, and says so.
fn make_room(sessions: &Path, plan: &Plan) {
    let limits = plan.policy.settings.undo;
    match prune(sessions, Sparing::Within(limits), false) {
        Ok(pruned) if pruned.left > limits.max_size => eprintln!(
            "stockade: what sessions keep takes {}, more than `undo: {{max_size: …}}` allows; nothing of the \
             newest is removed by itself",
            size(pruned.left)
        ),
        Ok(pruned) if !pruned.sessions.is_empty() => eprintln!(
            "stockade: removed what {} old sessions kept for undo ({})",
            pruned.sessions.len(),
            size(pruned.bytes)
        ),
        Ok(_) => {}
        Err(error) => eprintln!("stockade: what old sessions keep cannot be removed: {error}"),
    }
}

/// One line about what was changed; silence where nothing was.
fn tell_changes(session: &str, changed: usize, plan: &Plan) {
    if changed == 0 {
        return;
    }
    let files = if changed == 1 { "1 file".into() } else { format!("{changed} files") };
    let rules = &plan.policy.settings.review;
    let review = match (rules.required, rules.reviewers.is_empty()) {
        (true, _) => format!("; it has to be reviewed: stockade review {session}"),
        (false, false) => format!("; review: stockade review {session}"),
        (false, true) => String::new(),
    };
    eprintln!(
        "stockade: changed {files}; see: stockade diff {session}; undo: stockade undo {session}{review}"
    );
}

/// One line about what the broker refused; silence where it refused nothing.
fn sum_up(summary: &Summary) {
    if let Some(line) = summary.line() {
        eprintln!("stockade: {line}");
    }
}
