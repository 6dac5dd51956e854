//! Metadata of files, which Landlock does not govern: the broker performs
//! these calls on pinned descriptors, and without a broker they fail.

use super::Role::{
    AtFlags, AttrArgs, AttrFlags, AttrName, AttrSize, AttrValue, Dir, Fd, FileAttr, Group as Gid, LinkPath,
    Mode, Owner, Path, StructSize, TimeSpecs, TimeVals, UtimBuf,
};
use super::Treatment::Broker;
use super::{Group, group};
use crate::sys::Errno;

const WHY: &str = "changes metadata, which Landlock does not govern";
const DENIED: Errno = Errno::EACCES;
/// What a file system without such attributes says: most tools take it quietly.
const UNSUPPORTED: Errno = Errno::EOPNOTSUPP;

pub(super) const GROUPS: &[Group] = &[
    group(Broker(&[Path, Mode], DENIED), WHY, &["chmod"]),
    group(Broker(&[Fd, Mode], DENIED), WHY, &["fchmod"]),
    group(Broker(&[Dir, Path, Mode], DENIED), WHY, &["fchmodat"]),
    group(Broker(&[Dir, Path, Mode, AtFlags], DENIED), WHY, &["fchmodat2"]),
    group(Broker(&[Path, Owner, Gid], DENIED), WHY, &["chown"]),
    group(Broker(&[LinkPath, Owner, Gid], DENIED), WHY, &["lchown"]),
    group(Broker(&[Fd, Owner, Gid], DENIED), WHY, &["fchown"]),
    group(Broker(&[Dir, Path, Owner, Gid, AtFlags], DENIED), WHY, &["fchownat"]),
    group(Broker(&[Path, UtimBuf], DENIED), WHY, &["utime"]),
    group(Broker(&[Path, TimeVals], DENIED), WHY, &["utimes"]),
    group(Broker(&[Dir, Path, TimeVals], DENIED), WHY, &["futimesat"]),
    group(Broker(&[Dir, Path, TimeSpecs, AtFlags], DENIED), WHY, &["utimensat"]),
    group(Broker(&[Path, AttrName, AttrValue, AttrSize, AttrFlags], UNSUPPORTED), WHY, &["setxattr"]),
    group(Broker(&[LinkPath, AttrName, AttrValue, AttrSize, AttrFlags], UNSUPPORTED), WHY, &["lsetxattr"]),
    group(Broker(&[Fd, AttrName, AttrValue, AttrSize, AttrFlags], UNSUPPORTED), WHY, &["fsetxattr"]),
    group(Broker(&[Dir, Path, AtFlags, AttrName, AttrArgs, StructSize], UNSUPPORTED), WHY, &["setxattrat"]),
    group(Broker(&[Path, AttrName], UNSUPPORTED), WHY, &["removexattr"]),
    group(Broker(&[LinkPath, AttrName], UNSUPPORTED), WHY, &["lremovexattr"]),
    group(Broker(&[Fd, AttrName], UNSUPPORTED), WHY, &["fremovexattr"]),
    group(Broker(&[Dir, Path, AtFlags, AttrName], UNSUPPORTED), WHY, &["removexattrat"]),
    group(Broker(&[Dir, Path, FileAttr, StructSize, AtFlags], UNSUPPORTED), WHY, &["file_setattr"]),
];
