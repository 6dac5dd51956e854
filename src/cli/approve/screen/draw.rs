//! The screen: the questions, the details of one, and the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table, TableState};
use unicode_width::UnicodeWidthStr;

use super::details::{self, Looked, Styled};
use super::state::State;
use crate::approval::view::{Described, left};
use crate::policy::{shortened, visible};

/// Keys that answer, and what they say; the last of them not to every question.
const ANSWERS: [(&str, &str); 6] = [
    ("n", "no"),
    ("t", "no, and tell why"),
    ("o", "yes, once"),
    ("c", "yes, to this command"),
    ("p", "yes, to this path for the session"),
    ("a", "yes, always"),
];
/// The other keys.
const OTHERS: [(&str, &str); 3] = [("↑ ↓ j k", "select"), ("PgUp PgDn", "scroll"), ("q", "quit")];
const QUITTING: &str = "Quitting refuses whatever still waits, if nobody else watches.";

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// Draws all of it. `now` is in milliseconds since 1970 (UTC).
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, looked: &Looked, is_ripe: bool, now: i64) {
    let area = frame.area();
    let footer = footer(state, is_ripe, area.width);
    let rows = u16::try_from(state.questions().len()).unwrap_or(u16::MAX);
    let most = (area.height / 3).max(1);
    let [title, list, details, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows.clamp(1, most)),
        Constraint::Fill(1),
        Constraint::Length(u16::try_from(footer.len()).unwrap_or(u16::MAX).min(area.height)),
    ])
    .areas(area);
    let count = |count: usize, of: &str| match count {
        1 => format!("1 {of}"),
        _ => format!("{count} {of}s"),
    };
    let (questions, sessions) =
        (count(state.questions().len(), "question"), count(state.sessions, "session"));
    let name = Span::styled("stockade approve", BOLD);
    frame.render_widget(Line::from(vec![name, format!("   {questions}, {sessions}").into()]), title);
    draw_list(frame, state, list, now);
    draw_details(frame, state, looked, details);
    frame.render_widget(Paragraph::new(footer), keys);
}

fn draw_list(frame: &mut Frame<'_>, state: &State, area: Rect, now: i64) {
    if state.questions().is_empty() {
        frame.render_widget(Line::styled("As long as this runs, jails ask here.", DIM), area);
        return;
    }
    let described: Vec<_> =
        state.questions().iter().map(|question| (Described::of(question), left(question, now))).collect();
    let widest = |of: fn(&(Described, String)) -> &str| described.iter().map(|row| of(row).width()).max();
    let amount = widest(|row| &row.0.amount).unwrap_or(0).min(usize::from(area.width) / 4);
    let time = widest(|row| &row.1).unwrap_or(0);
    // What is left when the gaps and the mark are taken off.
    let rest = usize::from(area.width).saturating_sub(amount + time + 8);
    let (command, deed) = (rest * 2 / 5, rest - rest * 2 / 5);
    let rows = described.iter().map(|(described, left)| {
        Row::new([
            Cell::new(shortened(&described.command, command)).style(BOLD),
            Cell::new(shortened(&described.deed, deed)),
            Cell::new(shortened(&described.amount, amount)),
            Cell::new(left.as_str()),
        ])
    });
    let widths = [command, deed, amount, time];
    let widths = widths.map(|width| Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX)));
    let table = Table::new(rows, widths)
        .column_spacing(2)
        .highlight_symbol("▸ ")
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(state.at()));
}

fn draw_details(frame: &mut Frame<'_>, state: &mut State, looked: &Looked, area: Rect) {
    let lines = state.current().map(|question| details::of(question, looked)).unwrap_or_default();
    let lines = details::folded(lines, usize::from(area.width));
    let page = usize::from(area.height.saturating_sub(1));
    state.page = (page.max(1), lines.len().saturating_sub(page));
    state.scroll = state.scroll.min(state.page.1);
    let end = (state.scroll + page).min(lines.len());
    let title = match lines.len() {
        count if count > page => format!(" lines {} to {end} of {count} ", state.scroll + 1),
        _ => String::new(),
    };
    let block = Block::new().borders(Borders::TOP).border_style(DIM).title(title);
    let shown = lines[state.scroll.min(end)..end].iter();
    let shown: Vec<Line<'_>> = shown.map(|(style, text)| Line::styled(text.as_str(), *style)).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

/// What was said last, then the keys.
fn footer(state: &State, is_ripe: bool, columns: u16) -> Vec<Line<'static>> {
    let columns = usize::from(columns);
    let warning = Style::new().fg(Color::Yellow);
    let mut lines = Vec::new();
    let fold = |text: String, style: Style| -> Vec<Styled> { details::folded(vec![(style, text)], columns) };
    let push = |folded: Vec<Styled>, lines: &mut Vec<Line<'static>>| {
        lines.extend(folded.into_iter().map(|(style, text)| Line::styled(text, style)));
    };
    let question = state.current();
    let has_questions = question.is_some();
    let notice = match (has_questions && !is_ripe, state.was_early) {
        (false, _) => state.notice.clone(),
        (true, false) => format!("Keys do not count yet: look first. {}", state.notice),
        (true, true) => format!("That did not count: the question is new. Look first. {}", state.notice),
    };
    push(fold(notice, warning), &mut lines);
    if let Some(reason) = &state.reason {
        push(fold(format!("Why not? {}▏", visible(reason)), BOLD), &mut lines);
        lines.extend(keys(&[("Enter", "says no and tells why"), ("Esc", "goes back")], BOLD, columns));
        return lines;
    }
    if has_questions {
        let may_always = question.is_some_and(|question| question.may_always);
        let answers = &ANSWERS[..ANSWERS.len() - usize::from(!may_always)];
        lines.extend(keys(answers, if is_ripe { BOLD.fg(Color::Green) } else { DIM }, columns));
        lines.extend(keys(&OTHERS, BOLD, columns));
    } else {
        lines.extend(keys(&OTHERS[2..], BOLD, columns));
    }
    push(fold(QUITTING.into(), DIM), &mut lines);
    lines
}

/// Keys and what they do, in as many lines as it takes.
fn keys(keys: &[(&'static str, &'static str)], style: Style, columns: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (key, does) in keys {
        let width = key.width() + 1 + does.width();
        let is_full = lines.last().is_none_or(|line| line.width() + 3 + width > columns);
        if is_full {
            lines.push(Line::default());
        }
        if let Some(line) = lines.last_mut() {
            let gap = if is_full { "" } else { "   " };
            line.spans.extend([Span::raw(gap), Span::styled(*key, style), Span::raw(format!(" {does}"))]);
        }
    }
    lines
}
