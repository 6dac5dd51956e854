//! Ways around the broker's look at a Unix socket's address: links, planted
//! sockets, and everything that can be swapped while it looks.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::TempDir;

use super::race::{exchange, race};
use crate::support::attack::{Attack, report};
use crate::support::net::{Service, bind, connect, nowhere, socket, unix};
use crate::support::os::{self, call};
use crate::support::tree::assert_same;
use crate::support::{Jail, REFUSALS, Tree};

pub const ATTACKS: &[Attack] = &[
    ("socket-names", names),
    ("socket-swap-address", swap_address),
    ("socket-swap-link", swap_link),
    ("socket-swap-descriptor", swap_descriptor),
    ("socket-swap-file", swap_file),
    ("socket-bind-through-link", bind_through_link),
    ("socket-planted", planted),
    ("socket-allowed", allowed),
];

const STREAM: i32 = libc::SOCK_STREAM;

fn text(args: &[OsString], index: usize) -> &str {
    args[index].to_str().expect("a name")
}

/// A listening socket of the attacker's own.
fn own(path: &str) -> i64 {
    let fd = socket(libc::AF_UNIX, STREAM | libc::SOCK_NONBLOCK);
    assert_eq!(bind(fd, &unix(path)), 0, "{path}: {}", std::io::Error::last_os_error());
    call(libc::SYS_listen, &[fd, 5]);
    fd
}

/// One attempt with a new socket, closed afterwards.
fn attempt(address: &[u8]) -> i64 {
    let fd = socket(libc::AF_UNIX, STREAM | libc::SOCK_NONBLOCK);
    let result = connect(fd, address);
    let errno = nix::errno::Errno::last();
    call(libc::SYS_close, &[fd]);
    errno.set();
    result
}

/// Takes what waits to be accepted, so that the queue does not fill.
fn drain(fd: i64) {
    loop {
        let accepted = call(libc::SYS_accept4, &[fd, 0, 0, 0]);
        if accepted < 0 {
            return;
        }
        call(libc::SYS_close, &[accepted]);
    }
}

/// Arguments: a service. All names that lead to it.
fn names(args: &[OsString]) {
    let service = text(args, 0);
    let try_it = |step: &str, name: &str| report(step, attempt(&unix(name)));
    try_it("plain", service);
    symlink(service, "to-service").expect("make a link");
    symlink("to-service", "to-link").expect("make a link");
    try_it("link", "to-service");
    try_it("link to a link", "to-link");
    let parent = Path::new(service).parent().expect("a directory");
    symlink(parent, "to-parent").expect("make a link");
    try_it("linked directory", "to-parent/s");
    try_it("through procfs", &format!("/proc/self/root{service}"));
    let pinned = os::open(service, libc::O_PATH);
    try_it("descriptor", &format!("/proc/self/fd/{pinned}"));
    try_it("thread's descriptor", &format!("/proc/thread-self/fd/{pinned}"));
    // A second name of its own for it.
    let second = fs::hard_link(service, "second");
    try_it(if second.is_ok() { "second name" } else { "no second name" }, "second");
    if std::env::set_current_dir(parent).is_ok() {
        try_it("relative", "s");
    }
}

/// Arguments: a service. The address in memory is now the attacker's own socket's, now the service's.
fn swap_address(args: &[OsString]) {
    let own_path = format!("{}/own", std::env::var("TMPDIR").unwrap_or_else(|_| "/tmp".into()));
    let listener = own(&own_path);
    let (mine, theirs) = (unix(&own_path), unix(text(args, 0)));
    let size = mine.len().max(theirs.len());
    let padded = |address: &[u8]| [address, &vec![0; size - address.len()]].concat();
    let (mine, theirs) = (padded(&mine), padded(&theirs));
    let shared = mine.clone();
    let at = shared.as_ptr().addr();
    let mut turn = false;
    race(
        || {
            turn = !turn;
            let from = if turn { &theirs } else { &mine };
            // SAFETY: the buffer lives until the race ends, and is read by the kernel alone.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), at as *mut u8, size) };
        },
        || {
            drain(listener);
            // SAFETY: as above.
            attempt(unsafe { std::slice::from_raw_parts(at as *const u8, size) })
        },
    );
    fs::remove_file(own_path).expect("remove the socket");
}

