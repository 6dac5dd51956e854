//! A call that policy refuses and that would fail in any case fails as it
//! would outside, and is no refusal to be told of.

use std::fs;

use crate::support::Jail;

#[test]
fn what_cannot_be_removed_is_said_to_be_so() {
    let mut jail = Jail::new("standard");
    let pkg = jail.work.join("pkg");
    fs::create_dir(pkg.join("empty")).expect("make a directory");
    jail.cwd(&pkg);
    let full = "rmdir sub 2>&1; rmdir sub/deep.txt 2>&1; rmdir none 2>&1; rm -d sub 2>&1; perl -e 'unlink \"sub\" or print \"$!\\n\"'";
    let (inside, outside) = (jail.sh(full), jail.bare(&["sh", "-c", full]));
    assert!(inside.out().contains("not empty"), "{}", inside.out());
    assert_eq!((inside.out(), inside.err().as_str()), (outside.out(), ""));
    // what could be removed is refused
    let out = jail.sh("rmdir empty");
    assert_eq!(out.err().matches("Permission denied").count(), 1, "{}", out.err());
    assert!(out.err().contains("stockade: refused 1 call"), "{}", out.err());
    assert!(pkg.join("empty").exists() && pkg.join("sub/deep.txt").exists());
}
