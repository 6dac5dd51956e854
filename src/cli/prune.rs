//! `stockade prune`: what old sessions keep is removed.

use super::args::PruneArgs;
use super::error::CliError;
use super::sessions::size;
use super::{print, setup};
use crate::policy::UndoLimits;
use crate::undo::prune;

/// Runs the subcommand.
pub(super) fn main(args: &PruneArgs) -> Result<(), CliError> {
    let dir = setup::sessions_dir(&setup::home()?);
    let usual = UndoLimits::default();
    let limits = UndoLimits {
        keep_days: args.keep_days.unwrap_or(usual.keep_days),
        max_size: args.max_size.map_or(usual.max_size, |mebibytes| mebibytes.saturating_mul(1 << 20)),
        ..usual
    };
    let pruned = prune(&dir, limits, args.dry_run).map_err(|error| CliError::Record(dir.clone(), error))?;
    for id in &pruned.sessions {
        print(&format!("{id}\n"))?;
    }
    let done = if args.dry_run { "would free" } else { "freed" };
    eprintln!("stockade: {done} {}; {} are kept", size(pruned.bytes), size(pruned.left));
    Ok(())
}
