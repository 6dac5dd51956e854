//! Everything about one question, line by line.

use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthChar;

use crate::approval::loss::{Content, Loss};
use crate::approval::server::Shown;
use crate::approval::view::Described;

/// A line and how it looks.
pub(super) type Styled = (Style, String);

/// What is known of what would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Looked {
    /// It is being looked for.
    NotYet,
    /// Nothing would be.
    Nothing,
    /// This would be.
    Found(Loss),
}

pub(super) fn of(question: &Shown, looked: &Looked) -> Vec<Styled> {
    let plain = Style::new();
    let bold = plain.add_modifier(Modifier::BOLD);
    let dim = plain.add_modifier(Modifier::DIM);
    let described = Described::of(question);
    let mut lines = vec![(bold, described.command)];
    lines.extend(described.parents.iter().map(|parent| (plain, format!("  in {parent}"))));
    lines.push((plain, format!("  in {}", described.session)));
    lines.push((bold, format!("wants to {}", described.what)));
    lines.extend(described.trees.into_iter().map(|tree| (plain, format!("  {tree}"))));
    lines.extend(described.first.map(|first| (plain, format!("first: {first}"))));
    let colour = if question.recoverable { Color::Green } else { Color::Red };
    lines.push((plain.fg(colour), described.undo.into()));
    lines.push((plain, format!("rule: {}", described.rule)));
    match looked {
        Looked::NotYet => {
            lines.extend([(plain, String::new()), (dim, "Looking at what would be lost …".into())])
        }
        Looked::Nothing => {}
        Looked::Found(loss) => {
            lines.extend([(plain, String::new()), (bold, "What would be lost:".into())]);
            lost(loss, &mut lines);
        }
    }
    lines
}

fn lost(loss: &Loss, lines: &mut Vec<Styled>) {
    let header = Style::new().fg(Color::Cyan);
    let dim = Style::new().add_modifier(Modifier::DIM);
    if loss.files.is_empty() {
        lines.push((dim, "no files".into()));
    }
    for file in &loss.files {
        lines.push((header, file.name.clone()));
        let what = match &file.content {
            Content::Text(text, has_more) => {
                lines.extend(text.iter().map(|line| (Style::new().fg(Color::Red), format!("-{line}"))));
                if !has_more {
                    continue;
                }
                "  and more".into()
            }
            Content::Binary => "  no text".into(),
            Content::Link(target) => format!("  a symbolic link to {target}"),
            Content::Special => "  a socket, a FIFO or a device".into(),
            Content::Unreadable(errno) => format!("  cannot be read: {}", errno.desc()),
            Content::Unread => "  not shown: there is too much".into(),
        };
        lines.push((dim, what));
    }
    if loss.has_more {
        lines.push((dim, "There is more that is not shown.".into()));
    }
}

/// Breaks lines that are wider than so many columns, at a space where one is near.
pub(super) fn folded(lines: Vec<Styled>, columns: usize) -> Vec<Styled> {
    let mut folded = Vec::new();
    for (style, text) in lines {
        let mut rest = text.as_str();
        while let Some(at) = break_of(rest, columns.max(2)) {
            let (line, next) = rest.split_at(at);
            folded.push((style, line.to_string()));
            rest = next;
        }
        folded.push((style, rest.to_string()));
    }
    folded
}

/// Where a line must be broken, in bytes.
fn break_of(text: &str, columns: usize) -> Option<usize> {
    let (mut width, mut space) = (0, None);
    for (at, char) in text.char_indices() {
        width += char.width().unwrap_or(0);
        if width > columns {
            return Some(space.filter(|space| space * 2 > at).unwrap_or(at));
        }
        if char == ' ' {
            space = Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_where_they_must() {
        let plain = Style::new();
        let fold = |text: &str, columns| -> Vec<String> {
            folded(vec![(plain, text.into())], columns).into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(fold("", 5), [""]);
        assert_eq!(fold("abcde", 5), ["abcde"]);
        assert_eq!(fold("abc de fg", 5), ["abc ", "de fg"]);
        assert_eq!(fold("a bcdefgh", 5), ["a bcd", "efgh"]);
        assert_eq!(fold("日本語", 4), ["日本", "語"]);
        assert_eq!(fold("日本", 0), ["日", "本"]);
    }
}
