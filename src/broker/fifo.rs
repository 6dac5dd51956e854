//! Opening FIFOs, which waits for the other end. A signal may end the waiting.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::thread::JoinHandleExt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::pthread::pthread_kill;

use super::reply::{INTERRUPTED, Opened, Reply, Served};
use super::{Call, Shared, WAKE, caller};
use crate::sys::Errno;
use crate::sys::file;

/// How often it is looked whether the waiting should end.
const INTERVAL: Duration = Duration::from_millis(2);

/// Opens a pinned FIFO for a caller.
pub(super) fn open(call: &Call, fifo: OwnedFd, flags: OFlag) -> Served {
    let opened = move |file| {
        let close_on_exec = flags.contains(OFlag::O_CLOEXEC);
        Reply::Opened(Opened { file, close_on_exec, empties: None, made: None })
    };
    let access = flags.bits() & libc::O_ACCMODE;
    if flags.contains(OFlag::O_NONBLOCK) || !matches!(access, libc::O_RDONLY | libc::O_WRONLY) {
        return file::reopen(fifo.as_fd(), flags).map(opened);
    }
    let call = *call;
    Ok(Reply::Later(Box::new(move |shared| {
        let file = match access {
            libc::O_WRONLY => wait_for_reader(shared, &call, &fifo, flags),
            _ => wait_for_writer(shared, &call, fifo, flags),
        };
        file.map(opened)
    })))
}

/// Whether the caller still waits: it may be gone, or have got a signal.
fn still_waits(shared: &Shared, call: &Call) -> Result<(), Errno> {
    shared.confirm(call)?;
    if caller::has_pending_signal(call.caller) { Err(INTERRUPTED) } else { Ok(()) }
}

/// Opens a FIFO for writing as soon as it has a reader.
fn wait_for_reader(shared: &Shared, call: &Call, fifo: &OwnedFd, flags: OFlag) -> Result<OwnedFd, Errno> {
    loop {
        match file::reopen(fifo.as_fd(), flags | OFlag::O_NONBLOCK) {
            Err(Errno::ENXIO) => {}
            Err(errno) => return Err(errno),
            Ok(file) => {
                fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_TRUNC - OFlag::O_CREAT))?;
                return Ok(file);
            }
        }
        still_waits(shared, call)?;
        std::thread::sleep(INTERVAL);
    }
}

/// Opens a FIFO for reading, which nothing but the open itself can wait for.
fn wait_for_writer(shared: &Shared, call: &Call, fifo: OwnedFd, flags: OFlag) -> Result<OwnedFd, Errno> {
    let (send, receive) = channel();
    let thread = std::thread::Builder::new().name("fifo".into()).stack_size(64 << 10);
    let opener = thread.spawn(move || {
        // Where nobody wants it any more it is closed again.
        let _ = send.send(file::reopen(fifo.as_fd(), flags));
    });
    let opener = opener.map_err(|_| Errno::EAGAIN)?;
    loop {
        match receive.recv_timeout(INTERVAL) {
            Ok(opened) => return opened,
            Err(RecvTimeoutError::Disconnected) => return Err(Errno::EAGAIN),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(errno) = still_waits(shared, call) {
            // The signal may come just before the thread blocks, so again.
            while !opener.is_finished() {
                // ESRCH: it ended meanwhile, which is what is wanted.
                let _ = pthread_kill(opener.as_pthread_t(), WAKE);
                std::thread::sleep(Duration::from_micros(50));
            }
            return Err(errno);
        }
    }
}
