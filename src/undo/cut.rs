//! What a killed session said last: the broker says what it is about to do, and
//! may have been cut off before it did.
//!
//! What was there before the session still stands where it was, and the plan sees
//! that. What the session had made would be looked for elsewhere, or nowhere, and
//! stay. Only names that move or are replaced matter: of its own things nothing
//! else is said when they go. These happen one at a time, and nothing else
//! meanwhile, so the last line alone may be untrue.

use std::borrow::Cow;

use super::entry::{Entry, Identity, Kind, Line, Name};
use super::spot::look;

#[cfg(test)]
mod tests;

/// The lines of a session that was killed, without what did not happen.
pub(super) fn what_happened(lines: &[Line]) -> Cow<'_, [Line]> {
    // Of a move that leaves a device (`RENAME_WHITEOUT`) the device comes last.
    let concerns_names = |line: &Line| match &line.entry {
        Entry::Create { kind, .. } => *kind != Kind::Device,
        Entry::Remove { .. } | Entry::Rename { .. } => true,
        _ => false,
    };
    let Some(last) = lines.iter().rposition(concerns_names) else { return lines.into() };
    let rest = match &lines[last].entry {
        Entry::Remove { path, gone } if gone.own && stands(path, gone.file) => None,
        Entry::Rename { from, to, file, replaced, .. } if stands(from, *file) => {
            // The plan leaves that in its place.
            let kept = replaced.clone().filter(|gone| !gone.own);
            kept.map(|gone| Entry::Remove { path: to.clone(), gone })
        }
        _ => return lines.into(),
    };
    let mut lines = lines.to_vec();
    match rest {
        Some(entry) => lines[last].entry = entry,
        None => drop(lines.remove(last)),
    }
    lines.into()
}

/// Whether a path still stands for a thing, as far as anybody can look.
fn stands(path: &Name, file: Identity) -> bool {
    matches!(look(path.path()), Ok(Some(stat)) if Identity::of(&stat) == file)
}
