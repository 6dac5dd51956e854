//! Sockets under odd names, with odd addresses, in odd states.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::fidelity::same;
use crate::support::attack::{Attack, report, say};
use crate::support::net::{self, bind, connect, inet, inet6, nowhere, send_to, socket, unix};
use crate::support::os::{self, call};

pub const ATTACKS: &[Attack] = &[
    ("socket-binds", binds),
    ("socket-connects", connects),
    ("socket-internet", internet),
    ("socket-interrupted", interrupted),
];

const STREAM: i32 = libc::SOCK_STREAM;
const PACKETS: i32 = libc::SOCK_SEQPACKET;
const NONBLOCK: i32 = libc::SOCK_NONBLOCK;

fn new(kind: i32) -> i64 {
    socket(libc::AF_UNIX, kind)
}

/// Binds a new socket; says the result, its name, and the mode of what was made.
fn try_bind(step: &str, path: &str) {
    let fd = new(STREAM);
    report(step, bind(fd, &unix(path)));
    say(&format!("{step} name"), &net::name(libc::SYS_getsockname, fd));
    if let Ok(meta) = fs::symlink_metadata(path) {
        say(&format!("{step} mode"), &format!("{:o} {}", meta.mode(), meta.nlink()));
    }
}

fn binds(_: &[OsString]) {
    fs::create_dir("d").expect("make a directory");
    fs::write("file", "").expect("write a file");
    symlink("nowhere", "dangling").expect("make a link");
    symlink("d", "to-d").expect("make a link");
    let absolute = std::env::current_dir().expect("a directory");
    let long = |length: usize| format!("./{}", "x".repeat(length - 2));
    for path in [
        "plain",
        "./dot",
        "d/in",
        "./d/../up",
        "to-d/linked",
        "d//twice",
        "plain",
        "file",
        "dangling",
        "d",
        ".",
        "..",
        "/",
        "d/",
        "new/",
        "d/in/",
        "file/x",
        "missing/x",
        "/proc/self/cwd/magic",
        "/nowhere/x",
    ] {
        try_bind(&format!("bind {path}"), path);
    }
    for length in [90, 106, 107, 108, 109] {
        try_bind(&format!("length {length}"), &long(length));
    }
    // 108 bytes without a NUL.
    let fd = new(STREAM);
    report("no NUL", bind(fd, &unix(&"y".repeat(108))[..110]));
    say("no NUL name", &net::name(libc::SYS_getsockname, fd));
    let from_root = absolute.join("from-root").display().to_string();
    if from_root.len() < 108 {
        let fd = new(STREAM);
        report("absolute", bind(fd, &unix(&from_root)));
        say(
            "absolute keeps its name",
            &net::name(libc::SYS_getsockname, fd).ends_with("from-root\\x00").to_string(),
        );
    }
    odd_binds();
    for (mask, mode) in [(0o022, 0o777), (0o077, 0o777), (0o777, 0o777), (0, 0o640)] {
        let fd = new(PACKETS);
        call(libc::SYS_umask, &[mask]);
        report("fchmod", call(libc::SYS_fchmod, &[fd, mode]));
        let path = format!("mode-{mask:o}-{mode:o}");
        report(&path, bind(fd, &unix(&path)));
        say(&format!("{path} is"), &format!("{:o}", fs::symlink_metadata(&path).expect("a socket").mode()));
        call(libc::SYS_umask, &[0o022]);
    }
}

