//! System calls as attacks make them: raw, with whatever arguments.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

/// Numbers that the `libc` crate may lack; the same on x86_64 and aarch64.
pub const FCHMODAT2: i64 = 452;
/// `setxattrat`, Linux 6.13.
pub const SETXATTRAT: i64 = 463;
/// `removexattrat`, Linux 6.13.
pub const REMOVEXATTRAT: i64 = 466;
/// `open_tree_attr`, Linux 6.15.
pub const OPEN_TREE_ATTR: i64 = 467;
/// `file_setattr`, Linux 6.17.
pub const FILE_SETATTR: i64 = 469;

/// Makes a system call; arguments beyond those given are 0.
pub fn call(number: i64, args: &[i64]) -> i64 {
    let a = |i: usize| args.get(i).copied().unwrap_or(0);
    // SAFETY: the pointers among the arguments are the callers' own live
    // buffers, or meant to be invalid; the kernel checks them.
    unsafe { libc::syscall(number as _, a(0), a(1), a(2), a(3), a(4), a(5)) as i64 }
}

/// A path as the kernel reads it.
pub fn c(path: impl AsRef<OsStr>) -> CString {
    CString::new(path.as_ref().as_bytes()).expect("no NUL in the path")
}

/// The address of a string, as an argument of [`call`].
pub fn at(text: &CString) -> i64 {
    text.as_ptr() as i64
}

/// The address of a value, as an argument of [`call`].
pub fn addr<T>(value: &T) -> i64 {
    std::ptr::from_ref(value) as i64
}

/// Opens a path and leaks the descriptor; -1 where that fails.
pub fn open(path: impl AsRef<Path>, flags: i32) -> i64 {
    let path = c(path.as_ref());
    call(libc::SYS_openat, &[i64::from(libc::AT_FDCWD), at(&path), i64::from(flags), 0o644])
}

/// Gives everything at and beneath a path times long past, each its own.
pub fn age(root: &Path) {
    fn one(path: &Path, seconds: &mut i64) {
        let kind = path.symlink_metadata().expect("look at a file").file_type();
        if kind.is_dir() {
            let mut paths: Vec<_> = std::fs::read_dir(path)
                .expect("list a directory")
                .flatten()
                .map(|entry| entry.path())
                .collect();
            paths.sort();
            paths.iter().for_each(|path| one(path, seconds));
        }
        *seconds += 1;
        let time = libc::timespec { tv_sec: *seconds, tv_nsec: 123_456_789 };
        let times = [time, time];
        let (path, flags) = (c(path), i64::from(libc::AT_SYMLINK_NOFOLLOW));
        let args = [i64::from(libc::AT_FDCWD), at(&path), addr(&times), flags];
        assert_eq!(call(libc::SYS_utimensat, &args), 0, "set times");
    }
    one(root, &mut 1_000_000_000);
}

/// Lets a timer interrupt this process again and again, after so many
/// microseconds each time; `flags` are the handler's (`sigaction(2)`).
pub fn interrupt_every(microseconds: i64, flags: i32) {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: a handler that does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        action.sa_flags = flags;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut());
    }
    call(libc::SYS_setitimer, &[0, addr(&[0, microseconds, 0, microseconds]), 0]);
}

/// A path of which one byte changes in memory, while the kernel and the broker read it.
pub struct Flickering {
    bytes: Vec<AtomicU8>,
    place: usize,
    change: u8,
}

impl Flickering {
    /// A path in which `?` is now the one byte, now the other.
    pub fn new(path: impl AsRef<OsStr>, one: u8, other: u8) -> Flickering {
        let bytes = c(path).into_bytes_with_nul();
        let place = bytes.iter().position(|byte| *byte == b'?').expect("a question mark in the path");
        let bytes: Vec<AtomicU8> = bytes.into_iter().map(AtomicU8::new).collect();
        bytes[place].store(one, Ordering::Relaxed);
        Flickering { bytes, place, change: one ^ other }
    }

    /// Changes the byte.
    pub fn flip(&self) {
        self.bytes[self.place].fetch_xor(self.change, Ordering::Relaxed);
    }

    /// The address of the path, as an argument of [`call`].
    pub fn at(&self) -> i64 {
        self.bytes.as_ptr() as i64
    }
}
