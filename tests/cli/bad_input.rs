//! Bad input: status 125, an error that names the place, and nothing has run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::fixture::write;
use crate::support::{Jail, Output, is_root};

/// Runs a marker-making command in a jail that must not start; returns the error.
#[track_caller]
fn refused(jail: &Jail, options: &[&str]) -> String {
    let mut command = jail.bare_command(crate::support::jail::stockade());
    command.arg("run").args(options).args(["--", "sh", "-c", "touch pkg/marker; echo ran"]);
    let out: Output = crate::support::process::run(&mut command, crate::support::process::LIMIT);
    assert_eq!(out.code(), 125, "{options:?}: {} {}", out.out(), out.err());
    assert_eq!(out.out(), "", "{options:?}");
    assert!(!jail.work.join("pkg/marker").exists(), "{options:?}: the command ran");
    assert!(!out.err().contains("panicked"), "{}", out.err());
    assert!(out.err().starts_with("stockade: ") || out.err().starts_with("error: "), "{}", out.err());
    out.err()
}

/// A jail whose `p.yaml`, in the world's outside, has this text.
fn with_profile(text: &str) -> (Jail, String) {
    let jail = Jail::new("ci");
    let file = jail.outside.join("p.yaml");
    write(&file, text);
    (jail, file.display().to_string())
}

/// Profiles, the place that the error must name, and a word of it.
const BAD_PROFILES: &[(&str, &str, &str)] = &[
    ("version: 1\nname: p\nrulez: []\n", ":3:1", "rulez"),
    ("version: 1\nname: p\nrules:\n  - access: read\n    path: [x]\n", ":5:5", "path"),
    ("version: 1\nname: p\nrules:\n  - access: raed\n    paths: [x]\n", ":4:13", "raed"),
    ("version: 1\nname: p\nrules:\n  - access: {read: alow}\n    paths: [x]\n", ":4:", "alow"),
    ("version: 1\nname: p\nrules: read\n", ":3:8", "sequence"),
    ("version: one\nname: p\n", ":1:10", "version"),
    ("version: 1\nname: [p]\n", ":2:", "name"),
    ("version: 1\n", ":1:1", "name"),
    ("version: 1\nname: p\nenv: {inherits: true}\n", ":3:", "inherits"),
    ("version: 1\nname: p\nlimits: {memory: lots}\n", ":3:", "lots"),
    ("version: 1\nname: p\nnetwork: some\n", ":3:10", "some"),
    ("version: 1\nname: p\nunix_sockets: mine\n", ":3:", "mine"),
    ("version: 1\nname: p\nunix_sockets: {deny: [/x]}\n", ":3:", "deny"),
    ("version: 1\nname: p\nunix_sockets: {}\n", ":3:", "allow"),
    ("version: 1\nname: p\nunix_sockets: {allow: [../x]}\n", ":3", "../x"),
    ("version: 1\nname: p\nname: q\n", ":1:1", "duplicate"),
    ("version: 1\nname: 'p\n", ":3:", "quot"),
    ("version: 1\nname: p\n\trules: []\n", ":3:", ""),
    ("", ":1", ""),
    ("version: 2\nname: p\n", ":1", "version"),
    ("version: 1\nname: p\nrules:\n  - access: read\n    paths: ['[z-']\n", ":4", "[z-"),
    ("version: 1\nname: p\nrules:\n  - access: read\n    paths: ['a{b']\n", ":4", "a{b"),
    ("version: 1\nname: p\nrules:\n  - access: read\n    paths: ['${NOPE}/x']\n", ":4", "NOPE"),
    ("version: 1\nname: p\nrules:\n  - access: read\n    paths: ['']\n", ":4", ""),
    ("version: 1\nname: p\nrules:\n  - access: read\n    paths: [../x]\n", ":4", "../x"),
    ("version: 1\nname: p\nrules:\n  - access: read\n    paths: [~other/x]\n", ":4", "~other"),
    ("version: 1\nname: p\nenv: {set: {A: '${NOPE}'}}\n", "", "NOPE"),
    ("version: 1\nname: p\nextends: [no-such-profile]\n", "", "no-such-profile"),
    ("version: 1\nname: p\nextends: [ci]\nsyscalls: {allow: [no_such_call]}\n", "", "no_such_call"),
];

