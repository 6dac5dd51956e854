//! Where things stand in a profile's text: serde_yaml keeps no places. Used
//! when a profile is read, and by `build.rs` for those that are built in.

/// Line numbers from 1; 0 for what stands in no line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines {
    /// Of the key `version`.
    pub(super) version: usize,
    /// Of the key `extends`.
    pub(super) extends: usize,
    /// Of the key `unix_sockets`.
    pub(super) sockets: usize,
    /// Of the key `rules`, then of each rule, as far as they could be counted.
    pub(super) rules: Vec<usize>,
}

impl Lines {
    /// Looks for them in a profile's text.
    pub(super) fn of(text: &str) -> Lines {
        Lines {
            version: key_line(text, "version"),
            extends: key_line(text, "extends"),
            sockets: key_line(text, "unix_sockets"),
            rules: rule_lines(text),
        }
    }
}

/// The line of a key of the document.
pub(super) fn key_line(text: &str, key: &str) -> usize {
    let is_key = |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
    text.lines().position(is_key).map_or(0, |index| index + 1)
}

/// Block sequences are counted in the text; for other styles the counts do not
/// agree and the caller falls back to the first.
fn rule_lines(text: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut indent = None;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let content = line.trim_start();
        let depth = line.len() - content.len();
        if lines.is_empty() {
            if line.starts_with("rules:") {
                lines.push(number);
            }
        } else if content.is_empty() || content.starts_with('#') {
            continue;
        } else if content.starts_with("- ") && depth == *indent.get_or_insert(depth) {
            lines.push(number);
        } else if depth == 0 {
            break;
        }
    }
    lines
}