/// Arguments: scratch, a service. A link leads now to the attacker's own socket, now to the service.
fn swap_link(args: &[OsString]) {
    let scratch = Path::new(&args[0]);
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    let path = scratch.join("own").display().to_string();
    let listener = own(&path);
    symlink(&path, &one).expect("make a link");
    symlink(text(args, 1), &two).expect("make a link");
    let address = unix(one.to_str().expect("a name"));
    race(
        || exchange(&one, &two),
        || {
            drain(listener);
            attempt(&address)
        },
    );
}

/// Arguments: a service. The descriptor is now a socket, now a file or another kind of socket.
fn swap_descriptor(args: &[OsString]) {
    let number = 77;
    let others = [
        socket(libc::AF_UNIX, STREAM | libc::SOCK_NONBLOCK),
        socket(libc::AF_INET, libc::SOCK_DGRAM),
        socket(libc::AF_NETLINK, libc::SOCK_RAW),
        os::open("/", libc::O_RDONLY),
    ];
    let (service, none) = (unix(text(args, 0)), nowhere());
    let (mut turn, mut which) = (0_usize, 0_usize);
    race(
        || {
            turn += 1;
            call(libc::SYS_dup3, &[others[turn % 4], number, 0]);
        },
        || {
            which += 1;
            connect(number, if which.is_multiple_of(2) { &none } else { &service })
        },
    );
}

/// Arguments: scratch with a planted socket in it. The name of what was just
/// bound is given to the planted one.
fn swap_file(args: &[OsString]) {
    let scratch = Path::new(&args[0]);
    let (planted, name) = (scratch.join("planted"), scratch.join("name"));
    let spare = scratch.join("spare");
    let address = unix(name.to_str().expect("a name"));
    // Only one of both turns names at a time, but for the moment that is raced for.
    let turns = Mutex::new(());
    race(
        || {
            if fs::symlink_metadata(&name).is_ok() && fs::rename(&name, &spare).is_ok() {
                let _turn = turns.lock().expect("a lock");
                let _ = fs::rename(&planted, &name);
                attempt(&address);
                let _ = fs::rename(&name, &planted);
                let _ = fs::remove_file(&spare);
            }
        },
        || {
            let _ = fs::remove_file(&spare);
            let fd = socket(libc::AF_UNIX, STREAM | libc::SOCK_NONBLOCK);
            let bound = bind(fd, &address);
            drop(turns.lock().expect("a lock"));
            call(libc::SYS_close, &[fd]);
            bound
        },
    );
}

/// Arguments: scratch, a protected directory. The directory to bind in is now one of scratch, now the protected one.
fn bind_through_link(args: &[OsString]) {
    let scratch = Path::new(&args[0]);
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    fs::create_dir(scratch.join("real")).expect("make a directory");
    symlink(scratch.join("real"), &one).expect("make a link");
    symlink(&args[1], &two).expect("make a link");
    let mut number = 0;
    race(
        || exchange(&one, &two),
        || {
            number += 1;
            let fd = socket(libc::AF_UNIX, STREAM);
            let bound = bind(fd, &unix(&format!("{}/s{number}", one.display())));
            call(libc::SYS_close, &[fd]);
            let _ = fs::remove_file(scratch.join(format!("real/s{number}")));
            bound
        },
    );
}

