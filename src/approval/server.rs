//! The socket at which whoever runs `stockade approve` is told of questions and
//! answers them. One JSON object a line, in both directions.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, getsockopt, shutdown, sockopt};
use nix::unistd::{Pid, getpid};
use serde::{Deserialize, Serialize};

use super::desk::{Pending, Stale};
use super::peer::{self, Status};
use super::presence;
use super::remembered::Answer;

/// How often it is looked for something new.
const TICK: Duration = Duration::from_millis(100);
/// The same where nothing is asked.
const CALM: Duration = Duration::from_secs(1);
/// How long those who watch already have to find a session that has just begun.
const ARRIVAL: Duration = Duration::from_secs(3);
/// How many may be connected at once.
const MOST_CLIENTS: usize = 16;
/// How long a line may be, in bytes.
const MOST_BYTES: u64 = 64 << 10;
/// How many trees are told of for those who look at what is there.
pub const MOST_TREES: usize = 16;
/// How sockets' names end.
pub const END: &str = ".sock";

/// What a client says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Tell the questions once.
    List,
    /// Tell the questions whenever they change, as long as this is connected.
    Watch,
    /// Answer one.
    Answer {
        /// Its number.
        id: u64,
        /// The version that was shown.
        version: u32,
        /// What is said.
        said: Answer,
    },
}

/// What a client is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// The questions that wait.
    Questions(Vec<Shown>),
    /// An answer counts.
    Done,
    /// Something does not count, and why.
    Error(String),
}

/// A question as a person is to see it. Texts are as they are: to be escaped
/// before they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its number in the session.
    pub id: u64,
    /// How often what it is about has grown.
    pub version: u32,
    /// The session.
    pub session: String,
    /// Where the session works.
    pub workspace: String,
    /// The command line of the process that asks.
    pub command: Vec<String>,
    /// Those of its ancestors in the jail, the nearest first.
    pub parents: Vec<Vec<String>>,
    /// What is to happen.
    pub verb: String,
    /// To what: everything at these paths and beneath.
    pub trees: Vec<String>,
    /// Where to look for what is there: the paths that were asked about, then the
    /// first [`MOST_TREES`] of these, as the kernel knows them.
    pub places: Vec<Vec<u8>>,
    /// The first paths that were asked about.
    pub paths: Vec<String>,
    /// How many calls wait.
    pub calls: usize,
    /// How many files and directories there are; more, where `is_counted` is false.
    pub entries: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Whether all of them were counted.
    pub is_counted: bool,
    /// Whether it can be undone.
    pub recoverable: bool,
    /// Whether it may be answered for always.
    pub may_always: bool,
    /// The rule that asks.
    pub rule: String,
    /// Why it does.
    pub why: String,
    /// When it was asked, in milliseconds since 1970 (UTC).
    pub asked: i64,
    /// When it is refused unless somebody answers, in the same way.
    pub until: i64,
}

impl Shown {
    /// Its name among the questions of all sessions.
    pub fn name(&self) -> String {
        format!("{}:{}", self.session, self.id)
    }

    /// Whether a person who was shown the other knows what this is about.
    pub fn is_same(&self, other: &Shown) -> bool {
        let what = |shown: &Shown| (shown.id, shown.version);
        what(self) == what(other) && self.session == other.session && self.trees == other.trees
    }
}

/// What the server serves: questions, and what becomes of answers.
pub trait Office: Send + Sync {
    /// The questions that wait.
    fn pending(&self) -> Vec<Pending>;
    /// Waits until there are any or no more will come, but no longer than so.
    fn wait(&self, longest: Duration);
    /// One as it is to be shown.
    fn show(&self, pending: &Pending) -> Shown;
    /// Answers one.
    fn answer(&self, id: u64, version: u32, answer: Answer) -> Result<(), Stale>;
    /// Refuses all that waits, since nobody is there.
    fn abandon(&self);
    /// Called now and then.
    fn tick(&self);
}

