//! Unix sockets of services outside: docker, an ssh agent, systemd, tmux.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::support::attack::{Attack, report};
use crate::support::os::{addr, at, c, call};
use crate::support::{Jail, REFUSALS, both_modes};

pub const ATTACKS: &[Attack] = &[("sockets", reach), ("datagram-pairs", datagram_pairs)];

/// A listening or bound socket outside the jail.
struct Service(OwnedFd);

/// `struct sockaddr_un` and its length; a leading `@` means an abstract name.
fn address(name: &str) -> (Box<libc::sockaddr_un>, i64) {
    // SAFETY: all zeroes is a valid address.
    let mut address: Box<libc::sockaddr_un> = Box::new(unsafe { std::mem::zeroed() });
    address.sun_family = libc::AF_UNIX as u16;
    assert!(name.len() < address.sun_path.len(), "the name fits: {name}");
    for (to, from) in address.sun_path.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    if name.starts_with('@') {
        address.sun_path[0] = 0;
    }
    let terminator = i64::from(!name.starts_with('@'));
    (address, 2 + name.len() as i64 + terminator)
}

impl Service {
    fn bind(kind: i32, name: &str) -> Service {
        let kind = i64::from(kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        let fd = call(libc::SYS_socket, &[1, kind, 0]);
        // SAFETY: a descriptor just made, owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a socket")) };
        let (address, length) = address(name);
        let raw = i64::from(fd.as_raw_fd());
        assert_eq!(
            call(libc::SYS_bind, &[raw, addr(&*address), length]),
            0,
            "{}",
            io::Error::last_os_error()
        );
        call(libc::SYS_listen, &[raw, 5]);
        Service(fd)
    }

    /// Whether anybody connected or sent anything.
    fn was_reached(&self) -> bool {
        let fd = i64::from(self.0.as_raw_fd());
        let buffer = [0_u8; 16];
        let received = call(libc::SYS_recvfrom, &[fd, addr(&buffer), 16, libc::MSG_DONTWAIT as i64, 0, 0]);
        received > 0 || call(libc::SYS_accept4, &[fd, 0, 0, 0]) >= 0
    }
}

fn connect_and_send(step: &str, kind: i32, name: &str) {
    let fd = call(libc::SYS_socket, &[1, i64::from(kind), 0]);
    if fd < 0 {
        return report(&format!("{step} socket"), fd);
    }
    let (address, length) = address(name);
    if kind == libc::SOCK_DGRAM {
        let text = c("hello");
        let sent = call(libc::SYS_sendto, &[fd, at(&text), 5, 0, addr(&*address), length]);
        report(&format!("{step} sendto"), sent);
    }
    report(&format!("{step} connect"), call(libc::SYS_connect, &[fd, addr(&*address), length]));
}

/// Arguments: names of a stream, a datagram and a seqpacket service.
fn reach(args: &[OsString]) {
    let name = |i: usize| args[i].to_str().expect("a name");
    connect_and_send("stream", libc::SOCK_STREAM, name(0));
    connect_and_send("stream flags", libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, name(0));
    connect_and_send("datagram", libc::SOCK_DGRAM, name(1));
    connect_and_send("raw", libc::SOCK_RAW, name(1));
    connect_and_send("seqpacket", libc::SOCK_SEQPACKET, name(2));
}

/// A pair of datagram sockets can send to any other one; of raw ones too, which are the same.
fn datagram_pairs(args: &[OsString]) {
    let (address, length) = address(args[0].to_str().expect("a name"));
    let text = c("hello");
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    for (step, kind) in [("datagram", libc::SOCK_DGRAM), ("raw", libc::SOCK_RAW), ("flags", 2 | flags)] {
        let mut pair = [0_i32; 2];
        let made = call(libc::SYS_socketpair, &[1, i64::from(kind), 0, std::ptr::from_mut(&mut pair) as i64]);
        if made < 0 {
            report(step, made);
            continue;
        }
        let fd = i64::from(pair[0]);
        report(
            &format!("{step} sendto"),
            call(libc::SYS_sendto, &[fd, at(&text), 5, 0, addr(&*address), length]),
        );
        report(&format!("{step} connect"), call(libc::SYS_connect, &[fd, addr(&*address), length]));
    }
}

/// Names of three services, as files beneath a directory or abstract.
fn names(dir: Option<&Path>, tag: &str) -> [String; 3] {
    ["s", "d", "q"].map(|kind| match dir {
        Some(dir) => dir.join(kind).display().to_string(),
        None => format!("@stockade-test-{}-{tag}-{kind}", std::process::id()),
    })
}

fn serve(names: &[String; 3]) -> [Service; 3] {
    [
        Service::bind(libc::SOCK_STREAM, &names[0]),
        Service::bind(libc::SOCK_DGRAM, &names[1]),
        Service::bind(libc::SOCK_SEQPACKET, &names[2]),
    ]
}

#[test]
fn services_outside_are_not_reached() {
    both_modes(|jail| {
        // short, for a socket's name has 107 bytes at most
        let dir = tempfile::tempdir_in("/tmp").expect("make a directory");
        let tag = if jail.is_static() { "static" } else { "brokered" };
        for names in [names(Some(dir.path()), tag), names(None, tag)] {
            let services = serve(&names);
            jail.attack("sockets", &names).all_refused(REFUSALS);
            jail.attack("datagram-pairs", &names[1..2]).all_refused(REFUSALS);
            assert!(services.iter().all(|s| !s.was_reached()), "{names:?}");
        }
    });
}

#[test]
fn outside_the_jail_services_are_reached() {
    let jail = Jail::new("ci");
    let names = names(None, "control");
    let services = serve(&names);
    jail.control("sockets", &names).expect(0);
    jail.control("datagram-pairs", &names[1..2]).expect(0);
    assert!(services.iter().all(Service::was_reached));
}

#[test]
fn open_sockets_are_open() {
    let profile = "version: 1\nname: p\nextends: [ci]\nunix_sockets: open\n";
    for fixed in [false, true] {
        let mut jail = Jail::new("ci");
        let file = jail.outside.join("p.yaml");
        crate::support::fixture::write(&file, profile);
        jail.profile(&file);
        if fixed {
            jail.static_mode();
        }
        let dir = tempfile::tempdir_in("/tmp").expect("make a directory");
        let names = names(Some(dir.path()), "open");
        let services = serve(&names);
        let out = jail.attack("sockets", &names);
        assert_eq!(out.result("stream connect"), "ok");
        assert!(services[0].was_reached());
    }
}
