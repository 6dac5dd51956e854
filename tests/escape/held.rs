//! What is open for reading, or as a mere path, gives nothing more: by whatever
//! call, and wherever the descriptor came from.

use std::ffi::OsString;
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::support::attack::{Attack, VARIABLE, report, say};
use crate::support::jail::myself;
use crate::support::os::{self, addr, at, c, call};
use crate::support::tree::assert_same;
use crate::support::{Jail, REFUSALS, Tree, both_modes};

pub const ATTACKS: &[Attack] = &[("held", use_held), ("held-sender", send)];

const CWD: i64 = libc::AT_FDCWD as i64;

/// Calls that write through the descriptor itself. `other` is the attacker's
/// own file, open both ways, with some content.
fn write_through(form: &str, fd: i64, other: i64) {
    let try_it =
        |step: &str, number: i64, args: &[i64]| report(&format!("{step} ({form})"), call(number, args));
    let text = c("stolen!!");
    let vector = [at(&text), 8];
    let (shared, read, write) =
        (i64::from(libc::MAP_SHARED), i64::from(libc::PROT_READ), i64::from(libc::PROT_WRITE));
    try_it("write", libc::SYS_write, &[fd, at(&text), 8]);
    try_it("pwrite64", libc::SYS_pwrite64, &[fd, at(&text), 8, 0]);
    try_it("writev", libc::SYS_writev, &[fd, addr(&vector), 1]);
    // RWF_NOAPPEND
    try_it("pwritev2", libc::SYS_pwritev2, &[fd, addr(&vector), 1, 0, 0, 0x20]);
    try_it("ftruncate", libc::SYS_ftruncate, &[fd, 0]);
    for (name, mode) in [("allocate", 0), ("punch", 3), ("collapse", 8), ("zero", 16), ("insert", 32)] {
        try_it(&format!("fallocate {name}"), libc::SYS_fallocate, &[fd, mode, 0, 4096]);
    }
    try_it("copy_file_range", libc::SYS_copy_file_range, &[other, addr(&0_i64), fd, addr(&0_i64), 4, 0]);
    try_it("sendfile", libc::SYS_sendfile, &[fd, other, addr(&0_i64), 4]);
    let mut pipe = [0_i32; 2];
    call(libc::SYS_pipe2, &[std::ptr::from_mut(&mut pipe) as i64, 0]);
    call(libc::SYS_write, &[pipe[1].into(), at(&text), 8]);
    try_it("splice", libc::SYS_splice, &[pipe[0].into(), 0, fd, addr(&0_i64), 8, 0]);
    for end in pipe {
        call(libc::SYS_close, &[end.into()]);
    }
    try_it("mmap", libc::SYS_mmap, &[0, 4096, read | write, shared, fd, 0]);
    let page = call(libc::SYS_mmap, &[0, 4096, read, shared, fd, 0]);
    if page > 0 {
        try_it("mprotect", libc::SYS_mprotect, &[page, 4096, read | write]);
        call(libc::SYS_munmap, &[page, 4096]);
    }
    // FICLONE, FICLONERANGE, FIDEDUPERANGE, FS_IOC_ZERO_RANGE, FS_IOC_RESVSP64
    let range = [other, 0, 4096, 0, 0, 0, 0, 0];
    for (name, number) in [
        ("FICLONE", 0x4004_9409),
        ("FICLONERANGE", 0x4020_940d),
        ("FS_IOC_ZERO_RANGE", 0x4030_5839),
        ("FS_IOC_RESVSP64", 0x4030_582a),
        ("FS_IOC_UNRESVSP64", 0x4030_582b),
        ("FS_IOC_SETVERSION", 0x4008_7602),
        ("EXT4_IOC_MOVE_EXT", 0xc028_660f),
    ] {
        let argument = if name == "FICLONE" { other } else { addr(&range) };
        try_it(name, libc::SYS_ioctl, &[fd, number, argument]);
    }
    let writable = i64::from(libc::O_RDWR);
    call(libc::SYS_fcntl, &[fd, libc::F_SETFL.into(), writable]);
    try_it("write after F_SETFL", libc::SYS_write, &[fd, at(&text), 8]);
}

/// Calls that name the file by its descriptor.
fn open_again(form: &str, fd: i64, own: &Path) {
    let thread = call(libc::SYS_gettid, &[]);
    let process = std::process::id();
    let link = c(own.join("link"));
    for (name, path) in [
        ("/proc/self/fd", format!("/proc/self/fd/{fd}")),
        ("/proc/thread-self/fd", format!("/proc/thread-self/fd/{fd}")),
        ("/proc/PID/fd", format!("/proc/{process}/fd/{fd}")),
        ("/proc/PID/task/TID/fd", format!("/proc/{process}/task/{thread}/fd/{fd}")),
        ("/dev/fd", format!("/dev/fd/{fd}")),
        ("/proc/self/root", format!("/proc/self/root/proc/self/fd/{fd}")),
    ] {
        let step = |what: &str| format!("{what} {name} ({form})");
        let text = c(&path);
        let how = [i64::from(libc::O_WRONLY), 0, 0];
        report(&step("write"), os::open(&path, libc::O_WRONLY));
        report(&step("append"), os::open(&path, libc::O_RDWR | libc::O_APPEND));
        report(&step("truncating open"), os::open(&path, libc::O_RDONLY | libc::O_TRUNC));
        report(&step("create"), os::open(&path, libc::O_WRONLY | libc::O_CREAT));
        report(&step("openat2"), call(libc::SYS_openat2, &[CWD, at(&text), addr(&how), 24]));
        report(&step("truncate"), call(libc::SYS_truncate, &[at(&text), 0]));
        report(&step("chmod"), call(libc::SYS_fchmodat, &[CWD, at(&text), 0o777]));
        let follow = i64::from(libc::AT_SYMLINK_FOLLOW);
        report(&step("link"), call(libc::SYS_linkat, &[CWD, at(&text), CWD, at(&link), follow]));
    }
    let empty = i64::from(libc::AT_EMPTY_PATH);
    report(&format!("link ({form})"), call(libc::SYS_linkat, &[fd, at(&c("")), CWD, at(&link), empty]));
}

