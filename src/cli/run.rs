//! `stockade run`: the jail itself.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use super::args::RunArgs;
use super::error::CliError;
use super::setup;
use crate::audit::{Log, Summary};
use crate::launch::{self, Request};
use crate::policy::plan::{Mode, Plan};
use crate::policy::{Network, UnixSockets};
use crate::sys::socket::can_take_descriptors;

/// Runs the command in its jail and gives its exit status.
pub(super) fn main(args: &RunArgs) -> Result<u8, CliError> {
    // Freed with the process, which ends right after the command.
    let plan = ManuallyDrop::new(setup::plan(&args.jail)?);
    warn(&plan);
    let session = session_id();
    let directory = setup::state_dir(&plan.policy.places.home).join("sessions").join(&session);
    let log = Arc::new(Log::new(directory, session));
    let request =
        Request { plan: &plan, argv: &args.command, best_effort: args.best_effort, log: Arc::clone(&log) };
    let ended = launch::run(request)?;
    sum_up(&log.summary());
    Ok(ended.status)
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

/// Sorts by time, and cannot be met twice.
fn session_id() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S");
    format!("{now}-{:06x}", setup::random() & 0xff_ffff)
}

/// One line about what the broker refused; silence where it refused nothing.
fn sum_up(summary: &Summary) {
    if let Some(line) = summary.line() {
        eprintln!("stockade: {line}");
    }
}
