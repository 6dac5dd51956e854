//! Real programs and their own test suites do the same work in a tracked
//! workspace and outside any jail, and the results are the same.

mod archives;
mod builds;
mod cpython;
mod editors;
mod git;
mod sqlite;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::tree::assert_same;
use crate::support::{Jail, Tree, is_root, process};

/// How long a slow suite may take.
const SLOW: Duration = Duration::from_secs(240);

/// Whether a program of the machine can be run.
fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a program of the machine prints, run with the tests' own environment.
fn ask(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
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

/// Work that is done twice in the same place, `pkg` of a tracked workspace:
/// outside any jail and then, after everything was put back, inside. So paths
/// in files are the same as well.
struct Twice {
    jail: Jail,
    prepare: fn(&Jail),
    /// What of the tree is different whenever it is made.
    except: Vec<&'static str>,
}

impl Twice {
    /// In a jail of profile `standard`.
    fn new(prepare: fn(&Jail)) -> Twice {
        Twice::of(Jail::new("standard"), prepare)
    }

    /// In a jail of any kind.
    fn of(mut jail: Jail, prepare: fn(&Jail)) -> Twice {
        let pkg = jail.work.join("pkg");
        jail.limit(SLOW).cwd(pkg);
        Twice { jail, prepare, except: Vec::new() }
    }

    /// Leaves out of the comparison what is at or beneath these paths.
    fn without(mut self, paths: &[&'static str]) -> Twice {
        self.except.extend(paths);
        self
    }

    /// Runs a script; expects that it works, prints the same and leaves the same tree.
    #[track_caller]
    fn script(&self, script: &str) {
        // the jail's own directory for these is not in the workspace
        let script = format!("umask 022; mkdir .tmp; export TMPDIR=$PWD/.tmp GIT_OPTIONAL_LOCKS=0\n{script}");
        let args = ["bash", "-c", &script];
        let run = |mut command: Command| process::run(&mut command, SLOW);
        let [(outside, expected), (inside, found)] = self.each(&|jailed| {
            run(if jailed { self.jail.command(&args) } else { bare_command(&self.jail, &args) })
        });
        assert_eq!(outside.code(), 0, "it works outside: {}\n{}", outside.out(), outside.err());
        assert_eq!(inside.code(), 0, "it works inside: {}\n{}", inside.out(), inside.err());
        for (there, here) in outside.out().lines().zip(inside.out().lines()) {
            assert_eq!(there, here, "the first line that differs; inside, stderr: {}", inside.err());
        }
        assert_eq!(outside.out(), inside.out(), "inside, stderr: {}", inside.err());
        assert!(!inside.err().contains("stockade: refused"), "something was refused: {}", inside.err());
        assert_same(&expected, &found);
    }

    /// Does something outside and inside; gives what came of it and the tree afterwards.
    #[track_caller]
    fn each<T>(&self, work: &dyn Fn(bool) -> T) -> [(T, Tree); 2] {
        let pkg = self.jail.work.join("pkg");
        [false, true].map(|jailed| {
            fs::remove_dir_all(&pkg).expect("remove the directory");
            fs::create_dir(&pkg).expect("make the directory");
            (self.prepare)(&self.jail);
            let result = work(jailed);
            (result, Tree::shape(&pkg).without(&self.except))
        })
    }
}
