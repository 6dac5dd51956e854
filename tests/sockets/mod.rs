//! Binding, connecting and listening in the jail are as outside: the same
//! results and errors, the same names, and servers that serve.

mod odd;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::fidelity::same;
use crate::support::attack::{Attack, report, say};
use crate::support::net::exchange;
use crate::support::os::{self, c, call};
use crate::support::{Jail, skip};

pub const ATTACKS: &[Attack] = &[("socket-echo", echo), ("socket-threads", threads)];
pub use odd::ATTACKS as ODD_ATTACKS;

/// A server and a client of this process, by a name in the directory of the first argument.
fn echo(args: &[OsString]) {
    let path = Path::new(&args[0]).join("s");
    let listener = UnixListener::bind(&path).expect("bind");
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        let (stream, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        std::io::Write::write_all(&mut &stream, line.as_bytes())
    });
    let stream = UnixStream::connect(&path).expect("connect");
    say("answer", &exchange(stream).expect("an answer"));
    server.join().expect("the server ends").expect("the server served");
    report("remove", call(libc::SYS_unlinkat, &[libc::AT_FDCWD.into(), os::at(&c(&path)), 0]));
}

/// Many threads at once, each with its own names and connections.
fn threads(_: &[OsString]) {
    let work = |thread: usize| {
        (0..20).all(|round| {
            let path = format!("t{thread}-{round}");
            let listener = UnixListener::bind(&path).expect("bind");
            let stream = UnixStream::connect(&path).expect("connect");
            let named = stream.peer_addr().expect("a name").as_pathname().map(Path::to_path_buf);
            listener.accept().expect("accept");
            fs::remove_file(&path).is_ok() && named.as_deref() == Some(Path::new(&path))
        })
    };
    let threads: Vec<_> = (0..8).map(|thread| std::thread::spawn(move || work(thread))).collect();
    let good = threads.into_iter().all(|thread| thread.join().is_ok_and(|good| good));
    say("all", &good.to_string());
}

#[test]
fn many_at_once() {
    same("socket-threads");
}

/// In scratch, where the broker performs what Landlock would let happen, and
/// where it alone does.
#[test]
fn own_servers_are_reached_wherever_they_may_be_made() {
    let mut jail = Jail::new("ci");
    let dir = tempfile::tempdir_in("/tmp").expect("make a directory");
    for (access, name) in [("scratch", "scratch"), ("tracked", "tracked")] {
        let path = dir.path().join(name);
        fs::create_dir(&path).expect("make a directory");
        jail.allow(access, &path);
    }
    for place in [dir.path().join("scratch"), dir.path().join("tracked"), ".".into(), "pkg".into()] {
        let out = jail.attack("socket-echo", &[&place]);
        assert_eq!(out.result("answer"), "ping", "{place:?}: {}", out.err());
        assert_eq!(out.result("remove"), "ok", "{place:?}");
    }
    for place in [".git", "src/../.git"] {
        let out = jail.attack("socket-echo", &[place]);
        assert!(out.err().contains("PermissionDenied"), "{place}: {}", out.err());
    }
    assert!(!jail.work.join(".git/s").exists());
}

#[test]
fn python_serves_over_http_on_loopback() {
    if !Path::new("/usr/bin/python3").exists() {
        return skip("python_serves_over_http_on_loopback", "no /usr/bin/python3");
    }
    let mut jail = Jail::new("ci");
    let profile = jail.outside.join("p.yaml");
    crate::support::fixture::write(&profile, "version: 1\nname: p\nextends: [ci]\nnetwork: loopback\n");
    jail.profile(&profile);
    let serve = "import http.server as h, threading, urllib.request as r, subprocess, shutil\n\
                 s = h.ThreadingHTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)\n\
                 threading.Thread(target=s.serve_forever, daemon=True).start()\n\
                 u = 'http://127.0.0.1:%d/README.md' % s.server_port\n\
                 print(r.build_opener(r.ProxyHandler({})).open(u).read().decode().strip())\n\
                 c = shutil.which('curl')\n\
                 out = subprocess.run([c, '-sS', '--noproxy', '*', u], capture_output=True) if c else None\n\
                 print(out.stdout.decode().strip() + out.stderr.decode() if c else 'uncommitted work')\n";
    let out = jail.run(&["/usr/bin/python3", "-c", serve]);
    assert_eq!(out.expect(0), "uncommitted work\nuncommitted work\n", "{}", out.err());
}

#[test]
fn python_managers_talk_over_their_own_sockets() {
    if !Path::new("/usr/bin/python3").exists() {
        return skip("python_managers_talk_over_their_own_sockets", "no /usr/bin/python3");
    }
    let jail = Jail::new("ci");
    let script = "import multiprocessing as m\n\
                  def work(l): l.append(m.current_process().name)\n\
                  if __name__ == '__main__':\n\
                  \x20   with m.Manager() as g:\n\
                  \x20       l = g.list()\n\
                  \x20       p = m.Process(target=work, args=(l,), name='other')\n\
                  \x20       p.start(); p.join(); print(list(l))\n";
    fs::write(jail.work.join("pkg/m.py"), script).expect("write the script");
    let out = jail.run(&["/usr/bin/python3", "pkg/m.py"]);
    assert_eq!(out.expect(0), "['other']\n", "{}", out.err());
}
