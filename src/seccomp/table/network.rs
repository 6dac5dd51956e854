//! Sockets.

use super::Inspection::{Send, Socket, SocketOption, SocketPair};
use super::Role::{AddressSize, Backlog, Fd};
use super::Treatment::{Address, Allow, Inspect};
use super::{Addresses, Group, Role, group};

pub(super) const GROUPS: &[Group] = &[
    group(
        Inspect(Socket),
        "UNIX, INET and INET6 as the profile says, and route netlink; no other family",
        &["socket"],
    ),
    group(Inspect(SocketPair), "pairs stay in the jail, unless they can send to an address", &["socketpair"]),
    group(
        Allow,
        "works on a socket that the caller was allowed to make",
        &[
            "accept",
            "accept4",
            "recvfrom",
            "recvmsg",
            "recvmmsg",
            "shutdown",
            "getsockname",
            "getpeername",
            "getsockopt",
        ],
    ),
    group(
        Address(&[Fd, Role::Address, AddressSize], Addresses::Any),
        "says which service is reached, in memory that only the broker can look at",
        &["bind", "connect"],
    ),
    group(
        Address(&[Fd, Backlog], Addresses::Internet),
        "gives a socket without an address one that the whole network can reach",
        &["listen"],
    ),
    group(
        Inspect(Send(3)),
        "sends on a connection; with MSG_FASTOPEN it would make one",
        &["sendto", "sendmmsg"],
    ),
    group(Inspect(Send(2)), "sends on a connection; with MSG_FASTOPEN it would make one", &["sendmsg"]),
    group(
        Inspect(SocketOption),
        "works on the caller's own socket; some options send packets past their address",
        &["setsockopt"],
    ),
];
