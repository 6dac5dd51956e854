//! The table is whole, and says of certain calls what it must.

use std::collections::{BTreeMap, BTreeSet};

use super::{ARCHES, configs};
use crate::policy::SyscallRules;
use crate::policy::plan::Mode;
use crate::seccomp::filter::{Verdict, verdict};
use crate::seccomp::table::{Role, Row, Treatment, rows};
use crate::sys::Errno;

fn row(name: &str) -> Row {
    rows().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} has no row"))
}

#[test]
fn every_call_has_exactly_one_row() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    rows().for_each(|row| *counts.entry(row.name).or_default() += 1);
    for arch in ARCHES {
        for (name, _) in arch.numbers() {
            assert_eq!(counts.get(name), Some(&1), "rows of {name} ({arch:?})");
        }
    }
}

#[test]
fn every_row_names_a_call_and_says_why() {
    let known: BTreeSet<&str> =
        ARCHES.iter().flat_map(|arch| arch.numbers()).map(|(name, _)| *name).collect();
    for row in rows() {
        assert!(known.contains(row.name), "no architecture has {}", row.name);
        assert!(!row.why.trim().is_empty(), "{} has no reason", row.name);
    }
}

#[test]
fn numbers_are_sorted_and_unique() {
    for arch in ARCHES {
        let sorted = arch.numbers().is_sorted_by(|(a, _), (b, _)| a < b);
        assert!(sorted, "{arch:?}");
        let numbers: BTreeSet<u32> = arch.numbers().iter().map(|(_, number)| *number).collect();
        assert_eq!(numbers.len(), arch.numbers().len(), "{arch:?}");
    }
}

#[test]
fn some_numbers_are_those_of_the_kernel() {
    let check = |arch: usize, name: &str, number: u32| {
        assert_eq!(super::number(ARCHES[arch], name), Some(number), "{name}");
    };
    for (name, x86_64, aarch64) in [
        ("read", 0, 63),
        ("ioctl", 16, 29),
        ("clone", 56, 220),
        ("socket", 41, 198),
        ("mount", 165, 40),
        ("openat", 257, 56),
        ("bpf", 321, 280),
        ("clone3", 435, 435),
        ("fchmodat2", 452, 452),
        ("setxattrat", 463, 463),
        ("file_setattr", 469, 469),
    ] {
        check(0, name, x86_64);
        check(1, name, aarch64);
    }
}

const REFUSED: &[&str] = &[
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
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "add_key",
    "request_key",
    "keyctl",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "open_by_handle_at",
    "fanotify_init",
    "fanotify_mark",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "quotactl_fd",
    "syslog",
    "iopl",
    "ioperm",
    "settimeofday",
    "clock_settime",
    "sethostname",
    "setdomainname",
    "vhangup",
    "lsm_set_self_attr",
];

const ABSENT: &[&str] =
    &["io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "modify_ldt", "uselib", "_sysctl"];

/// Every call that changes mode, owner, times, extended attributes or flags.
const METADATA: &[&str] = &[
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "setxattrat",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "removexattrat",
    "file_setattr",
];

#[test]
fn dangerous_calls_are_refused_whatever_the_settings() {
    let none = SyscallRules::default();
    for config in configs(&none) {
        for name in REFUSED {
            let verdict = verdict(&row(name), &config);
            let is_refused = matches!(verdict, Verdict::Fail(errno) if errno != Errno::ENOSYS);
            assert!(is_refused, "{name}: {verdict:?}");
        }
        for name in ABSENT {
            assert_eq!(verdict(&row(name), &config), Verdict::Fail(Errno::ENOSYS), "{name}");
        }
    }
}

#[test]
fn metadata_is_changed_by_the_broker_or_not_at_all() {
    let brokered: BTreeSet<&str> =
        rows().filter(|row| matches!(row.treatment, Treatment::Broker(..))).map(|row| row.name).collect();
    assert_eq!(brokered, METADATA.iter().copied().collect());
    let none = SyscallRules::default();
    for config in configs(&none) {
        for name in METADATA {
            let verdict = verdict(&row(name), &config);
            match config.mode {
                Mode::Brokered => assert_eq!(verdict, Verdict::Notify, "{name}"),
                Mode::Static => assert!(matches!(verdict, Verdict::Fail(_)), "{name}: {verdict:?}"),
            }
        }
    }
}

#[test]
fn brokered_calls_say_what_their_arguments_are() {
    let brokered = rows().filter_map(|row| match row.treatment {
        Treatment::Broker(roles, _) => Some((row.name, roles)),
        _ => None,
    });
    for (name, roles) in brokered {
        let count = |wanted: &[Role]| roles.iter().filter(|role| wanted.contains(role)).count();
        let follows = |first: Role, then: Role| {
            roles
                .iter()
                .enumerate()
                .filter(|(_, role)| **role == first)
                .all(|(at, _)| roles.get(at + 1) == Some(&then))
        };
        assert!(roles.len() <= 6, "{name}");
        assert_eq!(count(&[Role::Fd, Role::Path, Role::LinkPath]), 1, "{name}: one target");
        let rest = roles.len() - count(&[Role::Dir, Role::Fd, Role::Path, Role::LinkPath, Role::AtFlags]);
        assert!(rest >= 1, "{name}: something to set or remove");
        assert!(follows(Role::Dir, Role::Path), "{name}: a path after its directory");
        assert!(follows(Role::AttrValue, Role::AttrSize), "{name}: a size after its value");
        assert!(follows(Role::AttrArgs, Role::StructSize), "{name}: a size after its struct");
        assert!(follows(Role::FileAttr, Role::StructSize), "{name}: a size after its struct");
        assert!(follows(Role::Owner, Role::Group), "{name}: a group after its owner");
        assert!(
            count(&[Role::AtFlags]) <= count(&[Role::Dir]),
            "{name}: flags only where there is a directory"
        );
        // The kernel's naming: f… takes a descriptor, l… a link, …at a directory.
        let at = name.trim_end_matches('2').ends_with("at") || name == "file_setattr";
        assert_eq!(count(&[Role::Dir]) == 1, at, "{name}");
        assert_eq!(count(&[Role::Fd]) == 1, name.starts_with('f') && !at, "{name}");
        assert_eq!(count(&[Role::LinkPath]) == 1, name.starts_with('l'), "{name}");
    }
}
