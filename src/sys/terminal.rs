//! The controlling terminal (`tty_ioctl(2)`, `termios(3)`).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, FlushArg, SetArg, Termios};
use nix::unistd::{Pid, tcgetpgrp, tcsetpgrp};

use super::check;

/// The controlling terminal of this process, whatever its standard descriptors are.
#[derive(Debug)]
pub struct Terminal(File);

/// Whether terminals of the kind that the environment names (`TERM`) show nothing
/// but one line after the other.
pub fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// How many rows and columns a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl Terminal {
    /// Opens it; fails where this process has none.
    pub fn controlling() -> io::Result<Terminal> {
        let flags = libc::O_NOCTTY | libc::O_CLOEXEC;
        OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/tty").map(Terminal)
    }

    /// The process group that may read from it.
    pub fn foreground(&self) -> Result<Pid, Errno> {
        tcgetpgrp(&self.0)
    }

    /// Lets another process group read from it. The caller must ignore `SIGTTOU`.
    pub fn set_foreground(&self, group: Pid) -> Result<(), Errno> {
        tcsetpgrp(&self.0, group)
    }

    /// How it treats what is typed and shown.
    pub fn modes(&self) -> Result<Termios, Errno> {
        termios::tcgetattr(&self.0)
    }

    /// Changes that at once.
    pub fn set_modes(&self, modes: &Termios) -> Result<(), Errno> {
        termios::tcsetattr(&self.0, SetArg::TCSANOW, modes)
    }

    /// Forgets what was typed and not read yet.
    pub fn discard_input(&self) -> Result<(), Errno> {
        termios::tcflush(&self.0, FlushArg::TCIFLUSH)
    }

    /// Its size.
    pub fn size(&self) -> Result<Size, Errno> {
        self.window().map(|window| Size { rows: window.ws_row, columns: window.ws_col })
    }

    /// Makes programs believe that it has another size: the foreground group is
    /// told so by `SIGWINCH`.
    pub fn set_size(&self, size: Size) -> Result<(), Errno> {
        let window = libc::winsize { ws_row: size.rows, ws_col: size.columns, ..self.window()? };
        // SAFETY: the kernel reads one winsize.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCSWINSZ, &raw const window) }.into())
            .map(drop)
    }

    fn window(&self) -> Result<libc::winsize, Errno> {
        let mut window = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the kernel fills one winsize.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCGWINSZ, &raw mut window) }.into())?;
        Ok(window)
    }

    /// Reads what was typed, but waits no longer than so for it: nothing where
    /// nothing was.
    pub fn read(&mut self, longest: Duration) -> io::Result<Vec<u8>> {
        let mut waiting = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let longest = PollTimeout::try_from(longest).unwrap_or(PollTimeout::ZERO);
        match poll(&mut waiting, longest) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Vec::new()),
            polled => polled?,
        };
        let mut bytes = [0; 256];
        match self.0.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(bytes[..count].to_vec()),
        }
    }

    /// Shows something.
    pub fn show(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())
    }
}
