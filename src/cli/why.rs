//! `stockade why`: the decision about one path, and the rule behind it.

use super::args::WhyArgs;
use super::error::CliError;
use super::{print, print_json, setup};
use crate::policy::{Verb, explain};

/// Prints the decision.
pub(super) fn main(args: &WhyArgs) -> Result<(), CliError> {
    let verb = Verb::by_name(&args.verb).ok_or_else(|| CliError::UnknownVerb(args.verb.clone()))?;
    let policy = setup::policy(&args.jail)?;
    let current = std::env::current_dir().map_err(CliError::CurrentDirectory)?;
    let path = setup::real_as_far_as_it_exists(&current.join(&args.path));
    let explanation = explain::why(&policy, &path, verb);
    if args.json { print_json(&explanation) } else { print(&explanation.to_string()) }
}
