//! On a terminal: Ctrl-C, Ctrl-Z, window size.

use crate::support::both_modes;
use crate::support::jail::stockade;
use crate::support::process::{self, LIMIT};
use crate::support::pty::Terminal;

#[test]
fn ctrl_c_ends_the_command() {
    both_modes(|jail| {
        let mut terminal =
            Terminal::start(&mut jail.command(&["sh", "-c", "echo re''ady; exec sleep 100"]), 24, 80);
        terminal.expect("ready");
        terminal.send("\x03");
        assert_eq!(terminal.code(), 130);
    });
}

#[test]
fn ctrl_c_can_be_caught() {
    both_modes(|jail| {
        let script = "trap 'echo cau''ght; exit 3' INT; echo re''ady; while :; do sleep 0.02; done";
        let mut terminal = Terminal::start(&mut jail.command(&["sh", "-c", script]), 24, 80);
        terminal.expect("ready");
        terminal.send("\x03");
        terminal.expect("caught");
        assert_eq!(terminal.code(), 3);
    });
}

#[test]
fn a_program_may_go_on_after_ctrl_c() {
    both_modes(|jail| {
        let script = "trap 'echo cau''ght' INT; echo re''ady; read line || read line; echo got-$line";
        let mut terminal = Terminal::start(&mut jail.command(&["bash", "-c", script]), 24, 80);
        terminal.expect("ready");
        terminal.send("\x03");
        terminal.expect("caught");
        terminal.send("hello\n");
        terminal.expect("got-");
        assert_eq!(terminal.code(), 0);
    });
}

#[test]
fn ctrl_z_stops_and_fg_goes_on() {
    both_modes(|jail| {
        let mut command = jail.bare_command("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        let mut terminal = Terminal::start(&mut command, 24, 200);
        let mode = if jail.is_static() { "--static" } else { "" };
        let run = format!(
            "{} run --profile ci {mode} -- sh -c 'echo re\"\"ady; read x; echo got-$x'\n",
            stockade().display()
        );
        terminal.send(&run);
        terminal.expect("ready");
        terminal.send("\x1a");
        terminal.expect("Stopped");
        terminal.send("echo back-''in-shell\n");
        terminal.expect("back-in-shell");
        terminal.send("fg\n");
        std::thread::sleep(std::time::Duration::from_millis(300));
        terminal.send("hello\n");
        terminal.expect("got-hello");
        terminal.send("echo status-''$?; exit 5\n");
        terminal.expect("status-0");
        assert_eq!(terminal.code(), 5);
    });
}

#[test]
fn the_window_size_is_seen() {
    both_modes(|jail| {
        let mut terminal = Terminal::start(&mut jail.command(&["stty", "size"]), 33, 77);
        terminal.expect("33 77");
        assert_eq!(terminal.code(), 0);
    });
}

#[test]
fn terminal_settings_can_be_changed() {
    both_modes(|jail| {
        let script = "stty -echo raw; stty sane; tty; test -t 0 && test -t 1 && echo te''rminal";
        let mut terminal = Terminal::start(&mut jail.command(&["sh", "-c", script]), 24, 80);
        terminal.expect("/dev/pts/");
        terminal.expect("terminal");
        assert_eq!(terminal.code(), 0);
    });
}

#[test]
fn job_control_works_inside() {
    both_modes(|jail| {
        let mut terminal =
            Terminal::start(&mut jail.command(&["bash", "--norc", "--noprofile", "-i"]), 24, 120);
        terminal.send("sleep 100\n");
        std::thread::sleep(std::time::Duration::from_millis(500));
        terminal.send("\x1a");
        terminal.expect("Stopped");
        terminal.send("kill %1; echo still-''here; exit 6\n");
        terminal.expect("still-here");
        terminal.send("exit 6\n");
        assert_eq!(terminal.code(), 6);
    });
}

#[test]
fn it_works_without_a_controlling_terminal() {
    both_modes(|jail| {
        let run = format!("{} run --profile ci -- sh -c 'echo fine'", stockade().display());
        let mut command = jail.bare_command("setsid");
        command.args(["--wait", "sh", "-c", &run]);
        assert_eq!(process::run(&mut command, LIMIT).expect(0), "fine\n");
    });
}
