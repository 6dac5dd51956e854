//! The calls, what their arguments are, and sequences of them by chance.

use std::fmt;

use super::paths::{self, Chance};
use super::values::{attr_name, how, number, size, slot, times};
use crate::support::os::{FCHMODAT2, FILE_SETATTR, REMOVEXATTRAT, SETXATTRAT};

/// The descriptors that a sequence starts with (see `small_world`).
pub const SLOTS: u64 = 14;
/// Of those, the ones that an open puts its descriptor into, from this on.
pub const OPENED: u64 = 10;

/// A number that no descriptor has.
pub const NO_DESCRIPTOR: i64 = 98;

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A path of the world.
    Own,
    /// A path of the world or to `/`, where the call must fail.
    Any,
    /// The same, but mostly a name that is missing at the start.
    New,
    /// A symbolic link's text.
    Text,
    /// Where a relative path starts.
    Dir,
    /// A descriptor.
    Fd,
    OpenFlags,
    UnlinkFlags,
    RenameFlags,
    LinkFlags,
    AtFlags,
    Mode,
    NodeMode,
    Device,
    Length,
    Owner,
    Group,
    TimeSpecs,
    TimeVals,
    UtimBuf,
    AttrName,
    AttrFlags,
    /// A value's address; its size follows.
    Value,
    Size,
    /// `struct xattr_args`, and the size of it.
    AttrArgs,
    AttrArgsSize,
    /// `struct open_how`, and the size of it.
    How,
    HowSize,
    /// `struct file_attr`, and the size of it.
    FileAttr,
    FileAttrSize,
    /// Three bytes to be written.
    Data,
    Three,
}

/// A call with the kinds of its arguments and how often it comes.
pub struct Row {
    pub name: &'static str,
    pub number: i64,
    pub kinds: &'static [Kind],
    weight: u64,
}

/// The number of a call that only old architectures have; elsewhere it is `ENOSYS`.
macro_rules! old {
    ($name:ident) => {{
        #[cfg(target_arch = "x86_64")]
        let number = libc::$name as i64;
        #[cfg(not(target_arch = "x86_64"))]
        let number = -1;
        number
    }};
}

const fn row(name: &'static str, number: i64, kinds: &'static [Kind], weight: u64) -> Row {
    Row { name, number, kinds, weight }
}

/// Leaves the process in a directory that was removed.
pub const FORSAKE: &str = "(forsake)";
/// Goes back to where it started.
pub const HOME: &str = "(home)";

use Kind::*;

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("open", old!(SYS_open), &[Own, OpenFlags, Mode], 8),
    row("openat", libc::SYS_openat, &[Dir, Own, OpenFlags, Mode], 14),
    row("openat2", libc::SYS_openat2, &[Dir, Own, How, HowSize], 8),
    row("creat", old!(SYS_creat), &[Own, Mode], 3),
    row("truncate", libc::SYS_truncate, &[Own, Length], 4),
    row("ftruncate", libc::SYS_ftruncate, &[Fd, Length], 2),
    row("write", libc::SYS_write, &[Fd, Data, Three], 2),
    row("unlink", old!(SYS_unlink), &[Any], 3),
    row("rmdir", old!(SYS_rmdir), &[Any], 3),
    row("unlinkat", libc::SYS_unlinkat, &[Dir, Any, UnlinkFlags], 8),
    row("rename", old!(SYS_rename), &[Any, New], 4),
    row("renameat", old!(SYS_renameat), &[Dir, Any, Dir, New], 4),
    row("renameat2", libc::SYS_renameat2, &[Dir, Any, Dir, New, RenameFlags], 10),
    row("link", old!(SYS_link), &[Own, New], 3),
    row("linkat", libc::SYS_linkat, &[Dir, Own, Dir, New, LinkFlags], 8),
    row("symlink", old!(SYS_symlink), &[Text, New], 2),
    row("symlinkat", libc::SYS_symlinkat, &[Text, Dir, New], 4),
    row("mkdir", old!(SYS_mkdir), &[New, Mode], 3),
    row("mkdirat", libc::SYS_mkdirat, &[Dir, New, Mode], 4),
    row("mknod", old!(SYS_mknod), &[New, NodeMode, Device], 2),
    row("mknodat", libc::SYS_mknodat, &[Dir, New, NodeMode, Device], 4),
    row("chmod", old!(SYS_chmod), &[Own, Mode], 2),
    row("fchmod", libc::SYS_fchmod, &[Fd, Mode], 2),
    row("fchmodat", libc::SYS_fchmodat, &[Dir, Own, Mode], 3),
    row("fchmodat2", FCHMODAT2, &[Dir, Own, Mode, AtFlags], 3),
    row("chown", old!(SYS_chown), &[Own, Owner, Group], 1),
    row("lchown", old!(SYS_lchown), &[Own, Owner, Group], 1),
    row("fchown", libc::SYS_fchown, &[Fd, Owner, Group], 2),
    row("fchownat", libc::SYS_fchownat, &[Dir, Own, Owner, Group, AtFlags], 3),
    row("utime", old!(SYS_utime), &[Own, UtimBuf], 1),
    row("utimes", old!(SYS_utimes), &[Own, TimeVals], 1),
    row("futimesat", old!(SYS_futimesat), &[Dir, Own, TimeVals], 1),
    row("utimensat", libc::SYS_utimensat, &[Dir, Own, TimeSpecs, AtFlags], 4),
    row("setxattr", libc::SYS_setxattr, &[Own, AttrName, Value, Size, AttrFlags], 3),
    row("lsetxattr", libc::SYS_lsetxattr, &[Own, AttrName, Value, Size, AttrFlags], 2),
    row("fsetxattr", libc::SYS_fsetxattr, &[Fd, AttrName, Value, Size, AttrFlags], 2),
    row("setxattrat", SETXATTRAT, &[Dir, Own, AtFlags, AttrName, AttrArgs, AttrArgsSize], 2),
    row("removexattr", libc::SYS_removexattr, &[Own, AttrName], 1),
    row("lremovexattr", libc::SYS_lremovexattr, &[Own, AttrName], 1),
    row("fremovexattr", libc::SYS_fremovexattr, &[Fd, AttrName], 1),
    row("removexattrat", REMOVEXATTRAT, &[Dir, Own, AtFlags, AttrName], 1),
    row("file_setattr", FILE_SETATTR, &[Dir, Own, FileAttr, FileAttrSize, AtFlags], 1),
    row("umask", libc::SYS_umask, &[Mode], 2),
    row("chdir", libc::SYS_chdir, &[Own], 2),
    row("fchdir", libc::SYS_fchdir, &[Fd], 1),
    row(FORSAKE, -1, &[], 1),
    row(HOME, -1, &[], 2),
];

