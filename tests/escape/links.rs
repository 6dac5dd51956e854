//! Hard links, renames and every other call that makes or takes a name, in and out of protected places.

use std::ffi::OsString;
use std::path::Path;

use crate::support::attack::{Attack, report};
use crate::support::os::{self, addr, at, c, call};
use crate::support::tree::assert_same;
use crate::support::{Jail, REFUSALS, Tree, both_modes, each_mode};

pub const ATTACKS: &[Attack] = &[("names", every_name_call), ("moves", moves), ("writes", writes)];

const CWD: i64 = libc::AT_FDCWD as i64;

fn rename(step: &str, from: impl AsRef<Path>, to: impl AsRef<Path>, flags: u32) {
    let (from, to) = (c(from.as_ref()), c(to.as_ref()));
    report(step, call(libc::SYS_renameat2, &[CWD, at(&from), CWD, at(&to), i64::from(flags)]));
}

/// Arguments: the workspace, scratch in it.
fn moves(args: &[OsString]) {
    let (work, scratch) = (Path::new(&args[0]), Path::new(&args[1]));
    let own = scratch.join("own-file");
    std::fs::write(&own, "own").expect("make a file");
    std::fs::create_dir(scratch.join("own-dir")).expect("make a directory");
    rename("rename .git away", work.join(".git"), scratch.join("g"), 0);
    rename("rename .git beside", work.join(".git"), work.join(".git.bak"), 0);
    rename("rename nested/.git", work.join("nested/.git"), work.join("nested/.git.bak"), 0);
    rename("rename its parent", work.join("nested"), work.join("nested2"), 0);
    rename("rename its parent into scratch", work.join("nested"), scratch.join("n"), 0);
    rename("rename the workspace", work, work.with_file_name("elsewhere"), 0);
    rename("take a hook", work.join(".git/description"), scratch.join("d"), 0);
    rename("plant a hook", &own, work.join(".git/hooks/post-checkout"), 0);
    rename("replace HEAD", &own, work.join(".git/HEAD"), 0);
    rename("replace .git", scratch.join("own-dir"), work.join(".git"), 0);
    rename("make .vscode", scratch.join("own-dir"), work.join(".vscode"), 0);
    rename("exchange HEAD", &own, work.join(".git/HEAD"), libc::RENAME_EXCHANGE);
    rename("exchange HEAD back", work.join(".git/HEAD"), &own, libc::RENAME_EXCHANGE);
    rename("exchange .git", scratch.join("own-dir"), work.join(".git"), libc::RENAME_EXCHANGE);
    rename(
        "exchange workflows",
        scratch.join("own-dir"),
        work.join(".github/workflows"),
        libc::RENAME_EXCHANGE,
    );
    rename("whiteout", work.join(".git/HEAD"), scratch.join("w"), libc::RENAME_WHITEOUT);
    rename("no replace", work.join(".git/HEAD"), scratch.join("w"), libc::RENAME_NOREPLACE);
    #[cfg(target_arch = "x86_64")]
    {
        let (from, to) = (c(work.join(".git/HEAD")), c(scratch.join("x")));
        report("plain rename", call(libc::SYS_rename, &[at(&from), at(&to)]));
    }
    let (from, to) = (c(work.join(".git/HEAD")), c(scratch.join("x")));
    report("renameat", call(libc::SYS_renameat, &[CWD, at(&from), CWD, at(&to)]));
    let dir = os::open(work.join(".git"), libc::O_PATH | libc::O_DIRECTORY);
    let name = c("HEAD");
    report("renameat by directory", call(libc::SYS_renameat2, &[dir, at(&name), CWD, at(&to), 0]));
}

fn link(step: &str, from: impl AsRef<Path>, to: impl AsRef<Path>, flags: i32) {
    let (from, to) = (c(from.as_ref()), c(to.as_ref()));
    report(step, call(libc::SYS_linkat, &[CWD, at(&from), CWD, at(&to), i64::from(flags)]));
}

/// Arguments: the workspace, scratch in it.
fn every_name_call(args: &[OsString]) {
    let (work, scratch) = (Path::new(&args[0]), Path::new(&args[1]));
    let git = |name: &str| c(work.join(".git").join(name));
    link("link HEAD into scratch", work.join(".git/HEAD"), scratch.join("h"), 0);
    link("link config into scratch", work.join(".git/config"), scratch.join("c"), libc::AT_SYMLINK_FOLLOW);
    link("link workflow", work.join(".github/workflows/ci.yml"), scratch.join("y"), 0);
    let head = os::open(work.join(".git/HEAD"), libc::O_RDONLY);
    link("link by descriptor", format!("/proc/self/fd/{head}"), scratch.join("f"), libc::AT_SYMLINK_FOLLOW);
    let (empty, to) = (c(""), c(scratch.join("e")));
    let flag = i64::from(libc::AT_EMPTY_PATH);
    report("link by empty path", call(libc::SYS_linkat, &[head, at(&empty), CWD, at(&to), flag]));
    link("link a hook in", "/bin/sh", work.join(".git/hooks/pre-commit"), 0);
    link("link own file in", scratch.join("own.txt"), work.join(".git/hooks/pre-push"), 0);
    report("unlink", call(libc::SYS_unlinkat, &[CWD, at(&git("HEAD")), 0]));
    report("rmdir", call(libc::SYS_unlinkat, &[CWD, at(&git("refs/tags")), i64::from(libc::AT_REMOVEDIR)]));
    report("mkdir", call(libc::SYS_mkdirat, &[CWD, at(&git("new")), 0o755]));
    report("symlink", call(libc::SYS_symlinkat, &[at(&to), CWD, at(&git("hooks/post-merge"))]));
    report("fifo", call(libc::SYS_mknodat, &[CWD, at(&git("fifo")), i64::from(libc::S_IFIFO | 0o644), 0]));
    report(
        "file node",
        call(libc::SYS_mknodat, &[CWD, at(&git("node")), i64::from(libc::S_IFREG | 0o644), 0]),
    );
    let device = c(scratch.join("device"));
    report("device", call(libc::SYS_mknodat, &[CWD, at(&device), i64::from(libc::S_IFBLK | 0o644), 0x0801]));
    #[cfg(target_arch = "x86_64")]
    {
        report("old unlink", call(libc::SYS_unlink, &[at(&git("HEAD"))]));
        report("old rmdir", call(libc::SYS_rmdir, &[at(&git("refs/tags"))]));
        report("old mkdir", call(libc::SYS_mkdir, &[at(&git("new")), 0o755]));
        report("old symlink", call(libc::SYS_symlink, &[at(&to), at(&git("l"))]));
        report("old link", call(libc::SYS_link, &[at(&git("HEAD")), at(&to)]));
        report("old mknod", call(libc::SYS_mknod, &[at(&git("node")), i64::from(libc::S_IFREG | 0o644), 0]));
    }
}

