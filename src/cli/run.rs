//! `stockade run`: the jail itself.

use std::sync::Arc;

use super::args::RunArgs;
use super::error::CliError;
use super::setup;
use crate::audit::{Log, Summary};
use crate::launch::{self, Request};

/// Runs the command in its jail and gives its exit status.
pub(super) fn main(args: &RunArgs) -> Result<u8, CliError> {
    let plan = setup::plan(&args.jail)?;
    let session = session_id();
    let directory = setup::state_dir(&plan.policy.places.home).join("sessions").join(&session);
    let log = Arc::new(Log::new(directory, session));
    let request =
        Request { plan: &plan, argv: &args.command, best_effort: args.best_effort, log: Arc::clone(&log) };
    let ended = launch::run(request)?;
    sum_up(&log.summary());
    Ok(ended.status)
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
