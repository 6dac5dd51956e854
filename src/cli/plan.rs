//! `stockade plan`: what a run would be allowed to do, and who enforces it.

use super::args::PlanArgs;
use super::error::CliError;
use super::{print, print_json, setup};
use crate::launch::facts::FileSystem;
use crate::policy::explain;

/// Prints the plan.
pub(super) fn main(args: &PlanArgs) -> Result<(), CliError> {
    let plan = setup::plan(&args.jail)?;
    if args.json {
        print_json(&explain::plan_json(&plan, &FileSystem))
    } else {
        print(&explain::plan_text(&plan, &FileSystem))
    }
}
