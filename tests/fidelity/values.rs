//! Numbers and structs by chance, odd ones among them.

use super::calls::{Arg, Kind, Kind::*, SLOTS};
use super::paths::Chance;

pub fn slot(chance: &mut Chance) -> Arg {
    match chance.below(30) {
        0 => Arg::Number(-1),
        1 => Arg::Number(99),
        _ => Arg::Slot(usize::try_from(chance.below(SLOTS)).expect("an index")),
    }
}

pub fn size(chance: &mut Chance, all: &[usize]) -> usize {
    chance.of(all)
}

pub fn number(kind: Kind, chance: &mut Chance) -> i64 {
    let me = (i64::from(nix::unistd::geteuid().as_raw()), i64::from(nix::unistd::getegid().as_raw()));
    let number: i64 = match kind {
        OpenFlags => open_flags(chance).into(),
        UnlinkFlags => chance.of(&[0, 0, 0, 0x200, 0x200, 0x100, 1, 0x1000]),
        RenameFlags => chance.of(&[0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 5, 6, 8]),
        LinkFlags => chance.of(&[0, 0, 0, 0x400, 0x400, 0x400, 0x1000, 0x1400, 0x100]),
        AtFlags => chance.of(&[0, 0, 0, 0x100, 0x100, 0x1000, 0x1100, 0x200, 0x8000]),
        Mode => mode(chance).into(),
        NodeMode => {
            i64::from(chance.of(&[
                libc::S_IFIFO,
                libc::S_IFIFO,
                libc::S_IFREG,
                libc::S_IFSOCK,
                libc::S_IFCHR,
                libc::S_IFBLK,
                libc::S_IFDIR,
                0,
                libc::S_IFLNK,
                0o170_000,
            ])) | i64::from(mode(chance))
        }
        Device => chance.of(&[0, 0, 0x103]),
        Length => chance.of(&[0, 1, 5, 5000, 1 << 40, 1 << 62, -1, i64::MIN]),
        Owner => chance.of(&[-1, -1, me.0, me.0, me.0 + 1, 0xffff_ffff]),
        Group => chance.of(&[-1, -1, me.1, me.1, me.1 + 1]),
        AttrFlags => chance.of(&[0, 0, 0, 1, 2, 3, 8]),
        Size => chance.of(&[0, 1, 3, 60, 5000, 65_537]),
        AttrArgsSize => chance.of(&[16, 16, 16, 0, 8, 24, 5000]),
        FileAttrSize => chance.of(&[24, 24, 24, 0, 23, 32, 5000]),
        HowSize => chance.of(&[24, 24, 24, 24, 24, 24, 24, 0, 23, 32, 64, 5000]),
        Three => 3,
        _ => unreachable!("no number: {kind:?}"),
    };
    // The kernel looks at the low half of an `int`.
    let is_int = !matches!(kind, Length | Size | AttrArgsSize | FileAttrSize | HowSize | Three);
    if is_int && chance.percent(2) { number ^ 0x5_0000_0000 } else { number }
}

pub fn mode(chance: &mut Chance) -> u32 {
    chance.of(&[
        0o644,
        0o644,
        0o600,
        0o755,
        0o777,
        0o666,
        0o700,
        0,
        0o444,
        0o222,
        0o111,
        0o2755,
        0o4755,
        0o1777,
        0o6777,
        0o7777,
        0o22,
        0o77,
        0o27,
        0o40_000,
        0o170_000,
        0xffff_ffff,
    ])
}

pub fn open_flags(chance: &mut Chance) -> i32 {
    let often = [
        (libc::O_CREAT, 40),
        (libc::O_EXCL, 15),
        (libc::O_TRUNC, 20),
        (libc::O_APPEND, 20),
        (libc::O_NOFOLLOW, 15),
        (libc::O_DIRECTORY, 8),
        (libc::O_CLOEXEC, 30),
        (libc::O_NONBLOCK, 15),
        (libc::O_TMPFILE, 4),
        (libc::O_PATH, 5),
        (libc::O_NOATIME, 4),
        (libc::O_SYNC, 3),
        (libc::O_DSYNC, 3),
        (libc::O_NOCTTY, 3),
        (libc::O_ASYNC, 2),
        (libc::O_DIRECT, 2),
        (0x4000_0000, 1),
        (0x0400_0000, 1),
    ];
    let mut flags = chance.of(&[libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR, libc::O_RDWR, 3]);
    for (flag, percent) in often {
        if chance.percent(percent) {
            flags |= flag;
        }
    }
    flags
}

/// `struct open_how` with more zeroes behind it than any size asks for.
pub fn how(chance: &mut Chance) -> Vec<u8> {
    let mut flags = i64::from(open_flags(chance));
    // Flags that `openat2` does not know make it fail, mostly at once.
    if chance.percent(90) {
        flags &= !(0x4000_0000 | 0x0400_0000);
    }
    if chance.percent(1) {
        flags |= 1 << 40;
    }
    let makes = flags & i64::from(libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) != 0;
    let mut mode = if makes { i64::from(mode(chance)) } else { 0 };
    if chance.percent(90) {
        mode &= 0o7777;
    }
    // `RESOLVE_CACHED` (0x20) depends on what the kernel happens to have cached.
    let resolve: i64 = chance.of(&[0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 12, 6, 24, 64]);
    let mut bytes = Vec::new();
    [flags, mode, resolve].into_iter().for_each(|field| bytes.extend(field.to_ne_bytes()));
    bytes.resize(5000, 0);
    if chance.percent(3) {
        bytes[28] = 1;
    }
    bytes
}

pub fn times(kind: Kind, chance: &mut Chance) -> Arg {
    let seconds: [i64; 2] = [0; 2].map(|_: i64| chance.of(&[0, 1, 86_400, 1_000_000_000, -5]));
    let parts: [i64; 2] = [0; 2].map(|_: i64| match kind {
        TimeVals => chance.of(&[0, 5, 999_999, 1_000_000, -1]),
        _ => chance.of(&[0, 5, 999_999_999, libc::UTIME_NOW, libc::UTIME_OMIT, 1_000_000_000, -1]),
    });
    let fields = match kind {
        UtimBuf => seconds.to_vec(),
        _ => vec![seconds[0], parts[0], seconds[1], parts[1]],
    };
    if chance.percent(20) {
        return Arg::Number(0);
    }
    Arg::Bytes(fields.into_iter().flat_map(i64::to_ne_bytes).collect())
}

pub fn attr_name(chance: &mut Chance) -> Vec<u8> {
    let longest = format!("user.{}", "n".repeat(250));
    let too_long = format!("user.{}", "n".repeat(251));
    let name = match chance.below(20) {
        0 => longest.as_str(),
        1 => too_long.as_str(),
        2 => "",
        3 => chance.of(&["user.", "a", "nothing.a", "system.a", "system.posix_acl_access"]),
        4 => chance.of(&["trusted.a", "security.a"]),
        _ => chance.of(&["user.a", "user.a", "user.b"]),
    };
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}
