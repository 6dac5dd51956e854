//! Calls about sockets, and what an address says.

use std::ffi::CString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Arguments, Operation, descriptor, low, memory};
use crate::seccomp::table::Role;
use crate::sys::Errno;
use crate::sys::socket::ADDRESS_MAX;

/// An address as the caller gave it, copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broker) struct Address(Vec<u8>);

/// What a Unix socket's address says (`unix(7)`).
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broker) enum Unix {
    /// Nothing: binding chooses a name.
    Unnamed,
    /// A name without a file.
    Abstract,
    /// A file.
    Path(CString),
    /// It is no address of a Unix socket: the kernel refuses it.
    Invalid,
}

impl Arguments<'_> {
    /// An address that cannot be read is an error of its own place among the
    /// kernel's checks, so it is kept.
    pub(super) fn sockets(&self, call: &str) -> Result<Operation, Errno> {
        let fd = descriptor(self.get(Role::Fd).unwrap_or(u64::MAX));
        Ok(match call {
            "bind" => Operation::Bind { fd, address: self.address() },
            "connect" => Operation::Connect { fd, address: self.address() },
            "listen" => Operation::Listen { fd, backlog: self.low(Role::Backlog).cast_signed() },
            "socket" => Operation::Internet,
            _ => return Err(Errno::ENOSYS),
        })
    }

    /// As `move_addr_to_kernel` of the kernel.
    fn address(&self) -> Result<Address, Errno> {
        let size = low(self.get(Role::AddressSize).unwrap_or(0)).cast_signed();
        let size = usize::try_from(size).ok().filter(|size| *size <= ADDRESS_MAX).ok_or(Errno::EINVAL)?;
        if size == 0 {
            return Ok(Address(Vec::new()));
        }
        memory::bytes(self.caller, self.get(Role::Address).unwrap_or(0), size).map(Address)
    }
}

impl Address {
    /// An address of these bytes.
    pub(in crate::broker) fn new(bytes: Vec<u8>) -> Address {
        Address(bytes)
    }

    pub(in crate::broker) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// `AF_INET` and so on; none where it is too short to say.
    pub(in crate::broker) fn family(&self) -> Option<i32> {
        self.0.first_chunk().map(|family| i32::from(libc::sa_family_t::from_ne_bytes(*family)))
    }

    /// What it says to a Unix socket.
    pub(in crate::broker) fn unix(&self) -> Unix {
        const LONGEST: usize = size_of::<libc::sockaddr_un>();
        match (self.family(), self.0.get(2..).unwrap_or_default()) {
            (Some(libc::AF_UNIX), _) if self.0.len() > LONGEST => Unix::Invalid,
            (Some(libc::AF_UNIX), []) => Unix::Unnamed,
            (Some(libc::AF_UNIX), [0, ..]) => Unix::Abstract,
            (Some(libc::AF_UNIX), text) => {
                let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
                CString::new(&text[..end]).map_or(Unix::Invalid, Unix::Path)
            }
            _ => Unix::Invalid,
        }
    }

    /// What it says to an internet socket; none where it is too short, or of
    /// another family.
    pub(in crate::broker) fn internet(&self) -> Option<(IpAddr, u16)> {
        // The port comes first in both; `struct sockaddr_in6` may end before
        // its scope.
        let port = self.0.get(2..4)?.try_into().ok().map(u16::from_be_bytes)?;
        let ip = match self.family()? {
            libc::AF_INET if self.0.len() >= size_of::<libc::sockaddr_in>() => {
                Ipv4Addr::from(<[u8; 4]>::try_from(self.0.get(4..8)?).ok()?).into()
            }
            libc::AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(self.0.get(8..24)?).ok()?).into(),
            _ => return None,
        };
        Some((ip, port))
    }

    /// Whether it is one of this machine's loopback addresses, and no other
    /// way to say "any".
    pub(in crate::broker) fn is_loopback(&self) -> bool {
        match self.internet() {
            Some((IpAddr::V4(ip), _)) => ip.is_loopback(),
            Some((IpAddr::V6(ip), _)) => {
                ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
            }
            None => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((ip, port)) = self.internet() {
            return write!(f, "{}", std::net::SocketAddr::new(ip, port));
        }
        match self.unix() {
            Unix::Path(path) => write!(f, "{}", path.to_bytes().escape_ascii()),
            Unix::Abstract => write!(f, "@{}", self.0[3..].escape_ascii()),
            _ => write!(f, "an address of family {}", self.family().unwrap_or(0)),
        }
    }
}
