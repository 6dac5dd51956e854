//! A pseudo-terminal with a program on it, as a person would use it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::process::{self, eventually};

/// A program that leads a session on a terminal of its own.
pub struct Terminal {
    master: File,
    slave: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
    child: Child,
}

impl Terminal {
    /// Starts a command on a new terminal of the given size (rows, columns).
    pub fn start(command: &mut Command, rows: u16, columns: u16) -> Terminal {
        Terminal::of_kind("dumb", command, rows, columns)
    }

    /// The same, on a terminal of a kind (`term(7)`).
    pub fn of_kind(kind: &str, command: &mut Command, rows: u16, columns: u16) -> Terminal {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(&size, None).expect("open a pseudo-terminal");
        let end = || pty.slave.try_clone().expect("copy a descriptor");
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", kind);
        let master = pty.master.as_raw_fd();
        // SAFETY: only system calls that are safe between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::close(master);
                if libc::setsid() == -1 || libc::ioctl(0, libc::TIOCSCTTY, 0) == -1 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("start the program");
        let master = File::from(pty.master);
        let mut reader = master.try_clone().expect("copy a descriptor");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shown.lock().expect("lock the screen").extend_from_slice(&buffer[..count]);
            }
        });
        Terminal { master, slave: pty.slave, screen, child }
    }

    /// Types something.
    pub fn send(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("type on the terminal");
    }

    /// Everything shown so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("lock the screen")).into_owned()
    }

    /// The bytes shown so far but for the first ones.
    pub fn bytes(&self, from: usize) -> Vec<u8> {
        self.screen.lock().expect("lock the screen")[from..].to_vec()
    }

    /// Makes it as large as this; whoever it belongs to is told.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCSWINSZ reads one winsize.
        let result = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0, "set the size");
    }

    /// Its modes (`termios(3)`).
    pub fn modes(&self) -> libc::termios {
        nix::sys::termios::tcgetattr(&self.slave).expect("read the modes").into()
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a text is shown.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        let shown = eventually(Duration::from_secs(20), || self.screen().contains(text));
        assert!(shown, "{text:?} was not shown, but:\n{}", self.screen());
    }

    /// The exit code as a shell would show it.
    #[track_caller]
    pub fn code(&mut self) -> i32 {
        let status = process::wait(&mut self.child, Duration::from_secs(30));
        process::Output { status, stdout: Vec::new(), stderr: Vec::new() }.code()
    }

    /// Bytes that wait to be read by whoever reads the terminal.
    pub fn pending_input(&self) -> i32 {
        let mut count = 0;
        // SAFETY: FIONREAD writes one int.
        unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::FIONREAD, &raw mut count) };
        count
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
