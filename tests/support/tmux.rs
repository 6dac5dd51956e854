//! A terminal as people have it: a shell in tmux, driven by keys.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::Jail;
use super::process::eventually;

/// How long something may take to be shown.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tmux server with one window, in which a shell runs that is not jailed.
pub struct Tmux {
    socket: PathBuf,
}

/// Whether there is a tmux at all.
pub fn is_there() -> bool {
    Command::new("tmux").arg("-V").output().is_ok_and(|out| out.status.success())
}

impl Tmux {
    /// Starts one with the environment of a jail, of so many columns and rows.
    pub fn start(jail: &Jail, columns: u16, rows: u16) -> Tmux {
        let tmux = Tmux { socket: jail.base().join("tmux") };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut command = tmux.command();
        let bare = jail.bare_command("tmux");
        command.env_clear().envs(bare.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PS1", "$ ").current_dir(bare.get_current_dir().expect("a directory"));
        command.args(["-u", "-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows]);
        let out = command.args(["bash", "--norc", "--noprofile", "-i"]).output().expect("start tmux");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        tmux.expect("$");
        tmux
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket);
        command
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.command().args(args).output().expect("run tmux");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }

    /// Presses keys, as tmux names them (`Enter`, `C-z`).
    pub fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Types a line.
    pub fn enter(&self, line: &str) {
        self.run(&["send-keys", "-l", line]);
        self.press(&["Enter"]);
    }

    /// Types the command line that starts something in a jail.
    pub fn run_jailed(&self, jail: &Jail, args: &[&str], rest: &str) {
        let command = jail.command(args);
        let mut line = String::new();
        for word in std::iter::once(command.get_program()).chain(command.get_args()) {
            let word = String::from_utf8_lossy(word.as_bytes()).replace('\'', "'\\''");
            write!(line, "'{word}' ").expect("write to a string");
        }
        self.enter(&format!("{line}{rest}"));
    }

    /// What is shown now.
    pub fn screen(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// What tmux says of its only pane (`FORMATS` of `tmux(1)`).
    pub fn ask(&self, format: &str) -> String {
        self.run(&["display-message", "-p", format]).trim().to_string()
    }

    /// Gives the window another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.run(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Waits until a text is shown.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        let shown = eventually(PATIENCE, || self.screen().contains(text));
        assert!(shown, "{text:?} was not shown, but:\n{}", self.screen());
    }

    /// Waits until something holds for what is shown.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let held = eventually(PATIENCE, || holds(&self.screen()));
        assert!(held, "{what}:\n{}", self.screen());
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let ended = self.command().arg("kill-server").output().is_ok_and(|out| out.status.success());
        assert!(ended || std::thread::panicking(), "tmux does not end");
    }
}
