//! Typing on the user's terminal: what is pushed into its input is run by the shell outside later.

use std::ffi::OsString;

use crate::support::attack::{Attack, report, say};
use crate::support::both_modes;
use crate::support::os::{addr, call};
use crate::support::pty::Terminal;

pub const ATTACKS: &[Attack] = &[("terminal", push_input)];

fn push_input(_: &[OsString]) {
    let high = 1_i64 << 32;
    for byte in b"x\n" {
        report("TIOCSTI", call(libc::SYS_ioctl, &[0, libc::TIOCSTI as i64, addr(byte)]));
        report("TIOCSTI high", call(libc::SYS_ioctl, &[1, high | libc::TIOCSTI as i64, addr(byte)]));
        report("TIOCLINUX", call(libc::SYS_ioctl, &[2, libc::TIOCLINUX as i64, addr(byte)]));
    }
    let tty = crate::support::os::open("/dev/tty", libc::O_RDWR);
    report("open /dev/tty", tty);
    report("TIOCSTI tty", call(libc::SYS_ioctl, &[tty, libc::TIOCSTI as i64, addr(&b'x')]));
    say("end", "of attack");
}

#[test]
fn nothing_can_be_typed_into_the_terminal() {
    both_modes(|jail| {
        let mut terminal = Terminal::start(&mut jail.attack_command::<&str>("terminal", &[]), 24, 80);
        terminal.expect("end: of attack");
        let screen = terminal.screen();
        for step in ["TIOCSTI: EPERM", "TIOCSTI high: EPERM", "TIOCLINUX: EPERM", "TIOCSTI tty: EPERM"] {
            assert!(screen.contains(step), "{step} in\n{screen}");
        }
        assert!(screen.contains("open /dev/tty: ok"), "the terminal itself is usable:\n{screen}");
        assert_eq!(terminal.code(), 0);
        assert_eq!(terminal.pending_input(), 0, "no input waits");
    });
}