#[test]
fn bad_profiles() {
    let mut wrong = String::new();
    for (text, place, word) in BAD_PROFILES {
        let (jail, file) = with_profile(text);
        let error = refused(&jail, &["--profile", &file]);
        let place = if place.is_empty() { String::new() } else { format!("p.yaml{place}") };
        if !error.contains(&place) || !error.contains(word) {
            wrong.push_str(&format!("{text}-> not {place} and {word:?}, but {error}\n"));
        }
        let out = jail.stockade(&["profile", "check", &file]);
        if *word != "no_such_call" {
            assert_ne!(out.code(), 0, "profile check finds it too: {text}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn profiles_that_extend_each_other() {
    let (jail, file) = with_profile("version: 1\nname: p\nextends: [./q.yaml]\n");
    write(&jail.outside.join("q.yaml"), "version: 1\nname: q\nextends: [./p.yaml]\n");
    assert!(refused(&jail, &["--profile", &file]).contains("p.yaml"));
    let (jail, file) = with_profile("version: 1\nname: p\nextends: [./p.yaml]\n");
    assert!(refused(&jail, &["--profile", &file]).contains("p.yaml"));
}

#[test]
fn profiles_that_others_may_have_written() {
    let (jail, file) = with_profile("version: 1\nname: p\nextends: [ci]\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("chmod");
    let error = refused(&jail, &["--profile", &file]);
    assert!(error.contains("p.yaml") && error.contains("others"), "{error}");
}

#[test]
fn profiles_that_cannot_be_read() {
    let jail = Jail::new("ci");
    assert!(refused(&jail, &["--profile", "./none.yaml"]).contains("none.yaml"));
    assert!(refused(&jail, &["--profile", &jail.outside.display().to_string()]).contains("outside"));
    let (jail, file) = with_profile("version: 1\nname: p\nextends: [ci]\n");
    fs::write(&file, b"version: 1\nname: \xff\n").expect("write");
    assert!(refused(&jail, &["--profile", &file]).contains("p.yaml"));
    if !is_root() {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("chmod");
        assert!(refused(&jail, &["--profile", &file]).contains("Permission denied"));
    }
}

#[test]
fn unknown_profiles() {
    let jail = Jail::new("ci");
    let error = refused(&jail, &["--profile", "standrad"]);
    assert!(error.contains("standrad"), "{error}");
    assert_eq!(jail.stockade(&["profile", "show", "standrad"]).code(), 125);
    assert_eq!(jail.stockade(&["profile", "check", "standrad"]).code(), 125);
    assert_eq!(jail.stockade(&["plan", "--profile", "standrad"]).code(), 125);
}

#[test]
fn bad_workspaces() {
    let jail = Jail::new("ci");
    let at = |dir: &Path| refused(&jail, &["--profile", "ci", "--workspace", &dir.display().to_string()]);
    assert!(at(&jail.work.join("nowhere")).contains("nowhere"));
    assert!(at(&jail.work.join("README.md")).contains("README.md"));
    assert!(at(Path::new("")).contains("workspace"));
}

#[test]
fn home_and_root_are_no_workspaces_unless_named() {
    for dir in ["/", "HOME"] {
        let mut jail = Jail::new("ci");
        let dir = if dir == "HOME" { jail.home.clone() } else { dir.into() };
        jail.cwd(&dir);
        let home = Jail::new("ci");
        let mut command = jail.bare_command(crate::support::jail::stockade());
        // a home in a repository would find the repository
        command.current_dir(&dir).args(["run", "--profile", "readonly", "--", "echo", "ran"]);
        drop(home);
        let out = crate::support::process::run(&mut command, crate::support::process::LIMIT);
        if jail.home.ancestors().any(|d| d.join(".git").exists()) && dir != Path::new("/") {
            continue;
        }
        assert_eq!(out.code(), 125, "{}", out.err());
        assert!(out.err().contains("--workspace"), "{}", out.err());
        assert_eq!(out.out(), "");
        let named = ["--workspace", dir.to_str().expect("UTF-8")];
        let mut command = jail.bare_command(crate::support::jail::stockade());
        command.args(["run", "--profile", "readonly"]).args(named).args(["--", "echo", "ran"]);
        let out = crate::support::process::run(&mut command, crate::support::process::LIMIT);
        assert_eq!(out.expect(0), "ran\n", "{}", out.err());
    }
}

#[test]
fn bad_allows() {
    let jail = Jail::new("ci");
    for (rule, word) in [("scratch", "scratch"), ("write=pkg", "write"), ("=pkg", "="), ("read=", "read=")] {
        let error = refused(&jail, &["--profile", "ci", "--allow", rule]);
        assert!(error.contains(word), "{rule}: {error}");
    }
}

#[test]
fn dangling_links_and_missing_paths_as_allow() {
    let jail = Jail::new("ci");
    std::os::unix::fs::symlink("/nowhere/at/all", jail.work.join("pkg/dangling")).expect("link");
    for path in ["pkg/dangling", "pkg/none", "pkg/none/deeper", "/nowhere/at/all"] {
        let mut jailed = jail.bare_command(crate::support::jail::stockade());
        jailed.args([
            "run",
            "--profile",
            "readonly",
            "--allow",
            &format!("scratch={path}"),
            "--",
            "echo",
            "ran",
        ]);
        let out = crate::support::process::run(&mut jailed, crate::support::process::LIMIT);
        assert!(!out.err().contains("panicked"), "{}", out.err());
        assert!(
            (out.code() == 0 && out.out() == "ran\n") || (out.code() == 125 && out.err().contains(path)),
            "{path}: {}",
            out.err()
        );
    }
}

#[test]
fn wrong_usage() {
    let jail = Jail::new("ci");
    for args in [
        &["run"] as &[&str],
        &["run", "--"],
        &["run", "--no-such-option", "--", "true"],
        &["rum"],
        &[],
        &["why", "eat", "README.md"],
        &["why", "read"],
        &["profile", "shew", "ci"],
        &["plan", "extra"],
    ] {
        let out = jail.stockade(args);
        assert_eq!(out.code(), 125, "{args:?}: {}", out.err());
        assert!(!out.err().is_empty(), "{args:?}");
    }
    assert_eq!(jail.stockade(&["--help"]).code(), 0);
    assert_eq!(jail.stockade(&["run", "--help"]).code(), 0);
    assert!(jail.stockade(&["--version"]).expect(0).starts_with("stockade "));
}
