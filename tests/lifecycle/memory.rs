//! The broker's memory does not grow with the number of files that were made
//! and removed. For 100,000 files, or as many as `STOCKADE_TEST_FILES` says.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::attack::{Attack, say};
use crate::support::os::{at, c, call};
use crate::support::{Jail, Running};

pub const ATTACKS: &[Attack] = &[("many-files", make_many)];

const CWD: i64 = libc::AT_FDCWD as i64;
/// Files that are there at the same time.
const BATCH: usize = 1000;
/// What may come in KiB after the first 20,000 files, however many there are.
const GROWTH: u64 = 512;
/// What each receiving thread more may bring along, which come where the machine is
/// busy: its stack, and what the allocator sets aside for it.
const PER_THREAD: u64 = 256;

/// Arguments: a directory, and how many files to make; after each number waits for a line.
fn make_many(args: &[OsString]) {
    let dir = Path::new(&args[0]);
    let paths: Vec<_> = (0..BATCH).map(|number| c(dir.join(number.to_string()))).collect();
    for count in &args[1..] {
        let count: usize = count.to_str().and_then(|text| text.parse().ok()).expect("a number");
        let mut failed = 0;
        for _ in 0..count / BATCH {
            for (number, path) in paths.iter().enumerate() {
                let made = if number % 10 == 0 {
                    let flags = i64::from(libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY);
                    let file = call(libc::SYS_openat, &[CWD, at(path), flags, 0o644]);
                    call(libc::SYS_close, &[file])
                } else {
                    call(libc::SYS_mknodat, &[CWD, at(path), i64::from(libc::S_IFREG | 0o644), 0])
                };
                failed += i32::from(made != 0);
            }
            failed +=
                paths.iter().filter(|path| call(libc::SYS_unlinkat, &[CWD, at(path), 0]) != 0).count() as i32;
        }
        say("failed", &failed.to_string());
        let _ = std::io::stdout().flush();
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

/// Where inode numbers are not used again, so that nothing is overwritten that
/// should have been forgotten; else a directory of the workspace.
fn place(jail: &Jail) -> tempfile::TempDir {
    let made = |dir: &Path| tempfile::Builder::new().prefix("stockade-test-").tempdir_in(dir);
    made(Path::new("/dev/shm")).or_else(|_| made(&jail.work.join("pkg"))).expect("make a directory")
}

/// Sets a flag where it goes out of scope, also by a panic.
struct Sets<'a>(&'a AtomicBool);

impl Drop for Sets<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The most threads that a process has at a time while something is done.
fn most_threads(process: u32, act: impl FnOnce()) -> usize {
    let (most, is_done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                let threads = fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count);
                most.fetch_max(threads, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let _done = Sets(&is_done);
        act();
    });
    most.into_inner()
}

#[test]
fn memory_does_not_grow_with_files_that_are_gone() {
    let count = std::env::var("STOCKADE_TEST_FILES").unwrap_or_else(|_| "100000".into());
    let count: usize = count.parse().expect("a number of files");
    let rest = count.checked_sub(20_000).expect("20,000 files at least").to_string();
    let limit = Duration::from_secs(60 + count as u64 / 1000);
    let jail = Jail::new("standard");
    let dir = place(&jail);
    let args = [dir.path().as_os_str(), "20000".as_ref(), rest.as_ref()];
    let start = Instant::now();
    let mut running = Running::start(&mut jail.attack_command("many-files", &args));
    assert_eq!(running.result("failed", limit), "0");
    // Not VmHWM, in which pages of the program and its libraries count that were run for the first time.
    let early = running.kilobytes("RssAnon");
    let threads = running.count("task");
    let most = most_threads(running.pid(), || {
        running.go_on();
        assert_eq!(running.result("failed", limit), "0");
    });
    let more = most.saturating_sub(threads) as u64;
    let (late, peak) = (running.kilobytes("RssAnon"), running.kilobytes("VmHWM"));
    let told = format!("{early} KiB after 20,000 files, {late} KiB after {count}, {more} threads more");
    eprintln!("{told}; {:?}", start.elapsed());
    assert!(late < early + GROWTH + PER_THREAD * more, "{told}");
    assert!(peak < 100 << 10, "{peak} KiB");
    running.go_on();
    assert_eq!(running.code(limit), 0);
    assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 0);
}
