//! Real programs and their own test suites do the same work in a tracked
//! workspace and outside any jail, and the results are the same.

mod cpython;

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Jail, is_root};

/// How long a slow suite may take.
const SLOW: Duration = Duration::from_secs(240);

/// Whether a program of the machine can be run.
fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A command outside the jail, but with no more privileges than inside.
fn bare_command(jail: &Jail, args: &[&str]) -> Command {
    let mut command = jail.bare_command("setpriv");
    if is_root() {
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]);
    }
    command.arg("--no-new-privs").args(args);
    command
}