/// The descriptor that another process opened and sent over a socket.
fn received(victim: &Path) -> OwnedFd {
    let (ours, theirs) = UnixStream::pair().expect("make a pair of sockets");
    let mut sender = Command::new(myself());
    let sender = sender.arg(victim).env(VARIABLE, "held-sender").stdin(Stdio::from(OwnedFd::from(theirs)));
    let mut sender = sender.stdout(Stdio::null()).spawn().expect("start the sender");
    let (mut byte, mut space) = ([0; 1], nix::cmsg_space!([i32; 1]));
    let mut content = [IoSliceMut::new(&mut byte)];
    let got = recvmsg::<()>(ours.as_raw_fd(), &mut content, Some(&mut space), MsgFlags::empty());
    let got = got.expect("receive");
    let fd = got.cmsgs().expect("whole messages").find_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    sender.wait().expect("wait for the sender");
    // SAFETY: the kernel just made it for this process.
    unsafe { OwnedFd::from_raw_fd(fd.expect("a descriptor")) }
}

fn send(args: &[OsString]) {
    let file = fs::File::open(&args[0]).expect("open the victim");
    let fds = [file.as_raw_fd()];
    let content = [IoSlice::new(b"x")];
    sendmsg::<()>(0, &content, &[ControlMessage::ScmRights(&fds)], MsgFlags::empty(), None).expect("send");
}

/// Arguments: the attacker's own directory, the victim.
fn use_held(args: &[OsString]) {
    let (own, victim) = (Path::new(&args[0]), Path::new(&args[1]));
    // made before the start, so that no broker is needed for it in static mode
    let other = os::open(own.join("other"), libc::O_RDONLY);
    let reader = os::open(victim, libc::O_RDONLY);
    let path = os::open(victim, libc::O_PATH);
    let sent = received(victim);
    let sent = i64::from(sent.as_raw_fd());
    let copy = call(libc::SYS_dup, &[reader]);
    let pidfd = call(libc::SYS_pidfd_open, &[std::process::id().into(), 0]);
    let got = call(libc::SYS_pidfd_getfd, &[pidfd, reader, 0]);
    for (form, fd) in [("reader", reader), ("path", path), ("sent", sent), ("copy", copy), ("got", got)] {
        if fd < 0 {
            say(&format!("open ({form})"), "EACCES");
            continue;
        }
        write_through(form, fd, other);
        open_again(form, fd, own);
    }
    // the program itself, which the jail may only read
    let program = c("/proc/self/exe");
    report("chmod the program", call(libc::SYS_fchmodat, &[CWD, at(&program), 0o777]));
    report("append to the program", os::open("/proc/self/exe", libc::O_WRONLY | libc::O_APPEND));
    // what is mapped
    let page = call(libc::SYS_mmap, &[0, 4096, 1, i64::from(libc::MAP_PRIVATE), reader, 0]);
    for map in fs::read_dir("/proc/self/map_files").into_iter().flatten().flatten() {
        if map.file_name().to_string_lossy().starts_with(&format!("{page:x}-")) {
            report("chmod what is mapped", call(libc::SYS_fchmodat, &[CWD, at(&c(map.path())), 0o777]));
            report("write what is mapped", os::open(map.path(), libc::O_WRONLY));
        }
    }
}

/// What may come instead of a refusal where a call cannot work on such a descriptor.
const IMPOSSIBLE: &[&str] =
    &["EBADF", "EINVAL", "ENOTTY", "ETXTBSY", "ELOOP", "EOPNOTSUPP", "EPERM", "ENXIO", "ENODEV", "EFAULT"];

fn prepare(jail: &Jail) {
    fs::write(jail.work.join("pkg/other"), "what the attacker has").expect("make a file");
}

#[test]
fn what_is_open_for_reading_gives_nothing_more() {
    both_modes(|jail| {
        prepare(jail);
        let victims = [jail.work.join(".git/config"), jail.work.join(".github/workflows/ci.yml")];
        let look = || [".git", ".github"].map(|name| Tree::exact(&jail.work.join(name)));
        let before = look();
        for victim in victims {
            let out = jail.attack("held", &[&jail.work.join("pkg"), &victim]);
            out.all_refused(&[REFUSALS, IMPOSSIBLE].concat());
            assert!(out.lines().len() > 150, "{}", out.out());
            before.iter().zip(&look()).for_each(|(before, after)| assert_same(before, after));
        }
    });
}

#[test]
fn outside_the_jail_it_gives_everything() {
    let jail = Jail::new("ci");
    prepare(&jail);
    let out = jail.control("held", &[&jail.work.join("pkg"), &jail.work.join(".git/config")]);
    for step in ["write /proc/self/fd (reader)", "chmod /dev/fd (path)", "truncate /proc/PID/fd (sent)"] {
        assert_eq!(out.result(step), "ok", "{step}");
    }
    // for the kernel, too, a descriptor is what it was opened for
    assert_eq!(out.result("write (reader)"), "EBADF");
}
