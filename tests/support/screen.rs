//! A terminal as a person sees it: what stands where, not what was written.

use std::num::NonZeroU16;
use std::process::Command;
use std::time::Duration;

use super::process::eventually;
use super::pty::Terminal;

/// A program that has a terminal to itself.
pub struct Screen {
    /// The terminal.
    pub terminal: Terminal,
    parser: vt100::Parser,
    fed: usize,
}

impl Screen {
    /// Starts a command on a new terminal of the given size (rows, columns).
    pub fn start(command: &mut Command, rows: u16, columns: u16) -> Screen {
        let terminal = Terminal::of_kind("xterm-256color", command, rows, columns);
        Screen { terminal, parser: vt100::Parser::new(size(rows), size(columns), 0), fed: 0 }
    }

    /// What it shows now: what is drawn to be shown at once, once all of it is there.
    pub fn screen(&mut self) -> &vt100::Screen {
        const BEGIN: &[u8] = b"\x1b[?2026h";
        const END: &[u8] = b"\x1b[?2026l";
        // A mark may have come in two pieces.
        let known = self.fed.min(BEGIN.len());
        let mut bytes = self.terminal.bytes(self.fed - known);
        let last = |mark: &[u8]| bytes.windows(mark.len()).rposition(|bytes| bytes == mark);
        if let Some(begin) = last(BEGIN)
            && last(END).is_none_or(|end| end < begin)
        {
            bytes.truncate(begin.max(known));
        }
        self.parser.process(&bytes[known..]);
        self.fed += bytes.len() - known;
        self.parser.screen()
    }

    /// The text of that.
    pub fn text(&mut self) -> String {
        self.screen().contents().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Types something.
    pub fn send(&mut self, keys: &str) {
        self.terminal.send(keys);
    }

    /// Makes it as large as this.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.screen();
        self.parser.screen_mut().set_size(size(rows), size(columns));
        self.terminal.resize(rows, columns);
    }

    /// Waits until the screen is as it is to be.
    #[track_caller]
    pub fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) {
        let is_there = eventually(Duration::from_secs(20), || is_so(&self.text()));
        assert!(is_there, "{what}, but:\n{}", self.text());
    }

    /// Waits until a text is shown.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        self.until(&format!("{text:?} is to be shown"), |shown| shown.contains(text));
    }
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a screen has a size")
}
