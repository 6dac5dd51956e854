//! Many threads that change files at once: no hang, no wrong result, and nothing
//! of it stays in the broker. For ten seconds, or as many as
//! `STOCKADE_TEST_CROWD_SECONDS` says.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::attack::{Attack, say};
use crate::support::os::{at, c, call};
use crate::support::process::eventually;
use crate::support::{Jail, Running};

pub const ATTACKS: &[Attack] = &[("crowd-of-changes", crowd)];

const THREADS: usize = 64;
const CWD: i64 = libc::AT_FDCWD as i64;

/// What all threads share.
struct Shared {
    dir: PathBuf,
    /// How many are where one alone may be.
    inside: AtomicU32,
    turns: AtomicUsize,
}

fn expect(right: bool, what: &str) -> io::Result<()> {
    if right { Ok(()) } else { Err(io::Error::other(format!("wrong {what}"))) }
}

/// Changes of a thread's own directory.
fn own_changes(dir: &Path, turn: u32) -> io::Result<()> {
    let (a, b, sub) = (dir.join("a"), dir.join("b"), dir.join("sub"));
    let text = format!("{} {turn}", dir.display());
    fs::write(&a, &text)?;
    fs::set_permissions(&a, fs::Permissions::from_mode(0o600 | turn & 0o77))?;
    expect(a.metadata()?.mode() & 0o777 == 0o600 | turn & 0o77, "mode")?;
    fs::create_dir(&sub)?;
    fs::hard_link(&a, &b)?;
    expect(a.metadata()?.nlink() == 2, "link")?;
    fs::rename(&b, sub.join("c"))?;
    fs::rename(&sub, dir.join("moved"))?;
    expect(fs::read_to_string(dir.join("moved/c"))? == text, "content")?;
    File::options().write(true).open(&a)?.set_len(1)?;
    expect(fs::read(dir.join("moved/c"))?.len() == 1, "length")?;
    symlink("moved/c", dir.join("link"))?;
    OpenOptions::new().append(true).open(dir.join("link"))?.write_all(b"more")?;
    expect(fs::read(&a)?.len() == 5, "appended length")?;
    for name in ["a", "link", "moved/c"] {
        fs::remove_file(dir.join(name))?;
    }
    expect(fs::remove_file(&a).is_err_and(|error| error.kind() == io::ErrorKind::NotFound), "removal")?;
    fs::remove_dir(dir.join("moved"))
}

/// A name that only one thread at a time can have made.
fn shared_changes(shared: &Shared) -> io::Result<()> {
    let lock = shared.dir.join("lock");
    match OpenOptions::new().write(true).create_new(true).open(&lock) {
        Ok(_) => {
            expect(shared.inside.fetch_add(1, Ordering::SeqCst) == 0, "owner of the lock")?;
            shared.inside.fetch_sub(1, Ordering::SeqCst);
            fs::remove_file(&lock)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opening both ends of a FIFO, each of which waits for the other.
fn fifo_changes(dir: &Path) -> io::Result<()> {
    let fifo = dir.join("fifo");
    let made = call(libc::SYS_mknodat, &[CWD, at(&c(&fifo)), i64::from(libc::S_IFIFO | 0o600), 0]);
    expect(made == 0, "fifo")?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| fs::read_to_string(&fifo));
        fs::write(&fifo, "through")?;
        expect(reader.join().expect("a thread")? == "through", "text")
    })?;
    let nobody = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&fifo);
    expect(nobody.is_err_and(|error| error.raw_os_error() == Some(libc::ENXIO)), "error")?;
    fs::remove_file(&fifo)
}

/// Arguments: a tracked directory, seconds. Waits for a line before and after.
fn crowd(args: &[OsString]) {
    let seconds = args[1].to_str().and_then(|text| text.parse().ok()).expect("a number");
    let shared =
        Shared { dir: Path::new(&args[0]).to_owned(), inside: AtomicU32::new(0), turns: AtomicUsize::new(0) };
    let own = |thread: usize| shared.dir.join(format!("own-{thread}"));
    let wait = || {
        let _ = io::stdout().flush();
        let _ = io::stdin().read_line(&mut String::new());
    };
    let work = |thread: usize, end: Instant| -> io::Result<()> {
        fs::create_dir(own(thread))?;
        for turn in 0.. {
            own_changes(&own(thread), turn)?;
            shared_changes(&shared)?;
            if turn % 16 == 0 {
                fifo_changes(&own(thread))?;
            }
            shared.turns.fetch_add(1, Ordering::Relaxed);
            if Instant::now() > end {
                break;
            }
        }
        fs::remove_dir(own(thread))
    };
    let warm = work(0, Instant::now());
    say("warm", &format!("{warm:?}"));
    wait();
    let end = Instant::now() + Duration::from_secs(seconds);
    let work = &work;
    let results: Vec<io::Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread, end))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    let wrong: Vec<String> =
        results.iter().filter_map(|result| result.as_ref().err()).map(|error| error.to_string()).collect();
    say("wrong", &format!("{wrong:?}"));
    say("turns", &shared.turns.load(Ordering::Relaxed).to_string());
    wait();
}

#[test]
fn a_crowd_leaves_nothing_in_the_broker() {
    let seconds = std::env::var("STOCKADE_TEST_CROWD_SECONDS").unwrap_or_else(|_| "10".into());
    let limit = Duration::from_secs(60 + seconds.parse::<u64>().expect("seconds"));
    let jail = Jail::new("standard");
    let dir = jail.work.join("pkg/crowd");
    fs::create_dir(&dir).expect("make a directory");
    let args = [dir.as_os_str(), seconds.as_ref()];
    let mut running = Running::start(&mut jail.attack_command("crowd-of-changes", &args));
    assert_eq!(running.result("warm", limit), "Ok(())");
    // a thread that waited for a FIFO may be just ending
    std::thread::sleep(Duration::from_millis(100));
    let look = |running: &Running| (running.count("fd"), running.count("task"));
    let before = look(&running);
    running.go_on();
    assert_eq!(running.result("wrong", limit), "[]");
    eprintln!("turns: {}; the broker has {before:?} descriptors and threads", running.result("turns", limit));
    let same = eventually(Duration::from_secs(5), || look(&running) == before);
    assert!(same, "descriptors and threads before: {before:?}, after: {:?}", look(&running));
    running.go_on();
    assert_eq!(running.code(limit), 0);
    assert_eq!(fs::read_dir(&dir).expect("list").count(), 0);
}
