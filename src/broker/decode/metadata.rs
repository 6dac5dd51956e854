//! Changes of metadata.

use std::ffi::CString;
use std::os::fd::RawFd;

use super::{Arguments, Operation, Subject, descriptor, low, memory};
use crate::seccomp::table::Role;
use crate::sys::Errno;
use crate::sys::file::TimeSpec;

/// `XATTR_NAME_MAX` with its NUL, `XATTR_SIZE_MAX` (`<linux/limits.h>`).
const ATTR_NAME_MAX: usize = 256;
const ATTR_SIZE_MAX: u64 = 65536;
/// The first version of `struct xattr_args` and of `struct file_attr`, in bytes.
const ATTR_ARGS_SIZE: usize = 16;
const FILE_ATTR_SIZE: usize = 24;

/// A value's address and size, and flags.
type AttrArgs = (u64, u64, u32);

/// A change of metadata.
#[derive(Debug)]
pub(in crate::broker) enum Change {
    /// Permission bits.
    Mode(u32),
    /// User and group; `u32::MAX` leaves one as it is.
    Owner(u32, u32),
    /// Times of access and modification; none is now.
    Times(Option<[TimeSpec; 2]>),
    /// Sets an extended attribute.
    SetAttr { name: CString, value: Vec<u8>, flags: u32 },
    /// Removes an extended attribute.
    RemoveAttr(CString),
    /// `struct file_attr`, as the caller gave it.
    FileAttr(Vec<u8>),
    /// Nothing (both times `UTIME_OMIT`).
    Nothing,
}

