//! Calls whose register arguments decide: the cases in which they fail.

use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX};

use super::filter::Config;
use super::table::Inspection;
use crate::landlock::rights::TRUNCATE;
use crate::policy::Network;
use crate::sys::Errno;

/// A test of one argument. Only its low 32 bits count: all that is tested
/// here is an `int` for the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The argument's index.
    pub argument: u8,
    /// The test.
    pub test: Test,
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Equal.
    Is(u32),
    /// Not equal.
    IsNot(u32),
    /// Equal under a mask: mask, value.
    Masked(u32, u32),
}

/// Fails with the error where all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// All of them.
    pub conditions: Vec<Condition>,
    /// What the caller gets.
    pub errno: Errno,
}

/// When a call of `open`'s family is more than opening for reading, and the
/// broker has to see it: it writes, creates, truncates, or makes a nameless file.
pub fn opens_for_change(flags: u8) -> Vec<Vec<Condition>> {
    const NAMELESS: u32 = libc::O_TMPFILE.cast_unsigned() & !libc::O_DIRECTORY.cast_unsigned();
    let bits = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC].map(i32::cast_unsigned);
    bits.into_iter().chain([NAMELESS]).map(|bit| vec![masked(flags, bit, bit)]).collect()
}

fn is(argument: u8, value: u32) -> Condition {
    Condition { argument, test: Test::Is(value) }
}

fn is_not(argument: u8, value: u32) -> Condition {
    Condition { argument, test: Test::IsNot(value) }
}

fn masked(argument: u8, mask: u32, value: u32) -> Condition {
    Condition { argument, test: Test::Masked(mask, value) }
}

fn case(errno: Errno, conditions: impl Into<Vec<Condition>>) -> Case {
    Case { conditions: conditions.into(), errno }
}

/// The cases in which an inspected call fails.
pub fn cases(inspection: Inspection, config: &Config<'_>) -> Vec<Case> {
    match inspection {
        Inspection::Clone => clone(),
        Inspection::Ioctl => ioctl(),
        Inspection::Socket => socket(config),
        Inspection::SocketPair => socket_pair(config),
        Inspection::Send(flags) => send(flags, config),
        Inspection::SocketOption => socket_option(config),
        Inspection::OnlyItself(argument) => vec![case(Errno::EPERM, [is_not(argument, 0)])],
        Inspection::OnlyItselfAs(one_process) => {
            vec![case(Errno::EPERM, [is_not(0, one_process)]), case(Errno::EPERM, [is_not(1, 0)])]
        }
        Inspection::OpenTruncation(argument) if config.abi < TRUNCATE => {
            let truncating = libc::O_TRUNC.cast_unsigned();
            let mask = truncating | libc::O_ACCMODE.cast_unsigned();
            // For reading, and for neither reading nor writing (3), which asks
            // Landlock for no right and truncates all the same.
            [truncating, mask].map(|flags| case(Errno::EACCES, [masked(argument, mask, flags)])).into()
        }
        Inspection::Truncation(errno) if config.abi < TRUNCATE => vec![case(errno, [])],
        Inspection::OpenTruncation(_) | Inspection::Truncation(_) => Vec::new(),
    }
}

/// `CLONE_NEW*` of `<linux/sched.h>`. `CLONE_NEWTIME` shares its bit with the
/// exit signal and exists for clone3 and unshare alone.
const NEW_NAMESPACES: [u32; 7] =
    [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

fn clone() -> Vec<Case> {
    NEW_NAMESPACES.into_iter().map(|bit| case(Errno::EPERM, [masked(0, bit, bit)])).collect()
}

const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;
/// Changes the line discipline, and may load one.
const TIOCSETD: u32 = 0x5423;
/// Changes mode-like attributes on FAT file systems.
const FAT_IOCTL_SET_ATTRIBUTES: u32 = 0x4004_7211;

/// Families of ioctls on files, by their type byte, with the numbers that only
/// ask, or that need a descriptor for writing, which Landlock governs.
const FILE_IOCTLS: [(u32, &[u32]); 6] = [
    // 'f': FS_IOC_GETFLAGS, FS_IOC_FIEMAP, FS_IOC_MEASURE_VERITY, FS_IOC_READ_VERITY_METADATA.
    (0x66, &[0x8008_6601, 0xc020_660b, 0xc004_6686, 0xc028_6687]),
    // 'v': FS_IOC_GETVERSION.
    (0x76, &[0x8008_7601]),
    // 'X': FS_IOC_FSGETXATTR, FS_IOC_RESVSP, RESVSP64, UNRESVSP, UNRESVSP64, ZERO_RANGE.
    (0x58, &[0x801c_581f, 0x4030_5828, 0x4030_582a, 0x4030_5829, 0x4030_582b, 0x4030_5839]),
    // btrfs: FICLONE, FICLONERANGE, FIDEDUPERANGE.
    (0x94, &[0x4004_9409, 0x4020_940d, 0xc018_9436]),
    // f2fs.
    (0xf5, &[]),
    // bcachefs.
    (0xbc, &[]),
];

fn ioctl() -> Vec<Case> {
    let mut cases: Vec<Case> = [TIOCSTI, TIOCLINUX, TIOCSETD, FAT_IOCTL_SET_ATTRIBUTES]
        .into_iter()
        .map(|number| case(Errno::EPERM, [is(1, number)]))
        .collect();
    for (family, harmless) in FILE_IOCTLS {
        let mut conditions = vec![masked(1, 0xff00, family << 8)];
        conditions.extend(harmless.iter().map(|number| is_not(1, *number)));
        cases.push(case(Errno::EPERM, conditions));
    }
    cases
}

fn domain(family: libc::c_int) -> u32 {
    family.cast_unsigned()
}

/// `SOCK_TYPE_MASK` of the kernel: what is above it are flags.
const KIND: u32 = 0xf;

fn socket(config: &Config<'_>) -> Vec<Case> {
    let known = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK].map(|family| is_not(0, domain(family)));
    let not_route = [is(0, domain(AF_NETLINK)), is_not(2, libc::NETLINK_ROUTE.cast_unsigned())];
    let mut cases = vec![case(Errno::EAFNOSUPPORT, known), case(Errno::EAFNOSUPPORT, not_route)];
    for family in [AF_INET, AF_INET6].map(domain) {
        match config.internet() {
            // The broker refuses them.
            Network::None if config.learns_internet() => {}
            Network::None => cases.push(case(Errno::EACCES, [is(0, family)])),
            Network::Loopback => cases.extend(all_but_tcp(family)),
            Network::Open => {}
        }
    }
    if !config.governs_unix_sockets() {
        if config.serves_sockets() {
            cases.extend(datagrams());
        } else {
            cases.push(case(Errno::EACCES, [is(0, domain(AF_UNIX))]));
        }
    }
    cases
}

