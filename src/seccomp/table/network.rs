//! Sockets.

use super::Inspection::{Socket, SocketPair};
use super::Treatment::{Allow, Inspect};
use super::{Group, group};

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
            "connect",
            "bind",
            "listen",
            "accept",
            "accept4",
            "sendto",
            "sendmsg",
            "sendmmsg",
            "recvfrom",
            "recvmsg",
            "recvmmsg",
            "shutdown",
            "getsockname",
            "getpeername",
            "setsockopt",
            "getsockopt",
        ],
    ),
];
