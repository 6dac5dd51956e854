//! Pinning files, and metadata calls on pinned descriptors.
//!
//! Where a call's `AT_EMPTY_PATH` form takes `O_PATH` descriptors it is used;
//! else the file is named by `/proc/self/fd/N`, which the kernel resolves to
//! just that file, also where it is a symbolic link.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::Mode;
use nix::unistd::linkat;

use super::check;

/// `fchmodat2` on x86_64 and aarch64 alike (Linux 6.6).
const SYS_FCHMODAT2: libc::c_long = 452;
/// `file_setattr` (Linux 6.17).
const SYS_FILE_SETATTR: libc::c_long = 469;

const EMPTY: &CStr = c"";
/// What is opened for another process is not passed on to children of this
/// one, and gives it no terminal.
const NOBODYS: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NOCTTY);

/// A time to set: given, now, or left as it is (`utimensat(2)`).
pub type TimeSpec = libc::timespec;

/// Opens a regular file to read it. No link at the end of the path is followed, and a
/// FIFO hangs nobody.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Opens without gaining any access to the content (`O_PATH`; `openat2(2)`,
/// Linux 5.6).
pub fn open_path(
    dir: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    resolve: ResolveFlag,
) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC | flags).resolve(resolve);
    openat2(dir, path, how)
}

/// What a file is, as far as the broker must know (`statx(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// The device it is on.
    pub device: (u32, u32),
    /// Its inode number.
    pub inode: u64,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// Who owns it.
    pub owner: u32,
    /// The group that it belongs to.
    pub group: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that it takes on the disk, holes left out.
    pub allocated: u64,
    /// The mount that it was reached through.
    pub mount: u64,
    /// When it was made, in seconds and nanoseconds, where the file system says so.
    pub born: Option<(i64, u32)>,
    /// When it was last read, as far as the file system keeps that.
    pub atime: (i64, u32),
    /// When its content last changed.
    pub mtime: (i64, u32),
    /// When anything of it last changed.
    pub ctime: (i64, u32),
    /// The device that it stands for, where it is one.
    pub special: (u32, u32),
}

impl Stat {
    /// Whether it is one file with another.
    pub fn is_same_file(&self, other: &Stat) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether its type is this one (`S_IFDIR` and so on).
    pub fn is(&self, format: u32) -> bool {
        self.mode & libc::S_IFMT == format
    }

    /// When it was last changed in any way, in milliseconds since 1970.
    pub fn changed_at(&self) -> i64 {
        let (seconds, nanoseconds) = self.ctime;
        seconds.saturating_mul(1000).saturating_add(i64::from(nanoseconds) / 1_000_000)
    }
}

