//! A jail that is looked at from outside while it runs, and told when to go on.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::process;

/// A `stockade` whose command prints lines and reads lines.
pub struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Running {
    /// Starts a command; standard error goes to the test's own.
    pub fn start(command: &mut Command) -> Running {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start stockade");
        let input = child.stdin.take().expect("stdin is piped");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (send, lines) = channel();
        std::thread::spawn(move || {
            // whoever still writes must not meet a closed pipe
            output.lines().map_while(Result::ok).for_each(|line| drop(send.send(line)));
        });
        Running { child, input, lines }
    }

    /// The next line that the command prints; none where it, and whoever else
    /// has its output, is gone.
    #[track_caller]
    pub fn line(&self, limit: Duration) -> Option<String> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(error) => panic!("no line within {limit:?}: {error}"),
        }
    }

    /// Expects the line `name: …` and gives the rest of it.
    #[track_caller]
    pub fn result(&self, name: &str, limit: Duration) -> String {
        let line = self.line(limit).unwrap_or_else(|| panic!("it ended before {name:?}"));
        let found = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("{line:?} instead of {name:?}")).to_owned()
    }

    /// Lets the command read a line.
    pub fn go_on(&mut self) {
        self.input.write_all(b"\n").expect("write to the command");
    }

    /// The process id of `stockade`, which is the broker's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many entries a directory of the broker's procfs has, such as `fd` or `task`.
    pub fn count(&self, what: &str) -> usize {
        fs::read_dir(format!("/proc/{}/{what}", self.pid())).expect("look at the broker").count()
    }

    /// A field of the broker's status in KiB, such as `VmHWM`.
    pub fn kilobytes(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("look at the broker");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no {field} in {status}"))
    }

    /// Kills the broker.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill stockade");
        self.child.wait().expect("wait for stockade");
    }

    /// Waits for the end and gives the exit code.
    #[track_caller]
    pub fn code(&mut self, limit: Duration) -> i32 {
        let status = process::wait(&mut self.child, limit);
        process::Output { status, stdout: Vec::new(), stderr: Vec::new() }.code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