/// Arguments: the workspace.
fn writes(args: &[OsString]) {
    let work = Path::new(&args[0]);
    let new = work.join(".git/new-file");
    let config = work.join(".git/config");
    report("create", os::open(&new, libc::O_CREAT | libc::O_WRONLY));
    report("create exclusively", os::open(&new, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR));
    report("unnamed file", os::open(work.join(".git"), libc::O_TMPFILE | libc::O_RDWR));
    report("write", os::open(&config, libc::O_WRONLY));
    report("append", os::open(&config, libc::O_WRONLY | libc::O_APPEND));
    report("read and write", os::open(&config, libc::O_RDWR));
    report("truncating open", os::open(&config, libc::O_RDONLY | libc::O_TRUNC));
    // access mode 3: neither reading nor writing, and yet it could truncate
    report("truncating open for ioctl", os::open(&config, libc::O_ACCMODE | libc::O_TRUNC));
    let reader = os::open(&config, libc::O_RDONLY);
    let again = format!("/proc/self/fd/{reader}");
    report("reopen for writing", os::open(&again, libc::O_WRONLY));
    report("reopen truncating", os::open(&again, libc::O_WRONLY | libc::O_TRUNC));
    let path = c(&config);
    report("truncate", call(libc::SYS_truncate, &[at(&path), 0]));
    // struct open_how: flags, mode, resolve
    let how = [i64::from(libc::O_WRONLY | libc::O_TRUNC), 0, 0];
    report("openat2", call(libc::SYS_openat2, &[CWD, at(&path), addr(&how), 24]));
    #[cfg(target_arch = "x86_64")]
    {
        let file = c(&new);
        report("creat", call(libc::SYS_creat, &[at(&file), 0o644]));
        report("old open", call(libc::SYS_open, &[at(&path), i64::from(libc::O_RDWR), 0]));
    }
}

/// Everything of the workspace that profile `ci` protects.
fn protected(jail: &Jail) -> [Tree; 4] {
    [".git", ".github", "nested/.git", "README.md"].map(|name| Tree::exact(&jail.work.join(name)))
}

#[track_caller]
fn assert_untouched(jail: &Jail, before: &[Tree; 4]) {
    before.iter().zip(&protected(jail)).for_each(|(b, a)| assert_same(b, a));
}

#[test]
fn nothing_moves_out_of_protected_places_or_into_them() {
    both_modes(|jail| {
        let before = protected(jail);
        let out = jail.attack("moves", &[&jail.work, &jail.work.join("pkg")]);
        out.all_refused(&[REFUSALS, &["EINVAL", "EEXIST"]].concat());
        assert_untouched(jail, &before);
    });
}

#[test]
fn no_name_is_made_or_taken_in_protected_places() {
    both_modes(|jail| {
        let before = protected(jail);
        let out = jail.attack("names", &[&jail.work, &jail.work.join("pkg")]);
        out.all_refused(REFUSALS);
        assert_untouched(jail, &before);
        assert_eq!(jail.work.join("pkg/own.txt").metadata().expect("stat").len(), 18);
    });
}

#[test]
fn nothing_is_written_in_protected_places() {
    both_modes(|jail| {
        let before = protected(jail);
        jail.attack("writes", &[&jail.work]).all_refused(REFUSALS);
        assert_untouched(jail, &before);
    });
}

#[test]
fn outside_the_jail_the_moves_work() {
    let jail = Jail::new("ci");
    let out = jail.control("moves", &[&jail.work, &jail.work.join("pkg")]);
    assert_eq!(out.result("rename .git away"), "ok");
    let jail = Jail::new("ci");
    let out = jail.control("names", &[&jail.work, &jail.work.join("pkg")]);
    assert_eq!(out.result("link HEAD into scratch"), "ok");
    assert_eq!(out.result("unlink"), "ok");
    let jail = Jail::new("ci");
    let out = jail.control("writes", &[&jail.work]);
    assert!(out.lines().iter().filter(|(_, r)| r == "ok").count() > 10, "{}", out.out());
}

#[test]
fn tracked_work_is_as_safe() {
    each_mode("standard", |jail| {
        std::fs::create_dir(jail.work.join("target")).expect("make a directory");
        std::fs::write(jail.work.join("target/own.txt"), "own").expect("make a file");
        let before = Tree::exact(&jail.work).without(&["target"]);
        for attack in ["moves", "names", "writes"] {
            let out = jail.attack(attack, &[&jail.work, &jail.work.join("target")]);
            out.all_refused(&[REFUSALS, &["EINVAL", "EEXIST"]].concat());
        }
        assert_same(&before, &Tree::exact(&jail.work).without(&["target"]));
    });
}
