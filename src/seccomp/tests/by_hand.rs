//! Single calls with the answers written down from the kernel's constants.

use super::bpf::Answer::{self, Fail, Notify, Run};
use super::{ARCHES, answer, strict};
use crate::policy::plan::Mode;
use crate::policy::{Network, SyscallRules, UnixSockets};
use crate::seccomp::Config;

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const ENOSYS: i32 = 38;
const EAFNOSUPPORT: i32 = 97;

/// Checks calls on both architectures, also with garbage above the low 32 bits.
fn check(name: &str, adjust: impl Fn(&mut Config<'_>), calls: &[([u64; 3], Answer)]) {
    let none = SyscallRules::default();
    for arch in ARCHES {
        let mut config = strict(arch, &none);
        adjust(&mut config);
        for ([a, b, c], expected) in calls {
            for high in [0, 0xdead_beef_0000_0000, 0xffff_ffff_0000_0000] {
                let args = [a | high, b | high, c | high, high, high, high];
                assert_eq!(answer(&config, name, args), *expected, "{name} {args:x?} under {config:?}");
            }
        }
    }
}

fn ioctls(numbers: &[u64], expected: Answer) {
    let calls: Vec<_> = numbers.iter().map(|number| ([3, *number, 0], expected)).collect();
    check("ioctl", |_| {}, &calls);
}

#[test]
fn nobody_types_into_the_terminal() {
    // TIOCSTI, TIOCLINUX, TIOCSETD.
    ioctls(&[0x5412, 0x541c, 0x5423], Fail(EPERM));
    // TCGETS, TCSETS, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, FIONREAD, TIOCNOTTY, FIONBIO, FIOCLEX.
    ioctls(&[0x5401, 0x5402, 0x540f, 0x5410, 0x5413, 0x541b, 0x5422, 0x5421, 0x5451], Run);
}

#[test]
fn no_ioctl_changes_metadata_or_volumes() {
    // FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_SETVERSION, FS_IOC32_SETVERSION, FS_IOC_FSSETXATTR.
    ioctls(&[0x4008_6602, 0x4004_6602, 0x4008_7602, 0x4004_7602, 0x401c_5820], Fail(EPERM));
    // FS_IOC_ENABLE_VERITY, FS_IOC_SET_ENCRYPTION_POLICY, FS_IOC_ADD_ENCRYPTION_KEY.
    ioctls(&[0x4080_6685, 0x800c_6613, 0xc050_6617], Fail(EPERM));
    // EXT4_IOC_MIGRATE, EXT4_IOC_MOVE_EXT, EXT4_IOC_SWAP_BOOT, EXT4_IOC_SHUTDOWN.
    ioctls(&[0x6609, 0xc028_660f, 0x6611, 0x8004_587d], Fail(EPERM));
    // FIFREEZE, FITHAW, FITRIM, XFS_IOC_SWAPEXT, FAT_IOCTL_SET_ATTRIBUTES.
    ioctls(&[0xc004_5877, 0xc004_5878, 0xc018_5879, 0xc0c0_586d, 0x4004_7211], Fail(EPERM));
    // BTRFS_IOC_SNAP_CREATE, BTRFS_IOC_SUBVOL_CREATE, BTRFS_IOC_SNAP_DESTROY,
    // BTRFS_IOC_SUBVOL_SETFLAGS, FS_IOC_SETFSLABEL.
    ioctls(&[0x5000_9401, 0x5000_940e, 0x5000_940f, 0x4008_941a, 0x4100_9432], Fail(EPERM));
    // F2FS_IOC_START_ATOMIC_WRITE, F2FS_IOC_SET_PIN_FILE, BCHFS_IOC_REINHERIT_ATTRS.
    ioctls(&[0xf501, 0x4004_f50d, 0x8008_bc40], Fail(EPERM));
}

#[test]
fn ioctls_that_ask_or_need_a_writable_file_run() {
    // FS_IOC_GETFLAGS, FS_IOC_GETVERSION, FS_IOC_FSGETXATTR, FS_IOC_FIEMAP, FAT_IOCTL_GET_ATTRIBUTES.
    ioctls(&[0x8008_6601, 0x8008_7601, 0x801c_581f, 0xc020_660b, 0x8004_7210], Run);
    // FICLONE, FICLONERANGE, FIDEDUPERANGE, FIBMAP, FIGETBSZ.
    ioctls(&[0x4004_9409, 0x4020_940d, 0xc018_9436, 1, 2], Run);
}

#[test]
fn clone_makes_no_namespaces() {
    const SIGCHLD: u64 = 17;
    // What glibc passes for a thread, for vfork, and for posix_spawn.
    let fine = [SIGCHLD, 0x003d_0f00, 0x4111, 0x4100 | SIGCHLD, 0x0120_0011];
    // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    let spaces: [u64; 7] =
        [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
    let mut calls: Vec<_> = fine.map(|flags| ([flags, 0, 0], Run)).to_vec();
    for space in spaces {
        calls.extend([([space, 0, 0], Fail(EPERM)), ([space | SIGCHLD, 0, 0], Fail(EPERM))]);
        calls.push(([space | 0x1000_0000 | 0x3d_0f00, 0, 0], Fail(EPERM)));
    }
    check("clone", |_| {}, &calls);
    check("clone3", |_| {}, &[([0, 88, 0], Fail(ENOSYS))]);
    check("unshare", |_| {}, &[([0x1000_0000, 0, 0], Fail(EPERM)), ([0, 0, 0], Fail(EPERM))]);
}

const UNIX: u64 = 1;
const INET: u64 = 2;
const INET6: u64 = 10;
const NETLINK: u64 = 16;
const STREAM: u64 = 1;
const DGRAM: u64 = 2;
const RAW: u64 = 3;
const SEQPACKET: u64 = 5;
const CLOEXEC_NONBLOCK: u64 = 0o2_004_000;

#[test]
fn sockets_are_of_the_families_that_the_profile_opens() {
    // AX25, PACKET, BLUETOOTH, ALG, VSOCK, XDP, SMC, CAN, TIPC, KEY, none, beyond the last.
    let others = [3, 17, 31, 38, 40, 44, 43, 29, 30, 15, 0, 46, 0xffff_ffff];
    let others = others.map(|family| ([family, STREAM, 0], Fail(EAFNOSUPPORT)));
    let netlink = [
        ([NETLINK, RAW, 0], Run),
        ([NETLINK, RAW | CLOEXEC_NONBLOCK, 0], Run),
        // SOCK_DIAG, NFLOG, XFRM, AUDIT, NETFILTER, KOBJECT_UEVENT, GENERIC.
        ([NETLINK, RAW, 4], Fail(EAFNOSUPPORT)),
        ([NETLINK, RAW, 5], Fail(EAFNOSUPPORT)),
        ([NETLINK, RAW, 6], Fail(EAFNOSUPPORT)),
        ([NETLINK, RAW, 9], Fail(EAFNOSUPPORT)),
        ([NETLINK, RAW, 12], Fail(EAFNOSUPPORT)),
        ([NETLINK, RAW, 15], Fail(EAFNOSUPPORT)),
        ([NETLINK, RAW, 16], Fail(EAFNOSUPPORT)),
    ];
    let of =
        |family, answer| [([family, STREAM, 0], answer), ([family, DGRAM | CLOEXEC_NONBLOCK, 17], answer)];
    let check = |network, unix_sockets, abi, internet, unix| {
        let calls =
            [&others[..], &netlink, &of(INET, internet), &of(INET6, internet), &of(UNIX, unix)].concat();
        check(
            "socket",
            |config| {
                config.network = network;
                config.unix_sockets = unix_sockets;
                config.abi = abi;
            },
            &calls,
        );
    };
    check(Network::None, UnixSockets::Own, 9, Fail(EACCES), Run);
    check(Network::Open, UnixSockets::Own, 9, Run, Run);
    check(Network::None, UnixSockets::Open, 1, Fail(EACCES), Run);
}

/// The kinds of Unix sockets, with flags and without.
fn unix_sockets(connected: Answer, datagram: Answer) -> Vec<([u64; 3], Answer)> {
    let of = |kind, answer| [([UNIX, kind, 0], answer), ([UNIX, kind | CLOEXEC_NONBLOCK, 0], answer)];
    let kinds = [(STREAM, connected), (SEQPACKET, connected), (DGRAM, datagram), (RAW, datagram)];
    kinds.into_iter().flat_map(|(kind, answer)| of(kind, answer)).collect()
}

#[test]
fn the_broker_serves_unix_sockets_that_send_on_connections_alone() {
    for network in [Network::None, Network::Loopback, Network::Open] {
        let brokered = |config: &mut Config<'_>| (config.network, config.abi) = (network, 8);
        check("socket", brokered, &unix_sockets(Run, Fail(EACCES)));
        let alone =
            |config: &mut Config<'_>| (config.network, config.abi, config.mode) = (network, 8, Mode::Static);
        check("socket", alone, &unix_sockets(Fail(EACCES), Fail(EACCES)));
        let in_container =
            |config: &mut Config<'_>| (config.network, config.takes_sockets) = (network, false);
        check("socket", in_container, &unix_sockets(Fail(EACCES), Fail(EACCES)));
    }
}

#[test]
fn with_loopback_there_is_tcp_and_nothing_else() {
    const EPROTONOSUPPORT: i32 = 93;
    let mut calls = Vec::new();
    for family in [INET, INET6] {
        // TCP by its number, and with flags.
        calls.extend([0, 6].map(|protocol| ([family, STREAM, protocol], Run)));
        calls.push(([family, STREAM | CLOEXEC_NONBLOCK, 0], Run));
        // SCTP, MPTCP, SMC.
        calls.extend([132, 262, 256].map(|protocol| ([family, STREAM, protocol], Fail(EPROTONOSUPPORT))));
        calls.extend([0, DGRAM, RAW, 4, SEQPACKET, 6, 10].map(|kind| ([family, kind, 0], Fail(EACCES))));
        calls.push(([family, DGRAM | CLOEXEC_NONBLOCK, 17], Fail(EACCES)));
    }
    check("socket", |config| config.network = Network::Loopback, &calls);
    let alone = |config: &mut Config<'_>| (config.network, config.mode) = (Network::Loopback, Mode::Static);
    let refused = calls.iter().map(|(call, _)| (*call, Fail(EACCES))).collect::<Vec<_>>();
    check("socket", alone, &refused.iter().filter(|(call, _)| call[2] == 0).copied().collect::<Vec<_>>());
}

#[test]
fn the_broker_sees_addresses_that_the_kernel_does_not_govern() {
    type Adjust = fn(&mut Config<'_>);
    let cases: [(Adjust, Answer, Answer); 9] = [
        (|config| config.abi = 8, Notify, Run),
        (|config| config.abi = 9, Run, Run),
        (|config| (config.abi, config.names_sockets) = (9, true), Notify, Run),
        (|config| config.unix_sockets = UnixSockets::Open, Run, Run),
        (|config| config.network = Network::Open, Notify, Run),
        (|config| (config.abi, config.network) = (9, Network::Loopback), Notify, Notify),
        (
            |config| (config.unix_sockets, config.network) = (UnixSockets::Open, Network::Loopback),
            Notify,
            Notify,
        ),
        (|config| (config.mode, config.network) = (Mode::Static, Network::Loopback), Run, Run),
        (|config| (config.takes_sockets, config.network) = (false, Network::Loopback), Run, Run),
    ];
    for (adjust, addresses, listening) in cases {
        for name in ["bind", "connect"] {
            check(name, adjust, &[([3, 0, 0], addresses)]);
        }
        check("listen", adjust, &[([3, 0, 0], listening)]);
    }
}

#[test]
fn sending_makes_no_connections() {
    const EOPNOTSUPP: i32 = 95;
    const FASTOPEN: u64 = 0x2000_0000;
    let none = SyscallRules::default();
    for arch in ARCHES {
        for (network, fast) in
            [(Network::None, Fail(EOPNOTSUPP)), (Network::Loopback, Fail(EOPNOTSUPP)), (Network::Open, Run)]
        {
            let config = Config { network, ..strict(arch, &none) };
            for (name, flags) in [("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)] {
                let mut args = [FASTOPEN; 6];
                args[flags] = 0xdead_beef_0000_4040;
                assert_eq!(answer(&config, name, args), Run, "{name} {network:?}");
                args[flags] |= FASTOPEN;
                assert_eq!(answer(&config, name, args), fast, "{name} {network:?}");
            }
        }
    }
}

#[test]
fn with_loopback_no_option_leads_packets_elsewhere() {
    let loopback = |config: &mut Config<'_>| config.network = Network::Loopback;
    // IP_OPTIONS, IP_UNICAST_IF, IP_TRANSPARENT; IPV6_ADDRFORM, IPV6_RTHDR, IPV6_2292PKTOPTIONS.
    let routes = [(0, 4), (0, 50), (0, 19), (41, 1), (41, 57), (41, 6)];
    // SO_BINDTODEVICE, SO_BINDTOIFINDEX, TCP_FASTOPEN_CONNECT.
    let others = [(1, 25), (1, 62), (6, 30)];
    let refused = |(level, option)| ([3, level, option], Fail(EPERM));
    check(
        "setsockopt",
        loopback,
        &[&routes[..], &others].concat().into_iter().map(refused).collect::<Vec<_>>(),
    );
    // SO_REUSEADDR, SO_KEEPALIVE, SO_SNDTIMEO, SO_REUSEPORT, TCP_NODELAY, IP_TOS, IPV6_V6ONLY,
    // NETLINK_EXT_ACK.
    let harmless = [(1, 2), (1, 9), (1, 21), (1, 15), (6, 1), (0, 1), (41, 26), (270, 11)];
    let runs = |(level, option)| ([3, level, option], Run);
    check("setsockopt", loopback, &harmless.map(runs));
    check("setsockopt", |config| config.network = Network::Open, &routes.map(runs));
}

#[test]
fn pairs_cannot_send_to_an_address() {
    let always = [
        ([UNIX, STREAM, 0], Run),
        ([UNIX, STREAM | CLOEXEC_NONBLOCK, 0], Run),
        ([UNIX, SEQPACKET, 0], Run),
        ([INET, STREAM, 0], Fail(EAFNOSUPPORT)),
        ([30, STREAM, 0], Fail(EAFNOSUPPORT)),
    ];
    let datagram = |answer| {
        [DGRAM, RAW, DGRAM | CLOEXEC_NONBLOCK, RAW | CLOEXEC_NONBLOCK].map(|kind| ([UNIX, kind, 0], answer))
    };
    let refused = [&always[..], &datagram(Fail(EACCES))].concat();
    let open = [&always[..], &datagram(Run)].concat();
    check("socketpair", |_| {}, &refused);
    check("socketpair", |config| config.network = Network::Open, &refused);
    check("socketpair", |config| config.unix_sockets = UnixSockets::Open, &open);
    check("socketpair", |config| config.abi = 9, &open);
}

#[test]
fn only_the_caller_itself_is_changed() {
    let first_is_pid = [([0, 7, 0], Run), ([1, 7, 0], Fail(EPERM)), ([0xffff_ffff, 7, 0], Fail(EPERM))];
    for name in ["prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"] {
        check(name, |_| {}, &first_is_pid);
    }
    check("migrate_pages", |_| {}, &first_is_pid);
    check("move_pages", |_| {}, &first_is_pid);
    // PRIO_PROCESS, PRIO_PGRP, PRIO_USER.
    let calls =
        [([0, 0, 5], Run), ([0, 77, 5], Fail(EPERM)), ([1, 0, 5], Fail(EPERM)), ([2, 0, 5], Fail(EPERM))];
    check("setpriority", |_| {}, &calls);
    // IOPRIO_WHO_PROCESS, IOPRIO_WHO_PGRP, IOPRIO_WHO_USER.
    let calls =
        [([1, 0, 5], Run), ([1, 77, 5], Fail(EPERM)), ([2, 0, 5], Fail(EPERM)), ([3, 0, 5], Fail(EPERM))];
    check("ioprio_set", |_| {}, &calls);
}

const TRUNC: u64 = 0o1000;

fn without_broker(config: &mut Config<'_>, abi: u32) {
    (config.abi, config.mode) = (abi, Mode::Static);
}

#[test]
fn truncation_is_refused_where_neither_landlock_nor_a_broker_knows_it() {
    let old = |config: &mut Config<'_>| without_broker(config, 2);
    let open = [
        ([3, 0, 0], Run),
        ([3, 0, TRUNC], Fail(EACCES)),
        ([3, 0, TRUNC | 0o2_000_000], Fail(EACCES)),
        // For writing, Landlock asks for its right to write.
        ([3, 0, TRUNC | 1], Run),
        ([3, 0, TRUNC | 2 | 0o100], Run),
    ];
    check("openat", old, &open);
    check("openat2", old, &[([3, 0, 0], Fail(ENOSYS))]);
    check("truncate", old, &[([3, 0, 0], Fail(EACCES))]);
    check("ftruncate", old, &[([3, 0, 0], Run)]);
    let new = |config: &mut Config<'_>| without_broker(config, 3);
    check("openat", new, &[([3, 0, TRUNC], Run)]);
    check("openat2", new, &[([3, 0, 0], Run)]);
    check("truncate", new, &[([3, 0, 0], Run)]);
}

/// With access mode 3 a file is opened for neither reading nor writing, so
/// Landlock asks for no right, but `O_TRUNC` empties it all the same.
#[test]
fn truncation_with_access_mode_three_is_refused_as_well() {
    check("openat", |config| without_broker(config, 2), &[([3, 0, TRUNC | 3], Fail(EACCES))]);
}

#[test]
fn the_broker_sees_what_opens_for_more_than_reading() {
    // O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE; then O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK.
    const CHANGES: [u64; 7] = [1, 2, 3, 0o100, TRUNC, 0o20_000_000, 0o20_200_002];
    const READS: [u64; 5] = [0, 0o2_000_000, 0o200_000, 0o400_000, 0o4000];
    for old in [false, true] {
        let adjust = |config: &mut Config<'_>| config.abi = if old { 2 } else { 7 };
        let changes = CHANGES.map(|flags| ([3, 0, flags], Notify));
        check("openat", adjust, &changes);
        check("openat", adjust, &READS.map(|flags| ([3, 0, flags], Run)));
    }
    let hidden = |config: &mut Config<'_>| config.mediates_reads = true;
    check("openat", hidden, &READS.map(|flags| ([3, 0, flags], Notify)));
}

#[test]
fn what_is_learnt_is_executed_or_refused_as_ever() {
    let learning = |config: &mut Config<'_>| config.learning = true;
    check("execve", |_| {}, &[([3, 0, 0], Run)]);
    check("execve", learning, &[([3, 0, 0], Notify)]);
    check("connect", learning, &[([3, 0, 0], Notify)]);
    // AF_INET, AF_INET6, AF_UNIX; then AF_PACKET, which nobody serves.
    check("socket", learning, &[([2, 1, 0], Notify), ([10, 1, 0], Notify), ([1, 1, 0], Run)]);
    check("socket", learning, &[([17, 3, 0], Fail(EAFNOSUPPORT))]);
    let alone = |config: &mut Config<'_>| (config.learning, config.mode) = (true, Mode::Static);
    check("execve", alone, &[([3, 0, 0], Run)]);
    check("socket", alone, &[([2, 1, 0], Fail(EACCES))]);
}

#[test]
fn the_broker_sees_every_name_that_is_made_or_taken_away() {
    let names = ["unlinkat", "renameat2", "linkat", "symlinkat", "mkdirat", "mknodat", "openat2", "truncate"];
    for name in names {
        check(name, |_| {}, &[([3, 0, 0], Notify)]);
        check(name, |config| config.mode = Mode::Static, &[([3, 0, 0], Run)]);
    }
}
