//! A terminal's screen as a picture (SVG) that needs no font and no script of its own.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;
use vt100::{Cell, Color, Screen};

/// A cell's size, and the room around all of them, in pixels.
const WIDTH: u16 = 8;
const HEIGHT: u16 = 18;
const ROOM: u16 = 14;

/// Light on dark, so that it can stand on any page.
const TEXT: &str = "#d6deeb";
const GROUND: &str = "#1b2330";
/// The first sixteen colours of a terminal.
const COLOURS: [&str; 16] = [
    "#1b2330", "#ef6b73", "#8fce8b", "#e5c07b", "#6cb6ff", "#c99bf0", "#5ccfe6", "#d6deeb", "#6b7a90",
    "#ff8f96", "#aee3aa", "#f2d59b", "#97cdff", "#dcbcf7", "#8fe3f2", "#ffffff",
];

/// How a cell looks.
#[derive(PartialEq, Eq, Clone)]
struct Look {
    text: String,
    ground: Option<String>,
    is_bold: bool,
    is_dim: bool,
}

/// The picture of a screen, for those who cannot see it with a description.
pub fn picture(screen: &Screen, description: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (width, height) = (columns * WIDTH + 2 * ROOM, rows * HEIGHT + 2 * ROOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{GROUND}\"/>\n\
         <g font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\">\n",
        escaped(description)
    );
    for row in 0..rows {
        line(&mut svg, screen, row, columns);
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Cells that look the same are one text, which is as wide as they are in every font.
fn line(svg: &mut String, screen: &Screen, row: u16, columns: u16) {
    let mut column = 0;
    while column < columns {
        let Some(look) = screen.cell(row, column).map(look) else { return };
        let start = column;
        let mut text = String::new();
        while let Some(cell) = screen.cell(row, column).filter(|cell| self::look(cell) == look) {
            text.push_str(if cell.has_contents() { cell.contents() } else { " " });
            column += if cell.is_wide() { 2 } else { 1 };
        }
        let (x, y, width) = (ROOM + start * WIDTH, ROOM + row * HEIGHT, (column - start) * WIDTH);
        if let Some(ground) = &look.ground {
            writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{ground}\"/>"
            )
            .expect("write to a string");
        }
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        let width = u16::try_from(text.width()).expect("a line") * WIDTH;
        let weight = if look.is_bold { " font-weight=\"bold\"" } else { "" };
        let opacity = if look.is_dim { " opacity=\"0.65\"" } else { "" };
        writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" fill=\"{}\" textLength=\"{width}\" xml:space=\"preserve\"{weight}{opacity}>{}</text>",
            y + 13,
            look.text,
            escaped(text)
        )
        .expect("write to a string");
    }
}

fn look(cell: &Cell) -> Look {
    let (text, ground) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
    let (text, ground) = match cell.inverse() {
        true => (Some(ground.unwrap_or_else(|| GROUND.into())), Some(text.unwrap_or_else(|| TEXT.into()))),
        false => (text, ground),
    };
    let text = text.unwrap_or_else(|| TEXT.into());
    Look { text, ground, is_bold: cell.bold(), is_dim: cell.dim() }
}

fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Idx(index) => COLOURS.get(usize::from(index)).map(|colour| (*colour).to_owned()),
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
