//! Reading a caller's memory. All of it is read once; what the caller writes
//! afterwards has no effect.

use std::ffi::CString;

use nix::unistd::Pid;

use crate::path::UNSEEN;
use crate::sys::Errno;
use crate::sys::process::read_memory;

/// `PATH_MAX` with its NUL (`<linux/limits.h>`).
const PATH_MAX: usize = 4096;
/// Strings are read up to the next multiple of this, so that the end of a
/// mapping behind the string does no harm.
const PAGE: u64 = 4096;

/// Exactly `size` bytes.
pub(super) fn bytes(caller: Pid, address: u64, size: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; size];
    fill(caller, address, &mut buffer).map(|()| buffer)
}

/// A few bytes as an array.
pub(super) fn array<const SIZE: usize>(caller: Pid, address: u64) -> Result<[u8; SIZE], Errno> {
    let mut buffer = [0; SIZE];
    fill(caller, address, &mut buffer).map(|()| buffer)
}

fn fill(caller: Pid, address: u64, buffer: &mut [u8]) -> Result<(), Errno> {
    let read = read_memory(caller, address, buffer).map_err(fault)?;
    if read == buffer.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

/// A string that ends within `most` bytes, its NUL included; `too_long` where
/// it does not.
pub(super) fn string(caller: Pid, address: u64, most: usize, too_long: Errno) -> Result<CString, Errno> {
    let mut text = Vec::with_capacity(256);
    let mut at = address;
    while text.len() < most {
        let to_page_end = PAGE - at % PAGE;
        let size = usize::try_from(to_page_end).map_err(|_| Errno::EFAULT)?.min(most - text.len());
        let start = text.len();
        text.resize(start + size, 0);
        let read = read_memory(caller, at, &mut text[start..]).map_err(fault)?;
        if let Some(end) = text[start..start + read].iter().position(|byte| *byte == 0) {
            text.truncate(start + end);
            return CString::new(text).map_err(|_| Errno::EFAULT);
        }
        if read < size {
            return Err(Errno::EFAULT);
        }
        at = at.checked_add(read as u64).ok_or(Errno::EFAULT)?;
    }
    Err(too_long)
}

/// A path.
pub(super) fn path(caller: Pid, address: u64) -> Result<CString, Errno> {
    string(caller, address, PATH_MAX, Errno::ENAMETOOLONG)
}

/// Memory that may not be looked at is refused, not taken for a bad address.
fn fault(errno: Errno) -> Errno {
    match errno {
        Errno::EPERM | Errno::ESRCH => UNSEEN,
        other => other,
    }
}
