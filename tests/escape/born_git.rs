//! A `.git` that does not exist yet is as protected as one that does: no call
//! makes one, by whatever way the name comes to be.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::support::attack::{Attack, report, report_io};
use crate::support::os::{self, addr, at, c, call};
use crate::support::tree::assert_same;
use crate::support::{Jail, REFUSALS, Tree};

pub const ATTACKS: &[Attack] = &[("born-git", make_git)];

const CWD: i64 = libc::AT_FDCWD as i64;

fn rename(step: &str, from: &Path, to: &Path, flags: u32) {
    let (from, to) = (c(from), c(to));
    report(step, call(libc::SYS_renameat2, &[CWD, at(&from), CWD, at(&to), flags.into()]));
}

fn make_dir(path: &Path) {
    fs::create_dir(path).unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
}

/// Each way to make the name itself. `dir` is where, `own` the attacker's own
/// directory with a file `file`.
fn make_name(form: &str, git: &Path, own: &Path) {
    let path = c(git);
    let (file, dir) = (own.join("file"), own.join("dir"));
    let source = c(&file);
    let step = |name: &str| format!("{name} ({form})");
    let try_it = |name: &str, number: i64, args: &[i64]| report(&step(name), call(number, args));
    try_it("mkdir", libc::SYS_mkdirat, &[CWD, at(&path), 0o755]);
    try_it("mknod", libc::SYS_mknodat, &[CWD, at(&path), i64::from(libc::S_IFREG | 0o644), 0]);
    try_it("fifo", libc::SYS_mknodat, &[CWD, at(&path), i64::from(libc::S_IFIFO | 0o644), 0]);
    try_it("socket node", libc::SYS_mknodat, &[CWD, at(&path), i64::from(libc::S_IFSOCK | 0o644), 0]);
    try_it("symlink", libc::SYS_symlinkat, &[at(&c("dir")), CWD, at(&path)]);
    try_it("link", libc::SYS_linkat, &[CWD, at(&source), CWD, at(&path), 0]);
    report(&step("open"), os::open(git, libc::O_CREAT | libc::O_WRONLY));
    report(&step("open for reading"), os::open(git, libc::O_CREAT | libc::O_RDONLY));
    report(&step("open exclusively"), os::open(git, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR));
    let how = [i64::from(libc::O_CREAT | libc::O_RDWR), 0o644, 0];
    try_it("openat2", libc::SYS_openat2, &[CWD, at(&path), addr(&how), 24]);
    #[cfg(target_arch = "x86_64")]
    {
        try_it("creat", libc::SYS_creat, &[at(&path), 0o644]);
        try_it("old mkdir", libc::SYS_mkdir, &[at(&path), 0o755]);
        try_it("old rename", libc::SYS_rename, &[at(&source), at(&path)]);
        try_it("old link", libc::SYS_link, &[at(&source), at(&path)]);
        try_it("old symlink", libc::SYS_symlink, &[at(&source), at(&path)]);
        try_it("old mknod", libc::SYS_mknod, &[at(&path), i64::from(libc::S_IFREG | 0o644), 0]);
    }
    rename(&step("rename a file"), &file, git, 0);
    rename(&step("rename a directory"), &dir, git, 0);
    rename(&step("rename without replacing"), &dir, git, libc::RENAME_NOREPLACE);
    let nameless = os::open(own, libc::O_TMPFILE | libc::O_RDWR);
    if nameless >= 0 {
        let through = c(format!("/proc/self/fd/{nameless}"));
        let follow = i64::from(libc::AT_SYMLINK_FOLLOW);
        try_it("link the nameless", libc::SYS_linkat, &[CWD, at(&through), CWD, at(&path), follow]);
    }
    report_io(&step("bind"), UnixListener::bind(git));
}

/// Arguments: a directory of the workspace, a scratch directory elsewhere.
fn make_git(args: &[OsString]) {
    let (work, scratch) = (Path::new(&args[0]), Path::new(&args[1]));
    let own = work.join("own");
    make_dir(&own);
    make_dir(&own.join("dir"));
    fs::write(own.join("file"), "gitdir: /nowhere\n").expect("make a file");
    symlink(work, own.join("up")).expect("make a link");
    std::env::set_current_dir(work).expect("enter the workspace");
    make_name("absolute", &work.join(".git"), &own);
    make_name("relative", Path::new(".git"), Path::new("own"));
    make_name("through a link", &own.join("up/.git"), &own);
    make_name("dots", &own.join("dir/../../.git"), &own);
    make_name("beneath", &own.join(".git"), &own);
    // a link that leads to the name, where opening makes what is missing
    symlink(work.join(".git"), own.join("dangling")).expect("make a link");
    report("open a dangling link", os::open(own.join("dangling"), libc::O_CREAT | libc::O_WRONLY));
    let slash = c(work.join(".git/"));
    report("mkdir with a slash", call(libc::SYS_mkdirat, &[CWD, at(&slash), 0o755]));
    // a repository that comes as part of a directory, from where it may be made
    let moved = scratch.join("moved");
    make_dir(&moved);
    make_dir(&moved.join(".git"));
    rename("rename what holds one", &moved, &work.join("moved"), 0);
    rename("exchange with what holds one", &own.join("dir"), &moved, libc::RENAME_EXCHANGE);
    rename("rename one", &moved.join(".git"), &work.join(".git"), 0);
    rename("rename one to a harmless name", &moved.join(".git"), &work.join("harmless"), 0);
}

fn gits(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let found = entries.flat_map(|path| {
        let mut found = gits(&path);
        if path.file_name().is_some_and(|name| name == ".git") {
            found.push(path);
        }
        found
    });
    found.collect()
}

#[test]
fn no_call_makes_a_git() {
    for profile in ["standard", "ci"] {
        let mut jail = Jail::new(profile);
        let (pkg, outside) = (jail.work.join("pkg"), jail.outside.clone());
        // where a repository may be made, on the same file system
        jail.env("TMPDIR", outside).allow("read", crate::support::jail::myself());
        let before = Tree::exact(&jail.work);
        let script = format!(
            "exec env {}=born-git {} {} $TMPDIR",
            crate::support::attack::VARIABLE,
            crate::support::jail::myself().display(),
            pkg.display()
        );
        let out = jail.sh(&script);
        out.expect(0);
        let lines = out.lines();
        assert!(lines.len() > 100, "{} {}", out.out(), out.err());
        let ok: Vec<_> = lines.iter().filter(|(_, result)| !is_refused(result)).collect();
        assert!(ok.is_empty(), "{profile}: {ok:?}");
        assert_eq!(gits(&pkg), Vec::<PathBuf>::new());
        assert_same(&before.clone().without_dir_times(), &Tree::exact(&jail.work).of_old(&before));
    }
}

fn is_refused(result: &str) -> bool {
    REFUSALS.contains(&result)
}

#[test]
fn outside_the_jail_they_are_made() {
    let jail = Jail::new("ci");
    let out = jail.control("born-git", &[&jail.work.join("pkg"), &jail.outside]);
    assert_eq!(out.result("mkdir (absolute)"), "ok");
    let works = out.lines().iter().filter(|(_, result)| result == "ok").count();
    assert!(works > 3, "{}", out.out());
}
