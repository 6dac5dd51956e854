//! Modes, owners, times and attributes of files that may not be changed: Landlock
//! does not govern these calls, so the broker or seccomp alone stands here.

use std::ffi::{CString, OsString};
use std::fs;
use std::path::Path;

use crate::support::attack::{Attack, report};
use crate::support::os::{self, FCHMODAT2, FILE_SETATTR, REMOVEXATTRAT, SETXATTRAT, addr, at, c, call};
use crate::support::tree::assert_same;
use crate::support::{Entry, Jail, REFUSALS, Tree, both_modes, each_mode, is_root};

pub const ATTACKS: &[Attack] = &[("metadata", by_every_path), ("metadata-own-fd", by_inherited_descriptor)];

const CWD: i64 = libc::AT_FDCWD as i64;
const EMPTY: i64 = libc::AT_EMPTY_PATH as i64;
const NO_FOLLOW: i64 = libc::AT_SYMLINK_NOFOLLOW as i64;

/// An owner whose setting works outside the jail and leaves a change time.
fn owner() -> i64 {
    if is_root() { 1 } else { i64::from(nix::unistd::geteuid().as_raw()) }
}

/// Structures whose addresses go into the calls.
struct Values {
    name: CString,
    value: CString,
    times: [libc::timespec; 2],
    timevals: [libc::timeval; 2],
    utimbuf: libc::utimbuf,
    /// `struct xattr_args`: address of the value, its size, flags.
    xattr: [u64; 2],
    /// `struct file_attr`: the no-dump flag, the rest 0.
    file_attr: [u64; 3],
}

impl Values {
    fn new() -> Box<Values> {
        let timeval = libc::timeval { tv_sec: 86_400, tv_usec: 0 };
        let time = libc::timespec { tv_sec: 86_400, tv_nsec: 0 };
        let mut values = Box::new(Values {
            name: c("user.stockade"),
            value: c("here"),
            times: [time; 2],
            timevals: [timeval; 2],
            utimbuf: libc::utimbuf { actime: 86_400, modtime: 86_400 },
            xattr: [0, 4],
            file_attr: [0x80, 0, 0],
        });
        values.xattr[0] = values.value.as_ptr() as u64;
        values
    }
}

/// Every metadata call that takes a path, on one spelling of the victim's path.
fn path_calls(form: &str, path: &CString, v: &Values) {
    let p = at(path);
    let (name, value, own) = (at(&v.name), at(&v.value), owner());
    // the link itself is the attacker's own and may be changed
    let own_link = |step: &str| {
        form == "link" && ["lchown", "lsetxattr", "lremovexattr", "fchownat-nofollow"].contains(&step)
    };
    let try_it = |step: &str, number: i64, args: &[i64]| {
        if !own_link(step) {
            report(&format!("{step}/{form}"), call(number, args));
        }
    };
    try_it("fchmodat", libc::SYS_fchmodat, &[CWD, p, 0o777]);
    try_it("fchmodat2", FCHMODAT2, &[CWD, p, 0o775, 0]);
    try_it("fchownat", libc::SYS_fchownat, &[CWD, p, own, -1, 0]);
    try_it("fchownat-nofollow", libc::SYS_fchownat, &[CWD, p, own, -1, NO_FOLLOW]);
    try_it("utimensat", libc::SYS_utimensat, &[CWD, p, addr(&v.times), 0]);
    try_it("utimensat-now", libc::SYS_utimensat, &[CWD, p, 0, 0]);
    try_it("setxattr", libc::SYS_setxattr, &[p, name, value, 4, 0]);
    try_it("removexattr", libc::SYS_removexattr, &[p, name]);
    try_it("lsetxattr", libc::SYS_lsetxattr, &[p, name, value, 4, 0]);
    try_it("lremovexattr", libc::SYS_lremovexattr, &[p, name]);
    try_it("setxattrat", SETXATTRAT, &[CWD, p, 0, name, addr(&v.xattr), 16]);
    try_it("removexattrat", REMOVEXATTRAT, &[CWD, p, 0, name]);
    try_it("file_setattr", FILE_SETATTR, &[CWD, p, addr(&v.file_attr), 24, 0]);
    #[cfg(target_arch = "x86_64")]
    {
        try_it("chmod", libc::SYS_chmod, &[p, 0o776]);
        try_it("chown", libc::SYS_chown, &[p, own, -1]);
        try_it("lchown", libc::SYS_lchown, &[p, own, -1]);
        try_it("utime", libc::SYS_utime, &[p, addr(&v.utimbuf)]);
        try_it("utimes", libc::SYS_utimes, &[p, addr(&v.timevals)]);
        try_it("futimesat", libc::SYS_futimesat, &[CWD, p, addr(&v.timevals)]);
    }
}

