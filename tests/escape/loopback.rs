//! `network: loopback`: this machine's loopback addresses, and no other.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use super::race::race;
use crate::support::attack::{Attack, report, say};
use crate::support::net::{self, Service, bind, connect, inet, inet6, nowhere, send_to, socket};
use crate::support::os::{addr, call};
use crate::support::{Jail, REFUSALS};

pub const ATTACKS: &[Attack] = &[
    ("loopback-beyond", beyond),
    ("loopback-within", within),
    ("loopback-listen", listen),
    ("loopback-listen-race", listen_race),
    ("loopback-swap-address", swap_address),
    ("loopback-echo", echo),
];

const STREAM: i32 = libc::SOCK_STREAM;
const V4: i32 = libc::AF_INET;
const V6: i32 = libc::AF_INET6;
const HERE: [u8; 4] = [127, 0, 0, 1];
/// Another way to say loopback, which means every address elsewhere.
const ANY: [u8; 4] = [0; 4];

fn port(args: &[OsString]) -> u16 {
    args[0].to_str().and_then(|text| text.parse().ok()).expect("a port")
}

fn tcp(family: i32) -> i64 {
    socket(family, STREAM)
}

/// Arguments: the port of a service. Everything that is more than connecting to loopback.
fn beyond(args: &[OsString]) {
    let port = port(args);
    report("connect to any", connect(tcp(V4), &inet(ANY, port)));
    report("connect to any, mapped", connect(tcp(V6), &inet6("::ffff:0.0.0.0", port)));
    let fast = libc::MSG_FASTOPEN;
    report("fast open", send_to(tcp(V4), fast, &inet(HERE, port)));
    report("fast open to any", send_to(tcp(V4), fast | libc::MSG_DONTWAIT, &inet(ANY, port)));
    message(port);
    for (step, family, kind, protocol) in [
        ("datagrams", V4, libc::SOCK_DGRAM, 0),
        ("datagrams, flags", V6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 17),
        ("several paths", V4, STREAM, 262),
    ] {
        report(step, call(libc::SYS_socket, &[family.into(), kind.into(), protocol]));
    }
    report("bind to any", bind(tcp(V4), &inet(ANY, 0)));
    report("bind to any, without a family", bind(tcp(V4), &nowhere()));
    report("bind to any, mapped", bind(tcp(V6), &inet6("::ffff:0.0.0.0", 0)));
    report("bind to any, 6", bind(tcp(V6), &inet6("::", 0)));
    // A loose source route with one hop, and none; a route by segments; a device.
    let route = [131_u8, 7, 4, 127, 0, 0, 1, 1];
    let option = |step: &str, family, level: i32, name: i32, value: &[u8]| {
        let (at, size) = (value.as_ptr() as i64, value.len() as i64);
        report(step, call(libc::SYS_setsockopt, &[tcp(family), level.into(), name.into(), at, size]));
    };
    option("source route", V4, libc::IPPROTO_IP, libc::IP_OPTIONS, &route);
    option("source route, 6", V6, libc::IPPROTO_IP, libc::IP_OPTIONS, &route);
    option("routing header", V6, libc::IPPROTO_IPV6, libc::IPV6_RTHDR, &[]);
    option("device", V4, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, b"lo\0");
    option("fast open by option", V4, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &1_i32.to_ne_bytes());
}

/// The same by sendmsg and sendmmsg.
fn message(port: u16) {
    let address = inet(HERE, port);
    let mut part = libc::iovec { iov_base: c"hello".as_ptr().cast_mut().cast(), iov_len: 5 };
    // SAFETY: all zeroes is a valid message.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
    message.msg_hdr.msg_namelen = address.len() as u32;
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    let fast = libc::MSG_FASTOPEN.into();
    report("fast open by sendmsg", call(libc::SYS_sendmsg, &[tcp(V4), addr(&message), fast]));
    report("fast open by sendmmsg", call(libc::SYS_sendmmsg, &[tcp(V4), addr(&message), 1, fast]));
}

