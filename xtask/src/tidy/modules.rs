//! What each module of `src` may use.

use super::Violation;
use super::source::{Named, Source};

/// The modules in the order of their dependencies: each may use those before it.
const ORDER: [&str; 13] = [
    "policy", "sys", "landlock", "seccomp", "path", "audit", "undo", "approval", "broker", "launch", "care",
    "review", "cli",
];

/// What the policy, being pure, has no use for.
const IMPURE: [&[&str]; 6] =
    [&["std", "fs"], &["std", "process"], &["std", "time"], &["std", "env"], &["libc"], &["nix"]];

/// The only file that knows the unmaintained YAML crate.
const YAML_PLACE: &str = "src/policy/profile.rs";

/// Checks a file of `src`; others may use what they like.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    let Some(inner) = source.file.strip_prefix("src/") else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    let first = inner.split('/').next().unwrap_or(inner);
    let module = first.strip_suffix(".rs").unwrap_or(first);
    let place = ORDER.iter().position(|name| *name == module);
    if place.is_none() && !["lib", "main"].contains(&module) {
        let what = format!("module {module} has no place in the order of modules ({})", ORDER.join(", "));
        violations.push(Violation::new(&source.file, 1, what));
    }
    let pure = module == "policy" && !is_test_only(inner);
    for path in &source.paths {
        let faults = [
            place.and_then(|place| against_order(place, path)),
            is_unsafe(path).filter(|_| module != "sys"),
            foreign_yaml(path).filter(|_| source.file != YAML_PLACE),
            impure(path).filter(|_| pure),
        ];
        violations
            .extend(faults.into_iter().flatten().map(|what| Violation::new(&source.file, path.line, what)));
    }
    violations
}

/// Whether a file holds nothing but tests.
fn is_test_only(inner: &str) -> bool {
    inner.ends_with("/tests.rs") || inner.contains("/tests/")
}

/// A path into a module that comes later in the order.
fn against_order(place: usize, path: &Named) -> Option<String> {
    let [root, used, ..] = path.parts.as_slice() else {
        return None;
    };
    let later = ORDER[place + 1..].iter().find(|name| *name == used)?;
    (root == "crate").then(|| format!("{} may not use {later}, which comes later", ORDER[place]))
}

/// The word `unsafe`.
fn is_unsafe(path: &Named) -> Option<String> {
    (path.parts[0] == "unsafe").then(|| "unsafe code belongs under src/sys".to_owned())
}

/// A use of the YAML crate.
fn foreign_yaml(path: &Named) -> Option<String> {
    (path.parts[0] == "serde_yaml").then(|| format!("serde_yaml is only for {YAML_PLACE}"))
}

/// A use of what does I/O or looks at the machine.
fn impure(path: &Named) -> Option<String> {
    let starts = |forbidden: &&&[&str]| {
        path.parts.len() > 1 && path.parts.iter().zip(**forbidden).all(|(part, word)| part == word)
    };
    let forbidden = IMPURE.iter().find(starts)?;
    Some(format!("the policy is pure and may not use {}", forbidden.join("::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a file, line by line.
    fn faults(file: &str, text: &str) -> Vec<(usize, String)> {
        check(&Source::parse(file, text).ok().unwrap())
            .into_iter()
            .map(|violation| (violation.line, violation.what))
            .collect()
    }

    fn none(file: &str, text: &str) {
        assert_eq!(faults(file, text), []);
    }

    fn one(file: &str, text: &str, what: &str) {
        let found = faults(file, text);
        assert!(found.len() == 1 && found[0].1.contains(what), "{found:?}");
    }

    #[test]
    fn a_module_uses_only_earlier_modules() {
        none("src/seccomp/filter.rs", "use crate::{policy::Verb, sys, seccomp::table};");
        one("src/seccomp/filter.rs", "use crate::{policy::Verb, broker::Reply};", "may not use broker");
        one("src/policy/mod.rs", "fn f() { let _ = crate::cli::main(); }", "may not use cli");
        one("src/policy/mod.rs", "fn f() { println!(\"{}\", crate::sys::x()); }", "may not use sys");
        one("src/path/mod.rs", "use super::launch::Child;", "may not use launch");
        none("src/lib.rs", "pub mod policy; use crate::cli::main;");
        none("tests/main.rs", "use crate::cli::main;");
    }

    #[test]
    fn a_module_without_a_place_is_named() {
        one("src/helper/mod.rs", "", "no place");
        one("src/helper.rs", "", "no place");
        none("src/main.rs", "");
    }

    #[test]
    fn unsafe_code_is_only_in_sys() {
        none("src/sys/open.rs", "fn f() { unsafe { g() } }");
        one("src/path/mod.rs", "fn f() { unsafe { g() } }", "src/sys");
        one("src/path/mod.rs", "unsafe impl Send for X {}", "src/sys");
        none("src/path/mod.rs", "#![deny(unsafe_op_in_unsafe_fn)]\n// unsafe\nconst X: &str = \"unsafe\";");
    }

    #[test]
    fn yaml_is_only_in_the_profile() {
        none("src/policy/profile.rs", "use serde_yaml::Value;");
        one("src/policy/merge.rs", "use serde_yaml::Value;", "serde_yaml");
        one("src/cli/plan.rs", "use serde_yaml as yaml;", "serde_yaml");
    }

    #[test]
    fn the_policy_is_pure() {
        none("src/policy/plan.rs", "use std::{fmt, path::PathBuf}; fn f(env: u8, process: u8) {}");
        one("src/policy/plan.rs", "use std::{fmt, fs};", "std::fs");
        one("src/policy/plan.rs", "fn f() { std::env::var(\"HOME\"); }", "std::env");
        one("src/policy/plan.rs", "use std::time::Instant;", "std::time");
        one("src/policy/plan.rs", "use std::process;", "std::process");
        one("src/policy/plan.rs", "const X: i32 = libc::O_PATH;", "libc");
        one("src/policy/plan.rs", "use nix::errno::Errno;", "nix");
        none("src/policy/tests.rs", "use std::fs;");
        none("src/policy/tests/plan.rs", "use std::fs;");
        none("src/launch/mod.rs", "use std::fs; use nix::unistd;");
    }
}