impl Arguments<'_> {
    /// The order is the kernel's, so that of several errors the same one is
    /// given: utimensat copies its times first and setxattrat its struct, the
    /// others check flags first.
    pub(super) fn metadata(&self) -> Result<Operation, Errno> {
        let args = self.get(Role::AttrArgs).map(|args| self.attr_args(args)).transpose()?;
        let (flags, change) = if self.roles.contains(&Role::TimeSpecs) {
            let change = self.times()?;
            if matches!(change, Change::Nothing) {
                return Ok(Operation::Change { subject: Subject::AnyFd(libc::AT_FDCWD), change });
            }
            (self.at_flags()?, change)
        } else {
            (self.at_flags()?, self.change(args)?)
        };
        let subject = self.subject(flags, &change)?;
        Ok(Operation::Change { subject, change })
    }

    fn at_flags(&self) -> Result<i32, Errno> {
        const KNOWN: i32 = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
        let flags = low(self.get(Role::AtFlags).unwrap_or(0)).cast_signed();
        if flags & !KNOWN == 0 { Ok(flags) } else { Err(Errno::EINVAL) }
    }

    fn subject(&self, flags: i32, change: &Change) -> Result<Subject, Errno> {
        if let Some(fd) = self.get(Role::Fd) {
            return Ok(Subject::Fd(descriptor(fd)));
        }
        let dir = self.get(Role::Dir).map_or(libc::AT_FDCWD, descriptor);
        let (address, follow) = match (self.get(Role::Path), self.get(Role::LinkPath)) {
            (Some(address), _) => (address, flags & libc::AT_SYMLINK_NOFOLLOW == 0),
            (None, Some(address)) => (address, false),
            (None, None) => return Err(Errno::ENOSYS),
        };
        let may_be_empty = flags & libc::AT_EMPTY_PATH != 0;
        if address == 0 {
            return match change {
                // futimens(3) is utimensat without a path.
                Change::Times(_) if dir != libc::AT_FDCWD && self.get(Role::Dir).is_some() => {
                    if flags == 0 {
                        Ok(Subject::Fd(dir))
                    } else {
                        Err(Errno::EINVAL)
                    }
                }
                _ if may_be_empty => attribute_of(dir, change).ok_or(Errno::EFAULT),
                _ => Err(Errno::EFAULT),
            };
        }
        let path = memory::path(self.caller, address)?;
        if path.is_empty() && may_be_empty {
            return Ok(attribute_of(dir, change).unwrap_or(Subject::AnyFd(dir)));
        }
        Ok(Subject::Path { dir, path, follow })
    }

    fn change(&self, args: Option<AttrArgs>) -> Result<Change, Errno> {
        if let Some(mode) = self.get(Role::Mode) {
            return Ok(Change::Mode(low(mode)));
        }
        if let (Some(owner), Some(group)) = (self.get(Role::Owner), self.get(Role::Group)) {
            return Ok(Change::Owner(low(owner), low(group)));
        }
        if let Some(address) = self.get(Role::FileAttr) {
            return self.sized(address, FILE_ATTR_SIZE).map(Change::FileAttr);
        }
        if self.roles.contains(&Role::AttrName) {
            return self.attribute(args);
        }
        self.times()
    }

    fn attribute(&self, args: Option<AttrArgs>) -> Result<Change, Errno> {
        let address = self.get(Role::AttrName).ok_or(Errno::ENOSYS)?;
        let in_registers = || {
            let flags = low(self.get(Role::AttrFlags).unwrap_or(0));
            (self.get(Role::AttrValue).unwrap_or(0), self.get(Role::AttrSize).unwrap_or(0), flags)
        };
        let (value, size, flags) = args.unwrap_or_else(in_registers);
        let sets = self.roles.iter().any(|role| matches!(role, Role::AttrValue | Role::AttrArgs));
        if sets && flags & !(libc::XATTR_CREATE | libc::XATTR_REPLACE).cast_unsigned() != 0 {
            return Err(Errno::EINVAL);
        }
        let name = memory::string(self.caller, address, ATTR_NAME_MAX, Errno::ERANGE)?;
        if name.is_empty() {
            return Err(Errno::ERANGE);
        }
        if !sets {
            return Ok(Change::RemoveAttr(name));
        }
        if size > ATTR_SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        let size = usize::try_from(size).map_err(|_| Errno::E2BIG)?;
        let value = if size == 0 { Vec::new() } else { memory::bytes(self.caller, value, size)? };
        Ok(Change::SetAttr { name, value, flags })
    }

    /// `struct xattr_args`: value u64, size u32, flags u32. What a later kernel
    /// may append must be zero here.
    fn attr_args(&self, address: u64) -> Result<AttrArgs, Errno> {
        let args = self.sized(address, ATTR_ARGS_SIZE)?;
        if args[ATTR_ARGS_SIZE..].iter().any(|byte| *byte != 0) {
            return Err(Errno::E2BIG);
        }
        let (value, rest) = args.split_first_chunk::<8>().ok_or(Errno::EINVAL)?;
        let (size, rest) = rest.split_first_chunk::<4>().ok_or(Errno::EINVAL)?;
        let (flags, _) = rest.split_first_chunk::<4>().ok_or(Errno::EINVAL)?;
        Ok((u64::from_ne_bytes(*value), u32::from_ne_bytes(*size).into(), u32::from_ne_bytes(*flags)))
    }

    fn times(&self) -> Result<Change, Errno> {
        let forms = [Role::TimeSpecs, Role::TimeVals, Role::UtimBuf];
        let found = forms.into_iter().find_map(|role| Some((role, self.get(role)?)));
        let (role, address) = found.ok_or(Errno::ENOSYS)?;
        if address == 0 {
            return Ok(Change::Times(None));
        }
        let seconds = |seconds: i64| TimeSpec { tv_sec: seconds, tv_nsec: 0 };
        match role {
            Role::UtimBuf => {
                let [accessed, modified] = self.pair(address)?;
                Ok(Change::Times(Some([seconds(accessed), seconds(modified)])))
            }
            Role::TimeVals => {
                let [a, b, c, d] = self.quad(address)?;
                // As do_futimesat.
                if ![b, d].iter().all(|micros| (0..1_000_000).contains(micros)) {
                    return Err(Errno::EINVAL);
                }
                let time = |tv_sec, micros: i64| TimeSpec { tv_sec, tv_nsec: micros * 1000 };
                Ok(Change::Times(Some([time(a, b), time(c, d)])))
            }
            _ => {
                let [a, b, c, d] = self.quad(address)?;
                if b == libc::UTIME_OMIT && d == libc::UTIME_OMIT {
                    return Ok(Change::Nothing);
                }
                let time = |tv_sec, tv_nsec| TimeSpec { tv_sec, tv_nsec };
                Ok(Change::Times(Some([time(a, b), time(c, d)])))
            }
        }
    }

    fn pair(&self, address: u64) -> Result<[i64; 2], Errno> {
        let bytes: [u8; 16] = memory::array(self.caller, address)?;
        let (first, second) = bytes.split_at(8);
        Ok([long(first), long(second)])
    }

    fn quad(&self, address: u64) -> Result<[i64; 4], Errno> {
        let bytes: [u8; 32] = memory::array(self.caller, address)?;
        Ok([long(&bytes[..8]), long(&bytes[8..16]), long(&bytes[16..24]), long(&bytes[24..])])
    }
}

/// The subject of a call about attributes whose path is empty: such take no
/// `O_PATH` descriptors, and the one that removes no working directory.
fn attribute_of(dir: RawFd, change: &Change) -> Option<Subject> {
    match change {
        Change::SetAttr { .. } | Change::FileAttr(_) if dir == libc::AT_FDCWD => Some(Subject::AnyFd(dir)),
        Change::SetAttr { .. } | Change::FileAttr(_) | Change::RemoveAttr(_) => Some(Subject::Fd(dir)),
        _ => None,
    }
}

fn long(bytes: &[u8]) -> i64 {
    let mut array = [0; 8];
    array.copy_from_slice(bytes);
    i64::from_ne_bytes(array)
}