/// An argument.
#[derive(Clone)]
pub enum Arg {
    /// A path, in which `{root}` and `{fdN}` stand for what they are.
    Path(String),
    /// An address that no string stands at.
    Bad(Address),
    /// `AT_FDCWD`.
    Cwd,
    /// One of the descriptors.
    Slot(usize),
    Number(i64),
    /// The address of these bytes.
    Bytes(Vec<u8>),
    /// `struct xattr_args` with a value and flags.
    AttrArgs(Vec<u8>, u32),
}

/// Addresses with nothing to read.
#[derive(Debug, Clone, Copy)]
pub enum Address {
    Null,
    Low,
    Top,
    /// A string that runs into memory that is not there.
    Unterminated,
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Path(path) if path.len() > 60 => write!(f, "{:?}…{}", &path[path.len() - 10..], path.len()),
            Arg::Path(path) => write!(f, "{path:?}"),
            Arg::Bad(address) => write!(f, "{address:?}"),
            Arg::Cwd => write!(f, "CWD"),
            Arg::Slot(slot) => write!(f, "fd{slot}"),
            Arg::Number(number @ -10..10) => write!(f, "{number}"),
            Arg::Number(number) => write!(f, "{number:#o}"),
            Arg::Bytes(bytes) => write!(f, "[{}]", bytes[..bytes.len().min(32)].escape_ascii()),
            Arg::AttrArgs(value, flags) => write!(f, "[{} bytes, {flags}]", value.len()),
        }
    }
}

/// One call of a sequence.
#[derive(Clone)]
pub struct Step {
    pub row: &'static Row,
    pub args: Vec<Arg>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<String> = self.args.iter().map(ToString::to_string).collect();
        write!(f, "{}({})", self.row.name, args.join(", "))
    }
}

/// The calls of a seed.
pub fn sequence(seed: u64, length: usize) -> Vec<Step> {
    let mut chance = Chance::new(seed);
    (0..length).map(|_| step(&mut chance)).collect()
}

fn step(chance: &mut Chance) -> Step {
    let mut at = chance.below(ROWS.iter().map(|row| row.weight).sum());
    let row = ROWS.iter().find(|row| {
        let is_it = at < row.weight;
        at = at.wrapping_sub(row.weight);
        is_it
    });
    let row = row.expect("a row for every weight");
    Step { row, args: row.kinds.iter().map(|kind| arg(*kind, chance)).collect() }
}

fn arg(kind: Kind, chance: &mut Chance) -> Arg {
    let is_address = matches!(
        kind,
        Own | Any | New | Text | How | TimeSpecs | TimeVals | UtimBuf | AttrName | Value | AttrArgs
    );
    if is_address && chance.percent(1) {
        return Arg::Bad(chance.of(&[Address::Null, Address::Low, Address::Top, Address::Unterminated]));
    }
    match kind {
        Own => Arg::Path(paths::own(chance, SLOTS)),
        Any => Arg::Path(paths::any(chance, SLOTS)),
        New if chance.percent(60) => Arg::Path(paths::new(chance)),
        New => Arg::Path(paths::any(chance, SLOTS)),
        // Never `/`: what leads there would be changed.
        Text => Arg::Path(paths::own(chance, OPENED)),
        Dir if chance.percent(75) => Arg::Cwd,
        // Kernels disagree about `AT_FDCWD` as a descriptor of its own.
        Dir | Fd => slot(chance),
        How => Arg::Bytes(how(chance)),
        FileAttr => {
            let mut bytes = vec![0; 5000];
            // Nothing, no dump, append only, and what no file system knows.
            bytes[0] = chance.of(&[0, 0x80, 0x80, 0x10, 0x02]);
            Arg::Bytes(bytes)
        }
        TimeSpecs | TimeVals | UtimBuf => times(kind, chance),
        AttrName => Arg::Bytes(attr_name(chance)),
        Value => Arg::Bytes(vec![b'v'; 70_000]),
        Kind::AttrArgs => {
            Arg::AttrArgs(vec![b'v'; size(chance, &[0, 1, 30])], chance.of(&[0, 0, 0, 1, 2, 3, 8]))
        }
        Data => Arg::Bytes(b"new".to_vec()),
        _ => Arg::Number(number(kind, chance)),
    }
}
