//! FIFOs: an open that waits for the other end opens what was named when it
//! was decided about, and leaves nothing in the broker where nobody comes.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::attack::{Attack, VARIABLE, report, say};
use crate::support::jail::myself;
use crate::support::os::{self, at, c, call};
use crate::support::process::eventually;
use crate::support::{Entry, Jail, REFUSALS, Running};

pub const ATTACKS: &[Attack] =
    &[("fifo-swapped", swapped), ("fifo-foreign", foreign), ("fifo-waiters", waiters), ("fifo-waiter", wait)];

const CWD: i64 = libc::AT_FDCWD as i64;
const LIMIT: Duration = Duration::from_secs(30);

fn make(path: &Path) -> i64 {
    call(libc::SYS_mknodat, &[CWD, at(&c(path)), i64::from(libc::S_IFIFO | 0o644), 0])
}

/// Arguments: own directory, victim. While an open waits its name comes to mean
/// the victim.
fn swapped(args: &[OsString]) {
    let (own, victim) = (Path::new(&args[0]), Path::new(&args[1]));
    let (fifo, moved) = (own.join("fifo"), own.join("moved"));
    for link in [true, false] {
        assert_eq!(make(&fifo), 0, "make a FIFO");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| fs::File::options().write(true).open(&fifo));
            std::thread::sleep(Duration::from_millis(100));
            fs::rename(&fifo, &moved).expect("rename");
            if link {
                symlink(victim, &fifo).expect("make a link");
            } else {
                fs::write(&fifo, "a file").expect("make a file");
            }
            std::thread::sleep(Duration::from_millis(50));
            let reader = fs::File::open(&moved).expect("open the FIFO");
            let mut got = writer.join().expect("a thread").expect("open");
            let is_fifo = got.metadata().is_ok_and(|meta| meta.file_type().is_fifo());
            let _ = got.write_all(b"stolen");
            say("opened", if is_fifo { "the FIFO" } else { "something else" });
            drop(reader);
        });
        fs::remove_file(&fifo).expect("remove");
        fs::remove_file(&moved).expect("remove");
    }
}

/// Arguments: FIFOs of others. Nothing may be written to them or changed, and
/// no call may wait for that.
fn foreign(args: &[OsString]) {
    for fifo in args {
        for (name, flags) in [
            ("write", libc::O_WRONLY),
            ("write at once", libc::O_WRONLY | libc::O_NONBLOCK),
            ("both", libc::O_RDWR),
            ("create", libc::O_WRONLY | libc::O_CREAT),
            ("truncate", libc::O_WRONLY | libc::O_TRUNC),
        ] {
            report(&format!("{name} {}", fifo.display()), os::open(fifo, flags));
        }
        report("chmod", call(libc::SYS_fchmodat, &[CWD, at(&c(fifo)), 0o777]));
        report("unlink", call(libc::SYS_unlinkat, &[CWD, at(&c(fifo)), 0]));
    }
}

/// Argument: own directory. Many wait for an end that never comes, and are killed.
fn waiters(args: &[OsString]) {
    let next = || {
        let _ = std::io::stdout().flush();
        let _ = std::io::stdin().read_line(&mut String::new());
    };
    let fifo = Path::new(&args[0]).join("fifo");
    assert_eq!(make(&fifo), 0, "make a FIFO");
    say("ready", "");
    next();
    for end in ["read", "write"] {
        let start = || Command::new(myself()).arg(&fifo).arg(end).env(VARIABLE, "fifo-waiter").spawn();
        let mut waiting: Vec<_> = (0..20).map(|_| start().expect("start")).collect();
        say("waiting", end);
        next();
        for child in &mut waiting {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
        say("killed", end);
        next();
    }
}

fn wait(args: &[OsString]) {
    let flags = if args[1] == "read" { libc::O_RDONLY | libc::O_CREAT } else { libc::O_WRONLY };
    os::open(&args[0], flags);
}

#[test]
fn a_name_that_changes_while_an_open_waits_leads_to_no_victim() {
    for profile in ["standard", "ci"] {
        let jail = Jail::new(profile);
        let victim = jail.work.join(".git/config");
        let before = Entry::of(&victim);
        let out = jail.attack("fifo-swapped", &[&jail.work.join("pkg"), &victim]);
        let opened: Vec<_> = out.lines();
        assert_eq!(opened, vec![("opened".to_owned(), "the FIFO".to_owned()); 2], "{}", out.err());
        assert_eq!(before, Entry::of(&victim));
    }
}

#[test]
fn fifos_of_others_are_not_written() {
    for profile in ["standard", "ci"] {
        let jail = Jail::new(profile);
        let fifos = [jail.outside.join("fifo"), jail.work.join(".git/fifo"), jail.home.join("fifo")];
        fifos.iter().for_each(|fifo| assert_eq!(make(fifo), 0, "make a FIFO"));
        // a reader, so that writing would not wait
        let readers: Vec<i64> =
            fifos.iter().map(|fifo| os::open(fifo, libc::O_RDONLY | libc::O_NONBLOCK)).collect();
        let before: Vec<Entry> = fifos.iter().map(|fifo| Entry::of(fifo)).collect();
        jail.attack("fifo-foreign", &fifos).all_refused(REFUSALS);
        assert_eq!(before, fifos.iter().map(|fifo| Entry::of(fifo)).collect::<Vec<_>>());
        for reader in readers {
            call(libc::SYS_close, &[reader]);
        }
    }
}

#[test]
fn killed_waiters_leave_nothing_in_the_broker() {
    let jail = Jail::new("standard");
    let mut running = Running::start(&mut jail.attack_command("fifo-waiters", &[&jail.work.join("pkg")]));
    running.result("ready", LIMIT);
    std::thread::sleep(Duration::from_millis(50));
    let look = |running: &Running| (running.count("fd"), running.count("task"));
    let before = look(&running);
    running.go_on();
    for end in ["read", "write"] {
        assert_eq!(running.result("waiting", LIMIT), end);
        let all = eventually(LIMIT, || running.count("task") >= before.1 + 20);
        assert!(all, "{end}: they wait in the broker: {:?}", look(&running));
        running.go_on();
        assert_eq!(running.result("killed", LIMIT), end);
        let same = eventually(LIMIT, || look(&running) == before);
        assert!(same, "{end}: descriptors and threads before: {before:?}, after: {:?}", look(&running));
        running.go_on();
    }
    assert_eq!(running.code(LIMIT), 0);
}