/// Descriptors and addresses that are none.
fn odd_binds() {
    let again = new(STREAM);
    report("once", bind(again, &unix("once")));
    report("twice", bind(again, &unix("again")));
    say("twice leaves nothing", &Path::new("again").exists().to_string());
    let (file, path_only) = (os::open("file", libc::O_RDONLY), os::open("file", libc::O_PATH));
    let good = unix("good");
    for (step, fd) in [("file", file), ("O_PATH", path_only), ("99", 99), ("-1", -1), ("cwd", -100)] {
        report(&format!("bind {step}"), bind(fd, &good));
        report(&format!("connect {step}"), connect(fd, &good));
    }
    for size in [0, 1, 2, 3, 110, 111, 128, 129, -1, i64::from(i32::MIN)] {
        let long = [unix("sized"), vec![0; 200]].concat();
        let at = long.as_ptr() as i64;
        let fd = new(STREAM);
        report(&format!("bind size {size}"), call(libc::SYS_bind, &[fd, at, size]));
        let named = net::name(libc::SYS_getsockname, fd);
        say(&format!("bind size {size} name"), named.split(' ').next().unwrap_or(""));
        report(&format!("connect size {size}"), call(libc::SYS_connect, &[new(STREAM), at, size]));
        report(&format!("connect file size {size}"), call(libc::SYS_connect, &[file, at, size]));
        let _ = fs::remove_file("sized");
    }
    for (step, at) in [("null", 0), ("low", 1), ("top", -1)] {
        report(&format!("bind at {step}"), call(libc::SYS_bind, &[new(STREAM), at, 20]));
        report(&format!("connect at {step}"), call(libc::SYS_connect, &[new(STREAM), at, 20]));
        report(&format!("bind file at {step}"), call(libc::SYS_bind, &[file, at, 20]));
        report(&format!("connect file at {step}"), call(libc::SYS_connect, &[file, at, 20]));
    }
    report("bind without a family", bind(new(STREAM), &nowhere()));
    report("connect without a family", connect(new(STREAM), &nowhere()));
    report("bind to the internet", bind(new(STREAM), &inet([127, 0, 0, 1], 0)));
    report("connect to the internet", connect(new(STREAM), &inet([127, 0, 0, 1], 9)));
    report("listen unbound", call(libc::SYS_listen, &[new(STREAM), 5]));
    report("abstract", bind(new(STREAM), &unix(&format!("@stockade-{}", std::process::id()))));
    let route = socket(libc::AF_NETLINK, libc::SOCK_RAW);
    let mut netlink = (libc::AF_NETLINK as u16).to_ne_bytes().to_vec();
    netlink.resize(12, 0);
    report("bind netlink", bind(route, &netlink));
    report("connect netlink", connect(route, &netlink));
}

fn server(path: &str, kind: i32, backlog: i64) -> i64 {
    let fd = new(kind);
    assert_eq!(bind(fd, &unix(path)), 0, "{path}");
    report(&format!("listen {path}"), call(libc::SYS_listen, &[fd, backlog]));
    fd
}

fn connects(_: &[OsString]) {
    fs::create_dir("d").expect("make a directory");
    fs::write("file", "").expect("write a file");
    let listener = server("d/s", STREAM, 100);
    server("q", PACKETS, 5);
    server("closed", STREAM, 5);
    server("kept", STREAM, 5);
    symlink("d/s", "to-s").expect("make a link");
    symlink("to-s", "to-to-s").expect("make a link");
    symlink("loop", "loop").expect("make a link");
    symlink("nowhere", "dangling").expect("make a link");
    fs::hard_link("d/s", "second").expect("link");
    fs::rename("kept", "renamed").expect("rename");
    let unlistened = new(STREAM);
    assert_eq!(bind(unlistened, &unix("unlistened")), 0);
    drop(UnixListener::bind("dead").expect("bind"));
    let absolute = std::env::current_dir().expect("a directory").join("q").display().to_string();
    for path in [
        "d/s",
        "./d/s",
        "d/../d/s",
        "d//s",
        "to-s",
        "to-to-s",
        "second",
        "renamed",
        "kept",
        "q",
        "loop",
        "dangling",
        "d",
        "d/",
        "d/s/",
        "d/s/x",
        "file",
        "file/",
        "file/x",
        "missing",
        "missing/x",
        "dead",
        "unlistened",
        "/proc/self/cwd/d/s",
        "/proc/thread-self/cwd/to-s",
        ".",
        "/",
    ] {
        for (name, kind) in [("stream", STREAM), ("packets", PACKETS), ("nonblocking", STREAM | NONBLOCK)] {
            let fd = new(kind);
            report(&format!("{name} {path}"), connect(fd, &unix(path)));
            say(&format!("{name} {path} peer"), &net::name(libc::SYS_getpeername, fd));
        }
    }
    report("absolute", if absolute.len() < 108 { connect(new(PACKETS), &unix(&absolute)) } else { 0 });
    connect_in_states(listener);
}

