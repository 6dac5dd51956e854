//! System calls that no coding agent needs. All are made with arguments that
//! would fail harmlessly without a filter.

use std::ffi::OsString;

use crate::support::attack::{Attack, report};
use crate::support::both_modes;
use crate::support::os::{OPEN_TREE_ATTR, addr, call};

pub const ATTACKS: &[Attack] = &[
    ("syscalls", every_refused_call),
    ("unknown-syscalls", unknown_numbers),
    ("high-bits", high_bits),
    ("families", socket_families),
    ("allowed", harmless_calls),
];

/// A name, a number, arguments and the error with which the filter answers.
type Row = (&'static str, i64, &'static [i64], &'static str);

const BAD: i64 = -1;

const REFUSED: &[Row] = &[
    ("mount", libc::SYS_mount, &[BAD, BAD, BAD, 0, 0], "EPERM"),
    ("umount2", libc::SYS_umount2, &[BAD, 0], "EPERM"),
    ("pivot_root", libc::SYS_pivot_root, &[BAD, BAD], "EPERM"),
    ("move_mount", libc::SYS_move_mount, &[BAD, BAD, BAD, BAD, 0], "EPERM"),
    ("open_tree", libc::SYS_open_tree, &[BAD, BAD, 0], "EPERM"),
    ("open_tree_attr", OPEN_TREE_ATTR, &[BAD, BAD, 0, BAD, 0], "EPERM"),
    ("fsopen", libc::SYS_fsopen, &[BAD, 0], "EPERM"),
    ("fsconfig", libc::SYS_fsconfig, &[BAD, 0, 0, 0, 0], "EPERM"),
    ("fsmount", libc::SYS_fsmount, &[BAD, 0, 0], "EPERM"),
    ("fspick", libc::SYS_fspick, &[BAD, BAD, 0], "EPERM"),
    ("mount_setattr", libc::SYS_mount_setattr, &[BAD, BAD, 0, BAD, 0], "EPERM"),
    ("unshare-user", libc::SYS_unshare, &[libc::CLONE_NEWUSER as i64], "EPERM"),
    ("unshare-mount", libc::SYS_unshare, &[libc::CLONE_NEWNS as i64], "EPERM"),
    ("unshare-net", libc::SYS_unshare, &[libc::CLONE_NEWNET as i64], "EPERM"),
    ("setns", libc::SYS_setns, &[BAD, 0], "EPERM"),
    ("clone-user", libc::SYS_clone, &[(libc::CLONE_NEWUSER | libc::SIGCHLD) as i64, 0, 0, 0, 0], "EPERM"),
    ("clone-mount", libc::SYS_clone, &[(libc::CLONE_NEWNS | libc::SIGCHLD) as i64, 0, 0, 0, 0], "EPERM"),
    ("clone-pid", libc::SYS_clone, &[(libc::CLONE_NEWPID | libc::SIGCHLD) as i64, 0, 0, 0, 0], "EPERM"),
    ("clone-cgroup", libc::SYS_clone, &[(libc::CLONE_NEWCGROUP | libc::SIGCHLD) as i64, 0, 0, 0, 0], "EPERM"),
    ("clone3", libc::SYS_clone3, &[BAD, 88], "ENOSYS"),
    ("bpf", libc::SYS_bpf, &[0, BAD, 128], "EPERM"),
    ("perf_event_open", libc::SYS_perf_event_open, &[BAD, 0, 0, BAD, 0], "EPERM"),
    ("userfaultfd", libc::SYS_userfaultfd, &[BAD], "EPERM"),
    ("keyctl", libc::SYS_keyctl, &[BAD, 0, 0, 0, 0], "EPERM"),
    ("add_key", libc::SYS_add_key, &[BAD, BAD, 0, 0, 0], "EPERM"),
    ("request_key", libc::SYS_request_key, &[BAD, BAD, 0, 0], "EPERM"),
    ("init_module", libc::SYS_init_module, &[BAD, 0, BAD], "EPERM"),
    ("finit_module", libc::SYS_finit_module, &[BAD, BAD, 0], "EPERM"),
    ("delete_module", libc::SYS_delete_module, &[BAD, 0], "EPERM"),
    ("open_by_handle_at", libc::SYS_open_by_handle_at, &[BAD, BAD, 0], "EPERM"),
    ("kexec_load", libc::SYS_kexec_load, &[0, BAD, BAD, BAD], "EPERM"),
    ("kexec_file_load", libc::SYS_kexec_file_load, &[BAD, BAD, 0, 0, BAD], "EPERM"),
    ("reboot", libc::SYS_reboot, &[0, 0, 0, 0], "EPERM"),
    ("swapon", libc::SYS_swapon, &[BAD, 0], "EPERM"),
    ("swapoff", libc::SYS_swapoff, &[BAD], "EPERM"),
    ("io_uring_setup", libc::SYS_io_uring_setup, &[1, BAD], "ENOSYS"),
    ("io_uring_enter", libc::SYS_io_uring_enter, &[BAD, 0, 0, 0, 0, 0], "ENOSYS"),
    ("io_uring_register", libc::SYS_io_uring_register, &[BAD, 0, 0, 0], "ENOSYS"),
];

/// Calls that no unprivileged program may make anyway; the kernel or the filter says so.
const PRIVILEGED: &[Row] = &[
    ("acct", libc::SYS_acct, &[BAD], ""),
    ("chroot", libc::SYS_chroot, &[BAD], ""),
    ("clock_settime", libc::SYS_clock_settime, &[0, BAD], ""),
    ("settimeofday", libc::SYS_settimeofday, &[BAD, BAD], ""),
    ("sethostname", libc::SYS_sethostname, &[BAD, 1], ""),
    ("setdomainname", libc::SYS_setdomainname, &[BAD, 1], ""),
    ("quotactl", libc::SYS_quotactl, &[BAD, BAD, 0, BAD], ""),
    ("fanotify_init", libc::SYS_fanotify_init, &[0, 0], ""),
    ("vhangup", libc::SYS_vhangup, &[], ""),
    ("nfsservctl", libc::SYS_nfsservctl, &[BAD, BAD, BAD], ""),
];

fn every_refused_call(_: &[OsString]) {
    for (name, number, args, _) in REFUSED.iter().chain(PRIVILEGED) {
        let result = call(*number, args);
        if result == 0 && name.starts_with("clone-") {
            // SAFETY: the child of a clone that should have been refused ends at once.
            unsafe { libc::_exit(0) };
        }
        report(name, result);
    }
}

fn unknown_numbers(_: &[OsString]) {
    for number in [480, 511, 512, 547, 600, 1000, 4096, 65_535, 0x3fff_ffff, 0x7fff_ffff] {
        report(&number.to_string(), call(number, &[BAD, BAD, BAD, BAD, BAD, BAD]));
    }
}

/// The kernel reads 32 bits of these arguments; a filter that compares 64 is fooled by the rest.
fn high_bits(_: &[OsString]) {
    let high = 1_i64 << 32;
    let byte = 0_u8;
    let mut sockets = [0_i32; 2];
    let pair = std::ptr::from_mut(&mut sockets) as i64;
    report("TIOCSTI", call(libc::SYS_ioctl, &[0, high | libc::TIOCSTI as i64, addr(&byte)]));
    report("TIOCLINUX", call(libc::SYS_ioctl, &[0, high | libc::TIOCLINUX as i64, addr(&byte)]));
    report("FS_IOC_SETFLAGS", call(libc::SYS_ioctl, &[0, high | 0x4008_6602, addr(&0_u64)]));
    report("AF_UNIX datagram", call(libc::SYS_socket, &[high | 1, high | 2, 0]));
    report("AF_UNIX datagram pair", call(libc::SYS_socketpair, &[high | 1, high | 2, 0, pair]));
    report("AF_PACKET", call(libc::SYS_socket, &[high | 17, 3, 0]));
}

fn socket_families(_: &[OsString]) {
    let families: &[(&str, i64)] = &[
        ("AF_X25", 9),
        ("AF_PACKET", 17),
        ("AF_RDS", 21),
        ("AF_CAN", 29),
        ("AF_TIPC", 30),
        ("AF_BLUETOOTH", 31),
        ("AF_ALG", 38),
        ("AF_VSOCK", 40),
        ("AF_KCM", 41),
        ("AF_XDP", 44),
    ];
    for (name, family) in families {
        report(name, call(libc::SYS_socket, &[*family, libc::SOCK_DGRAM as i64, 0]));
        report(&format!("{name} raw"), call(libc::SYS_socket, &[*family, libc::SOCK_RAW as i64, 0]));
    }
    for (name, protocol) in [("audit", 9), ("netfilter", 12), ("uevent", 15), ("generic", 16)] {
        report(&format!("netlink {name}"), call(libc::SYS_socket, &[16, libc::SOCK_RAW as i64, protocol]));
    }
}

/// What must go on working, so that the refusals above mean something.
fn harmless_calls(_: &[OsString]) {
    let (mut sockets, mut limits) = ([0_i32; 2], [0_u64; 2]);
    let (pair, limit) = (std::ptr::from_mut(&mut sockets) as i64, std::ptr::from_mut(&mut limits) as i64);
    report("getpid", call(libc::SYS_getpid, &[]));
    report("memfd_create", call(libc::SYS_memfd_create, &[c"x".as_ptr() as i64, 0]));
    report("eventfd2", call(libc::SYS_eventfd2, &[0, 0]));
    report("epoll_create1", call(libc::SYS_epoll_create1, &[0]));
    report("inotify_init1", call(libc::SYS_inotify_init1, &[0]));
    report("timerfd_create", call(libc::SYS_timerfd_create, &[1, 0]));
    report("netlink route", call(libc::SYS_socket, &[16, libc::SOCK_RAW as i64, 0]));
    report("tcp", call(libc::SYS_socket, &[libc::AF_INET as i64, libc::SOCK_STREAM as i64, 0]));
    report("udp6", call(libc::SYS_socket, &[libc::AF_INET6 as i64, libc::SOCK_DGRAM as i64, 0]));
    report("stream pair", call(libc::SYS_socketpair, &[1, 1, 0, pair]));
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    report("seqpacket pair", call(libc::SYS_socketpair, &[1, i64::from(5 | flags), 0, pair]));
    report("prlimit64 self", call(libc::SYS_prlimit64, &[0, libc::RLIMIT_NOFILE as i64, 0, limit]));
    report("thread", if std::thread::spawn(|| 1).join().is_ok() { 0 } else { -1 });
}

#[test]
fn refused_calls_answer_as_the_table_says() {
    both_modes(|jail| {
        let out = jail.attack::<&str>("syscalls", &[]);
        for (name, _, _, errno) in REFUSED {
            assert_eq!(out.result(name), *errno, "{name}");
        }
        for (name, ..) in PRIVILEGED {
            let result = out.result(name);
            assert!(["EPERM", "ENOSYS", "EACCES"].contains(&result.as_str()), "{name}: {result}");
        }
    });
}

#[test]
fn unknown_numbers_do_not_exist() {
    both_modes(|jail| jail.attack::<&str>("unknown-syscalls", &[]).all_refused(&["ENOSYS"]));
}

#[test]
fn high_bits_of_arguments_do_not_fool_the_filter() {
    both_modes(|jail| {
        jail.attack::<&str>("high-bits", &[]).all_refused(&["EPERM", "EACCES", "EAFNOSUPPORT"])
    });
}

#[test]
fn exotic_socket_families_do_not_exist() {
    both_modes(|jail| jail.attack::<&str>("families", &[]).all_refused(&["EAFNOSUPPORT"]));
}

#[test]
fn harmless_calls_work() {
    both_modes(|jail| {
        let out = jail.attack::<&str>("allowed", &[]);
        let control = jail.control::<&str>("allowed", &[]);
        assert!(control.lines().iter().all(|(_, r)| r == "ok"), "{}", control.out());
        assert_eq!(out.lines(), control.lines(), "as outside\nstderr: {}", out.err());
    });
}

#[test]
fn without_network_there_are_no_internet_sockets() {
    crate::support::each_mode("readonly", |jail| {
        let out = jail.attack::<&str>("allowed", &[]);
        assert_eq!(out.result("tcp"), "EACCES");
        assert_eq!(out.result("udp6"), "EACCES");
        assert_eq!(out.result("stream pair"), "ok");
    });
}
