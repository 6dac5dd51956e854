//! Performs sequences by raw system calls and tells how each ended.

use std::env;
use std::ffi::{CStr, CString};
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;

use super::calls::{Address, Arg, FORSAKE, HOME, Kind, NO_DESCRIPTOR, OPENED, SLOTS, Step};
use super::odd::unterminated;
use super::paths::ROOT;
use super::small_world::{self, Listing};
use crate::support::os::{c, call};

const CWD: i64 = libc::AT_FDCWD as i64;
const NONBLOCK: i64 = libc::O_NONBLOCK as i64;

/// How a sequence is performed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Alone in the process, whose working directory is the world.
    Alone,
    /// Beside others in the same process: nothing that belongs to the process
    /// is changed or told, such as its working directory, its umask, and the
    /// numbers of its descriptors.
    Beside,
}

/// A sequence being performed.
pub struct Performer {
    /// Where the worlds are.
    base: PathBuf,
    /// The world's directory.
    root: PathBuf,
    /// What the working directory must not leave.
    pen: PathBuf,
    slots: Vec<i64>,
    opened: u64,
    umask: Option<i64>,
    manner: Manner,
}

/// A register's content: a number, or the address of bytes.
enum Register {
    Number(i64),
    Bytes(Vec<u8>),
}

impl Register {
    fn value(&self) -> i64 {
        match self {
            Register::Number(number) => *number,
            Register::Bytes(bytes) => bytes.as_ptr() as i64,
        }
    }
}

impl Performer {
    /// Makes the world for a seed and stands in it.
    pub fn new(base: &Path, seed: u64, manner: Manner) -> Performer {
        if manner == Manner::Alone {
            // What a step of the sequence before has left open is not this one's.
            call(libc::SYS_close_range, &[3, i64::from(i32::MAX), 0]);
        }
        let pen = base.join(format!("s{seed}"));
        // Deep, so that no `..` leads out of what is thrown away.
        let root = pen.join("a/b/c/r/w");
        let here = match manner {
            Manner::Alone => Path::new("/proc/self/cwd").to_owned(),
            // The working directory is everybody's, and not the world.
            Manner::Beside => PathBuf::from(format!("/proc/self/root{}", root.display())),
        };
        small_world::make(&root, &here);
        Performer::standing_in(base, pen, root, manner)
    }

    /// Stands in a world that is there already.
    pub fn standing_in(base: &Path, pen: PathBuf, root: PathBuf, manner: Manner) -> Performer {
        let slots = small_world::descriptors(&root);
        let performer = Performer { base: base.to_owned(), root, pen, slots, opened: 0, umask: None, manner };
        if manner == Manner::Alone {
            performer.go_home();
        }
        performer
    }

    /// Performs steps and removes the world; a line for each step, and then for
    /// each name that was there.
    pub fn run(mut self, steps: &[(usize, Step)]) -> String {
        let text = self.leave(steps);
        format!("{text}removed: {:?}\n", self.remove().map_err(|error| error.kind()))
    }

