//! Addresses and sockets as attacks use them: bytes, and raw system calls.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::os::call;

/// `struct sockaddr_un` as its bytes; a leading `@` means an abstract name.
pub fn unix(name: &str) -> Vec<u8> {
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    match name.strip_prefix('@') {
        Some(rest) => address.extend([&[0], rest.as_bytes()].concat()),
        None => address.extend([name.as_bytes(), &[0]].concat()),
    }
    address
}

/// `struct sockaddr_in` as its bytes.
pub fn inet(ip: [u8; 4], port: u16) -> Vec<u8> {
    let family = (libc::AF_INET as u16).to_ne_bytes();
    [&family[..], &port.to_be_bytes(), &ip, &[0; 8]].concat()
}

/// `struct sockaddr_in6` as its bytes.
pub fn inet6(ip: &str, port: u16) -> Vec<u8> {
    let family = (libc::AF_INET6 as u16).to_ne_bytes();
    let ip: std::net::Ipv6Addr = ip.parse().expect("an address");
    [&family[..], &port.to_be_bytes(), &[0; 4], &ip.octets(), &[0; 4]].concat()
}

/// An address without a family, which disconnects.
pub fn nowhere() -> Vec<u8> {
    vec![0; 16]
}

/// A new socket, or -1.
pub fn socket(family: i32, kind: i32) -> i64 {
    call(libc::SYS_socket, &[family.into(), kind.into(), 0])
}

/// `connect`.
pub fn connect(fd: i64, address: &[u8]) -> i64 {
    call(libc::SYS_connect, &[fd, address.as_ptr() as i64, address.len() as i64])
}

/// `bind`.
pub fn bind(fd: i64, address: &[u8]) -> i64 {
    call(libc::SYS_bind, &[fd, address.as_ptr() as i64, address.len() as i64])
}

/// `sendto` with these flags.
pub fn send_to(fd: i64, flags: i32, address: &[u8]) -> i64 {
    let text = b"hello";
    let address = (address.as_ptr() as i64, address.len() as i64);
    call(libc::SYS_sendto, &[fd, text.as_ptr() as i64, 5, flags.into(), address.0, address.1])
}

/// What `getsockname` or `getpeername` (by its number) says, made readable.
pub fn name(number: i64, fd: i64) -> String {
    let (mut address, mut size) = ([0_u8; 128], 128_u32);
    let (to, length) = (address.as_mut_ptr() as i64, std::ptr::from_mut(&mut size) as i64);
    match call(number, &[fd, to, length]) {
        0 => format!("{size} {}", address[..size.min(128) as usize].escape_ascii()),
        _ => format!("{:?}", Errno::last()),
    }
}

/// A listening or bound socket outside the jail.
pub struct Service(OwnedFd);

impl Service {
    /// Binds a socket and listens if it can.
    pub fn bind(family: i32, kind: i32, address: &[u8]) -> Service {
        let fd = socket(family, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        // SAFETY: a descriptor just made, owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a socket")) };
        let raw = fd.as_raw_fd().into();
        assert_eq!(bind(raw, address), 0, "{}", std::io::Error::last_os_error());
        call(libc::SYS_listen, &[raw, 5]);
        Service(fd)
    }

    /// A Unix socket of this kind.
    pub fn unix(kind: i32, name: &str) -> Service {
        Service::bind(libc::AF_UNIX, kind, &unix(name))
    }

    /// The port of an internet socket.
    pub fn port(&self) -> u16 {
        let (mut address, mut size) = ([0_u8; 128], 128_u32);
        let (to, length) = (address.as_mut_ptr() as i64, std::ptr::from_mut(&mut size) as i64);
        assert_eq!(call(libc::SYS_getsockname, &[self.0.as_raw_fd().into(), to, length]), 0);
        u16::from_be_bytes([address[2], address[3]])
    }

    /// Whether anybody connected or sent anything since it was last asked.
    pub fn was_reached(&self) -> bool {
        let fd = i64::from(self.0.as_raw_fd());
        let mut buffer = [0_u8; 16];
        let flags = libc::MSG_DONTWAIT.into();
        let received = call(libc::SYS_recvfrom, &[fd, buffer.as_mut_ptr() as i64, 16, flags, 0, 0]);
        let accepted = call(libc::SYS_accept4, &[fd, 0, 0, libc::SOCK_CLOEXEC.into()]);
        if accepted >= 0 {
            call(libc::SYS_close, &[accepted]);
        }
        received > 0 || accepted >= 0
    }
}

/// Sends a word over a connection and gives what comes back.
pub fn exchange(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(b"ping\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).trim().to_owned())
}