/// When a socket is one of the internet.
pub fn internet_sockets() -> Vec<Vec<Condition>> {
    [AF_INET, AF_INET6].map(|family| vec![is(0, domain(family))]).into()
}

/// Everything but stream sockets of TCP itself: MPTCP and SCTP have addresses
/// beside those of bind and connect, and others send without connecting.
fn all_but_tcp(family: u32) -> Vec<Case> {
    let kinds = (0..=KIND).filter(|kind| *kind != libc::SOCK_STREAM.cast_unsigned());
    let mut cases: Vec<Case> =
        kinds.map(|kind| case(Errno::EACCES, [is(0, family), masked(1, KIND, kind)])).collect();
    let other = [is(0, family), is_not(2, 0), is_not(2, libc::IPPROTO_TCP.cast_unsigned())];
    cases.push(case(Errno::EPROTONOSUPPORT, other));
    cases
}

/// Unix sockets for datagrams can send to any address, which lies in memory;
/// the kernel takes raw ones for datagram sockets too.
fn datagrams() -> [Case; 2] {
    [libc::SOCK_DGRAM, libc::SOCK_RAW]
        .map(|kind| case(Errno::EACCES, [is(0, domain(AF_UNIX)), masked(1, KIND, kind.cast_unsigned())]))
}

/// A datagram socket of a pair can send to any address as well.
fn socket_pair(config: &Config<'_>) -> Vec<Case> {
    let mut cases = vec![case(Errno::EAFNOSUPPORT, [is_not(0, domain(AF_UNIX))])];
    if !config.governs_unix_sockets() {
        cases.extend(datagrams());
    }
    cases
}

/// `MSG_FASTOPEN` connects to the address of the message.
fn send(flags: u8, config: &Config<'_>) -> Vec<Case> {
    const FASTOPEN: u32 = libc::MSG_FASTOPEN.cast_unsigned();
    if config.internet() == Network::Open {
        return Vec::new();
    }
    vec![case(Errno::EOPNOTSUPP, [masked(flags, FASTOPEN, FASTOPEN)])]
}

/// Options that are harmless on a socket that may talk to loopback alone:
/// `IP_TOS`, `IP_TTL`, `IP_MTU_DISCOVER`, `IP_RECVERR`, `IP_BIND_ADDRESS_NO_PORT`.
const IP_OPTIONS: [u32; 5] = [1, 2, 10, 11, 24];
/// The same: `IPV6_UNICAST_HOPS`, `IPV6_MTU_DISCOVER`, `IPV6_RECVERR`,
/// `IPV6_V6ONLY`, `IPV6_TCLASS`.
const IPV6_OPTIONS: [u32; 5] = [16, 23, 25, 26, 67];

/// With a source route (`IP_OPTIONS`, `IPV6_RTHDR`), or bound to a device, a
/// packet for loopback leaves the machine, with what its sender wrote into it.
fn socket_option(config: &Config<'_>) -> Vec<Case> {
    const SO_BINDTODEVICE: u32 = 25;
    const SO_BINDTOIFINDEX: u32 = 62;
    const TCP_FASTOPEN_CONNECT: u32 = 30;
    if config.internet() != Network::Loopback {
        return Vec::new();
    }
    let level = |level: libc::c_int| is(1, level.cast_unsigned());
    let but = |family, harmless: [u32; 5]| {
        case(Errno::EPERM, [vec![level(family)], harmless.map(|option| is_not(2, option)).into()].concat())
    };
    vec![
        but(libc::IPPROTO_IP, IP_OPTIONS),
        but(libc::IPPROTO_IPV6, IPV6_OPTIONS),
        case(Errno::EPERM, [level(libc::SOL_SOCKET), is(2, SO_BINDTODEVICE)]),
        case(Errno::EPERM, [level(libc::SOL_SOCKET), is(2, SO_BINDTOIFINDEX)]),
        case(Errno::EPERM, [level(libc::IPPROTO_TCP), is(2, TCP_FASTOPEN_CONNECT)]),
    ]
}
