//! A process outside the jail, for attacks to aim at.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A sleeping process of the same user, with a secret in its environment; ended on drop.
pub struct Outsider(Child);

impl Outsider {
    /// Starts one in a process group of its own.
    pub fn start() -> Outsider {
        let mut command = Command::new("sleep");
        command.arg("300").env_clear().env("PATH", super::fixture::PATH).env("OUTSIDER_WORD", "swordfish");
        let child = command.stdin(Stdio::null()).process_group(0).spawn().expect("start sleep");
        Outsider(child)
    }

    /// Its process id as an attack's argument.
    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().expect("look at the outsider").is_none()
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
