//! Asking on the session's own terminal.
//!
//! While a question stands there the jail is stopped, so that nothing else is
//! shown and nobody else reads what is typed. Afterwards screen, modes and
//! foreground group are as they were. Where the terminal is somebody else's for
//! now, the question waits.

mod jail;
mod keys;
mod question;
mod screen;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, getpid};

use super::desk::Pending;
use super::remembered::Answer;
use super::server::{Office, Shown};
use crate::sys::process::passed_on;
use crate::sys::procfs::{Standing, ancestors, descendants};
use crate::sys::terminal::{Size, Terminal};
use jail::Stopped;
use keys::{Keys, Quiet};
use question::{Step, Typed, lines};
use screen::Screen;

/// How often it is looked for something new while a question waits.
const TICK: Duration = Duration::from_millis(100);
/// The same where nothing is asked.
const CALM: Duration = Duration::from_secs(1);

/// Writes down that a person said always to a question; else why that failed.
pub type Remember = fn(&Shown) -> Result<(), String>;

/// Asks on the terminal. Dropping it stops it, once whoever asks is closed.
pub struct Prompter {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    is_stopping: AtomicBool,
    has_stopped: Arc<AtomicBool>,
}

impl Prompter {
    /// Starts asking on a terminal what waits at the office. It counts among those
    /// who are `watching`, as long as there is a terminal. Whether the jail stands still
    /// for a question, and not since a person stopped it, is kept in `has_stopped`.
    pub fn start(
        terminal: Terminal,
        office: Arc<dyn Office>,
        remember: Remember,
        watching: Arc<AtomicUsize>,
        has_stopped: Arc<AtomicBool>,
    ) -> io::Result<Prompter> {
        let state = Arc::new(State { is_stopping: AtomicBool::new(false), has_stopped });
        let mut asker = Asker { terminal, office, remember, state: Arc::clone(&state) };
        let thread = std::thread::Builder::new().name("terminal".into()).stack_size(256 << 10);
        watching.fetch_add(1, Ordering::SeqCst);
        let ours = Arc::clone(&watching);
        let thread = thread.spawn(move || {
            if let Err(error) = asker.run() {
                tracing::debug!(%error, "the terminal is gone");
            }
            if ours.fetch_sub(1, Ordering::SeqCst) == 1 {
                asker.office.abandon();
            }
        });
        match thread {
            Ok(thread) => Ok(Prompter { state, thread: Some(thread) }),
            Err(error) => {
                watching.fetch_sub(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }
}

impl Drop for Prompter {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }
}

/// Where a person is asked.
struct Asker {
    terminal: Terminal,
    office: Arc<dyn Office>,
    remember: Remember,
    state: Arc<State>,
}

/// Why a conversation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing is asked any more.
    Answered,
    /// A person wants to do something else first.
    Suspended,
}

impl Asker {
    /// Asks until the session ends; fails where the terminal does.
    fn run(&mut self) -> io::Result<()> {
        while !self.is_stopping() {
            self.office.wait(CALM);
            self.office.tick();
            if self.office.pending().is_empty() {
                continue;
            }
            if is_ours(&self.terminal) {
                self.converse()?;
            } else {
                std::thread::sleep(TICK);
            }
        }
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.state.is_stopping.load(Ordering::SeqCst)
    }

