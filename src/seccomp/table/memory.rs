//! Memory, its own and shared.

use super::Inspection::OnlyItself;
use super::Treatment::{Allow, Inspect, OptIn, Refuse};
use super::{Group, group};
use crate::sys::Errno;

pub(super) const GROUPS: &[Group] = &[
    group(
        Allow,
        "the caller's own memory",
        &[
            "mmap",
            "munmap",
            "mremap",
            "mprotect",
            "msync",
            "mincore",
            "madvise",
            "mlock",
            "mlock2",
            "munlock",
            "mlockall",
            "munlockall",
            "brk",
            "remap_file_pages",
            "mbind",
            "set_mempolicy",
            "get_mempolicy",
            "set_mempolicy_home_node",
            "pkey_mprotect",
            "pkey_alloc",
            "pkey_free",
            "memfd_secret",
            "map_shadow_stack",
            "mseal",
        ],
    ),
    group(
        Inspect(OnlyItself(0)),
        "would move other processes' memory about",
        &["migrate_pages", "move_pages"],
    ),
    group(
        OptIn(Errno::EACCES),
        "shared with every process of the user, inside the jail and outside",
        &[
            "shmget",
            "shmat",
            "shmctl",
            "shmdt",
            "semget",
            "semop",
            "semctl",
            "semtimedop",
            "msgget",
            "msgsnd",
            "msgrcv",
            "msgctl",
            "mq_open",
            "mq_unlink",
            "mq_timedsend",
            "mq_timedreceive",
            "mq_notify",
            "mq_getsetattr",
        ],
    ),
    group(Refuse(Errno::EPERM), "lets a thread stop the kernel in the middle of a copy", &["userfaultfd"]),
];