/// A running server. Dropping it stops it and removes the socket.
pub struct Server {
    path: PathBuf,
    listener: Arc<UnixListener>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    is_stopping: AtomicBool,
    watching: Arc<AtomicUsize>,
    clients: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Starts serving at a new socket in a directory of the user's alone. The
    /// number of those who watch is kept in `watching`.
    pub fn start(
        dir: &Path,
        session: &str,
        office: Arc<dyn Office>,
        watching: Arc<AtomicUsize>,
    ) -> io::Result<Server> {
        make_private(dir)?;
        remove_stale(dir);
        let name = format!("{session}{END}");
        let path = dir.join(&name);
        let listener = with_short_path(dir, &name, |path| UnixListener::bind(path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let listener = Arc::new(listener);
        let expected = presence::is_announced(dir).then(|| Instant::now() + ARRIVAL);
        let state = Arc::new(State { watching: Arc::clone(&watching), ..State::default() });
        let accepting = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("approvals".into()).stack_size(128 << 10);
        let ours = Arc::clone(&listener);
        let thread = thread.spawn(move || accepting.accept(&ours, &office, expected))?;
        // Who is expected counts from now on, before the jail starts.
        watching.fetch_add(usize::from(expected.is_some()), Ordering::SeqCst);
        Ok(Server { path, listener, state, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, Ordering::SeqCst);
        // Who waits for connections learns that there are none to come.
        if let Err(errno) = shutdown(self.listener.as_raw_fd(), Shutdown::Both) {
            tracing::debug!(%errno, "the socket for answers cannot be shut down");
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
        // If it is gone, so much the better.
        let _ = fs::remove_file(&self.path);
    }
}

/// Waits until somebody connects, but no longer than so.
fn wait(listener: &UnixListener, longest: Duration) {
    let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    let longest = PollTimeout::try_from(longest).unwrap_or(PollTimeout::ZERO);
    // Whatever woke it is looked for by the caller.
    let _ = poll(&mut waiting, longest);
}

/// Removes sockets of sessions that were killed. One that was just made may not
/// take connections yet.
fn remove_stale(dir: &Path) {
    const OLD: Duration = Duration::from_secs(60);
    for (_, socket) in super::client::sockets(dir).unwrap_or_default() {
        let made = fs::symlink_metadata(&socket).and_then(|found| found.modified());
        let is_old = made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > OLD));
        if is_old && matches!(super::client::Connection::to(&socket), Ok(None)) {
            // Another session may have been quicker.
            let _ = fs::remove_file(&socket);
        }
    }
}

/// Names a socket in a way that is short enough for an address (`unix(7)`: 107 bytes).
pub(super) fn with_short_path<T>(
    dir: &Path,
    name: &str,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let held = fs::File::open(dir)?;
    act(Path::new(&format!("/proc/self/fd/{}/{name}", held.as_raw_fd())))
}

pub(super) fn make_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let found = fs::symlink_metadata(dir)?;
    let is_ours = found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw();
    if !is_ours || found.mode() & 0o077 != 0 {
        let why = format!("{} must be a directory that only its owner can enter", dir.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

impl State {
    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Takes connections. `expected` is until when somebody counts as watching who is
    /// about to connect.
    fn accept(
        self: &Arc<State>,
        listener: &UnixListener,
        office: &Arc<dyn Office>,
        mut expected: Option<Instant>,
    ) {
        while !self.is_stopping() {
            office.tick();
            let has_come = || self.watching.load(Ordering::SeqCst) > 1;
            if expected.take_if(|until| has_come() || Instant::now() >= *until).is_some() {
                self.one_less(&**office);
            }
            match listener.accept() {
                Ok((stream, _)) => self.welcome(stream, office),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let is_calm = office.pending().is_empty();
                    wait(listener, if is_calm { CALM } else { TICK });
                }
                Err(_) if self.is_stopping() => break,
                Err(error) => {
                    tracing::error!(%error, "nobody can answer questions any more");
                    break;
                }
            }
        }
        let clients = std::mem::take(&mut *self.clients.lock().unwrap_or_else(PoisonError::into_inner));
        for client in clients {
            // A panic of the thread was printed when it happened.
            let _ = client.join();
        }
    }

    fn welcome(self: &Arc<State>, mut stream: UnixStream, office: &Arc<dyn Office>) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|client| !client.is_finished());
        let refused = if clients.len() >= MOST_CLIENTS {
            Err("too many are connected".to_string())
        } else {
            check(&stream).map_err(|why| format!("this process may not answer: {why}"))
        };
        if let Err(why) = refused {
            tracing::warn!("{why}");
            // Whoever it is need not be told.
            let _ = tell(&mut stream, &Told::Error(why));
            return;
        }
        let (state, office) = (Arc::clone(self), Arc::clone(office));
        let thread = std::thread::Builder::new().name("approver".into()).stack_size(256 << 10);
        match thread.spawn(move || state.serve(stream, &*office)) {
            Ok(client) => clients.push(client),
            Err(error) => tracing::error!(%error, "an approver cannot be served"),
        }
    }

    fn serve(&self, stream: UnixStream, office: &dyn Office) {
        let mut is_watching = false;
        if let Err(error) = self.converse(stream, office, &mut is_watching) {
            tracing::debug!(%error, "an approver is gone");
        }
        if is_watching {
            self.one_less(office);
        }
    }

    fn one_less(&self, office: &dyn Office) {
        if self.watching.fetch_sub(1, Ordering::SeqCst) == 1 {
            office.abandon();
        }
    }

    fn converse(&self, stream: UnixStream, office: &dyn Office, is_watching: &mut bool) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(io::Read::take(stream, MOST_BYTES));
        let (mut line, mut shown) = (String::new(), None);
        while !self.is_stopping() {
            match reader.read_line(&mut line) {
                Ok(0) => return Ok(()),
                Ok(_) if line.ends_with('\n') => {
                    let told = match serde_json::from_str(&line) {
                        Ok(Request::List) => questions(office, &office.pending()),
                        Ok(Request::Watch) => {
                            if !std::mem::replace(is_watching, true) {
                                self.watching.fetch_add(1, Ordering::SeqCst);
                            }
                            let pending = office.pending();
                            let told = questions(office, &pending);
                            shown = Some(pending);
                            told
                        }
                        Ok(Request::Answer { id, version, said }) => match office.answer(id, version, said) {
                            Ok(()) => Told::Done,
                            Err(Stale::Gone) => Told::Error("nobody asks that any more".into()),
                            Err(Stale::Grown) => Told::Error("there is more to it now: look again".into()),
                            Err(Stale::NotAlways) => Told::Error("this cannot be answered for always".into()),
                        },
                        Err(error) => Told::Error(error.to_string()),
                    };
                    tell(&mut writer, &told)?;
                    line.clear();
                    reader.get_mut().set_limit(MOST_BYTES);
                }
                // What there is of a line stays in it.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error),
            }
            let pending = shown.as_ref().map(|_| office.pending());
            if pending != shown {
                shown = pending;
                tell(&mut writer, &questions(office, shown.as_deref().unwrap_or_default()))?;
            }
        }
        Ok(())
    }
}

fn questions(office: &dyn Office, pending: &[Pending]) -> Told {
    Told::Questions(pending.iter().map(|pending| office.show(pending)).collect())
}

fn tell(stream: &mut UnixStream, told: &Told) -> io::Result<()> {
    let mut line = serde_json::to_string(told)?;
    line.push('\n');
    stream.write_all(line.as_bytes())
}

fn check(stream: &UnixStream) -> Result<(), peer::Unfit> {
    let peer = getsockopt(stream, sockopt::PeerCredentials).map_err(|_| peer::Unfit::Unknown)?;
    peer::check(Pid::from_raw(peer.pid()), getpid(), &Status::of)
}
