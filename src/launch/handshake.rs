//! What parent and child say to each other before the command starts, over a
//! socket pair that keeps messages apart.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockFlag, SockType, recvmsg,
    sendmsg, shutdown, socketpair,
};
use nix::unistd::Pid;

use crate::sys::{Errno, SysError};

/// The longest message in bytes.
const LONGEST: usize = 1024;

/// One end.
#[derive(Debug)]
pub(super) struct End {
    socket: OwnedFd,
}

/// A message.
#[derive(Debug)]
pub(super) enum Message {
    /// Child: restricted, here is the listener, if there is one, and this is who I am.
    Ready(Option<OwnedFd>, Pid),
    /// Parent: execute.
    Go,
    /// Child: something failed; in words.
    Failed(String),
    /// Child: there already is a listener.
    ListenerTaken,
    /// Child: root keeps capabilities.
    Capabilities(String),
    /// Child: the command cannot be executed.
    Exec(Errno),
    /// The other end is closed: from the child, the command runs.
    Closed,
}

/// A connected pair, closed by `execve`.
pub(super) fn pair() -> Result<(End, End), SysError> {
    let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| SysError::new("socketpair(AF_UNIX, SOCK_SEQPACKET)", errno))?;
    Ok((End { socket: a }, End { socket: b }))
}

impl End {
    /// Sends a message.
    pub(super) fn send(&self, message: &Message) -> Result<(), SysError> {
        let mut listener = None;
        let (tag, text): (u8, Vec<u8>) = match message {
            Message::Ready(fd, pid) => {
                listener = fd.as_ref().map(|fd| [fd.as_raw_fd()]);
                (b'r', pid.as_raw().to_ne_bytes().into())
            }
            Message::Go => (b'g', Vec::new()),
            Message::Failed(text) => (b'f', text.clone().into_bytes()),
            Message::ListenerTaken => (b'l', Vec::new()),
            Message::Capabilities(text) => (b'c', text.clone().into_bytes()),
            Message::Exec(errno) => (b'x', (*errno as i32).to_ne_bytes().into()),
            Message::Closed => return Ok(()),
        };
        let text = &text[..text.len().min(LONGEST - 1)];
        let tag = [tag];
        let content = [IoSlice::new(&tag), IoSlice::new(text)];
        let rights = listener.as_ref().map(|fds| ControlMessage::ScmRights(fds));
        let socket = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(socket, &content, rights.as_slice(), flags, None)
            .map(drop)
            .map_err(|errno| SysError::new("sendmsg() between parent and child", errno))
    }

    /// Waits for a message.
    pub(super) fn receive(&self) -> Result<Message, SysError> {
        let mut buffer = [0; LONGEST];
        let mut space = cmsg_space!([std::os::fd::RawFd; 1]);
        let mut content = [IoSliceMut::new(&mut buffer)];
        let socket = self.socket.as_raw_fd();
        let (length, listener) = loop {
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            match recvmsg::<()>(socket, &mut content, Some(&mut space), flags) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(SysError::new("recvmsg() between parent and child", errno)),
                Ok(received) => break (received.bytes, listener(received.cmsgs())),
            }
        };
        let Some((tag, text)) = buffer[..length].split_first() else {
            return Ok(Message::Closed);
        };
        let words = || String::from_utf8_lossy(text).into_owned();
        let number = || text.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        Ok(match tag {
            b'r' => Message::Ready(listener, Pid::from_raw(number())),
            b'g' => Message::Go,
            b'l' => Message::ListenerTaken,
            b'c' => Message::Capabilities(words()),
            b'x' => Message::Exec(Errno::from_raw(number())),
            _ => Message::Failed(words()),
        })
    }
}

/// Somebody waits at the other end for a message from this one, which may never come.
pub(super) struct Waiting<'a> {
    end: Option<&'a End>,
}

impl Waiting<'_> {
    /// Takes over what is due to who waits at the other end of this one.
    pub(super) fn at(end: &End) -> Waiting<'_> {
        Waiting { end: Some(end) }
    }

    /// The message was sent.
    pub(super) fn sent(mut self) {
        self.end = None;
    }
}

impl Drop for Waiting<'_> {
    /// Lets the other end know that no message will come.
    fn drop(&mut self) {
        if let Some(End { socket }) = self.end {
            // ENOTCONN: nobody waits any more.
            let _ = shutdown(socket.as_raw_fd(), Shutdown::Write);
        }
    }
}

/// The descriptor that came along.
fn listener(messages: nix::Result<nix::sys::socket::CmsgIterator<'_>>) -> Option<OwnedFd> {
    let fds = messages.ok()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => Some(fds),
        _ => None,
    })?;
    fds.first().map(|fd| crate::sys::process::take(*fd))
}
