//! Running a program with a time limit.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long one run may take unless a test says otherwise.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Output {
    /// Exit status.
    pub status: ExitStatus,
    /// Bytes of standard output.
    pub stdout: Vec<u8>,
    /// Bytes of standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Exit code as a shell would show it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Asserts the exit code and returns standard output.
    #[track_caller]
    pub fn expect(&self, code: i32) -> String {
        assert_eq!(self.code(), code, "exit status\nstdout: {}\nstderr: {}", self.out(), self.err());
        self.out()
    }

    /// The `name: result` lines that an attack printed.
    pub fn lines(&self) -> Vec<(String, String)> {
        let text = self.out();
        let pairs = text.lines().filter_map(|line| line.split_once(": "));
        pairs.map(|(name, result)| (name.to_owned(), result.to_owned())).collect()
    }

    /// The result of one step of an attack.
    #[track_caller]
    pub fn result(&self, name: &str) -> String {
        let found = self.lines().into_iter().find(|(n, _)| n == name);
        found.map(|(_, r)| r).unwrap_or_else(|| {
            panic!("no line {name:?}\nstdout: {}\nstderr: {}", self.out(), self.err());
        })
    }

    /// Asserts that an attack ran to its end and that every step of it failed
    /// with one of `errors`.
    #[track_caller]
    pub fn all_refused(&self, errors: &[&str]) {
        let lines = self.lines();
        assert_eq!(self.code(), 0, "the attack ran\nstdout: {}\nstderr: {}", self.out(), self.err());
        assert!(!lines.is_empty(), "the attack reported something\nstderr: {}", self.err());
        let wrong: Vec<_> = lines.iter().filter(|(_, r)| !errors.contains(&r.as_str())).collect();
        assert!(wrong.is_empty(), "not refused, or not so: {wrong:?}\nstderr: {}", self.err());
    }
}

/// Runs a command to its end; panics, after ending it, when the limit passes.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start the program");
    finish(&mut child, limit)
}

/// Waits for a child whose output is piped.
#[track_caller]
pub fn finish(child: &mut Child, limit: Duration) -> Output {
    let out = drain(child.stdout.take().expect("stdout is piped"));
    let err = drain(child.stderr.take().expect("stderr is piped"));
    let status = wait(child, limit);
    let grace = Duration::from_secs(10);
    let stdout = out.recv_timeout(grace).expect("nobody keeps standard output open after the end");
    let stderr = err.recv_timeout(grace).expect("nobody keeps standard error open after the end");
    Output { status, stdout, stderr }
}

/// Waits for a child; panics, after ending it, when the limit passes.
#[track_caller]
pub fn wait(child: &mut Child, limit: Duration) -> ExitStatus {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("wait for the program") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program did not end within {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn drain(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// Asks again and again until `condition` holds or the time is up; whether it held.
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
