//! What was there before may be put aside and removed once a new file has its
//! name, since editors save that way. That is no way to remove anything else.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use crate::support::Jail;

/// Runs a script where `a`, `b` and `empty` were there before, as well as
/// `sub/a`; gives the exit code, and what is left of the content of both.
fn run(script: &str, jailed: bool) -> (i32, bool, bool) {
    let mut jail = Jail::new("standard");
    let pkg = jail.work.join("pkg");
    fs::create_dir(pkg.join("empty")).expect("make a directory");
    let old = ["a", "b"].map(|name| {
        fs::write(pkg.join(name), name).expect("write a file");
        File::open(pkg.join(name)).expect("open a file")
    });
    fs::write(pkg.join("sub/a"), "another").expect("write a file");
    jail.cwd(&pkg);
    let script = format!("set -e; {script}");
    let out = if jailed { jail.sh(&script) } else { jail.bare(&["sh", "-c", &script]) };
    let [a, b] = old.map(|file| file.metadata().expect("stat").nlink() > 0);
    (out.code(), a, b)
}

#[test]
fn what_a_new_file_takes_the_place_of_may_go() {
    for script in [
        "mv a a~; echo new > a; rm a~",
        "mv a x; mv x y; touch a; rm y",
        "mv a x; mv x a; mv a y; touch n; mv n a; rm y",
        "touch n; ln a keep; mv a x; mv n a; rm x; test -e keep; rm keep || rm a",
        "ln -s b l; mv a x; ln -s l a; rm x",
        "cd sub; mv a a~; echo new > a; mv ../sub ../moved; rm a~",
    ] {
        assert_eq!(run(script, true).0, 0, "{script}");
    }
    assert_eq!(run("mv a a~; echo new > a; rm a~", true), (0, false, true));
}

#[test]
fn nothing_else_may_be_removed_that_was_there() {
    for script in [
        "mv a x; rm x",
        "mv a x; ln x a; rm x a",
        "mv a x; mkdir a; rm x",
        "mv a sub/x; touch a; rm sub/x",
        "mv a x; mv b a; rm x",
        "mv a x; touch a; rm a; rm x",
        "mv a x; touch a; mv a c; rm x",
        "mv a x; touch a; mv x y; mv b x; rm x y",
        "mv a x; touch a; mv x sub/x; mv b x; rm x",
        "ln a other; mv a x; touch a; rm other x",
        "mv empty x; touch empty; rmdir x",
        "mv empty x; mkdir empty; rmdir x",
    ] {
        let (code, a, b) = run(script, true);
        assert_ne!(code, 0, "{script}");
        assert!((a || script.ends_with(" x y")) && b, "{script}");
    }
}

#[test]
fn outside_a_jail_each_of_them_works() {
    let script = "mv a x; mkdir a; rm x; rmdir a; mv b a; ln a y; rm a y; mv empty x; touch empty; rmdir x";
    assert_eq!(run(script, false), (0, false, false));
}
