//! `stockade plan`: what a run would be allowed to do, and who enforces it.

use serde::Serialize;

use super::args::PlanArgs;
use super::error::CliError;
use super::setup::{self, Prepared};
use super::{print, print_json};
use crate::launch::facts::FileSystem;
use crate::policy::agent::Applied;
use crate::policy::explain::{self, PlanDocument};

/// A plan as JSON, with the agent if there is one.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Applied>,
    #[serde(flatten)]
    plan: PlanDocument<'a>,
}

/// Prints the plan.
pub(super) fn main(args: &PlanArgs) -> Result<(), CliError> {
    let Prepared { plan, agent, .. } = setup::plan(&args.jail, &args.command, None)?;
    if args.json {
        return print_json(&Document { agent, plan: explain::plan_json(&plan, &FileSystem) });
    }
    if let Some(Applied { profile, added, .. }) = agent {
        print(&format!("agent      {profile}\n"))?;
        if !added.is_empty() {
            print(&format!("added      {}\n", added.join(" ")))?;
        }
        let set = plan.policy.settings.env.set.keys().cloned().collect::<Vec<_>>();
        print(&format!("env set    {}\n", set.join(" ")))?;
        print(&format!("env passed {}\n", plan.policy.settings.env.pass.join(" ")))?;
    }
    print(&explain::plan_text(&plan, &FileSystem))
}