/// Every metadata call that takes a descriptor or a name relative to one.
fn descriptor_calls(form: &str, fd: i64, dir: i64, base: &CString, v: &Values) {
    let empty = c("");
    let (e, b) = (at(&empty), at(base));
    let (name, value, own) = (at(&v.name), at(&v.value), owner());
    let try_it =
        |step: &str, number: i64, args: &[i64]| report(&format!("{step}/{form}"), call(number, args));
    try_it("fchmod", libc::SYS_fchmod, &[fd, 0o777]);
    try_it("fchmodat2-empty", FCHMODAT2, &[fd, e, 0o775, EMPTY]);
    try_it("fchown", libc::SYS_fchown, &[fd, own, -1]);
    try_it("fchownat-empty", libc::SYS_fchownat, &[fd, e, own, -1, EMPTY]);
    try_it("utimensat-null", libc::SYS_utimensat, &[fd, 0, addr(&v.times), 0]);
    try_it("utimensat-empty", libc::SYS_utimensat, &[fd, e, addr(&v.times), EMPTY]);
    try_it("fsetxattr", libc::SYS_fsetxattr, &[fd, name, value, 4, 0]);
    try_it("fremovexattr", libc::SYS_fremovexattr, &[fd, name]);
    try_it("setxattrat-empty", SETXATTRAT, &[fd, e, EMPTY, name, addr(&v.xattr), 16]);
    try_it("removexattrat-empty", REMOVEXATTRAT, &[fd, e, EMPTY, name]);
    try_it("file_setattr-empty", FILE_SETATTR, &[fd, e, addr(&v.file_attr), 24, EMPTY]);
    try_it("FS_IOC_SETFLAGS", libc::SYS_ioctl, &[fd, 0x4008_6602, addr(&0x40_u64)]);
    try_it("FS_IOC_FSSETXATTR", libc::SYS_ioctl, &[fd, 0x401c_5820, addr(&[0_u64; 4])]);
    try_it("fchmodat-dirfd", libc::SYS_fchmodat, &[dir, b, 0o777]);
    try_it("fchmodat2-dirfd", FCHMODAT2, &[dir, b, 0o775, 0]);
    try_it("fchownat-dirfd", libc::SYS_fchownat, &[dir, b, own, -1, 0]);
    try_it("utimensat-dirfd", libc::SYS_utimensat, &[dir, b, addr(&v.times), 0]);
    #[cfg(target_arch = "x86_64")]
    {
        try_it("futimesat-dirfd", libc::SYS_futimesat, &[dir, b, addr(&v.timevals)]);
        try_it("futimesat-null", libc::SYS_futimesat, &[fd, 0, addr(&v.timevals)]);
    }
}

/// Arguments: the victim, and a scratch directory in which a link to it is made.
fn by_every_path(args: &[OsString]) {
    let victim = Path::new(&args[0]);
    let scratch = Path::new(&args[1]);
    let values = Values::new();
    let under = |prefix: &str| format!("{prefix}{}", victim.display());
    let up = "../".repeat(scratch.components().count() + 3);
    std::env::set_current_dir(scratch).expect("enter scratch");
    let link = scratch.join("link-to-victim");
    std::os::unix::fs::symlink(victim, &link).expect("make a link in scratch");

    path_calls("absolute", &c(victim), &values);
    path_calls("root", &c(under("/proc/self/root")), &values);
    path_calls("thread-root", &c(under("/proc/thread-self/root")), &values);
    path_calls("cwd", &c(format!("/proc/self/cwd/{up}{}", victim.display())), &values);
    path_calls("dots", &c(format!("{up}{}", victim.display())), &values);
    path_calls("slashes", &c(under("//.//")), &values);
    if victim.is_dir() {
        path_calls("trailing", &c(format!("{}/", victim.display())), &values);
    }
    path_calls("link", &c(&link), &values);

    let fd = os::open(victim, libc::O_PATH);
    let dir = os::open(victim.parent().expect("the victim has a parent"), libc::O_PATH | libc::O_DIRECTORY);
    if fd >= 0 {
        path_calls("proc-fd", &c(format!("/proc/self/fd/{fd}")), &values);
        path_calls("dev-fd", &c(format!("/proc/thread-self/fd/{fd}")), &values);
        path_calls("proc-dirfd", &c(format!("/proc/self/fd/{dir}/{}", name_of(victim))), &values);
        descriptor_calls("o-path", fd, dir, &c(name_of(victim)), &values);
    }
    let readable = os::open(victim, libc::O_RDONLY);
    if readable >= 0 {
        descriptor_calls("o-rdonly", readable, dir, &c(name_of(victim)), &values);
        path_calls("proc-fd-read", &c(format!("/proc/self/fd/{readable}")), &values);
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("the victim has a name").to_string_lossy().into_owned()
}

/// The victim is standard input, opened for reading outside the jail.
fn by_inherited_descriptor(_: &[OsString]) {
    let values = Values::new();
    descriptor_calls("stdin", 0, CWD, &c("/proc/self/fd/0"), &values);
    path_calls("stdin", &c("/proc/self/fd/0"), &values);
    path_calls("dev-stdin", &c("/dev/stdin"), &values);
}

/// What may come back instead of a refusal where a call cannot work at all.
fn errors() -> Vec<&'static str> {
    [REFUSALS, &["EBADF", "EINVAL", "ENOTTY"]].concat()
}