/// Arguments: the port of a service. What is allowed.
fn within(args: &[OsString]) {
    let port = port(args);
    report("connect", connect(tcp(V4), &inet(HERE, port)));
    report("connect, mapped", connect(tcp(V6), &inet6("::ffff:127.0.0.1", port)));
    let again = tcp(V4);
    report("connect once", connect(again, &inet(HERE, port)));
    report("disconnect", connect(again, &nowhere()));
    report("connect again", connect(again, &inet(HERE, port)));
    report("bind", bind(tcp(V4), &inet([127, 0, 0, 7], 0)));
    report("bind, 6", bind(tcp(V6), &inet6("::1", 0)));
}

/// The address of a socket, without its port.
fn address(fd: i64) -> String {
    let name = net::name(libc::SYS_getsockname, fd);
    let (size, bytes) = name.split_once(' ').expect("an address");
    let is = |loopback: Vec<u8>| {
        let (front, back) = (loopback[..2].escape_ascii().to_string(), &loopback[4..]);
        bytes.starts_with(&front) && bytes.ends_with(&back.escape_ascii().to_string())
    };
    let known = [
        ("any", inet(ANY, 0)),
        ("loopback", inet(HERE, 0)),
        ("loopback", inet6("::1", 0)),
        ("any", inet6("::", 0)),
    ];
    let found = known.into_iter().find(|(_, address)| is(address.clone()));
    found.map_or(format!("{size} {bytes}"), |(word, _)| word.into())
}

/// Listens on sockets without an address.
fn listen(_: &[OsString]) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let there = listener.local_addr().expect("an address").port();
    for (step, family) in [("new", V4), ("new, 6", V6)] {
        let fd = tcp(family);
        assert_eq!(call(libc::SYS_listen, &[fd, 1]), 0);
        say(step, &address(fd));
    }
    let fd = tcp(V4);
    assert_eq!(connect(fd, &inet(HERE, there)), 0);
    assert_eq!(connect(fd, &nowhere()), 0);
    assert_eq!(call(libc::SYS_listen, &[fd, 1]), 0);
    say("disconnected", &address(fd));
}

/// A socket that is made to listen gets and loses its address meanwhile.
fn listen_race(_: &[OsString]) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listener.set_nonblocking(true).expect("a listener that does not wait");
    let there = inet(HERE, listener.local_addr().expect("an address").port());
    let number = 77;
    let mut open = 0_u64;
    race(
        || {
            connect(number, &there);
            connect(number, &nowhere());
            while listener.accept().is_ok() {}
        },
        || {
            let fd = socket(V4, STREAM | libc::SOCK_NONBLOCK);
            call(libc::SYS_dup3, &[fd, number, 0]);
            call(libc::SYS_close, &[fd]);
            let listens = call(libc::SYS_listen, &[number, 1]);
            if listens == 0 && address(number) == "any" {
                open += 1;
            }
            listens
        },
    );
    say("open to all", &open.to_string());
}

/// Arguments: a port. The address in memory is now loopback, now any.
fn swap_address(args: &[OsString]) {
    let shared = inet(HERE, port(args));
    let (at, size) = (shared.as_ptr().addr(), shared.len());
    let words = [ANY, HERE].map(u32::from_ne_bytes);
    let (mut turn, mut elsewhere) = (0, 0_u64);
    race(
        || {
            turn ^= 1;
            // SAFETY: the buffer lives until the race ends, and is read by the kernel alone.
            unsafe { std::ptr::write_volatile((at + 4) as *mut u32, words[turn]) };
        },
        || {
            let fd = socket(V4, STREAM | libc::SOCK_NONBLOCK);
            // SAFETY: as above.
            let bound = bind(fd, unsafe { std::slice::from_raw_parts(at as *const u8, size) });
            if bound == 0 && address(fd) == "any" {
                elsewhere += 1;
            }
            call(libc::SYS_close, &[fd]);
            bound
        },
    );
    say("elsewhere", &elsewhere.to_string());
}

