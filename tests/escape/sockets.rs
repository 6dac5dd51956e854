//! Unix sockets of services outside: docker, an ssh agent, systemd, tmux.

use std::ffi::OsString;
use std::path::Path;

use crate::support::attack::{Attack, report};
use crate::support::net::{Service, connect, send_to, socket, unix};
use crate::support::os::call;
use crate::support::{Jail, REFUSALS, both_modes};

pub const ATTACKS: &[Attack] = &[("sockets", reach), ("datagram-pairs", datagram_pairs)];

fn connect_and_send(step: &str, kind: i32, name: &str) {
    let fd = socket(libc::AF_UNIX, kind);
    if fd < 0 {
        return report(&format!("{step} socket"), fd);
    }
    let address = unix(name);
    if kind == libc::SOCK_DGRAM {
        report(&format!("{step} sendto"), send_to(fd, 0, &address));
    }
    report(&format!("{step} connect"), connect(fd, &address));
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
    let address = unix(args[0].to_str().expect("a name"));
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    for (step, kind) in [("datagram", libc::SOCK_DGRAM), ("raw", libc::SOCK_RAW), ("flags", 2 | flags)] {
        let mut pair = [0_i32; 2];
        let made = call(libc::SYS_socketpair, &[1, i64::from(kind), 0, std::ptr::from_mut(&mut pair) as i64]);
        if made < 0 {
            report(step, made);
            continue;
        }
        let fd = i64::from(pair[0]);
        report(&format!("{step} sendto"), send_to(fd, 0, &address));
        report(&format!("{step} connect"), connect(fd, &address));
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
        Service::unix(libc::SOCK_STREAM, &names[0]),
        Service::unix(libc::SOCK_DGRAM, &names[1]),
        Service::unix(libc::SOCK_SEQPACKET, &names[2]),
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
