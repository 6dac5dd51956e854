//! The only place for unsafe code and raw system calls: thin, typed, and with
//! errors that print like strace. What `nix` offers safely is used from there.

pub mod copy;
mod error;
pub mod file;
pub mod heap;
pub mod process;
pub mod procfs;
pub mod seccomp;
pub mod socket;
pub mod terminal;

pub use error::{SysError, with_causes};
pub use nix::errno::Errno;

/// A raw system call's result as a value or its errno.
fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result == -1 { Err(Errno::last()) } else { Ok(result) }
}

/// The number of an error of the standard library; `EIO` where it has none.
pub fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// `landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)`: the
/// kernel's Landlock ABI, 0 where it has none or it is switched off
/// (Linux 5.13, `landlock_create_ruleset(2)`).
pub fn landlock_abi() -> u32 {
    const VERSION: libc::c_uint = 1;
    let null = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads no memory.
    let result = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, 0_usize, VERSION) };
    u32::try_from(result).unwrap_or(0)
}