/// Arguments: scratch with a planted socket in it, a tracked directory.
fn planted(args: &[OsString]) {
    let (scratch, tracked) = (Path::new(&args[0]), Path::new(&args[1]));
    let try_it = |step: &str, path: PathBuf| report(step, attempt(&unix(path.to_str().expect("a name"))));
    try_it("where it lies", scratch.join("planted"));
    fs::rename(scratch.join("planted"), scratch.join("renamed")).expect("rename in scratch");
    try_it("renamed", scratch.join("renamed"));
    fs::hard_link(scratch.join("renamed"), scratch.join("linked")).expect("link in scratch");
    try_it("linked", scratch.join("linked"));
    fs::hard_link(scratch.join("renamed"), tracked.join("moved")).expect("link it out of scratch");
    try_it("moved", tracked.join("moved"));
}

/// Arguments: sockets.
fn allowed(args: &[OsString]) {
    for path in args {
        let path = path.to_str().expect("a name");
        let name = Path::new(path).file_name().and_then(|name| name.to_str()).expect("a name");
        report(name, attempt(&unix(path)));
    }
}

/// A service outside, in a short directory that a jail may read.
fn service() -> (TempDir, String, Service) {
    let dir = tempfile::tempdir_in("/tmp").expect("make a directory");
    let path = dir.path().join("s").display().to_string();
    let service = Service::unix(STREAM, &path);
    (dir, path, service)
}

/// A jail with a short scratch directory of its own.
fn jail_with_scratch() -> (Jail, TempDir, PathBuf) {
    let dir = tempfile::tempdir_in("/tmp").expect("make a directory");
    let scratch = dir.path().join("w");
    fs::create_dir(&scratch).expect("make a directory");
    let mut jail = Jail::new("ci");
    jail.allow("scratch", &scratch);
    (jail, dir, scratch)
}

/// A race that the jail wins was a race outside.
#[track_caller]
fn unreached(attack: &str, args: &[&Path], reached: impl Fn() -> bool, jail: &Jail) {
    let out = jail.attack(attack, args);
    out.expect(0);
    assert_ne!((out.result("done"), out.result("refused")), ("0".into(), "0".into()), "{}", out.out());
    assert!(!reached(), "{attack}: the service was reached");
}

#[test]
fn no_name_leads_to_a_service_outside() {
    let (_dir, path, service) = service();
    let mut jail = Jail::new("ci");
    let pkg = jail.work.join("pkg");
    jail.cwd(&pkg);
    jail.attack("socket-names", &[&path]).all_refused(REFUSALS);
    assert!(!service.was_reached());
    for name in ["to-service", "to-link", "to-parent", "second"] {
        let _ = fs::remove_file(pkg.join(name));
    }
    jail.control("socket-names", &[&path]).expect(0);
    assert!(service.was_reached());
}

#[test]
fn swapped_addresses_reach_nobody() {
    let (_dir, path, service) = service();
    let jail = Jail::new("ci");
    unreached("socket-swap-address", &[path.as_ref()], || service.was_reached(), &jail);
    jail.control("socket-swap-address", &[&path]).expect(0);
    assert!(service.was_reached(), "outside, it is a race that can be won");
}

#[test]
fn swapped_links_reach_nobody() {
    let (_dir, path, service) = service();
    let (jail, _scratch, scratch) = jail_with_scratch();
    unreached("socket-swap-link", &[&scratch, path.as_ref()], || service.was_reached(), &jail);
    for name in ["one", "two", "own"] {
        fs::remove_file(scratch.join(name)).expect("remove what the attack made");
    }
    jail.control::<&Path>("socket-swap-link", &[&scratch, path.as_ref()]).expect(0);
    assert!(service.was_reached(), "outside, it is a race that can be won");
}

#[test]
fn swapped_descriptors_reach_nobody() {
    let (_dir, path, service) = service();
    let jail = Jail::new("ci");
    unreached("socket-swap-descriptor", &[path.as_ref()], || service.was_reached(), &jail);
    jail.control("socket-swap-descriptor", &[&path]).expect(0);
    assert!(service.was_reached(), "outside, it is a race that can be won");
}

