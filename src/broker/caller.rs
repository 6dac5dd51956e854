//! What procfs tells about a caller.

use std::fs;
use std::os::fd::RawFd;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::sys::file::Stat;
use crate::sys::procfs;

/// What stands behind one of the caller's descriptors, all of one moment.
pub(super) struct OpenFile {
    /// The flags that it was opened with.
    pub(super) flags: OFlag,
    mount: u64,
    inode: u64,
}

impl OpenFile {
    /// `O_APPEND` if what is written goes to the end.
    pub(super) fn appends(&self) -> OFlag {
        self.flags & OFlag::O_APPEND
    }

    /// Whether it is this file.
    pub(super) fn is(&self, stat: &Stat) -> bool {
        (self.mount, self.inode) == (stat.mount, stat.inode)
    }
}

/// Looks at a caller's descriptor (`proc_pid_fdinfo(5)`; `ino` since Linux 5.14).
pub(super) fn open_file(caller: Pid, fd: RawFd) -> Option<OpenFile> {
    let text = fs::read_to_string(format!("/proc/{caller}/fdinfo/{fd}")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = i32::from_str_radix(field("flags:")?, 8).ok()?;
    Some(OpenFile {
        flags: OFlag::from_bits_retain(flags),
        mount: field("mnt_id:")?.parse().ok()?,
        inode: field("ino:")?.parse().ok()?,
    })
}

/// Whether a signal waits for the caller that it neither blocks nor ignores.
pub(super) fn has_pending_signal(caller: Pid) -> bool {
    let is_left = |status: procfs::Status| {
        status.pending() & !(status.signals("SigBlk") | status.signals("SigIgn")) != 0
    };
    procfs::status(caller).is_some_and(is_left)
}

/// The caller's umask (Linux 4.7).
pub(super) fn umask(caller: Pid) -> Option<Mode> {
    let status = procfs::status(caller)?;
    u32::from_str_radix(status.field("Umask")?, 8).ok().map(Mode::from_bits_truncate)
}
