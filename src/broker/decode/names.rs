//! Calls about names and content.

use nix::fcntl::{OFlag, ResolveFlag};

use super::{Arguments, Named, Operation, Subject, descriptor, low, memory};
use crate::seccomp::table::Role;
use crate::sys::Errno;

/// The first version of `struct open_how`, in bytes.
const OPEN_HOW_SIZE: usize = 24;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct How {
    /// `open(2)`'s flags.
    pub(in crate::broker) flags: OFlag,
    /// The mode of what is made.
    pub(in crate::broker) mode: u32,
    /// `openat2(2)`'s restrictions.
    pub(in crate::broker) resolve: ResolveFlag,
}

impl Arguments<'_> {
    /// As in `metadata`, the order of checks is the kernel's.
    pub(super) fn names(&self, call: &str) -> Result<Operation, Errno> {
        Ok(match call {
            "open" | "openat" | "creat" => {
                let how = self.plain_how(call)?;
                Operation::Open { at: self.at(Role::Path)?, how }
            }
            "openat2" => {
                let how = self.extended_how()?;
                Operation::Open { at: self.at(Role::Path)?, how }
            }
            "truncate" => {
                let length = self.get(Role::Length).unwrap_or(0).cast_signed();
                if length < 0 {
                    return Err(Errno::EINVAL);
                }
                Operation::Truncate { at: self.at(Role::Path)?, length }
            }
            "unlink" | "rmdir" | "unlinkat" => {
                let flags = self.known(Role::UnlinkFlags, libc::AT_REMOVEDIR.cast_unsigned())?;
                Operation::Remove { at: self.at(Role::LinkPath)?, is_dir: call == "rmdir" || flags != 0 }
            }
            "rename" | "renameat" | "renameat2" => {
                let flags = self.rename_flags()?;
                Operation::Rename { from: self.at(Role::LinkPath)?, to: self.new_name()?, flags }
            }
            "link" | "linkat" => {
                let flags = self.known(Role::LinkFlags, LINK_FLAGS)?;
                Operation::Link { from: self.link_source(flags)?, to: self.new_name()? }
            }
            "symlink" | "symlinkat" => {
                let text = memory::path(self.caller, self.get(Role::LinkText).unwrap_or(0))?;
                if text.is_empty() {
                    return Err(Errno::ENOENT);
                }
                Operation::Symlink { text, at: self.new_name()? }
            }
            "mkdir" | "mkdirat" => {
                Operation::MakeDir { at: self.at(Role::LinkPath)?, mode: self.low(Role::Mode) }
            }
            "mknod" | "mknodat" => {
                let mode = node_mode(self.low(Role::Mode))?;
                let device = self.low(Role::Device).into();
                Operation::MakeNode { at: self.at(Role::LinkPath)?, mode, device }
            }
            "execve" | "execveat" => Operation::Execute { at: self.at(Role::Path)? },
            "umask" => Operation::Umask,
            _ => return Err(Errno::ENOSYS),
        })
    }

    fn at(&self, role: Role) -> Result<Named, Errno> {
        self.named(Role::Dir, role)
    }

    fn new_name(&self) -> Result<Named, Errno> {
        self.named(Role::NewDir, Role::NewPath)
    }

    fn named(&self, dir: Role, path: Role) -> Result<Named, Errno> {
        let address = self.get(path).ok_or(Errno::ENOSYS)?;
        let dir = self.get(dir).map_or(libc::AT_FDCWD, descriptor);
        Ok(Named { dir, path: memory::path(self.caller, address) })
    }

    /// Flags of which the kernel knows some.
    fn known(&self, role: Role, known: u32) -> Result<u32, Errno> {
        let flags = self.low(role);
        if flags & !known == 0 { Ok(flags) } else { Err(Errno::EINVAL) }
    }

    fn rename_flags(&self) -> Result<u32, Errno> {
        let flags = self.known(Role::RenameFlags, RENAME_FLAGS)?;
        let both = |a: u32, b: u32| flags & a != 0 && flags & b != 0;
        let (noreplace, whiteout) = (libc::RENAME_NOREPLACE, libc::RENAME_WHITEOUT);
        if both(libc::RENAME_EXCHANGE, noreplace | whiteout) { Err(Errno::EINVAL) } else { Ok(flags) }
    }

    fn link_source(&self, flags: u32) -> Result<Subject, Errno> {
        let has = |flag: i32| flags & flag.cast_unsigned() != 0;
        let Named { dir, path } = self.at(Role::LinkPath)?;
        let path = path?;
        if path.is_empty() && has(libc::AT_EMPTY_PATH) {
            return Ok(Subject::AnyFd(dir));
        }
        Ok(Subject::Path { dir, path, follow: has(libc::AT_SYMLINK_FOLLOW) })
    }

    /// `open`, `openat` and `creat` ignore flags that they do not know.
    fn plain_how(&self, call: &str) -> Result<How, Errno> {
        let flags = match call {
            "creat" => OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_TRUNC,
            _ => OFlag::from_bits_retain(self.low(Role::OpenFlags).cast_signed()),
        };
        let mode = self.low(Role::Mode) & 0o7777;
        checked(How { flags, mode, resolve: ResolveFlag::empty() })
    }

    /// `struct open_how`: flags, mode and resolve, 64 bits each.
    fn extended_how(&self) -> Result<How, Errno> {
        let bytes = self.sized(self.get(Role::OpenHow).unwrap_or(0), OPEN_HOW_SIZE)?;
        if bytes[OPEN_HOW_SIZE..].iter().any(|byte| *byte != 0) {
            return Err(Errno::E2BIG);
        }
        let field = |index: usize| {
            let field = bytes[index * 8..].first_chunk::<8>().copied();
            field.map(u64::from_ne_bytes).ok_or(Errno::EINVAL)
        };
        let (flags, mode, resolve) = (field(0)?, field(1)?, field(2)?);
        let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?.cast_signed() & !LARGE_FILE;
        let flags = OFlag::from_bits(flags).ok_or(Errno::EINVAL)?;
        let resolve = ResolveFlag::from_bits(resolve).ok_or(Errno::EINVAL)?;
        if resolve.contains(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_IN_ROOT) {
            return Err(Errno::EINVAL);
        }
        let makes = flags.intersects(OFlag::O_CREAT | NAMELESS);
        if mode & !0o7777 != 0 || (mode != 0 && !makes) {
            return Err(Errno::EINVAL);
        }
        checked(How { flags, mode: low(mode), resolve })
    }
}

