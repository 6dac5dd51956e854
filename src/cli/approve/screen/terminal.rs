//! The terminal while it is a screen, and giving it back as it was: at the end,
//! after an error or a panic, when a signal comes, and while this is stopped.

use std::io::{self, BufWriter, Stdout, stdin, stdout};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event};
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};

use crate::sys::process::{default_signal, has_come, note};

/// Signals that end this.
const ENDS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
/// Signals that the screen must know of.
const NOTED: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGTSTP, Signal::SIGCONT];

/// Whether the terminal is a screen and must be given back.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal as a screen. Dropping it gives it back.
pub(super) struct Screen {
    /// Never dropped: that would say on standard error that the terminal is gone,
    /// which panics where that is the same, and write what is half drawn.
    terminal: ManuallyDrop<ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
}

impl Screen {
    pub(super) fn open() -> io::Result<Screen> {
        restore_on_panic();
        for signal in NOTED {
            note(signal)?;
        }
        // From here on, giving back is right whatever fails.
        let terminal = ratatui::Terminal::new(CrosstermBackend::new(BufWriter::new(stdout())))?;
        let screen = Screen { terminal: ManuallyDrop::new(terminal) };
        take()?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        // Terminals that can show all of it at once.
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(draw)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Waits so long for a key, a paste or another size. An error where the
    /// terminal is gone.
    pub(super) fn input(&self, patience: Duration) -> io::Result<Option<Event>> {
        wait(Duration::ZERO)?;
        if !event::poll(Duration::ZERO)? {
            wait(patience)?;
        }
        if event::poll(Duration::ZERO)? { event::read().map(Some) } else { Ok(None) }
    }

    /// The signal that is to end this, if one came.
    pub(super) fn end(&self) -> Option<Signal> {
        ENDS.into_iter().find(|signal| has_come(*signal))
    }

    /// Whether another process wants this to stop.
    pub(super) fn is_to_stop(&self) -> bool {
        has_come(Signal::SIGTSTP)
    }

    /// Whether this was stopped and goes on; somebody may have used the terminal.
    pub(super) fn goes_on(&self) -> bool {
        has_come(Signal::SIGCONT) || !IS_TAKEN.load(Ordering::SeqCst)
    }

    /// Gives the terminal back and stops, as Ctrl-Z does.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        give_back();
        default_signal(Signal::SIGTSTP)?;
        kill(Pid::from_raw(0), Signal::SIGTSTP)?;
        // It may take a moment. Where nobody could let it go on it does not stop.
        for _ in 0..30 {
            if has_come(Signal::SIGCONT) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        note(Signal::SIGTSTP)?;
        Ok(())
    }

    /// Makes the terminal a screen again, and what is drawn next all of it.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        // Somebody else may have set its modes meanwhile.
        disable_raw_mode()?;
        take()?;
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        for signal in NOTED {
            // It cannot fail for signals that can be noted.
            let _ = default_signal(signal);
        }
    }
}

/// Ends this process as a signal does that nobody notes.
pub(super) fn end_by(signal: Signal) -> u8 {
    // Where it is ignored, the status says the same.
    let _ = raise(signal);
    u8::try_from(128 + signal as i32).unwrap_or(u8::MAX)
}

/// Whether an error says that the terminal is gone, as when its window is closed.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(libc::EIO)
}

/// Waits until there is something to read. An error where the terminal is gone.
fn wait(patience: Duration) -> io::Result<()> {
    let input = stdin();
    let mut waiting = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
    match poll(&mut waiting, patience) {
        // What interrupts it is a signal, which is looked for next.
        Ok(0) | Err(nix::errno::Errno::EINTR) => return Ok(()),
        result => result?,
    };
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    match waiting[0].revents() {
        Some(found) if found.intersects(gone) => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn take() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    // What is pasted is no key, and so no answer.
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)
}

fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Where the terminal is gone there is nothing to give back.
    let _ = execute!(stdout(), EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
}
