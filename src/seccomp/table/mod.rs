//! One row for every system call: how it is treated and why.
//!
//! The rows are grouped by subject into files, and inside by treatment. A call
//! of the kernel headers that has no row fails a test; a number that has no
//! row at run time gets `ENOSYS`.

mod files;
mod machine;
mod memory;
mod metadata;
mod network;
mod process;

use super::arch::Arch;
use super::numbers;
use crate::sys::Errno;

/// How a system call is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Runs: it is harmless, or Landlock governs it.
    Allow,
    /// Fails.
    Refuse(Errno),
    /// Runs or fails by its arguments, as the filter can see them.
    Inspect(Inspection),
    /// Performed by the broker or refused; `Errno` in static mode.
    Broker(&'static [Role], Errno),
    /// Governed by Landlock, which can only refuse what the broker can decide:
    /// performed by the broker, or continued where Landlock grants it anyway.
    /// In static mode it runs, but for what the inspection says.
    Mediate(&'static [Role], Option<Inspection>),
    /// Performed by the broker where the profile lets some addresses be used
    /// and not others, and the kernel does not govern which; else it runs.
    Address(&'static [Role], Addresses),
    /// Runs, governed by Landlock. Where it is learnt what programs ask for, the
    /// broker looks first, and continues it.
    Watch(&'static [Role]),
    /// Fails, unless a profile lets it through by name.
    OptIn(Errno),
    /// As if the kernel did not know it (`ENOSYS`), so that callers fall back.
    Absent,
}

/// What addresses a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Of any socket.
    Any,
    /// Of internet sockets alone.
    Internet,
}

/// Calls whose register arguments decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspection {
    /// `clone`: no new namespaces.
    Clone,
    /// `ioctl`: no typing into the terminal, no changes to files behind Landlock's back.
    Ioctl,
    /// `socket`: only some families.
    Socket,
    /// `socketpair`: only kinds that cannot send to an address.
    SocketPair,
    /// Sending, with flags at this index: no connecting on the way.
    Send(u8),
    /// `setsockopt`: nothing that leads packets elsewhere.
    SocketOption,
    /// The argument at this index names a process: only the caller itself (0).
    OnlyItself(u8),
    /// `setpriority`, `ioprio_set`: the first argument says what the second
    /// names; only the caller itself. The value is what "one process" is called.
    OnlyItselfAs(u32),
    /// `open` and `openat` before Landlock knows truncation: the index of the flags.
    OpenTruncation(u8),
    /// Runs where Landlock knows truncation, else fails with this.
    Truncation(Errno),
}

/// What an argument of a brokered call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A directory's descriptor that a relative path starts from, or `AT_FDCWD`.
    Dir,
    /// A path whose last component is followed, unless a flag says otherwise.
    Path,
    /// A path whose last component is not followed.
    LinkPath,
    /// A descriptor that is the target itself.
    Fd,
    /// `AT_*` flags of those calls that follow the last component by default.
    AtFlags,
    /// A mode.
    Mode,
    /// A user id.
    Owner,
    /// A group id.
    Group,
    /// `struct utimbuf *`: whole seconds.
    UtimBuf,
    /// `struct timeval[2]`.
    TimeVals,
    /// `struct timespec[2]`.
    TimeSpecs,
    /// The name of an extended attribute.
    AttrName,
    /// Its value.
    AttrValue,
    /// The value's size in bytes.
    AttrSize,
    /// `XATTR_CREATE`, `XATTR_REPLACE`.
    AttrFlags,
    /// `struct xattr_args *`: value, size and flags.
    AttrArgs,
    /// The size of the struct in the argument before.
    StructSize,
    /// `struct file_attr *`.
    FileAttr,
    /// The directory of [`Role::NewPath`].
    NewDir,
    /// A second path, whose last component is not followed.
    NewPath,
    /// The text of a symbolic link.
    LinkText,
    /// Flags of `open`.
    OpenFlags,
    /// `struct open_how *`.
    OpenHow,
    /// Flags of `unlinkat`.
    UnlinkFlags,
    /// Flags of `renameat2`.
    RenameFlags,
    /// Flags of `linkat`.
    LinkFlags,
    /// A device's number.
    Device,
    /// A length in bytes.
    Length,
    /// The caller's new umask.
    Umask,
    /// `struct sockaddr *`.
    Address,
    /// The size of the address in the argument before.
    AddressSize,
    /// How many connections wait to be accepted.
    Backlog,
}

