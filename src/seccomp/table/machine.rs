//! The machine as a whole, and what the kernel keeps for history's sake.

use super::Treatment::{Absent, Refuse};
use super::{Group, group};
use crate::sys::Errno;

const ADMIN: &str = "changes the machine, which is no business of a jailed program";

pub(super) const GROUPS: &[Group] = &[
    group(
        Refuse(Errno::EPERM),
        "mounts would change what paths mean",
        &[
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "move_mount",
            "open_tree",
            "open_tree_attr",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "mount_setattr",
        ],
    ),
    group(
        Refuse(Errno::EPERM),
        ADMIN,
        &[
            "acct",
            "swapon",
            "swapoff",
            "reboot",
            "sethostname",
            "setdomainname",
            "settimeofday",
            "clock_settime",
            "quotactl",
            "quotactl_fd",
            "iopl",
            "ioperm",
            "syslog",
            "vhangup",
            "init_module",
            "finit_module",
            "delete_module",
            "kexec_load",
            "kexec_file_load",
            "nfsservctl",
        ],
    ),
    group(
        Refuse(Errno::EPERM),
        "much kernel code for programs that a jail does not need",
        &["bpf", "perf_event_open"],
    ),
    group(Refuse(Errno::EPERM), "keys of the user's whole login", &["add_key", "request_key", "keyctl"]),
    group(
        Absent,
        "no program of this century needs it",
        &[
            "_sysctl",
            "afs_syscall",
            "create_module",
            "get_kernel_syms",
            "getpmsg",
            "lookup_dcookie",
            "modify_ldt",
            "putpmsg",
            "query_module",
            "security",
            "sysfs",
            "tuxcall",
            "uselib",
            "ustat",
            "vserver",
        ],
    ),
];