/// Asks about a name in a directory, which is not followed; about the
/// directory's own descriptor where the name is empty.
pub fn stat(dir: BorrowedFd<'_>, name: &CStr) -> Result<Stat, Errno> {
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT;
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;
    // SAFETY: all zeroes is a valid statx.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the name is a C string; the kernel fills the struct.
    let result = unsafe { libc::statx(dir.as_raw_fd(), name.as_ptr(), flags, mask, &raw mut found) };
    check(result.into())?;
    let time = |time: libc::statx_timestamp| (time.tv_sec, time.tv_nsec);
    let has_born = found.stx_mask & libc::STATX_BTIME != 0;
    Ok(Stat {
        device: (found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
        mode: found.stx_mode.into(),
        links: found.stx_nlink,
        owner: found.stx_uid,
        group: found.stx_gid,
        size: found.stx_size,
        allocated: found.stx_blocks.saturating_mul(512),
        mount: found.stx_mnt_id,
        born: has_born.then_some(time(found.stx_btime)),
        atime: time(found.stx_atime),
        mtime: time(found.stx_mtime),
        ctime: time(found.stx_ctime),
        special: (found.stx_rdev_major, found.stx_rdev_minor),
    })
}

/// Opens the pinned file itself for other access. What `flags` say about
/// names is left out.
pub fn reopen(fd: BorrowedFd<'_>, flags: OFlag) -> Result<OwnedFd, Errno> {
    let flags = flags - (OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW);
    open(proc_name(fd).as_c_str(), flags | NOBODYS, Mode::empty())
}

/// Opens a name in a pinned directory, as a rule to make it (`O_CREAT|O_EXCL`,
/// `O_TMPFILE`).
pub fn create(dir: BorrowedFd<'_>, name: &CStr, flags: OFlag, mode: u32) -> Result<OwnedFd, Errno> {
    openat(dir, name, flags | NOBODYS, Mode::from_bits_truncate(mode))
}

/// Whether a directory has an ACL for what is made in it (`acl(5)`).
pub fn has_default_acl(dir: BorrowedFd<'_>) -> bool {
    let (path, name) = (proc_name(dir), c"system.posix_acl_default");
    // SAFETY: both are C strings, and nothing is written for a size of 0.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

/// Gives the pinned file another name, whatever it is.
pub fn link(fd: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    linkat(AT_FDCWD, proc_name(fd).as_c_str(), dir, name, AtFlags::AT_SYMLINK_FOLLOW)
}

/// Where a descriptor's file can be named again.
pub fn proc_name(fd: BorrowedFd<'_>) -> CString {
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    CString::new(name).unwrap_or_default()
}

/// Sets the mode of the pinned file itself, also of a symbolic link where the
/// file system has such (then as the kernel: `EOPNOTSUPP`).
pub fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path is a C string.
    let result =
        unsafe { libc::syscall(SYS_FCHMODAT2, fd.as_raw_fd(), EMPTY.as_ptr(), mode, libc::AT_EMPTY_PATH) };
    match check(result) {
        Err(Errno::ENOSYS) => chmod_by_name(fd, mode),
        other => other.map(drop),
    }
}

/// Before Linux 6.6.
fn chmod_by_name(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let name = proc_name(fd);
    // SAFETY: the path is a C string.
    check(unsafe { libc::chmod(name.as_ptr(), mode) }.into()).map(drop)
}

/// Sets owner and group of the pinned file; `u32::MAX` leaves one as it is.
pub fn chown(fd: BorrowedFd<'_>, owner: u32, group: u32) -> Result<(), Errno> {
    // SAFETY: the path is a C string.
    let result = unsafe { libc::fchownat(fd.as_raw_fd(), EMPTY.as_ptr(), owner, group, libc::AT_EMPTY_PATH) };
    check(result.into()).map(drop)
}

/// Sets access and modification time of the pinned file, both to now where
/// `times` is none.
pub fn set_times(fd: BorrowedFd<'_>, times: Option<&[TimeSpec; 2]>) -> Result<(), Errno> {
    let times = times.map_or(std::ptr::null(), |times| times.as_ptr());
    // SAFETY: the path is a C string; times is null or two of them.
    let result = unsafe {
        libc::syscall(libc::SYS_utimensat, fd.as_raw_fd(), EMPTY.as_ptr(), times, libc::AT_EMPTY_PATH)
    };
    check(result).map(drop)
}

/// Sets an extended attribute of the pinned file.
pub fn set_xattr(fd: BorrowedFd<'_>, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno> {
    let path = proc_name(fd);
    let flags = flags.try_into().map_err(|_| Errno::EINVAL)?;
    // SAFETY: C strings, and a value of its size.
    let result =
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) };
    check(result.into()).map(drop)
}

/// Removes an extended attribute of the pinned file.
pub fn remove_xattr(fd: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let path = proc_name(fd);
    // SAFETY: both strings are C strings.
    check(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }.into()).map(drop)
}

/// `file_setattr(2)` on the pinned file. `attributes` is the caller's `struct
/// file_attr`, of the size the caller gave.
pub fn set_file_attributes(fd: BorrowedFd<'_>, attributes: &[u8]) -> Result<(), Errno> {
    let path = proc_name(fd);
    let (address, size, flags) = (attributes.as_ptr(), attributes.len(), 0);
    // SAFETY: the path is a C string; the kernel reads `attributes.len()` bytes.
    let result =
        unsafe { libc::syscall(SYS_FILE_SETATTR, libc::AT_FDCWD, path.as_ptr(), address, size, flags) };
    check(result).map(drop)
}

/// Holds a file's lock (`flock(2)`) until it is closed by everybody who has it
/// open; `EWOULDBLOCK` where somebody else holds it.
pub fn lock(file: &File) -> Result<(), Errno> {
    flock(file, libc::LOCK_EX)
}

/// Whether nobody holds a file's lock.
pub fn is_unlocked(file: &File) -> Result<bool, Errno> {
    match flock(file, libc::LOCK_SH) {
        Err(Errno::EWOULDBLOCK) => Ok(false),
        other => other.map(|()| true),
    }
}

fn flock(file: &File, operation: libc::c_int) -> Result<(), Errno> {
    // SAFETY: the arguments are values.
    check(unsafe { libc::flock(file.as_raw_fd(), operation | libc::LOCK_NB) }.into()).map(drop)
}