/// Sockets that are connected already, or may not be connected to.
fn connect_in_states(listener: i64) {
    fs::set_permissions("q", fs::Permissions::from_mode(0o000)).expect("chmod");
    // Root has none of its powers in a jail.
    let refused = crate::support::is_root() || connect(new(PACKETS), &unix("q")) == -1;
    say("without rights", &refused.to_string());
    let fd = new(STREAM);
    report("once", connect(fd, &unix("d/s")));
    report("twice", connect(fd, &unix("d/s")));
    report("bind connected", bind(fd, &unix("late")));
    report("connect the listener", connect(listener, &unix("d/s")));
    report("listen connected", call(libc::SYS_listen, &[fd, 1]));
    // Sends with an address: to be ignored or refused, never followed.
    report("send connected", send_to(fd, 0, &unix("d/s")));
    report("send unconnected", send_to(new(STREAM), 0, &unix("d/s")));
    report("send packets unconnected", send_to(new(PACKETS), 0, &unix("q")));
    let full = server("full", STREAM, 0);
    let mut filled = 0;
    let last = loop {
        if connect(new(STREAM | NONBLOCK), &unix("full")) == -1 {
            break nix::errno::Errno::last();
        }
        filled += 1;
    };
    say("full", &format!("{filled} {last:?}"));
    call(libc::SYS_close, &[full]);
    report("after the end", connect(new(STREAM), &unix("full")));
    let listening = UnixListener::bind("name").expect("bind");
    let stream = UnixStream::connect("name").expect("connect");
    let (accepted, _) = listening.accept().expect("accept");
    say("peer", &format!("{:?} {:?}", stream.peer_addr(), accepted.local_addr()));
    fs::remove_file("name").expect("remove");
    report("removed", connect(new(STREAM), &unix("name")));
}

fn internet(_: &[OsString]) {
    let here = [127, 0, 0, 1];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let closed = {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        closed.local_addr().expect("an address").port()
    };
    for (name, family) in [("4", libc::AF_INET), ("6", libc::AF_INET6)] {
        let tcp = |flags: i32| socket(family, STREAM | flags);
        let good = if family == libc::AF_INET { inet(here, port) } else { inet6("::ffff:127.0.0.1", port) };
        let bad =
            if family == libc::AF_INET { inet(here, closed) } else { inet6("::ffff:127.0.0.1", closed) };
        report(&format!("connect {name}"), connect(tcp(0), &good));
        report(&format!("nobody there {name}"), connect(tcp(0), &bad));
        let fd = tcp(NONBLOCK);
        report(&format!("nonblocking {name}"), connect(fd, &good));
        let mut ready = [libc::pollfd { fd: fd as i32, events: libc::POLLOUT, revents: 0 }];
        call(libc::SYS_ppoll, &[ready.as_mut_ptr() as i64, 1, 0, 0, 0]);
        report(&format!("nonblocking, again {name}"), connect(fd, &good));
        report(&format!("nonblocking, a third time {name}"), connect(fd, &good));
        let fd = tcp(0);
        report(&format!("once {name}"), connect(fd, &good));
        report(&format!("twice {name}"), connect(fd, &good));
        report(&format!("bind connected {name}"), bind(fd, &good));
        report(&format!("disconnect {name}"), connect(fd, &nowhere()));
        report(&format!("connect again {name}"), connect(fd, &good));
        report(&format!("bind taken {name}"), bind(tcp(0), &good));
        for size in [1, 2, 8, 15, 16, 17, 23, 24, 27, 28] {
            let sized = [good.clone(), vec![0; 28]].concat();
            report(&format!("size {size} {name}"), connect(tcp(0), &sized[..size]));
            let any = [sized[..2].to_vec(), vec![0; 30]].concat();
            report(&format!("bind size {size} {name}"), bind(tcp(0), &any[..size]));
        }
        report(&format!("a path {name}"), connect(tcp(0), &unix("/tmp/x")));
        report(&format!("bind a path {name}"), bind(tcp(0), &unix("/tmp/x")));
        report(&format!("bind without a family {name}"), bind(tcp(0), &nowhere()));
        let datagrams = socket(family, libc::SOCK_DGRAM);
        report(&format!("datagrams {name}"), connect(datagrams, &good));
        report(&format!("datagrams, peerless {name}"), connect(datagrams, &nowhere()));
        report(&format!("listen for datagrams {name}"), call(libc::SYS_listen, &[datagrams, 1]));
    }
    report("the other family", connect(socket(libc::AF_INET, STREAM), &inet6("::1", port)));
    report("not here", bind(socket(libc::AF_INET, STREAM), &inet([203, 0, 113, 1], 0)));
    let low = bind(socket(libc::AF_INET, STREAM), &inet(here, 1));
    say(
        "a low port",
        if low == 0 || nix::errno::Errno::last() == nix::errno::Errno::EACCES { "ok" } else { "?" },
    );
}

