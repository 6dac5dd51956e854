//! Metadata calls on pinned descriptors.
//!
//! Where a call has an `AT_EMPTY_PATH` form it is used on the descriptor
//! itself; else the file is named by `/proc/self/fd/N`, which the kernel
//! resolves to just that file.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::check;

/// `fchmodat2` on x86_64 and aarch64 alike (Linux 6.6).
const SYS_FCHMODAT2: libc::c_long = 452;
/// `setxattrat` (Linux 6.13).
const SYS_SETXATTRAT: libc::c_long = 463;
/// `removexattrat` (Linux 6.13).
const SYS_REMOVEXATTRAT: libc::c_long = 466;
/// `file_setattr` (Linux 6.17).
const SYS_FILE_SETATTR: libc::c_long = 469;

const EMPTY: &CStr = c"";

/// A time to set: given, now, or left as it is (`utimensat(2)`).
pub type TimeSpec = libc::timespec;

/// Where a descriptor's file can be named again.
fn proc_name(fd: BorrowedFd<'_>) -> CString {
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    CString::new(name).unwrap_or_default()
}

/// Sets the mode of the pinned file itself, also of a symbolic link where the
/// file system has such (then as the kernel: `EOPNOTSUPP`).
pub fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path is a C string.
    let result = unsafe {
        libc::syscall(
            SYS_FCHMODAT2,
            fd.as_raw_fd(),
            EMPTY.as_ptr(),
            mode,
            libc::AT_EMPTY_PATH,
        )
    };
    match check(result) {
        Err(Errno::ENOSYS) => chmod_by_name(fd, mode),
        other => other.map(drop),
    }
}

/// Before Linux 6.6. A link's `/proc/self/fd/N` would be followed, so it is
/// refused as file systems without link modes do.
fn chmod_by_name(fd: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let stat = nix::sys::stat::fstat(fd)?;
    if stat.st_mode & libc::S_IFMT == libc::S_IFLNK {
        return Err(Errno::EOPNOTSUPP);
    }
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
        libc::syscall(
            libc::SYS_utimensat,
            fd.as_raw_fd(),
            EMPTY.as_ptr(),
            times,
            libc::AT_EMPTY_PATH,
        )
    };
    check(result).map(drop)
}

/// `struct xattr_args` (Linux 6.13).
#[repr(C)]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

/// Sets an extended attribute of the pinned file.
pub fn set_xattr(fd: BorrowedFd<'_>, name: &CStr, value: &[u8], flags: u32) -> Result<(), Errno> {
    let size = u32::try_from(value.len()).map_err(|_| Errno::E2BIG)?;
    let args = XattrArgs {
        value: value.as_ptr() as u64,
        size,
        flags,
    };
    // SAFETY: both strings are C strings; args points to `value`, which lives on.
    let result = unsafe {
        libc::syscall(
            SYS_SETXATTRAT,
            fd.as_raw_fd(),
            EMPTY.as_ptr(),
            libc::AT_EMPTY_PATH,
            name.as_ptr(),
            &raw const args,
            size_of::<XattrArgs>(),
        )
    };
    match check(result) {
        Err(Errno::ENOSYS) => {
            let path = not_a_link(fd)?;
            let (value, size) = (value.as_ptr().cast(), value.len());
            let flags = flags.try_into().map_err(|_| Errno::EINVAL)?;
            // SAFETY: C strings, and a value of its size.
            check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value, size, flags) }.into())
                .map(drop)
        }
        other => other.map(drop),
    }
}

/// Removes an extended attribute of the pinned file.
pub fn remove_xattr(fd: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    // SAFETY: both strings are C strings.
    let result = unsafe {
        let (path, flags) = (EMPTY.as_ptr(), libc::AT_EMPTY_PATH);
        libc::syscall(SYS_REMOVEXATTRAT, fd.as_raw_fd(), path, flags, name.as_ptr())
    };
    match check(result) {
        Err(Errno::ENOSYS) => {
            let path = not_a_link(fd)?;
            // SAFETY: both strings are C strings.
            check(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }.into()).map(drop)
        }
        other => other.map(drop),
    }
}

/// Before Linux 6.13 a link's own attributes cannot be reached by descriptor.
/// User attributes are not allowed on links anyway (`EPERM`, `xattr(7)`).
fn not_a_link(fd: BorrowedFd<'_>) -> Result<CString, Errno> {
    let stat = nix::sys::stat::fstat(fd)?;
    if stat.st_mode & libc::S_IFMT == libc::S_IFLNK {
        Err(Errno::EPERM)
    } else {
        Ok(proc_name(fd))
    }
}

/// `file_setattr(2)` on the pinned file. `attributes` is the caller's `struct
/// file_attr`, of the size the caller gave.
pub fn set_file_attributes(fd: BorrowedFd<'_>, attributes: &[u8]) -> Result<(), Errno> {
    // SAFETY: the path is a C string; the kernel reads `attributes.len()` bytes.
    let result = unsafe {
        libc::syscall(
            SYS_FILE_SETATTR,
            fd.as_raw_fd(),
            EMPTY.as_ptr(),
            attributes.as_ptr(),
            attributes.len(),
            libc::AT_EMPTY_PATH,
        )
    };
    check(result).map(drop)
}
