//! `stockade prune`: what old sessions keep is removed.

use super::args::PruneArgs;
use super::error::CliError;
use super::{print, setup};
use crate::policy::{Size, UndoLimits, size};
use crate::undo::{Sparing, pack, prune};

/// Runs the subcommand.
pub(super) fn main(args: &PruneArgs) -> Result<(), CliError> {
    let dir = setup::sessions_dir(&setup::home()?);
    let usual = UndoLimits::default();
    let limits = UndoLimits {
        keep_days: args.keep_days.unwrap_or(usual.keep_days),
        max_size: args.max_size.map_or(usual.max_size, |Size(bytes)| bytes),
        ..usual
    };
    let sparing = if args.all { Sparing::Nothing } else { Sparing::Within(limits) };
    let pruned = prune(&dir, sparing, args.dry_run).map_err(|error| CliError::Record(dir.clone(), error))?;
    for id in &pruned.sessions {
        print(&format!("{id}\n"))?;
    }
    let packed =
        if args.dry_run { 0 } else { pack(&dir).map_err(|error| CliError::Record(dir.clone(), error))? };
    let done = if args.dry_run { "would free" } else { "freed" };
    eprintln!(
        "stockade: {done} {}; {} are kept",
        size(pruned.bytes + packed),
        size(pruned.left.saturating_sub(packed))
    );
    Ok(())
}
