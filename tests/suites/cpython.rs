//! CPython's own tests of what touches files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{SLOW, bare_command, works};
use crate::support::fixture::write;
use crate::support::tree::assert_same;
use crate::support::{Jail, Output, Tree, is_root, process, skip};

/// Runs modules of tests and prints a line for each test.
const RUN_TESTS: &str = include_str!("run_tests.py");

/// The Python of the machine; Debian's package of its tests leaves out those of sqlite3.
const PYTHON: &str = "/usr/bin/python3";

/// Tests that end otherwise in the jail because its policy says so, with the
/// outcome that they have there.
const BY_POLICY: &[(&str, &str, &str)] = &[
    ("error", "test.test_os.FDInheritanceTests.test_openpty", "the terminals in /dev/pts are out of reach"),
    ("error", "test.test_os.Pep383Tests.test_listdir", "the names in / are hidden"),
    (
        "error",
        "test.test_os.ProgramPriorityTests.test_set_get_priority",
        "a priority is set by the number 0 alone",
    ),
];

/// What root may write outside and nobody may in the jail.
const IN_USR: (&str, &str) = ("skipped", "test.test_zipfile.PyZipFileTests.test_write_");

fn is_by_policy(outcome: &str, test: &str) -> bool {
    BY_POLICY.iter().any(|(ends, name, _)| (*ends, *name) == (outcome, test))
        || (is_root() && outcome == IN_USR.0 && test.starts_with(IN_USR.1))
}

/// The outcomes of each test, by its name; more than one where parts of it failed.
fn outcomes(out: &Output) -> BTreeMap<String, Vec<String>> {
    let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in out.out().lines() {
        let (outcome, test) = line.split_once(' ').expect("an outcome and a name");
        outcomes.entry(test.to_owned()).or_default().push(outcome.to_owned());
    }
    outcomes
}

/// Asserts that all tests but those in [`BY_POLICY`] ended alike.
fn compare(outside: &Output, inside: &Output) {
    assert_eq!((outside.code(), inside.code()), (0, 0), "{}\n{}", outside.err(), inside.err());
    let (expected, found) = (outcomes(outside), outcomes(inside));
    let mut differences = Vec::new();
    for test in expected.keys().chain(found.keys().filter(|test| !expected.contains_key(*test))) {
        let (there, here) = (expected.get(test), found.get(test));
        let policy = here.is_some_and(|all| all.iter().all(|outcome| is_by_policy(outcome, test)));
        if there != here && !policy {
            differences.push(format!("{test}: outside {there:?}, inside {here:?}"));
        }
    }
    let passed = expected.values().flatten().filter(|outcome| *outcome == "passed").count();
    eprintln!("{} tests, of which {passed} pass outside", expected.len());
    assert!(passed * 2 > expected.len(), "most pass outside:\n{}", outside.err());
    assert!(differences.is_empty(), "{}\n{}", differences.join("\n"), inside.err());
}

/// Runs modules inside and outside at the same time, in worlds alike whose
/// temporary files lie in the tracked workspace, and compares.
fn same_outcomes(python: &Path, root: Option<&Path>, modules: &[&str]) {
    let prepare = || {
        let mut jail = Jail::new("standard");
        write(&jail.work.join("run_tests.py"), RUN_TESTS);
        let pkg = jail.work.join("pkg/new");
        std::fs::create_dir(&pkg).expect("make a directory");
        jail.limit(SLOW).cwd(&pkg).env("PYTHONDONTWRITEBYTECODE", "1");
        root.inspect(|root| _ = jail.allow("read", root));
        jail
    };
    let (there, here) = (prepare(), prepare());
    let script = format!("umask 022; TMPDIR=$PWD exec {} ../../run_tests.py \"$@\"", python.display());
    let mut args = vec!["sh", "-c", &script, "sh"];
    args.extend(modules);
    let run = |mut command: Command| process::run(&mut command, SLOW);
    let (outside, inside) = std::thread::scope(|scope| {
        let outside = scope.spawn(|| run(bare_command(&there, &args)));
        let inside = run(here.command(&args));
        (outside.join().expect("the run outside ends"), inside)
    });
    compare(&outside, &inside);
    let left = |jail: &Jail| Tree::shape(&jail.work.join("pkg"));
    assert_same(&left(&there), &left(&here));
}

/// The same with the machine's own Python.
fn same_outcomes_of(test: &str, modules: &[&str]) {
    if !works(PYTHON, &["-c", "import test.test_mailbox"]) {
        return skip(test, "no /usr/bin/python3 with its tests");
    }
    same_outcomes(Path::new(PYTHON), None, modules);
}

#[test]
fn names_and_metadata() {
    same_outcomes_of(
        "names_and_metadata",
        &["test.test_os", "test.test_posix", "test.test_pathlib", "test.test_glob", "test.test_shutil"],
    );
}

#[test]
fn temporary_files_and_content() {
    let modules = ["test.test_tempfile", "test.test_fileio", "test.test_mmap", "test.test_mailbox"];
    same_outcomes_of("temporary_files_and_content", &modules);
}

#[test]
fn archives() {
    same_outcomes_of("archives", &["test.test_zipfile", "test.test_tarfile"]);
}

#[test]
fn input_and_output() {
    same_outcomes_of("input_and_output", &["test.test_io"]);
}

/// A Python that has the tests of sqlite3, and where it is installed.
fn with_sqlite_tests() -> Option<(PathBuf, PathBuf)> {
    let script = "import sys, test.test_sqlite3; print(sys.base_prefix)";
    [PYTHON, "python3"].into_iter().find_map(|python| {
        let out = Command::new(python).args(["-c", script]).output().ok()?;
        // the tests print their version first
        let root = PathBuf::from(String::from_utf8_lossy(&out.stdout).lines().last()?);
        out.status.success().then(|| (root.join("bin/python3"), root))
    })
}

#[test]
fn databases() {
    let Some((python, root)) = with_sqlite_tests() else {
        // Debian packages them nowhere; what sqlite3 itself does is compared elsewhere
        eprintln!("no python3 here has the tests of sqlite3: nothing to compare");
        return;
    };
    same_outcomes(&python, Some(&root), &["test.test_sqlite3"]);
}