    /// The same, and leaves the world as it is.
    pub fn leave(&mut self, steps: &[(usize, Step)]) -> String {
        let mut text = String::new();
        for (index, step) in steps {
            let told = self.step(step);
            writeln!(text, "{index:2} {step}: {told}").expect("write to a string");
        }
        if let Some(before) = self.umask {
            call(libc::SYS_umask, &[before]);
        }
        if self.manner == Manner::Alone {
            self.go_home();
        }
        call(libc::SYS_fchmod, &[self.slots[0], 0o755]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
        // It may have been moved, and what is above may be closed.
        let root = PathBuf::from(format!("/proc/self/fd/{}/.", self.slots[0]));
        text.push_str(&Listing::of(&root, now.cast_signed()));
        for fd in self.slots.iter().filter(|fd| **fd != NO_DESCRIPTOR) {
            call(libc::SYS_close, &[*fd]);
        }
        if self.manner == Manner::Alone {
            // Never out of what is thrown away.
            env::set_current_dir(&self.base).expect("leave the world");
        }
        let text = text.replace(self.root.to_str().expect("text"), ROOT);
        text.replace(self.pen.to_str().expect("text"), "{pen}")
    }

    /// Removes it all, so that a disk is hardly bothered.
    fn remove(&self) -> std::io::Result<()> {
        // A step may have closed what is above the world.
        for dir in ["a/b/c/r", "a/b/c/r/w"] {
            let _ = fs::set_permissions(self.pen.join(dir), Permissions::from_mode(0o700));
        }
        fs::remove_dir_all(&self.pen)
    }

    fn step(&mut self, step: &Step) -> String {
        let name = step.row.name;
        match (name, self.manner) {
            (FORSAKE | HOME | "umask" | "chdir" | "fchdir", Manner::Beside) => return "left out".to_owned(),
            (FORSAKE, _) => return format!("{:?}", self.forsake().map_err(|error| error.kind())),
            (HOME, _) => return self.go_home().to_string(),
            _ => {}
        }
        let mut behind = Vec::new();
        let args = step.args.iter().enumerate();
        let mut registers: Vec<Register> = args
            .map(|(index, arg)| {
                let after_dir = index > 0 && step.row.kinds[index - 1] == Kind::Dir;
                self.lower(arg, step.row.kinds[index], after_dir, &mut behind)
            })
            .collect();
        let opens = matches!(name, "open" | "openat" | "openat2" | "creat");
        if opens {
            never_wait(name, &mut registers);
        }
        if name.starts_with("rename") && moves_closed_directory(&registers) {
            return "left out".to_owned();
        }
        let values: Vec<i64> = registers.iter().map(Register::value).collect();
        let result = call(step.row.number, &values);
        let errno = Errno::last();
        match (name, result) {
            (_, -1) => format!("{errno:?}"),
            (_, fd) if opens => self.look_at_opened(fd),
            ("chdir" | "fchdir", _) => self.come_back_if_astray(),
            ("umask", before) => {
                self.umask.get_or_insert(before);
                format!("{before:o}")
            }
            (_, value) => value.to_string(),
        }
    }

    fn lower(&self, arg: &Arg, kind: Kind, after_dir: bool, behind: &mut Vec<Vec<u8>>) -> Register {
        Register::Number(match arg {
            Arg::Path(template) => {
                return Register::Bytes(self.path(template, kind, after_dir).into_bytes_with_nul());
            }
            Arg::Bytes(bytes) => return Register::Bytes(bytes.clone()),
            Arg::AttrArgs(value, flags) => {
                let size = u32::try_from(value.len()).expect("a small value");
                behind.push(value.clone());
                let address = behind.last().map_or(0, |value| value.as_ptr() as i64);
                let mut args =
                    [address.to_ne_bytes().as_slice(), &size.to_ne_bytes(), &flags.to_ne_bytes()].concat();
                args.resize(5000, 0);
                return Register::Bytes(args);
            }
            Arg::Bad(Address::Null) => 0,
            Arg::Bad(Address::Low) => 1,
            Arg::Bad(Address::Top) => -1,
            Arg::Bad(Address::Unterminated) => unterminated(),
            Arg::Cwd if self.manner == Manner::Beside => self.slots[0],
            Arg::Cwd => CWD,
            Arg::Slot(slot) => self.slots[*slot],
            Arg::Number(number) => *number,
        })
    }

    fn path(&self, template: &str, kind: Kind, after_dir: bool) -> CString {
        let root = self.root.to_str().expect("text");
        let mut path = template.replace(ROOT, root);
        for (slot, fd) in self.slots.iter().enumerate() {
            let is_kept = self.manner == Manner::Beside && kind == Kind::Text;
            let fd = if is_kept { &NO_DESCRIPTOR } else { fd };
            path = path.replace(&format!("{{fd{slot}}}"), &fd.to_string());
        }
        if self.manner == Manner::Beside {
            path = path.replace("/proc/self/cwd", root).replace("/proc/thread-self/cwd", root);
            if kind != Kind::Text && !after_dir && !path.is_empty() && !path.starts_with('/') {
                path = format!("{root}/{path}");
            }
        }
        c(path)
    }

    /// What a new descriptor is and gives. It takes the place of an older one.
    fn look_at_opened(&mut self, fd: i64) -> String {
        let mut told = match self.manner {
            Manner::Alone => format!("{fd}"),
            Manner::Beside => "fd".to_owned(),
        };
        let flags = call(libc::SYS_fcntl, &[fd, libc::F_GETFL.into()]);
        let close = call(libc::SYS_fcntl, &[fd, libc::F_GETFD.into()]);
        let (mode, size) = look(fd, c"", libc::AT_EMPTY_PATH).unwrap_or_default();
        // See `random` for what is left out here.
        let shown = flags & !i64::from(libc::O_NOFOLLOW);
        write!(told, " flags {shown:o} {close} mode {mode:o} size {size}").expect("write to a string");
        // Waiting for the disk would take longer than everything else.
        if flags & i64::from(libc::O_SYNC | libc::O_DIRECT) != 0 {
            call(libc::SYS_close, &[fd]);
            return told;
        }
        let text = b"new";
        let written = told_number(call(libc::SYS_write, &[fd, text.as_ptr() as i64, 3]));
        let sought = told_number(call(libc::SYS_lseek, &[fd, 0, 0]));
        let mut read = [0_u8; 16];
        let length = call(libc::SYS_read, &[fd, read.as_mut_ptr() as i64, 16]);
        let read_told = match usize::try_from(length) {
            Ok(length) => read[..length].escape_ascii().to_string(),
            Err(_) => told_number(length),
        };
        write!(told, " write {written} seek {sought} read {read_told}").expect("write to a string");
        let slot = usize::try_from(OPENED + self.opened % (SLOTS - OPENED)).expect("an index");
        self.opened += 1;
        let old = std::mem::replace(&mut self.slots[slot], fd);
        if old != NO_DESCRIPTOR {
            call(libc::SYS_close, &[old]);
        }
        told
    }

    fn forsake(&self) -> std::io::Result<()> {
        self.go_home();
        fs::create_dir("gone")?;
        env::set_current_dir("gone")?;
        fs::remove_dir("../gone")
    }

    fn go_home(&self) -> i64 {
        let result = call(libc::SYS_fchdir, &[self.slots[0]]);
        if result == -1 {
            call(libc::SYS_fchmod, &[self.slots[0], 0o755]);
            assert_eq!(call(libc::SYS_fchdir, &[self.slots[0]]), 0, "the world can be entered");
        }
        result
    }

    /// Where it stands now. Steps belong to the world.
    fn come_back_if_astray(&self) -> String {
        match env::current_dir() {
            Ok(dir) if dir.starts_with(&self.pen) => format!("in {}", dir.display()),
            Ok(_) => {
                self.go_home();
                "astray".to_owned()
            }
            Err(error) => error.to_string(),
        }
    }
}

/// An open of a FIFO must not wait for its other end.
fn never_wait(name: &str, registers: &mut [Register]) {
    let (dir, path) = match name {
        "open" | "creat" => (CWD, 0),
        _ => (registers[0].value(), 1),
    };
    let is_fifo = matches!(&registers[path], Register::Bytes(path) if is_fifo(dir, path));
    match (name, &mut registers[path + 1]) {
        // Where it ends up under restrictions is hard to tell.
        ("openat2", Register::Bytes(how)) => {
            let is_restricted = how[16..24].iter().any(|byte| *byte != 0);
            if is_fifo || is_restricted {
                let bits = how[..8].first_chunk::<8>().copied().expect("eight bytes");
                how[..8].copy_from_slice(&(i64::from_ne_bytes(bits) | NONBLOCK).to_ne_bytes());
            }
        }
        // It has no flags to say so with.
        ("creat", _) if is_fifo => registers[path] = Register::Number(0),
        ("open" | "openat", Register::Number(flags)) if is_fifo => *flags |= NONBLOCK,
        _ => {}
    }
}

/// Whether a directory is to be moved that holds one which its owner cannot
/// list: the broker refuses that, for it cannot see what else would be moved.
fn moves_closed_directory(registers: &[Register]) -> bool {
    let ends: &[(i64, usize)] = match registers {
        [_, _] => &[(CWD, 0), (CWD, 1)],
        [from, _, to, ..] => &[(from.value(), 1), (to.value(), 3)],
        _ => &[],
    };
    ends.iter().any(|(dir, path)| {
        let Register::Bytes(path) = &registers[*path] else { return false };
        let path = CStr::from_bytes_with_nul(path).expect("a path");
        // A slash at the end would follow a link, as the call itself does not.
        let flags = i64::from(libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY | libc::O_CLOEXEC);
        let fd = call(libc::SYS_openat, &[*dir, path.as_ptr() as i64, flags, 0]);
        let is_closed = fd != -1 && has_closed(&PathBuf::from(format!("/proc/self/fd/{fd}/.")));
        call(libc::SYS_close, &[fd]);
        is_closed
    })
}

fn has_closed(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return true };
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().any(|entry| is_dir(&entry) && has_closed(&entry.path()))
}

fn is_fifo(dir: i64, path: &[u8]) -> bool {
    let path = CStr::from_bytes_with_nul(path).expect("a path");
    look(dir, path, 0).is_some_and(|(mode, _)| u32::from(mode) & libc::S_IFMT == libc::S_IFIFO)
}

/// Mode and size (`statx(2)`).
fn look(dir: i64, path: &CStr, flags: i32) -> Option<(u16, u64)> {
    let mut buffer = [0_u8; 256];
    let mask = i64::from(libc::STATX_BASIC_STATS);
    let args = [dir, path.as_ptr() as i64, flags.into(), mask, buffer.as_mut_ptr() as i64];
    if call(libc::SYS_statx, &args) == -1 {
        return None;
    }
    let mode = u16::from_ne_bytes(buffer[28..].first_chunk().copied()?);
    let size = u64::from_ne_bytes(buffer[40..].first_chunk().copied()?);
    Some((mode, if u32::from(mode) & libc::S_IFMT == libc::S_IFREG { size } else { 0 }))
}

fn told_number(result: i64) -> String {
    let errno = Errno::last();
    if result == -1 { format!("{errno:?}") } else { result.to_string() }
}
