//! Which rights each Landlock ABI knows, what the plan's rights are in them,
//! and what takes their place on older kernels. Pure.

use std::fmt;

use landlock::{ABI, Access as _, AccessFs, BitFlags, make_bitflags};

use crate::policy::plan::Rights;

/// The oldest ABI on which a jail can be built at all.
pub const OLDEST: u32 = 1;
/// The first ABI that ties sending signals and abstract sockets to the domain.
pub const SCOPES: u32 = 6;
/// The first ABI with a right for truncating.
pub const TRUNCATE: u32 = 3;
/// The first ABI with a right for connecting to Unix sockets by pathname.
pub const RESOLVE_UNIX: u32 = 9;

/// Something that an ABI does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// The first ABI that has it.
    pub since: u32,
    /// The kernel that brought it.
    pub linux: &'static str,
    /// What happens without it.
    pub consequence: &'static str,
    /// Whether a promise is broken: then nothing starts without `--best-effort`.
    pub is_loss: bool,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = if self.is_loss { "lost: " } else { "" };
        write!(f, "{lost}{} (until ABI {}, Linux {})", self.consequence, self.since, self.linux)
    }
}

const SHORTFALLS: [Shortfall; 5] = [
    Shortfall {
        since: 2,
        linux: "5.19",
        consequence: "renaming and linking between directories is refused everywhere",
        is_loss: false,
    },
    Shortfall {
        since: TRUNCATE,
        linux: "6.2",
        consequence: "truncate, opening for reading with O_TRUNC, and openat2 are refused by seccomp",
        is_loss: false,
    },
    Shortfall {
        since: 5,
        linux: "6.10",
        consequence: "ioctls on devices that may be read are not restricted",
        is_loss: true,
    },
    Shortfall {
        since: SCOPES,
        linux: "6.12",
        consequence: "signals to other processes of the user are not restricted",
        is_loss: true,
    },
    Shortfall {
        since: RESOLVE_UNIX,
        linux: "7.1",
        consequence: "the broker decides about Unix sockets and refuses those for datagrams; \
                      with --static all but socket pairs are refused",
        is_loss: false,
    },
];

/// What this ABI does not have, oldest first.
pub fn shortfalls(abi: u32) -> impl Iterator<Item = Shortfall> {
    SHORTFALLS.into_iter().filter(move |shortfall| abi < shortfall.since)
}

/// The crate's name for an ABI.
pub(super) fn known(abi: u32) -> ABI {
    match abi {
        0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        6 => ABI::V6,
        7 => ABI::V7,
        8 => ABI::V8,
        9 => ABI::V9,
        _ => ABI::V10,
    }
}

/// What makes names, and moves them between directories.
const MAKING: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym | Refer
});

/// The plan's rights as rights of this ABI, for a directory or a file.
pub(super) fn access(rights: Rights, is_dir: bool, abi: ABI) -> BitFlags<AccessFs> {
    let mut access = BitFlags::empty();
    if rights.list {
        access |= AccessFs::ReadDir;
    }
    if rights.read {
        access |= AccessFs::ReadFile;
    }
    if rights.execute {
        access |= AccessFs::Execute;
    }
    if rights.write {
        access |= AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    }
    if rights.remove {
        // Scratch, then; and the sockets in it are the jail's own.
        access |= AccessFs::RemoveFile | AccessFs::RemoveDir | AccessFs::ResolveUnix;
    }
    if rights.make {
        access |= MAKING;
    }
    // The jail's own sockets need no right, and those of others that lie in
    // scratch are none of its business.
    access.remove(AccessFs::ResolveUnix);
    access &= AccessFs::from_all(abi);
    if is_dir { access } else { access & AccessFs::from_file(abi) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_of_every_abi_but_one_is_given_by_some_right_of_a_plan() {
        for abi in 1..=10 {
            let abi = known(abi);
            let all = AccessFs::from_all(abi) & !AccessFs::ResolveUnix;
            assert_eq!(access(Rights::ALL, true, abi), all, "{abi:?}");
        }
    }

    #[test]
    fn reading_gives_nothing_that_changes() {
        for abi in 1..=10 {
            let reading = Rights { write: false, remove: false, make: false, ..Rights::ALL };
            let access = access(reading, true, known(abi));
            assert!((access & AccessFs::from_write(known(abi))).is_empty(), "{abi}");
        }
    }

    #[test]
    fn files_get_no_rights_of_directories() {
        let access = access(Rights::ALL, false, ABI::V7);
        assert!(!access.contains(AccessFs::RemoveFile) && !access.contains(AccessFs::ReadDir));
        assert!(access.contains(AccessFs::WriteFile));
    }

    #[test]
    fn shortfalls_shrink_with_the_abi() {
        assert_eq!(shortfalls(1).count(), 5);
        assert_eq!(shortfalls(7).count(), 1);
        assert!(shortfalls(7).all(|shortfall| !shortfall.is_loss));
        assert_eq!(shortfalls(9).count(), 0);
    }
}