#[test]
fn a_planted_socket_under_a_bound_name_is_not_reached() {
    let (jail, _dir, scratch) = jail_with_scratch();
    let service = Service::unix(STREAM, scratch.join("planted").to_str().expect("a name"));
    unreached("socket-swap-file", &[&scratch], || service.was_reached(), &jail);
    for name in ["name", "spare"] {
        let _ = fs::remove_file(scratch.join(name));
    }
    jail.control("socket-swap-file", &[&scratch]).expect(0);
    assert!(service.was_reached(), "outside, it is a race that can be won");
}

#[test]
fn sockets_are_bound_in_no_protected_directory() {
    let (jail, _dir, scratch) = jail_with_scratch();
    let git = jail.work.join(".git");
    for (target, protected) in [(&git, &git), (&jail.outside, &jail.outside)] {
        let before = Tree::exact(protected);
        unreached("socket-bind-through-link", &[&scratch, target], || false, &jail);
        assert_same(&before, &Tree::exact(protected));
        fs::remove_dir_all(&scratch).expect("remove what the attack made");
        fs::create_dir(&scratch).expect("make a directory");
    }
    let before = Tree::exact(&jail.outside);
    jail.control("socket-bind-through-link", &[&scratch, &jail.outside]).expect(0);
    assert_ne!(before.without(&[]), Tree::exact(&jail.outside), "outside, it is a race that can be won");
}

#[test]
fn a_socket_that_lay_in_scratch_is_nobodys_own() {
    let (mut jail, dir, scratch) = jail_with_scratch();
    let tracked = dir.path().join("t");
    fs::create_dir(&tracked).expect("make a directory");
    jail.allow("tracked", &tracked);
    let service = Service::unix(STREAM, scratch.join("planted").to_str().expect("a name"));
    jail.attack("socket-planted", &[&scratch, &tracked]).all_refused(REFUSALS);
    assert!(!service.was_reached());
    fs::rename(tracked.join("moved"), scratch.join("planted")).expect("put it back");
    fs::remove_file(scratch.join("linked")).expect("remove what the attack made");
    jail.control("socket-planted", &[&scratch, &tracked]).expect(0);
    assert!(service.was_reached());
}

#[test]
fn rules_open_the_sockets_that_they_name() {
    let dir = tempfile::tempdir_in("/tmp").expect("make a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let paths = ["one.sock", "two.sock", "other", "late.sock"].map(path);
    let services = [0, 1, 2].map(|index| Service::unix(STREAM, &paths[index]));
    let mut jail = Jail::new("ci");
    let profile = jail.outside.join("p.yaml");
    let rule = format!("unix_sockets: {{allow: [{}/*.sock]}}", dir.path().display());
    crate::support::fixture::write(&profile, &format!("version: 1\nname: p\nextends: [ci]\n{rule}\n"));
    jail.profile(&profile);
    let late = Service::unix(STREAM, &paths[3]);
    let out = jail.attack("socket-allowed", &paths);
    let results = ["one.sock", "two.sock", "other", "late.sock"].map(|name| out.result(name));
    assert_eq!(results, ["ok", "ok", "EACCES", "ok"]);
    assert_eq!(services.each_ref().map(Service::was_reached), [true, true, false]);
    assert!(late.was_reached());
    // The repository can take them away again.
    let tighter = "version: 1\nname: r\nunix_sockets: {allow: [/tmp/**/one.sock]}\n";
    crate::support::fixture::write(&jail.work.join(".stockade.yaml"), tighter);
    let out = jail.attack("socket-allowed", &paths);
    let results = ["one.sock", "two.sock", "other", "late.sock"].map(|name| out.result(name));
    assert_eq!(results, ["ok", "EACCES", "EACCES", "EACCES"]);
}

#[test]
fn what_is_refused_is_recorded() {
    let (_dir, path, _service) = service();
    let jail = Jail::new("ci");
    let out = jail.attack("socket-allowed", &[&path]);
    assert_eq!(out.result("s"), "EACCES");
    assert!(out.err().contains(&format!("refused 1 call: connect {path}")), "{}", out.err());
}
