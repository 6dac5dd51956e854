//! Connecting.

use std::os::fd::{AsFd, RawFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::pthread::pthread_kill;

use super::decode::{Address, Unix};
use super::reply::{Reply, Served};
use super::socket::{Taken, check_internet};
use super::{Call, Shared, WAKE, caller};
use crate::path::{self, Name, Pinned, Target};
use crate::policy::printable;
use crate::sys::{Errno, file, socket};

/// Serves `connect`. The order of checks is the kernel's.
pub(super) fn connect(shared: &Shared, call: &Call, fd: RawFd, address: Result<Address, Errno>) -> Served {
    let taken = Taken::take(shared, call, fd)?;
    let address = address?;
    let taken = Taken::of(taken)?;
    match taken.family {
        libc::AF_UNIX => to_unix(shared, call, taken, &address),
        libc::AF_INET | libc::AF_INET6 if address.family() == Some(libc::AF_UNSPEC) => {
            let _addresses = shared.sockets.hold_addresses();
            socket::connect(taken.as_fd(), address.bytes())?;
            Ok(Reply::Done(0))
        }
        libc::AF_INET | libc::AF_INET6 => {
            check_internet(shared, call, &address)?;
            perform(call, Attempt { taken, address: address.bytes().to_vec(), pinned: None })
        }
        libc::AF_NETLINK => {
            socket::connect(taken.as_fd(), address.bytes())?;
            Ok(Reply::Done(0))
        }
        // Inherited, for no other can be made.
        _ => Err(Errno::EACCES),
    }
}

fn to_unix(shared: &Shared, call: &Call, taken: Taken, address: &Address) -> Served {
    let pinned = match address.unix() {
        Unix::Path(path) => {
            let _tree = shared.judge.hold_tree();
            let target = Target::Path { dir: libc::AT_FDCWD, path: &path, follow: true };
            let pinned = path::pin(call.caller, target)?;
            shared.confirm(call)?;
            check(shared, call, &pinned)?;
            Some(pinned)
        }
        // The kernel ties abstract names to the jail from outside only by their
        // owner's domain, which the broker has none of.
        Unix::Abstract if !shared.sockets.opens_unix_sockets() => {
            let (name, setting) = (address.to_string(), "unix_sockets: own");
            return Err(shared.judge.refuse_address(call, name, setting, Errno::EPERM));
        }
        // The kernel says what is wrong, or disconnects.
        Unix::Abstract | Unix::Unnamed | Unix::Invalid => None,
    };
    let address = match &pinned {
        Some(pinned) => socket::unix_address(&file::proc_name(pinned.as_fd()))?,
        None => address.bytes().to_vec(),
    };
    perform(call, Attempt { taken, address, pinned })
}

/// Whether the socket at a path may be connected to. What is no socket the
/// kernel refuses by itself.
fn check(shared: &Shared, call: &Call, pinned: &Pinned) -> Result<(), Errno> {
    let judge = &shared.judge;
    let stat = file::stat(pinned.as_fd(), c"")?;
    let is_allowed = !stat.is(libc::S_IFSOCK)
        || judge.own.has_socket(&stat)
        || match pinned.name() {
            Name::Path(path) => judge.policy.allows_socket(path),
            Name::Nameless => shared.sockets.opens_unix_sockets(),
        };
    if is_allowed {
        return Ok(());
    }
    let path = match pinned.name() {
        Name::Path(path) => printable(path),
        Name::Nameless => "a socket without a name".into(),
    };
    Err(judge.refuse_address(call, path, "unix_sockets: own", Errno::EACCES))
}

/// A connection to be made.
struct Attempt {
    taken: Taken,
    address: Vec<u8>,
    /// What the address names, held until the kernel has looked.
    pinned: Option<Pinned>,
}

impl Attempt {
    fn make(self) -> Result<(), Errno> {
        let made = socket::connect(self.taken.as_fd(), &self.address);
        drop(self.pinned);
        made
    }
}

/// Connects at once where that cannot block, else where it may.
fn perform(call: &Call, attempt: Attempt) -> Served {
    let flags = fcntl(&attempt.taken, FcntlArg::F_GETFL)?;
    let is_nonblocking = OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK);
    if is_nonblocking || !socket::has_connections(attempt.taken.as_fd())? {
        return attempt.make().map(|()| Reply::Done(0));
    }
    let call = *call;
    Ok(Reply::Later(Box::new(move |shared| wait(shared, &call, attempt).map(|()| Reply::Done(0)))))
}

/// Connects in a thread of its own, which is interrupted where the caller is:
/// a signal waits for it, or it is gone. The kernel then calls again, or says
/// `EINTR`, as the signal's handler wants, and the connection is still made
/// in the background if it is one that can be, all as outside.
fn wait(shared: &Shared, call: &Call, attempt: Attempt) -> Result<(), Errno> {
    const SHORTEST: Duration = Duration::from_millis(2);
    const LONGEST: Duration = Duration::from_millis(32);
    let (done, result) = mpsc::channel();
    let thread = std::thread::Builder::new().name("connecting".into()).stack_size(64 << 10);
    let thread = thread.spawn(move || {
        // Nobody listens any more only where this process ends.
        let _ = done.send(attempt.make());
    });
    let thread = thread.map_err(|_| Errno::EAGAIN)?;
    let mut pause = SHORTEST;
    loop {
        match result.recv_timeout(pause) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => return Err(Errno::EAGAIN),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if shared.confirm(call).is_err() || caller::has_pending_signal(call.caller) {
            // It may come just before the thread blocks, so again.
            pause = SHORTEST;
            // ESRCH: it ended meanwhile, which is what is wanted.
            let _ = pthread_kill(thread.as_pthread_t(), WAKE);
        } else {
            pause = (pause * 2).min(LONGEST);
        }
    }
}
