//! Answers, and the only place that sends them.

use std::os::fd::{AsFd, OwnedFd};

use nix::unistd::{UnlinkatFlags, ftruncate, unlinkat};

use super::Shared;
use super::ask::ASKED;
use crate::path::Place;
use crate::sys::{Errno, file};

/// What a call comes to.
pub(super) enum Reply {
    /// It was performed, with this result.
    Done(i64),
    /// The kernel performs it, as far as Landlock lets it.
    Continue,
    /// It opened a file.
    Opened(Opened),
    /// It may take long: to be worked out elsewhere.
    Later(Job),
    /// A person is asked.
    Held,
}

/// Work that may block.
pub(super) type Job = Box<dyn FnOnce(&Shared) -> Served + Send>;

/// A reply, or the error that the caller gets.
pub(super) type Served = Result<Reply, Errno>;

/// A file opened for the caller.
pub(super) struct Opened {
    /// The file.
    pub(super) file: OwnedFd,
    /// Whether the caller's descriptor is closed by `execve`.
    pub(super) close_on_exec: bool,
    /// A writable descriptor of the same file, which is to be emptied once the
    /// caller has its descriptor: a full table must not cost the content.
    pub(super) empties: Option<OwnedFd>,
    /// The name that was made for it, to be taken back where the caller's
    /// table is full.
    pub(super) made: Option<Place>,
}

/// Sends the answer to a call.
pub(super) fn send(shared: &Shared, id: u64, served: Served) {
    let listener = &shared.listener;
    let sent = match served {
        Ok(Reply::Done(value)) => listener.reply(id, Ok(value)),
        Ok(Reply::Continue) => listener.proceed(id),
        Ok(Reply::Opened(opened)) => hand_over(shared, id, opened),
        // What was put off once is not put off again.
        Ok(Reply::Later(_) | Reply::Held) => listener.reply(id, Err(Errno::EAGAIN)),
        Err(INTERRUPTED) => listener.interrupt(id),
        // It was about to be copied when the yes that it had was no more.
        Err(ASKED) => listener.reply(id, Err(Errno::EACCES)),
        Err(errno) => listener.reply(id, Err(errno)),
    };
    match sent {
        // `ENOENT`: the caller was killed meanwhile.
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => tracing::error!(%errno, "the broker cannot reply"),
    }
}

/// What a handler gives where a signal waits for the caller. No call that is
/// brokered has another use for it.
pub(super) const INTERRUPTED: Errno = Errno::EINTR;

/// What a handler gives where a large file has to be saved first, which must not
/// happen on a receive thread. No call of a program ever ends with it.
pub(super) const LENGTHY: Errno = Errno::ERESTART;

/// The broker's own copy is closed before the caller goes on, for it would
/// keep a program from being executed and a lock from being released.
fn hand_over(shared: &Shared, id: u64, opened: Opened) -> Result<(), Errno> {
    let listener = &shared.listener;
    let Opened { file, close_on_exec, empties, made } = opened;
    let number = match listener.inject(id, file.as_fd(), close_on_exec) {
        Ok(number) => number,
        Err(errno) => {
            if let Some(place) = made {
                take_back(shared, &file, &place);
            }
            return listener.reply(id, Err(errno));
        }
    };
    let emptied = empties.map_or(Ok(()), |file| ftruncate(file, 0));
    drop(file);
    listener.reply(id, emptied.map(|()| number))
}

/// Removes a file that was just made, unless something else has its name by now.
fn take_back(shared: &Shared, file: &OwnedFd, place: &Place) {
    let _tree = shared.judge.hold_tree();
    let (Ok(made), Ok(Some(found))) = (file::stat(file.as_fd(), c""), place.stat()) else { return };
    if (made.device, made.inode) == (found.device, found.inode) {
        // It was empty and a moment old; if it is gone, so much the better.
        let _ = unlinkat(place.dir(), place.name(), UnlinkatFlags::NoRemoveDir);
        shared.judge.own.unname(&found);
    }
}
