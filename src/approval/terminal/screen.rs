//! The terminal's screen while a question stands on it.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{InputFlags, LocalFlags, SpecialCharacterIndices, Termios};
use nix::unistd::{Pid, getpgrp};

use crate::sys::terminal::{Size, Terminal, is_dumb};

/// How long a terminal may take to say which screen it shows.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a program has to see that the terminal is smaller.
const NOTICE: Duration = Duration::from_millis(150);

/// Asks for the mode of the alternate screen (`DECRQM`), and then for something
/// that every terminal answers (`DA1`).
const ASK: &str = "\x1b[?1049$p\x1b[c";

/// Where the question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the alternate screen, which nobody uses.
    Alternate,
    /// On the screen of a program that draws it again.
    Over,
    /// Beneath what is there, since nothing is known of the screen.
    Below,
    /// The same, on a terminal that knows no escape sequences.
    Dumb,
}

/// A terminal that was taken from its programs.
pub(super) struct Screen<'a> {
    pub(super) terminal: &'a mut Terminal,
    place: Place,
    modes: Termios,
    foreground: Pid,
    size: Size,
    is_begun: bool,
}

impl<'a> Screen<'a> {
    /// Takes the terminal: what is typed comes here, key by key.
    pub(super) fn take(terminal: &'a mut Terminal) -> io::Result<Screen<'a>> {
        let (modes, foreground, size) = (terminal.modes()?, terminal.foreground()?, terminal.size()?);
        let place = if is_dumb() { Place::Dumb } else { Place::Alternate };
        let mut screen = Screen { terminal, place, modes, foreground, size, is_begun: false };
        match screen.begin() {
            Ok(()) => Ok(screen),
            Err(error) => {
                screen.give_back();
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.foreground != getpgrp() {
            self.terminal.set_foreground(getpgrp())?;
        }
        let mut modes = self.modes.clone();
        let letters = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN;
        modes.local_flags.remove(letters);
        modes.input_flags.remove(InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IXON);
        modes.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        modes.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        self.terminal.set_modes(&modes)?;
        self.terminal.discard_input()?;
        if self.place != Place::Dumb && self.has_own_screen() {
            self.place = match self.is_alternate()? {
                Some(true) => Place::Over,
                Some(false) => Place::Alternate,
                None => Place::Below,
            };
        }
        self.terminal.show(match self.place {
            Place::Alternate => "\x1b[?1049h",
            Place::Over | Place::Below | Place::Dumb => "",
        })
    }

    /// Whether a program reads keys rather than lines: then it may have a screen
    /// of its own.
    fn has_own_screen(&self) -> bool {
        !self.modes.local_flags.contains(LocalFlags::ICANON)
    }

    /// Whether the alternate screen is shown; none where the terminal does not tell.
    fn is_alternate(&mut self) -> io::Result<Option<bool>> {
        self.terminal.show(ASK)?;
        let (mut told, until) = (Vec::new(), Instant::now() + PATIENCE);
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && !is_complete(&told)
        {
            told.extend(self.terminal.read(left)?);
        }
        Ok(is_alternate(&told))
    }

    /// Shows lines, of which the last is where one types.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let Some((last, above)) = lines.split_last() else { return Ok(()) };
        let mut text = match self.place {
            Place::Alternate | Place::Over => "\x1b[0m\x1b[H\x1b[2J".to_string(),
            Place::Below if !self.is_begun => format!("\x1b[0m\x1b[{};1H\r\n", self.terminal.size()?.rows),
            Place::Below => return self.terminal.show(&format!("\r\x1b[K{last}")),
            Place::Dumb if !self.is_begun => "\r\n".to_string(),
            Place::Dumb => return self.terminal.show(&format!("\r{last}")),
        };
        above.iter().for_each(|line| text.extend([line, "\r\n"]));
        text.push_str(last);
        self.is_begun = true;
        self.terminal.show(&text)
    }

    /// What comes next stands by itself.
    pub(super) fn begin_anew(&mut self) {
        self.is_begun = false;
    }

    /// Gives the terminal back as it was; what is left to do when its programs
    /// run again.
    pub(super) fn give_back(self) -> Left {
        let shown = self.terminal.show(match self.place {
            Place::Alternate => "\x1b[0m\x1b[?1049l",
            Place::Over => "\x1b[0m",
            Place::Below | Place::Dumb => "\r\n",
        });
        // A terminal that is gone needs nothing more, nor does a group that is.
        let modes = self.terminal.set_modes(&self.modes);
        let foreground = self.terminal.set_foreground(self.foreground);
        for error in [shown.err(), modes.err().map(Into::into), foreground.err().map(Into::into)] {
            tracing::debug!(?error, "giving the terminal back");
        }
        let needs_drawing = matches!(self.place, Place::Over | Place::Below) && self.has_own_screen();
        Left { foreground: self.foreground, size: self.size, needs_drawing }
    }
}

/// What is left to do when the programs of a terminal run again.
#[derive(Debug)]
pub(super) struct Left {
    /// The process group that had the terminal.
    pub(super) foreground: Pid,
    size: Size,
    needs_drawing: bool,
}

impl Left {
    /// Has the programs draw what is not there any more. Many do that only where
    /// the size has changed, so it does for a moment.
    pub(super) fn finish(&self, terminal: &Terminal) {
        let Ok(size) = terminal.size() else { return };
        if self.needs_drawing && size.rows > 1 {
            let smaller = Size { rows: size.rows - 1, ..size };
            if terminal.set_size(smaller).is_ok() {
                std::thread::sleep(NOTICE);
                // Unless somebody has given it another size meanwhile.
                if terminal.size() == Ok(smaller) {
                    // It was possible a moment ago.
                    let _ = terminal.set_size(size);
                }
            }
        } else if size != self.size {
            // The group may be gone.
            let _ = killpg(self.foreground, Signal::SIGWINCH);
        }
    }
}

/// Whether what a terminal tells ends with the answer that every terminal gives.
fn is_complete(told: &[u8]) -> bool {
    told.iter().rposition(|byte| *byte == 0x1b).is_some_and(|at| {
        let last = &told[at..];
        last.starts_with(b"\x1b[?") && last.ends_with(b"c")
    })
}

/// What a terminal tells of its alternate screen: 1 and 3 say that it is shown,
/// 2 and 4 that it is not.
fn is_alternate(told: &[u8]) -> Option<bool> {
    let told = String::from_utf8_lossy(told);
    match told.split("\x1b[?1049;").nth(1)?.split("$y").next()? {
        "1" | "3" => Some(true),
        "2" | "4" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_tell_their_screen() {
        assert_eq!(is_alternate(b"\x1b[?1049;1$y\x1b[?62;c"), Some(true));
        assert_eq!(is_alternate(b"\x1b[?1049;2$y\x1b[?62;c"), Some(false));
        assert_eq!(is_alternate(b"\x1b[?1049;0$y\x1b[?62;c"), None);
        assert_eq!(is_alternate(b"\x1b[?1;2c"), None);
        assert!(is_complete(b"jk\x1b[?1049;1$y\x1b[?62;4c"));
        assert!(!is_complete(b"\x1b[?1049;1$y") && !is_complete(b"abc") && !is_complete(b""));
    }
}
