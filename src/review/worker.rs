//! Running a part of a review: a program that may hang, flood, or have to be stopped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::sys::process::start_apart;
use crate::sys::procfs::children;

/// How often is looked whether it ended.
const TICK: Duration = Duration::from_millis(20);
/// How long a program may take to end by itself when it is told to.
const GRACE: Duration = Duration::from_secs(3);
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// What is run.
#[derive(Debug)]
pub struct Job {
    /// The program, with arguments and environment.
    pub command: Command,
    /// What it reads; nothing where there is no such file.
    pub input: Option<PathBuf>,
    /// Where it is written down what it prints.
    pub log: PathBuf,
}

/// How far it may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When it must have ended.
    pub deadline: Instant,
    /// Bytes that it may print.
    pub output: u64,
    /// Bytes of that which are kept of each stream: the last ones of standard output, the
    /// first ones in the log.
    pub kept: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Worked {
    /// How it ended.
    pub status: ExitStatus,
    /// The end of what it printed on standard output.
    pub output: Vec<u8>,
    /// Why it was stopped.
    pub stopped: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
}

impl Worked {
    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<String> {
        if let Some(why) = self.stopped {
            return Some(why.into());
        }
        match (self.status.code(), self.status.signal()) {
            (Some(0), _) => None,
            (Some(code), _) => Some(format!("it ended with status {code}")),
            (None, signal) => Some(format!("signal {} ended it", signal.unwrap_or_default())),
        }
    }
}

/// Runs a job to its end, or until `is_over` says that nobody waits for it any more.
pub fn work(mut job: Job, limits: Limits, is_over: &(dyn Fn() -> bool + Sync)) -> io::Result<Worked> {
    let started = Instant::now();
    let input = job.input.map(File::open).transpose()?;
    job.command.stdin(input.map_or_else(Stdio::null, Stdio::from));
    job.command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let log = File::create_new(&job.log)?;
    let mut child = start_apart(&mut job.command)?;
    let printed = AtomicU64::new(0);
    let (output, status, stopped) = thread::scope(|scope| {
        let streams = (child.stdout.take(), child.stderr.take());
        let (log, printed) = (&log, &printed);
        let output = scope.spawn(move || follow(streams.0, log, limits.kept, printed));
        scope.spawn(move || follow(streams.1, log, limits.kept, printed));
        let why = || {
            if is_over() {
                Some("it was interrupted")
            } else if Instant::now() >= limits.deadline {
                Some("it took too long")
            } else {
                (printed.load(Ordering::Relaxed) > limits.output).then_some("it printed too much")
            }
        };
        let (status, stopped) = wait(&mut child, why)?;
        // A panic of the thread was printed when it happened.
        Ok::<_, io::Error>((output.join().unwrap_or_default(), status, stopped))
    })?;
    Ok(Worked { status, output, stopped, took: started.elapsed() })
}

/// Waits for the end, and brings it about where there is a reason.
fn wait(
    child: &mut Child,
    why: impl Fn() -> Option<&'static str>,
) -> io::Result<(ExitStatus, Option<&'static str>)> {
    let mut stopped = None;
    let mut since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, stopped));
        }
        let pid = Pid::from_raw(child.id().cast_signed());
        match stopped {
            None => {
                if let Some(reason) = why() {
                    stopped = Some(reason);
                    since = Instant::now();
                    // ESRCH: it ended meanwhile.
                    let _ = kill(pid, Signal::SIGTERM);
                }
            }
            // Its child is the jail's first process: without it the jail is taken down and
            // the session closed in good order.
            Some(_) if since.elapsed() > GRACE => {
                for inner in children(pid) {
                    let _ = kill(inner, Signal::SIGKILL);
                }
                if since.elapsed() > GRACE * 4 {
                    child.kill()?;
                }
            }
            Some(_) => {}
        }
        thread::sleep(TICK);
    }
}

/// Reads a stream to its end, so that nobody waits for a reader. Gives the end of it.
fn follow(stream: Option<impl Read>, mut log: &File, kept: usize, printed: &AtomicU64) -> Vec<u8> {
    let Some(mut stream) = stream else { return Vec::new() };
    let (mut tail, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    let mut logged = 0;
    // A stream that cannot be read has come to its end.
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        printed.fetch_add(read as u64, Ordering::Relaxed);
        let room = read.min(kept.saturating_sub(logged));
        if let Err(error) = log.write_all(&chunk[..room]) {
            tracing::warn!(%error, "what it prints cannot be written down");
        }
        logged += room;
        tail.extend_from_slice(&chunk[..read]);
        if tail.len() > 2 * kept {
            tail.drain(..tail.len() - kept);
        }
    }
    let surplus = tail.len().saturating_sub(kept);
    tail.drain(..surplus);
    tail
}
