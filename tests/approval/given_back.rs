//! The terminal is left as it was, however `stockade approve` ends.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::asking;
use crate::support::jail::stockade;
use crate::support::pty::Terminal;
use crate::support::{Jail, Screen};

/// The modes of a terminal that `stty` can set.
fn modes(terminal: &Terminal) -> (u32, u32, u32, u32, Vec<u8>) {
    let modes = terminal.modes();
    (modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag, modes.c_cc.to_vec())
}

/// A shell with jobs, from which a person starts things.
fn shell(jail: &Jail) -> Screen {
    let mut command = jail.bare_command("bash");
    command.args(["--norc", "--noprofile", "--noediting", "-i"]).env("PS1", "ready> ");
    let mut screen = Screen::start(&mut command, 24, 100);
    screen.expect("ready>");
    screen
}

/// Asserts that a terminal is a shell's again, with what it showed before.
#[track_caller]
fn is_given_back(screen: &mut Screen, before: &(u32, u32, u32, u32, Vec<u8>)) {
    let shown = screen.screen();
    let left = (shown.alternate_screen(), shown.bracketed_paste(), shown.hide_cursor());
    assert_eq!(left, (false, false, false));
    assert_eq!(&modes(&screen.terminal), before);
}

#[test]
fn each_end_gives_the_terminal_back() {
    let jail = asking("");
    let ends: [(&str, Option<Signal>, i32); 6] = [
        ("q", None, 0),
        ("\u{3}", None, 0),
        ("", Some(Signal::SIGTERM), 128 + 15),
        ("", Some(Signal::SIGINT), 128 + 2),
        ("", Some(Signal::SIGHUP), 128 + 1),
        ("x", Some(Signal::SIGTERM), 128 + 15),
    ];
    for (keys, signal, code) in ends {
        let mut waiting = jail.bare_command("sh");
        // So that the modes can be read before.
        waiting.args(["-c", "echo before; read line; exec \"$0\" approve"]).arg(stockade());
        let mut screen = Screen::start(&mut waiting, 24, 100);
        screen.expect("before");
        let before = modes(&screen.terminal);
        screen.send("\n");
        screen.expect("0 questions, 0 sessions");
        assert!(screen.screen().alternate_screen() && modes(&screen.terminal) != before);
        screen.send(keys);
        if let Some(signal) = signal {
            let process = i32::try_from(screen.terminal.pid()).expect("a process id");
            kill(Pid::from_raw(process), signal).expect("send a signal");
        }
        assert_eq!(screen.terminal.code(), code, "{keys:?} {signal:?}");
        screen.expect("before");
        is_given_back(&mut screen, &before);
    }
}

#[test]
fn it_stops_and_goes_on() {
    let jail = asking("");
    let mut screen = shell(&jail);
    let before = modes(&screen.terminal);
    screen.send(&format!("{} approve; echo end'ed'\n", stockade().display()));
    screen.expect("0 questions, 0 sessions");
    screen.send("\u{1a}");
    screen.expect("Stopped");
    is_given_back(&mut screen, &before);
    screen.send("echo mean''while\n");
    screen.expect("meanwhile");
    screen.send("fg\n");
    screen.until("it is to be drawn again", |shown| {
        shown.starts_with("stockade approve   0 questions") && shown.contains("q quit")
    });
    assert!(screen.screen().alternate_screen());
    screen.send("q");
    screen.expect("meanwhile");
    screen.send("echo \"status $?\"\n");
    screen.expect("status 0");
    // One that is stopped ends when it is told to.
    screen.send(&format!("{} approve\n", stockade().display()));
    screen.expect("0 questions, 0 sessions");
    screen.send("\u{1a}");
    screen.until("it is to be stopped", |shown| shown.matches("Stopped").count() == 2);
    screen.send("kill %1; wait; echo all''gone\n");
    screen.expect("allgone");
    is_given_back(&mut screen, &before);
}

#[test]
fn where_there_is_no_screen_it_asks_in_lines() {
    let jail = Jail::new("standard");
    for (kind, args) in
        [("dumb", &["approve"][..]), ("", &["approve"]), ("xterm-256color", &["approve", "--plain"])]
    {
        let terminal = Terminal::of_kind(kind, jail.bare_command(stockade()).args(args), 24, 100);
        terminal.expect("Waiting for questions.");
        assert!(!terminal.screen().contains('\u{1b}'));
    }
}
