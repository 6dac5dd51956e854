//! What parent and child say to each other before the command starts, over a
//! socket pair that keeps messages apart.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};

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
    /// Child: restricted, and here is the listener, if there is one.
    Ready(Option<OwnedFd>),
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
            Message::Ready(fd) => {
                listener = fd.as_ref().map(|fd| [fd.as_raw_fd()]);
                (b'r', Vec::new())
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
        Ok(match tag {
            b'r' => Message::Ready(listener),
            b'g' => Message::Go,
            b'l' => Message::ListenerTaken,
            b'c' => Message::Capabilities(words()),
            b'x' => {
                let mut errno = [0; 4];
                errno.copy_from_slice(text.get(..4).unwrap_or(&[0; 4]));
                Message::Exec(Errno::from_raw(i32::from_ne_bytes(errno)))
            }
            _ => Message::Failed(words()),
        })
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
