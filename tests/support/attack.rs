//! Attacks: functions that run inside the jail, in this same binary.
//!
//! Where the environment names one, it runs before the test harness starts,
//! prints a line `step: ok` or `step: ERRNO` for each thing that it tried, and ends.

use std::ffi::OsString;
use std::io::Write;

use nix::errno::Errno;

/// The environment variable that names the attack.
pub const VARIABLE: &str = "STOCKADE_ATTACK";

/// An attack: its name and the function that gets the arguments.
pub type Attack = (&'static str, fn(&[OsString]));

/// Runs the attack that the environment names, if any, instead of the tests.
#[ctor::ctor(unsafe)]
fn attack_instead_of_testing() {
    let Some(name) = std::env::var_os(VARIABLE) else {
        return;
    };
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let lists = crate::escape::ATTACKS.iter().chain(crate::lifecycle::ATTACKS);
    let found = lists.flat_map(|list| list.iter()).find(|(n, _)| name == *n);
    let status = match found {
        Some((_, attack)) => i32::from(std::panic::catch_unwind(|| attack(&args)).is_err()) * 101,
        None => {
            eprintln!("no attack named {name:?}");
            100
        }
    };
    let _ = std::io::stdout().flush();
    // SAFETY: ends the process without running anything more of it.
    unsafe { libc::_exit(status) }
}

/// Prints how a system call ended; `result` is its return value, `errno` still fresh.
pub fn report(step: &str, result: i64) {
    let errno = Errno::last();
    match result {
        -1 => say(step, &format!("{errno:?}")),
        _ => say(step, "ok"),
    }
}

/// Prints how something of the standard library ended.
pub fn report_io<T>(step: &str, result: std::io::Result<T>) {
    match result {
        Ok(_) => say(step, "ok"),
        Err(error) => say(step, &format!("{:?}", Errno::from_raw(error.raw_os_error().unwrap_or(0)))),
    }
}

/// Prints one line of a report.
pub fn say(step: &str, what: &str) {
    println!("{step}: {what}");
}