/// Answers one line over TCP, and asks for it in another thread.
fn echo(_: &[OsString]) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let there = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        let (stream, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        std::io::Write::write_all(&mut &stream, line.as_bytes())
    });
    let stream = std::net::TcpStream::connect(there).expect("a connection");
    say("answer", &net::exchange(stream).expect("an answer"));
    server.join().expect("the server ends").expect("the server served");
}

fn loopback() -> Jail {
    let mut jail = Jail::new("ci");
    let profile = jail.outside.join("p.yaml");
    crate::support::fixture::write(&profile, "version: 1\nname: p\nextends: [ci]\nnetwork: loopback\n");
    jail.profile(&profile);
    jail
}

fn refusals() -> Vec<&'static str> {
    [REFUSALS, &["EPROTONOSUPPORT"]].concat()
}

#[test]
fn nothing_beyond_loopback_is_reached() {
    let service = Service::bind(V4, STREAM, &inet(HERE, 0));
    let port = service.port().to_string();
    for fixed in [false, true] {
        let mut jail = loopback();
        if fixed {
            jail.static_mode();
        }
        let out = jail.attack("loopback-beyond", &[&port]);
        // Without sockets the static jail finds other errors.
        let more: &[&str] = if fixed { &["EBADF"] } else { &[] };
        out.all_refused(&[&refusals()[..], more].concat());
        assert!(!service.was_reached());
    }
    let out = loopback().control("loopback-beyond", &[&port]);
    for step in ["connect to any", "bind to any", "datagrams"] {
        assert_eq!(out.result(step), "ok", "{step}");
    }
    // Source routes are root's alone, outside as well.
    let route = if nix::unistd::geteuid().is_root() { "ok" } else { "EPERM" };
    assert_eq!(out.result("source route"), route);
    assert!(service.was_reached());
}

#[test]
fn loopback_itself_is_reached() {
    for jailed in [true, false] {
        let service = Service::bind(V4, STREAM, &inet(HERE, 0));
        let (jail, port) = (loopback(), [service.port().to_string()]);
        let attack = "loopback-within";
        let out = if jailed { jail.attack(attack, &port) } else { jail.control(attack, &port) };
        assert!(service.was_reached());
        assert!(out.lines().iter().all(|(_, result)| result == "ok"), "{}", out.out());
    }
    assert_eq!(loopback().attack::<&str>("loopback-echo", &[]).result("answer"), "ping");
}

#[test]
fn without_a_broker_loopback_is_no_network() {
    let service = Service::bind(V4, STREAM, &inet(HERE, 0));
    let mut jail = loopback();
    let out = jail.static_mode().attack("loopback-within", &[service.port().to_string()]);
    out.all_refused(&["EBADF"]);
    assert!(!service.was_reached());
}

#[test]
fn listening_is_for_loopback_alone() {
    let inside = loopback().attack::<&str>("loopback-listen", &[]);
    let outside = loopback().control::<&str>("loopback-listen", &[]);
    for step in ["new", "new, 6", "disconnected"] {
        assert_eq!(inside.result(step), "loopback", "{step}");
        assert_eq!(outside.result(step), "any", "{step}");
    }
}

#[test]
fn an_address_lost_while_listening_opens_nothing() {
    let inside = loopback().attack::<&str>("loopback-listen-race", &[]);
    assert_eq!(inside.result("open to all"), "0");
    assert_ne!(inside.result("done"), "0");
    let outside = loopback().control::<&str>("loopback-listen-race", &[]);
    assert_ne!(outside.result("open to all"), "0");
}

#[test]
fn swapped_addresses_stay_on_loopback() {
    let inside = loopback().attack("loopback-swap-address", &["0"]);
    assert_eq!(inside.result("elsewhere"), "0");
    assert_ne!(inside.result("done"), "0");
    let outside = loopback().control("loopback-swap-address", &["0"]);
    assert_ne!(outside.result("elsewhere"), "0", "{}", outside.out());
}
