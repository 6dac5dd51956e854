//! A jail around a throw-away world: built, then run.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::fixture::{PATH, World};
use super::process::{self, LIMIT, Output};

/// A world and how `stockade` is started in it.
pub struct Jail {
    world: World,
    profile: OsString,
    fixed: bool,
    allow: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
    limit: Duration,
}

impl Deref for Jail {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// The executable under test.
pub fn stockade() -> PathBuf {
    std::env::var_os("STOCKADE_BIN").map_or_else(|| env!("CARGO_BIN_EXE_stockade").into(), PathBuf::from)
}

/// This test binary, which holds the attacks.
pub fn myself() -> PathBuf {
    std::env::current_exe().expect("find the test binary")
}

/// Runs a test in a new jail of profile `ci` in each mode.
pub fn both_modes(test: impl Fn(&mut Jail)) {
    each_mode("ci", test);
}

/// Runs a test in a new jail of the profile in each mode.
pub fn each_mode(profile: &str, test: impl Fn(&mut Jail)) {
    for fixed in [false, true] {
        let mut jail = Jail::new(profile);
        jail.fixed = fixed;
        eprintln!("--- profile {profile}, {}", if fixed { "static" } else { "brokered" });
        test(&mut jail);
    }
}

impl Jail {
    /// A brokered jail in a new world; the working directory is the workspace.
    pub fn new(profile: impl AsRef<OsStr>) -> Jail {
        let world = World::new();
        Jail {
            cwd: world.work.clone(),
            world,
            profile: profile.as_ref().to_owned(),
            fixed: false,
            allow: Vec::new(),
            env: Vec::new(),
            limit: LIMIT,
        }
    }

    /// A jail for which no profile is named.
    pub fn by_default() -> Jail {
        Jail::new("")
    }

    /// A jail of profile `standard` in which a command removes as much as it likes of
    /// what others made in the session.
    pub fn without_bulk() -> Jail {
        let mut jail = Jail::new("standard");
        let profile = jail.base().join("without-bulk.yaml");
        let text = "version: 1\nname: without-bulk\nextends: standard\napprovals: {bulk: 1000000000}\n";
        super::fixture::write(&profile, text);
        jail.profile(&profile);
        jail
    }

    /// Leaves no broker behind.
    pub fn static_mode(&mut self) -> &mut Jail {
        self.fixed = true;
        self
    }

    /// Whether no broker stays behind.
    pub fn is_static(&self) -> bool {
        self.fixed
    }

    /// Another profile, by name or file.
    pub fn profile(&mut self, profile: impl AsRef<OsStr>) -> &mut Jail {
        self.profile = profile.as_ref().to_owned();
        self
    }

    /// Adds `--allow ACCESS=PATH`.
    pub fn allow(&mut self, access: &str, path: impl AsRef<Path>) -> &mut Jail {
        let mut rule = OsString::from(format!("{access}="));
        rule.push(path.as_ref());
        self.allow.push(rule);
        self
    }

    /// Adds an environment variable for `stockade`.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Jail {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts in another directory.
    pub fn cwd(&mut self, dir: impl AsRef<Path>) -> &mut Jail {
        self.cwd = dir.as_ref().to_owned();
        self
    }

    /// Gives slow programs more time.
    pub fn limit(&mut self, limit: Duration) -> &mut Jail {
        self.limit = limit;
        self
    }

    /// A command with this world's environment and working directory, not jailed.
    pub fn bare_command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PATH).env("HOME", &self.home).env("LANG", "C.UTF-8");
        command.envs(self.env.iter().map(|(k, v)| (k, v))).current_dir(&self.cwd).stdin(Stdio::null());
        command
    }

    /// The beginning of `stockade run …`, up to the options.
    pub fn run_command(&self) -> Command {
        let mut command = self.bare_command(stockade());
        command.arg("run");
        if !self.profile.is_empty() {
            command.arg("--profile").arg(&self.profile);
        }
        if self.fixed {
            command.arg("--static");
        }
        for rule in &self.allow {
            command.arg("--allow").arg(rule);
        }
        command
    }

    /// The whole `stockade run … -- ARGS`, not yet started.
    pub fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = self.run_command();
        command.arg("--").args(args);
        command
    }

    /// Runs a program in the jail.
    #[track_caller]
    pub fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        process::run(&mut self.command(args), self.limit)
    }

    /// Runs a shell script in the jail.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script])
    }

    /// Runs a program outside the jail, all else equal.
    #[track_caller]
    pub fn bare<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        let mut command = self.bare_command(&args[0]);
        process::run(command.args(&args[1..]), self.limit)
    }

    /// Another command of `stockade`, such as `plan`.
    #[track_caller]
    pub fn stockade<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        process::run(self.bare_command(stockade()).args(args), self.limit)
    }

    /// The command that runs an attack of this binary in the jail.
    pub fn attack_command<A: AsRef<OsStr>>(&self, name: &str, args: &[A]) -> Command {
        let mut command = self.run_command();
        let mut rule = OsString::from("read=");
        rule.push(myself());
        command.arg("--allow").arg(rule).arg("--");
        // A clean environment does not let it in.
        if ["strict", "readonly"].iter().any(|profile| self.profile == *profile) {
            command.arg("env").arg(format!("{}={name}", super::attack::VARIABLE));
        }
        command.arg(myself()).args(args);
        command.env(super::attack::VARIABLE, name);
        command
    }

    /// Runs an attack of this binary in the jail.
    #[track_caller]
    pub fn attack<A: AsRef<OsStr>>(&self, name: &str, args: &[A]) -> Output {
        process::run(&mut self.attack_command(name, args), self.limit)
    }

    /// Runs an attack outside the jail: the proof that it would have worked.
    #[track_caller]
    pub fn control<A: AsRef<OsStr>>(&self, name: &str, args: &[A]) -> Output {
        let mut command = self.bare_command(myself());
        process::run(command.args(args).env(super::attack::VARIABLE, name), self.limit)
    }
}