impl Role {
    /// The place of the flags of `open` among the arguments, if they are in one.
    pub fn open_flags(roles: &[Role]) -> Option<u8> {
        let index = roles.iter().position(|role| *role == Role::OpenFlags)?;
        u8::try_from(index).ok()
    }
}

/// A system call and its treatment.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name in the kernel headers.
    pub name: &'static str,
    /// What happens to it.
    pub treatment: Treatment,
    /// Why.
    pub why: &'static str,
}

/// Rows that share treatment and reason.
struct Group {
    treatment: Treatment,
    why: &'static str,
    names: &'static [&'static str],
}

const fn group(treatment: Treatment, why: &'static str, names: &'static [&'static str]) -> Group {
    Group { treatment, why, names }
}

const SUBJECTS: [&[Group]; 6] =
    [files::GROUPS, metadata::GROUPS, process::GROUPS, memory::GROUPS, network::GROUPS, machine::GROUPS];

/// All rows.
pub fn rows() -> impl Iterator<Item = Row> {
    SUBJECTS.into_iter().flatten().flat_map(|group| {
        group.names.iter().map(|name| Row { name, treatment: group.treatment, why: group.why })
    })
}

/// The rows of calls that an architecture has, with their numbers.
pub fn numbered(arch: Arch) -> impl Iterator<Item = (Row, u32)> {
    static X86_64: [Option<u32>; COUNT] = numbers_of_rows(numbers::x86_64::NUMBERS);
    static AARCH64: [Option<u32>; COUNT] = numbers_of_rows(numbers::aarch64::NUMBERS);
    let numbers = match arch {
        Arch::X86_64 => &X86_64,
        Arch::Aarch64 => &AARCH64,
    };
    rows().zip(numbers).filter_map(|(row, number)| number.map(|number| (row, number)))
}

/// How many rows there are.
const COUNT: usize = {
    let (mut count, mut subject) = (0, 0);
    while subject < SUBJECTS.len() {
        let mut group = 0;
        while group < SUBJECTS[subject].len() {
            count += SUBJECTS[subject][group].names.len();
            group += 1;
        }
        subject += 1;
    }
    count
};

/// The numbers of all rows, in their order: names are looked up by the compiler
/// and not at every start.
const fn numbers_of_rows(numbers: &[(&str, u32)]) -> [Option<u32>; COUNT] {
    let mut found = [None; COUNT];
    let (mut row, mut subject) = (0, 0);
    while subject < SUBJECTS.len() {
        let mut group = 0;
        while group < SUBJECTS[subject].len() {
            let names = SUBJECTS[subject][group].names;
            let mut name = 0;
            while name < names.len() {
                found[row] = number_of(numbers, names[name].as_bytes());
                row += 1;
                name += 1;
            }
            group += 1;
        }
        subject += 1;
    }
    found
}

/// A binary search by name.
const fn number_of(numbers: &[(&str, u32)], name: &[u8]) -> Option<u32> {
    let (mut low, mut high) = (0, numbers.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let known = numbers[middle].0.as_bytes();
        let mut same = 0;
        while same < known.len() && same < name.len() && known[same] == name[same] {
            same += 1;
        }
        if same == known.len() && same == name.len() {
            return Some(numbers[middle].1);
        }
        if same < name.len() && (same == known.len() || known[same] < name[same]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    None
}