/// Asserts that most of an attack works outside the jail.
fn assert_control_works(lines: &[(String, String)]) {
    let works = lines.iter().filter(|(_, r)| r == "ok").count();
    assert!(works * 2 > lines.len(), "outside the jail most of it works: {lines:?}");
    for step in ["fchmodat/absolute", "utimensat/link", "fchownat/proc-fd", "fchmod/o-rdonly"] {
        assert!(lines.iter().any(|(s, r)| s == step && r == "ok"), "{step} works outside: {lines:?}");
    }
}

#[test]
fn outside_the_jail_the_calls_work() {
    each_mode("ci", |jail| {
        let victim = jail.outside.join("victim");
        let before = Entry::of(&victim);
        let out = jail.control("metadata", &[&victim, &jail.work.join("pkg")]);
        assert_control_works(&out.lines());
        assert_ne!(before, Entry::of(&victim));
    });
}

/// Attacks a victim from `pkg/sub`: every call is refused, and it stays as it was.
fn attack_in_vain(jail: &Jail, victim: &Path) {
    let before = Entry::of(victim);
    let scratch = jail.work.join("pkg/sub");
    let out = jail.attack("metadata", &[victim, &scratch]);
    out.all_refused(&errors());
    assert_eq!(before, Entry::of(victim), "{}", victim.display());
    fs::remove_file(scratch.join("link-to-victim")).expect("remove the link");
}

#[test]
fn file_and_directory_outside_stay() {
    both_modes(|jail| {
        for victim in [jail.outside.join("victim"), jail.outside.join("tree/a"), jail.home.join("victim")] {
            attack_in_vain(jail, &victim);
        }
    });
}

#[test]
fn protected_files_of_the_workspace_stay() {
    both_modes(|jail| {
        for victim in [".git/config", ".git/hooks", ".git", ".github/workflows/ci.yml", "nested/.git/HEAD"] {
            let victim = jail.work.join(victim);
            attack_in_vain(jail, &victim);
        }
    });
}

#[test]
fn files_of_the_workspace_that_may_only_be_read_stay() {
    each_mode("standard", |jail| {
        for name in ["README.md", "src", "ignored.log"] {
            jail.allow("read", jail.work.join(name));
        }
        let scratch = jail.work.join("target");
        fs::create_dir(&scratch).expect("make a scratch directory");
        for victim in [jail.work.join("README.md"), jail.work.join("src"), jail.work.join("ignored.log")] {
            let before = Entry::of(&victim);
            jail.attack("metadata", &[&victim, &scratch]).all_refused(&errors());
            assert_eq!(before, Entry::of(&victim), "{}", victim.display());
            fs::remove_file(scratch.join("link-to-victim")).expect("remove the link");
        }
    });
}

#[test]
fn readonly_profile_changes_nothing() {
    each_mode("readonly", |jail| {
        let before = Tree::exact(&jail.work);
        let script = "chmod 700 pkg; touch -d yesterday pkg/own.txt; chmod +x README.md; echo x > pkg/new; rm -f pkg/own.txt; \
                      mkdir pkg/d; ln -s x pkg/l; mv pkg/own.txt pkg/other; truncate -s 0 README.md; echo end";
        assert_eq!(jail.sh(script).out(), "end\n");
        assert_same(&before, &Tree::exact(&jail.work));
    });
}

#[test]
fn a_readable_descriptor_as_standard_input_gives_nothing() {
    both_modes(|jail| {
        for victim in [jail.outside.join("victim"), jail.work.join(".git/config")] {
            let before = Entry::of(&victim);
            let mut command = jail.attack_command::<&str>("metadata-own-fd", &[]);
            command.stdin(fs::File::open(&victim).expect("open the victim"));
            let out = crate::support::process::run(&mut command, crate::support::process::LIMIT);
            out.all_refused(&errors());
            assert_eq!(before, Entry::of(&victim), "{}", victim.display());
        }
    });
}