extern "C" fn note(_: libc::c_int) {}

/// Connecting to a full queue waits; a signal interrupts it, or not.
fn interrupted(_: &[OsString]) {
    let listener = new(STREAM);
    assert_eq!(bind(listener, &unix("full")), 0);
    assert_eq!(call(libc::SYS_listen, &[listener, 0]), 0);
    while connect(new(STREAM | NONBLOCK), &unix("full")) == 0 {}
    let alarm = |flags: i32| {
        use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
        let flags = SaFlags::from_bits_retain(flags);
        let action = SigAction::new(SigHandler::Handler(note), flags, SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGALRM, &action) }.expect("a handler");
        let time = [0_i64, 0, 0, 50_000];
        assert_eq!(call(libc::SYS_setitimer, &[libc::ITIMER_REAL.into(), time.as_ptr() as i64, 0]), 0);
    };
    alarm(0);
    report("interrupted", connect(new(STREAM), &unix("full")));
    // With a handler that restarts, somebody must make room.
    let waiting = std::thread::spawn(|| {
        nix::sys::signal::SigSet::all().thread_block().expect("block signals");
        connect(new(STREAM), &unix("full"))
    });
    let acceptor = std::thread::spawn(move || {
        nix::sys::signal::SigSet::all().thread_block().expect("block signals");
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..3 {
            call(libc::SYS_accept4, &[listener, 0, 0, 0]);
        }
    });
    alarm(libc::SA_RESTART);
    report("restarted", connect(new(STREAM), &unix("full")));
    report("waited", waiting.join().expect("it ends"));
    acceptor.join().expect("it ends");
    // One that gives up by itself.
    while connect(new(STREAM | NONBLOCK), &unix("full")) == 0 {}
    let fd = new(STREAM);
    let time = [0_i64, 50_000];
    let option = [fd, libc::SOL_SOCKET.into(), libc::SO_SNDTIMEO.into(), time.as_ptr() as i64, 16];
    assert_eq!(call(libc::SYS_setsockopt, &option), 0);
    report("timed out", connect(fd, &unix("full")));
}

#[test]
fn binding_to_paths() {
    same("socket-binds");
}

#[test]
fn connecting_to_paths() {
    same("socket-connects");
}

#[test]
fn connecting_over_tcp() {
    same("socket-internet");
}

#[test]
fn waiting_for_a_connection() {
    same("socket-interrupted");
}
