//! Sockets: taking the caller's descriptor, which addresses may be used, and
//! listening. Nothing here is ever continued: the address lies in the caller's
//! memory, and the descriptor in its table, and both could be swapped.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::decode::Address;
use super::reply::{Reply, Served};
use super::{Call, Shared};
use crate::path::UNSEEN;
use crate::policy::plan::Plan;
use crate::policy::{Network, UnixSockets};
use crate::sys::{Errno, procfs, socket};

/// What the profile says about sockets.
#[derive(Debug)]
pub(super) struct Rules {
    network: Network,
    unix_sockets: UnixSockets,
    /// Held while a socket listens or loses its address: one that lost its
    /// address in between would listen on all of them.
    addresses: Mutex<()>,
}

/// The caller's socket, held by the broker too.
pub(super) struct Taken {
    fd: OwnedFd,
    /// `AF_UNIX` and so on.
    pub(super) family: i32,
}

impl AsFd for Taken {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Taken {
    /// Takes what stands behind the caller's descriptor. Whatever the caller
    /// puts there afterwards, this is decided about and acted upon.
    pub(super) fn take(shared: &Shared, call: &Call, fd: RawFd) -> Result<OwnedFd, Errno> {
        if fd < 0 {
            return Err(Errno::EBADF);
        }
        let leader = || procfs::group(call.caller).ok_or(UNSEEN);
        let taken = socket::take_descriptor(call.caller, leader, fd).map_err(|errno| match errno {
            // A process that made itself undumpable, or a container that forbids it.
            Errno::EPERM | Errno::ESRCH | Errno::ENOSYS => UNSEEN,
            other => other,
        })?;
        shared.confirm(call).map(|()| taken)
    }

    /// Makes sure that it is a socket. `ENOTSOCK`: it is none.
    pub(super) fn of(fd: OwnedFd) -> Result<Taken, Errno> {
        let family = socket::family(fd.as_fd())?;
        Ok(Taken { fd, family })
    }

    /// Whether it is an internet socket.
    pub(super) fn is_internet(&self) -> bool {
        matches!(self.family, libc::AF_INET | libc::AF_INET6)
    }
}

impl Rules {
    /// Those of a plan.
    pub(super) fn new(plan: &Plan) -> Rules {
        let settings = &plan.policy.settings;
        let (network, unix_sockets) = (settings.network, settings.unix_sockets);
        Rules { network, unix_sockets, addresses: Mutex::default() }
    }

    /// Whether every Unix socket may be connected to.
    pub(super) fn opens_unix_sockets(&self) -> bool {
        self.unix_sockets == UnixSockets::Open
    }

    /// While this is held no internet socket starts to listen or loses its address.
    pub(super) fn hold_addresses(&self) -> MutexGuard<'_, ()> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an internet socket may use an address. A refusal is recorded.
pub(super) fn check_internet(shared: &Shared, call: &Call, address: &Address) -> Result<(), Errno> {
    let rules = &shared.sockets;
    if rules.network == Network::Open {
        return Ok(());
    }
    // What the kernel would refuse, or understand in its own way.
    match address.family() {
        Some(libc::AF_INET | libc::AF_INET6) if address.internet().is_some() => {}
        Some(libc::AF_INET | libc::AF_INET6) | None => return Err(Errno::EINVAL),
        Some(_) => return Err(Errno::EAFNOSUPPORT),
    }
    let setting = match rules.network {
        Network::Loopback if address.is_loopback() => return Ok(()),
        Network::Loopback => "network: loopback",
        Network::None | Network::Open => "network: none",
    };
    Err(shared.judge.refuse_address(call, address.to_string(), setting, Errno::EACCES))
}

/// Refuses an internet socket where the profile gives none, which the filter does by
/// itself where nobody learns.
pub(super) fn refuse_internet(shared: &Shared, call: &Call) -> Errno {
    shared.judge.refuse_address(call, "an internet socket".into(), "network: none", Errno::EACCES)
}

/// Serves `listen`. An internet socket without an address would get one that
/// the whole network can reach, so it gets one of loopback first.
pub(super) fn listen(shared: &Shared, call: &Call, fd: RawFd, backlog: i32) -> Served {
    let taken = Taken::of(Taken::take(shared, call, fd)?)?;
    if taken.is_internet() && shared.sockets.network != Network::Open {
        let _addresses = shared.sockets.hold_addresses();
        keep_local(shared, call, &taken)?;
        socket::listen(taken.as_fd(), backlog)?;
    } else {
        socket::listen(taken.as_fd(), backlog)?;
    }
    Ok(Reply::Done(0))
}

/// Makes sure that an internet socket has an address of loopback.
fn keep_local(shared: &Shared, call: &Call, taken: &Taken) -> Result<(), Errno> {
    let here = || socket::bound_to(taken.as_fd()).map(Address::new);
    if !here()?.is_loopback() {
        // `EINVAL`: it has an address, or is connected; the next look tells.
        match socket::bind(taken.as_fd(), &any_port_of_loopback(taken.family)) {
            Ok(()) | Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    let address = here()?;
    if address.is_loopback() { Ok(()) } else { check_internet(shared, call, &address) }
}

/// `struct sockaddr_in` or `struct sockaddr_in6` of loopback with port 0.
fn any_port_of_loopback(family: i32) -> Vec<u8> {
    let mut address = vec![0; if family == libc::AF_INET { 16 } else { 28 }];
    address[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
    match family {
        libc::AF_INET => address[4..8].copy_from_slice(&[127, 0, 0, 1]),
        _ => address[23] = 1,
    }
    address
}