    /// Takes the terminal, asks, and gives it back.
    fn converse(&mut self) -> io::Result<()> {
        self.state.has_stopped.store(true, Ordering::SeqCst);
        let stopped = Stopped::jail();
        let (office, remember, state) = (&*self.office, self.remember, &*self.state);
        let asked = Screen::take(&mut self.terminal).map(|mut screen| {
            let (keys, forgotten) = (Keys::default(), Vec::new());
            let mut conversation =
                Conversation { office, remember, state, screen: &mut screen, keys, forgotten };
            let end = conversation.hold();
            let forgotten = conversation.forgotten;
            (end, screen.give_back(), forgotten)
        });
        let suspended = match &asked {
            Ok((Ok(End::Suspended), left, _)) => Some(left.foreground),
            _ => None,
        };
        if let Some(group) = suspended {
            stopped.suspend(group);
        }
        drop(stopped);
        // Only now: who sees the command stopped looks here, and whether it still is.
        self.state.has_stopped.store(false, Ordering::SeqCst);
        let (end, left, forgotten) = asked?;
        forgotten.iter().for_each(|why| eprintln!("stockade: {why}"));
        match suspended {
            // Whoever is back looks around first.
            Some(_) => std::thread::sleep(CALM),
            None => left.finish(&self.terminal),
        }
        end.map(drop)
    }
}

/// A person being asked.
struct Conversation<'a, 's> {
    office: &'a dyn Office,
    remember: Remember,
    state: &'a State,
    screen: &'a mut Screen<'s>,
    keys: Keys,
    /// Why something that holds always was not written down.
    forgotten: Vec<String>,
}

/// A question on the screen.
struct OnScreen {
    question: Shown,
    others: usize,
    typed: Typed,
    quiet: Quiet,
    size: Size,
}

impl Conversation<'_, '_> {
    /// Asks one question after another.
    fn hold(&mut self) -> io::Result<End> {
        let signals = passed_on();
        let mut now: Option<OnScreen> = None;
        loop {
            self.office.tick();
            let pending = self.office.pending();
            let is_stopping = self.state.is_stopping.load(Ordering::SeqCst);
            let Some(next) = pending.first().filter(|_| !is_stopping) else { return Ok(End::Answered) };
            if passed_on() != signals {
                // What was told to end would not hear of it while it is stopped.
                let reason = Some("the session was told to end".to_string());
                self.answer(next, Answer::No { reason });
                continue;
            }
            let is_next =
                |shown: &OnScreen| (shown.question.id, shown.question.version) == (next.id, next.version);
            let mut shown = match now.take().filter(is_next) {
                Some(shown) => shown,
                None => self.begin(next)?,
            };
            match self.typed(&mut shown, pending.len() - 1)? {
                Step::Go(_) => now = Some(shown),
                Step::Suspend => return Ok(End::Suspended),
                Step::Answer(answer) => {
                    let is_always = answer == Answer::Always;
                    if self.answer(next, answer) && is_always {
                        self.forgotten.extend((self.remember)(&shown.question).err());
                    }
                }
            }
        }
    }

    /// Puts a question on the screen.
    fn begin(&mut self, next: &Pending) -> io::Result<OnScreen> {
        self.screen.begin_anew();
        let (question, size) = (self.office.show(next), self.screen.terminal.size()?);
        let quiet = Quiet::new(Instant::now());
        let shown = OnScreen { question, others: 0, typed: Typed::Waiting, quiet, size };
        self.draw(&shown)?;
        Ok(shown)
    }

    /// What comes of what is typed within a tick.
    fn typed(&mut self, shown: &mut OnScreen, others: usize) -> io::Result<Step> {
        let keys = self.keys.of(&self.screen.terminal.read(TICK)?);
        let counts = shown.quiet.is_over(!keys.is_empty(), Instant::now());
        let typed = match &shown.typed {
            Typed::Waiting if counts => Typed::Nothing,
            typed => typed.clone(),
        };
        let step = keys.into_iter().filter(|_| counts).fold(Step::Go(typed), |step, key| match step {
            Step::Go(typed) => typed.then(key, &shown.question),
            step => step,
        });
        if let Step::Go(typed) = &step {
            let size = self.screen.terminal.size()?;
            let is_other = (typed, others, size) != (&shown.typed, shown.others, shown.size);
            (shown.typed, shown.others, shown.size) = (typed.clone(), others, size);
            if is_other {
                self.draw(shown)?;
            }
        }
        Ok(step)
    }

    fn draw(&mut self, shown: &OnScreen) -> io::Result<()> {
        let lines = lines(&shown.question, shown.others, &shown.typed, shown.size.columns);
        self.screen.draw(&lines)
    }

    fn answer(&self, question: &Pending, answer: Answer) -> bool {
        // Where it does not count, since there is more to it now, it is asked again.
        self.office.answer(question.id, question.version, answer).is_ok()
    }
}

/// Whether whatever has the terminal is this process, its jail, or waits for them:
/// nobody else then reads what is typed.
fn is_ours(terminal: &Terminal) -> bool {
    let Ok(foreground) = terminal.foreground() else { return false };
    let all = Standing::all();
    let me = getpid();
    let ours: HashSet<Pid> = descendants(&all, me).iter().map(|process| process.pid).chain([me]).collect();
    let waiting = ancestors(&all, me);
    let mut members = all.iter().filter(|process| process.group == foreground && process.state != 'Z');
    let mut has_ours = false;
    members.all(|process| {
        has_ours |= ours.contains(&process.pid);
        ours.contains(&process.pid) || waiting.contains(&process.pid)
    }) && has_ours
}
