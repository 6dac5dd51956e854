//! All questions on the whole terminal.

mod details;
mod draw;
mod losses;
mod state;
mod terminal;

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::Signal;
use ratatui::crossterm::event::Event;

use super::send;
use super::watch::Watch;
use crate::approval::Answer;
use crate::approval::view::Described;
use crate::cli::error::CliError;
use crate::sys::with_causes;
use details::Looked;
use losses::Losses;
use state::{Act, State};
use terminal::Screen;

/// How long nothing may happen before it is looked for news.
const TICK: Duration = Duration::from_millis(100);

/// Why the screen is left.
enum End {
    /// The person wants it.
    Quit,
    /// A signal came.
    Signal(Signal),
}

/// Shows the questions until the person quits.
pub(super) fn run(dir: PathBuf) -> Result<u8, CliError> {
    let mut watch = Watch::of(dir)?;
    let mut screen = Screen::open().map_err(CliError::Terminal)?;
    let mut state = State::default();
    let end = serve(&mut screen, &mut watch, &mut state);
    // Before anything is said.
    drop(screen);
    let end = end?;
    if !state.questions().is_empty() {
        // The terminal may be gone.
        let _ = writeln!(stderr(), "What still waited is refused now, if nobody else watches.");
    }
    Ok(match end {
        End::Quit => 0,
        End::Signal(signal) => terminal::end_by(signal),
    })
}

fn serve(screen: &mut Screen, watch: &mut Watch, state: &mut State) -> Result<End, CliError> {
    let mut losses = Losses::new();
    let mut drawn = None;
    loop {
        let mut is_old = losses.take(state.questions());
        while watch.look(Duration::ZERO)? {
            is_old = true;
        }
        state.take(watch.all(), watch.sessions());
        if let Some(trouble) = watch.trouble() {
            state.notice = trouble;
        }
        let looked = state.current().map_or(&Looked::Nothing, |question| losses.of(question));
        let (is_ripe, now) = (state.is_ripe(Instant::now()), Timestamp::now().as_millisecond());
        let mut input = Ok(None);
        // What is left of the time is shown in seconds.
        if is_old || drawn != Some((is_ripe, now / 1000)) {
            input = screen.draw(|frame| draw::draw(frame, state, looked, is_ripe, now)).map(|()| None);
            state.drawn(Instant::now());
            drawn = Some((is_ripe, now / 1000));
        }
        // One at a time: a key is about what is on the screen.
        let input = input.and_then(|_: Option<Event>| screen.input(TICK));
        if let Some(signal) = screen.end() {
            return Ok(End::Signal(signal));
        }
        let input = match input {
            Err(error) if terminal::is_gone(&error) => return Ok(End::Signal(Signal::SIGHUP)),
            input => input.map_err(CliError::Terminal)?,
        };
        if input.is_some() {
            drawn = None;
        }
        match act(input, screen, state) {
            Act::None => {}
            Act::Quit => return Ok(End::Quit),
            Act::Stop => screen.stop().map_err(CliError::Terminal)?,
            Act::Answer(said) => answer(watch, state, said),
        }
        if let Some(signal) = screen.end() {
            return Ok(End::Signal(signal));
        }
        if screen.goes_on() {
            screen.take_again().map_err(CliError::Terminal)?;
            state.expect();
            drawn = None;
        }
    }
}

/// What is to be done about what came from the terminal.
fn act(input: Option<Event>, screen: &Screen, state: &mut State) -> Act {
    match input {
        _ if screen.is_to_stop() => Act::Stop,
        Some(Event::Key(key)) => state.press(key, Instant::now()),
        Some(Event::Paste(text)) => {
            state.paste(&text);
            Act::None
        }
        _ => Act::None,
    }
}

/// Answers the question under the cursor, as it was shown.
fn answer(watch: &mut Watch, state: &mut State, said: Answer) {
    let Some(question) = state.current().cloned() else { return };
    let word = match &said {
        Answer::No { .. } => "No",
        Answer::Once => "Yes, once",
        Answer::Command => "Yes, to this command",
        Answer::Path => "Yes, to this path for the session",
        Answer::Always => "Yes, always",
    };
    match send(&watch.dir, &question, said) {
        Ok(()) => {
            watch.forget(&question);
            state.answered(format!("{word}: {}", Described::of(&question).command));
        }
        Err(CliError::Approvals(_, error)) => state.failed(format!("That did not count: {error}.")),
        Err(error) => state.failed(format!("That did not count: {}.", with_causes(&error))),
    }
}