/// What every file is on 64-bit machines; libc says 0.
#[cfg(target_arch = "x86_64")]
const LARGE_FILE: i32 = 0o100_000;
#[cfg(not(target_arch = "x86_64"))]
const LARGE_FILE: i32 = 0o400_000;
/// The bit of `O_TMPFILE` that is not `O_DIRECTORY`.
const NAMELESS: OFlag = OFlag::O_TMPFILE.difference(OFlag::O_DIRECTORY);
const LINK_FLAGS: u32 = (libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH).cast_unsigned();
const RENAME_FLAGS: u32 = libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE | libc::RENAME_WHITEOUT;

/// The combinations that `build_open_flags` of the kernel refuses.
fn checked(how: How) -> Result<How, Errno> {
    let How { flags, .. } = how;
    if flags.contains(OFlag::O_PATH) {
        return Ok(how);
    }
    let writes = flags.bits() & libc::O_ACCMODE != libc::O_RDONLY;
    let bad_nameless = flags.intersects(NAMELESS)
        && (!flags.contains(OFlag::O_TMPFILE) || !writes || flags.contains(OFlag::O_CREAT));
    let made_directory = flags.contains(OFlag::O_CREAT | OFlag::O_DIRECTORY);
    if bad_nameless || made_directory { Err(Errno::EINVAL) } else { Ok(how) }
}

/// As `may_mknod` of the kernel.
fn node_mode(mode: u32) -> Result<u32, Errno> {
    match mode & libc::S_IFMT {
        0 | libc::S_IFREG | libc::S_IFCHR | libc::S_IFBLK | libc::S_IFIFO | libc::S_IFSOCK => Ok(mode),
        libc::S_IFDIR => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}
