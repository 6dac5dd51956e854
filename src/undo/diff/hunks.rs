//! Which lines came and went between two texts: pure.

use std::ops::Range;
use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices_deadline, group_diff_ops};

/// Lines that are shown around a change.
const CONTEXT: usize = 3;
/// After so long a text's remainder counts as replaced: right, if not the shortest.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line of a hunk, its newline included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// It is in both texts.
    Kept(&'a str),
    /// It is in the old text alone.
    Gone(&'a str),
    /// It is in the new text alone.
    Added(&'a str),
}

/// Changed lines that lie near each other, with those around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk<'a> {
    /// Which lines of the old text, from 0.
    pub(super) old: Range<usize>,
    /// Which lines of the new text.
    pub(super) new: Range<usize>,
    /// All of them.
    pub(super) lines: Vec<Line<'a>>,
}

/// Lines end with a newline alone, as for every tool that applies patches.
fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(Instant::now() + PATIENCE))
}

/// The hunks that make one text the other.
pub(super) fn hunks<'a>(old: &'a str, new: &'a str) -> Vec<Hunk<'a>> {
    let (old, new) = (split(old), split(new));
    let groups = group_diff_ops(operations(&old, &new), CONTEXT);
    groups.iter().filter_map(|group| hunk(&old, &new, group)).collect()
}

fn hunk<'a>(old: &[&'a str], new: &[&'a str], group: &[DiffOp]) -> Option<Hunk<'a>> {
    let (first, last) = (group.first()?, group.last()?);
    let mut lines = Vec::new();
    for operation in group {
        let (tag, gone, added) = operation.as_tag_tuple();
        if tag == DiffTag::Equal {
            lines.extend(old[gone].iter().map(|line| Line::Kept(line)));
            continue;
        }
        lines.extend(old[gone].iter().map(|line| Line::Gone(line)));
        lines.extend(new[added].iter().map(|line| Line::Added(line)));
    }
    Some(Hunk {
        old: first.old_range().start..last.old_range().end,
        new: first.new_range().start..last.new_range().end,
        lines,
    })
}

/// How many lines were added, and how many are gone.
pub(super) fn count(old: &str, new: &str) -> (usize, usize) {
    let (old, new) = (split(old), split(new));
    let changed = operations(&old, &new).into_iter().filter(|operation| operation.tag() != DiffTag::Equal);
    changed.fold((0, 0), |(added, gone), operation| {
        (added + operation.new_range().len(), gone + operation.old_range().len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_changes_are_one_hunk_and_far_ones_two() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let near = hunks(old, "1\nb\n3\n4\n5\n6\n7\nh\n9\n10\n11\n12\n").len();
        let far = hunks(old, "a\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\nl\n");
        assert_eq!((near, far.len()), (1, 2));
        assert_eq!((far[0].old.clone(), far[1].new.clone()), (0..4, 8..12));
        assert_eq!(far[0].lines[..3], [Line::Gone("1\n"), Line::Added("a\n"), Line::Kept("2\n")]);
        assert_eq!(hunks(old, old), []);
    }

    #[test]
    fn lines_end_with_a_newline_alone() {
        assert_eq!(count("a\rb\r\nc", "a\rx\r\nc"), (1, 1));
        assert_eq!(count("", "a\n\nb"), (3, 0));
        assert_eq!(count("a\n", "a"), (1, 1));
    }
}
