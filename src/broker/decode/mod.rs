//! From the registers of a call to what it asks for, by the table's argument roles.

mod metadata;
mod names;
mod sockets;

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::RawFd;

use nix::unistd::Pid;

pub(super) use metadata::Change;
pub(super) use names::How;
pub(super) use sockets::{Address, Unix};

use super::memory;
use crate::path::Target;
use crate::seccomp::Arch;
use crate::seccomp::table::{Inspection, Role, Treatment, numbered};
use crate::sys::Errno;

/// Structs with a size argument may not exceed a page (`copy_struct_from_user`).
const STRUCT_MAX: usize = 4096;

/// What a call asks for, with everything that it refers to copied.
#[derive(Debug)]
pub(super) enum Operation {
    /// Mode, owner, times, attributes.
    Change { subject: Subject, change: Change },
    /// Opening, and perhaps making, a file.
    Open { at: Named, how: How },
    /// Setting the length of a file that a path leads to.
    Truncate { at: Named, length: i64 },
    /// `unlink`, or `rmdir` where `is_dir`.
    Remove { at: Named, is_dir: bool },
    /// `renameat2`.
    Rename { from: Named, to: Named, flags: u32 },
    /// A second name for what there is.
    Link { from: Subject, to: Named },
    /// A symbolic link.
    Symlink { text: CString, at: Named },
    /// A directory.
    MakeDir { at: Named, mode: u32 },
    /// A FIFO, socket, device, or regular file.
    MakeNode { at: Named, mode: u32, device: u64 },
    /// The caller sets its umask.
    Umask,
    /// A program is executed; only looked at.
    Execute { at: Named },
    /// An internet socket is made; only ever refused.
    Internet,
    /// A socket gets an address.
    Bind { fd: RawFd, address: Result<Address, Errno> },
    /// A socket is connected to an address.
    Connect { fd: RawFd, address: Result<Address, Errno> },
    /// A socket takes connections.
    Listen { fd: RawFd, backlog: i32 },
}

impl Operation {
    /// What it is about, as it is shown to people.
    pub(super) fn shown(&self) -> String {
        match self {
            Operation::Change { subject, .. } | Operation::Link { from: subject, .. } => match subject {
                Subject::Fd(fd) | Subject::AnyFd(fd) => format!("descriptor {fd}"),
                Subject::Path { path, .. } => path.to_string_lossy().into_owned(),
            },
            Operation::Open { at, .. }
            | Operation::Execute { at }
            | Operation::Truncate { at, .. }
            | Operation::Remove { at, .. }
            | Operation::Rename { from: at, .. }
            | Operation::Symlink { at, .. }
            | Operation::MakeDir { at, .. }
            | Operation::MakeNode { at, .. } => at.shown(),
            Operation::Bind { address, .. } | Operation::Connect { address, .. } => {
                address.as_ref().map(ToString::to_string).unwrap_or_default()
            }
            Operation::Umask | Operation::Listen { .. } | Operation::Internet => String::new(),
        }
    }
}

/// A path as the caller gave it.
#[derive(Debug)]
pub(super) struct Named {
    /// Where it starts if it is relative: a descriptor, or `AT_FDCWD`.
    pub(super) dir: RawFd,
    /// The path. That it cannot be read matters only when it is its turn to be
    /// resolved, as in the kernel.
    pub(super) path: Result<CString, Errno>,
}

impl Named {
    fn shown(&self) -> String {
        self.path.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// What a call is about, with its path copied.
#[derive(Debug)]
pub(super) enum Subject {
    /// See [`Target::Fd`].
    Fd(RawFd),
    /// See [`Target::AnyFd`].
    AnyFd(RawFd),
    /// See [`Target::Path`].
    Path { dir: RawFd, path: CString, follow: bool },
}

impl Subject {
    pub(super) fn target(&self) -> Target<'_> {
        match self {
            Subject::Fd(fd) => Target::Fd(*fd),
            Subject::AnyFd(fd) => Target::AnyFd(*fd),
            Subject::Path { dir, path, follow } => Target::Path { dir: *dir, path, follow: *follow },
        }
    }
}

/// A call that reaches the broker.
#[derive(Debug, Clone, Copy)]
struct Known {
    name: &'static str,
    roles: &'static [Role],
    kind: Kind,
}

/// What kind of call it is, as far as decoding goes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Metadata,
    Names,
    Sockets,
}

/// The calls that reach the broker, by number.
#[derive(Debug)]
pub(super) struct Calls {
    by_number: HashMap<i32, Known>,
}

impl Calls {
    /// Those of this architecture.
    pub(super) fn native() -> Calls {
        let calls = numbered(Arch::NATIVE).filter_map(|(row, number)| {
            let (roles, kind) = match row.treatment {
                Treatment::Broker(roles, _) => (roles, Kind::Metadata),
                Treatment::Mediate(roles, _) | Treatment::Watch(roles) => (roles, Kind::Names),
                Treatment::Address(roles, _) => (roles, Kind::Sockets),
                // Where it is learnt who wants one of the internet.
                Treatment::Inspect(Inspection::Socket) => (&[][..], Kind::Sockets),
                _ => return None,
            };
            Some((i32::try_from(number).ok()?, Known { name: row.name, roles, kind }))
        });
        Calls { by_number: calls.collect() }
    }

    /// The call's name; a number that never should arrive here has none.
    pub(super) fn name(&self, data: &libc::seccomp_data) -> Result<&'static str, Errno> {
        self.by_number.get(&data.nr).map(|known| known.name).ok_or(Errno::ENOSYS)
    }

    /// Reads everything that the call refers to.
    pub(super) fn decode(&self, caller: Pid, data: &libc::seccomp_data) -> Result<Operation, Errno> {
        let known = *self.by_number.get(&data.nr).ok_or(Errno::ENOSYS)?;
        let arguments = Arguments { caller, roles: known.roles, values: &data.args };
        match known.kind {
            Kind::Metadata => arguments.metadata(),
            Kind::Names => arguments.names(known.name),
            Kind::Sockets => arguments.sockets(known.name),
        }
    }
}

struct Arguments<'a> {
    caller: Pid,
    roles: &'static [Role],
    values: &'a [u64; 6],
}

/// Registers hold more bits than an `int`; the kernel looks at the low 32.
fn low(value: u64) -> u32 {
    value as u32
}

fn descriptor(value: u64) -> RawFd {
    low(value).cast_signed()
}

impl Arguments<'_> {
    fn get(&self, role: Role) -> Option<u64> {
        let index = self.roles.iter().position(|known| *known == role)?;
        Some(self.values[index])
    }

    /// The low half of an argument that the call must have.
    fn low(&self, role: Role) -> u32 {
        low(self.get(role).unwrap_or(0))
    }

    fn sized(&self, address: u64, least: usize) -> Result<Vec<u8>, Errno> {
        let size = usize::try_from(self.get(Role::StructSize).unwrap_or(0)).map_err(|_| Errno::E2BIG)?;
        if size > STRUCT_MAX {
            return Err(Errno::E2BIG);
        }
        if size < least {
            return Err(Errno::EINVAL);
        }
        memory::bytes(self.caller, address, size)
    }
}
