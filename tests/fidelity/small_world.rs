//! The names that every sequence starts with, and what is there at its end.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::calls::{NO_DESCRIPTOR, OPENED, SLOTS};
use crate::support::os::{self, at, c, call};

const CWD: i64 = libc::AT_FDCWD as i64;

/// Makes the world in a new directory. `here` is a way to it through procfs.
pub fn make(root: &Path, here: &Path) {
    fs::create_dir_all(root).expect("make the world's directory");
    let at = |name: &str| root.join(name);
    for (name, mode) in
        [("d", 0o755), ("d/e", 0o755), ("e", 0o755), ("st", 0o1777), ("sg", 0o2775), ("acl", 0o755)]
    {
        directory(&at(name), mode);
    }
    for (name, mode) in [("locked", 0o755), ("noenter", 0o755)] {
        directory(&at(name), mode);
    }
    for (name, mode) in [
        ("f", 0o644),
        ("g", 0o600),
        ("ro", 0o444),
        ("suid", 0o6755),
        ("d/f", 0o644),
        ("d/e/f", 0o640),
        ("st/f", 0o666),
        ("sg/f", 0o664),
        ("locked/f", 0o644),
        ("noenter/f", 0o644),
    ] {
        fs::write(at(name), format!("what is in {name}\n")).expect("write a file");
        fs::set_permissions(at(name), Permissions::from_mode(mode)).expect("set a mode");
    }
    fs::hard_link(at("g"), at("hard")).expect("link a file");
    for (name, mode) in [("p", libc::S_IFIFO), ("sock", libc::S_IFSOCK)] {
        let path = c(at(name));
        assert_eq!(
            call(libc::SYS_mknodat, &[CWD, os::at(&path), i64::from(mode | 0o644), 0]),
            0,
            "make {name}"
        );
    }
    let (absolute, in_proc) = (at("f"), here.join("d"));
    for (name, text) in [
        ("to-f", Path::new("f")),
        ("to-d", Path::new("d")),
        ("to-link", Path::new("to-f")),
        ("to-none", Path::new("none")),
        ("to-nodir", Path::new("nodir/x")),
        ("to-new", Path::new("d/new")),
        ("to-p", Path::new("p")),
        ("loop", Path::new("loop")),
        ("absolute", &absolute),
        ("up", Path::new("d/../f")),
        ("around", Path::new("../w/g")),
        ("slash-d", Path::new("d/")),
        ("slash-f", Path::new("f/")),
        ("slash-new", Path::new("none/")),
        ("in-proc", &in_proc),
        ("d/to-up", Path::new("../f")),
    ] {
        symlink(text, at(name)).expect("make a link");
    }
    default_acl(&at("acl"));
    for name in ["f", "d", "d/f"] {
        attribute(&at(name), c"user.a", b"set at the start");
    }
    fs::set_permissions(at("locked"), Permissions::from_mode(0o000)).expect("set a mode");
    fs::set_permissions(at("noenter"), Permissions::from_mode(0o644)).expect("set a mode");
}

fn directory(path: &Path, mode: u32) {
    fs::create_dir(path).expect("make a directory");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set a mode");
}

/// A default ACL (`acl(5)`): rwx for the owner, r-x for the group, nothing for
/// others. A file system without ACLs has none.
fn default_acl(dir: &Path) {
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, rights) in [(1_u16, 7_u16), (4, 5), (32, 0)] {
        acl.extend(tag.to_le_bytes());
        acl.extend(rights.to_le_bytes());
        acl.extend(u32::MAX.to_le_bytes());
    }
    attribute(dir, c"system.posix_acl_default", &acl);
}

/// Where the file system has none that is told by what happens later.
fn attribute(path: &Path, name: &CStr, value: &[u8]) {
    let path = c(path);
    call(
        libc::SYS_setxattr,
        &[at(&path), name.as_ptr() as i64, value.as_ptr() as i64, value.len() as i64, 0],
    );
}

/// The descriptors that a sequence starts with.
pub fn descriptors(root: &Path) -> Vec<i64> {
    let path = |name: &str| root.join(name);
    let open = |name: &str, flags: i32| os::open(path(name), flags | libc::O_CLOEXEC);
    let gone = path("gone");
    fs::write(&gone, "what is gone\n").expect("write a file");
    let removed_file = os::open(&gone, libc::O_RDWR | libc::O_CLOEXEC);
    fs::remove_file(&gone).expect("remove a file");
    fs::create_dir(&gone).expect("make a directory");
    let removed_dir = os::open(&gone, libc::O_RDONLY | libc::O_CLOEXEC);
    fs::remove_dir(&gone).expect("remove a directory");
    let mut pipe = [0_i32; 2];
    let flags = i64::from(libc::O_CLOEXEC | libc::O_NONBLOCK);
    assert_eq!(call(libc::SYS_pipe2, &[pipe.as_mut_ptr() as i64, flags]), 0, "make a pipe");
    let slots = vec![
        open(".", libc::O_RDONLY),
        open("d", libc::O_RDONLY),
        open("d/e", libc::O_PATH),
        open("f", libc::O_RDONLY),
        open("g", libc::O_PATH),
        open("to-f", libc::O_PATH | libc::O_NOFOLLOW),
        removed_file,
        removed_dir,
        pipe[0].into(),
        pipe[1].into(),
        open("suid", libc::O_RDWR),
        open("ro", libc::O_RDONLY),
        NO_DESCRIPTOR,
        NO_DESCRIPTOR,
    ];
    assert_eq!(slots.len() as u64, SLOTS);
    assert!(slots[..usize::try_from(OPENED).expect("an index")].iter().all(|fd| *fd >= 0), "{slots:?}");
    slots
}

/// What is there at the end, a line for each name. Opens up what is closed
/// after it has been looked at.
pub struct Listing<'a> {
    root: &'a Path,
    now: i64,
    seen: HashMap<(u64, u64), PathBuf>,
    text: String,
}

impl<'a> Listing<'a> {
    /// That of a world, at this time in seconds.
    pub fn of(root: &'a Path, now: i64) -> String {
        let mut listing = Listing { root, now, seen: HashMap::new(), text: String::new() };
        listing.add(root);
        listing.text
    }

    fn add(&mut self, path: &Path) {
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(error) => return self.line(path, &error.to_string()),
        };
        let mut line = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
        let times = [(meta.atime(), meta.atime_nsec()), (meta.mtime(), meta.mtime_nsec())];
        for (seconds, part) in times {
            self.write_time(&mut line, seconds, part);
        }
        let is_device = meta.file_type().is_char_device() || meta.file_type().is_block_device();
        if is_device {
            write!(line, " device {:x}", meta.rdev()).expect("write to a string");
        }
        if !meta.is_dir() {
            write!(line, " {} names", meta.nlink()).expect("write to a string");
            if let Some(first) = self.seen.get(&(meta.dev(), meta.ino())) {
                write!(line, ", is {}", first.display()).expect("write to a string");
            } else {
                let name = path.strip_prefix(self.root).unwrap_or(path).to_owned();
                self.seen.insert((meta.dev(), meta.ino()), name);
            }
        }
        let needed = if meta.is_dir() { 0o700 } else { 0o400 };
        if (meta.is_dir() || meta.is_file()) && meta.mode() & needed != needed {
            let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
        }
        if meta.is_file() {
            write!(line, " {} bytes {:?}", meta.size(), head(path)).expect("write to a string");
        } else if meta.is_symlink() {
            let text = fs::read_link(path).unwrap_or_default();
            write!(line, " -> {text:?}").expect("write to a string");
        }
        write_attributes(&mut line, path);
        self.line(path, &line);
        if meta.is_dir() {
            self.add_entries(path);
        }
    }

    fn add_entries(&mut self, dir: &Path) {
        match fs::read_dir(dir) {
            Err(error) => self.line(dir, &format!("unreadable: {error}")),
            Ok(entries) => {
                let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                paths.sort();
                paths.iter().for_each(|path| self.add(path));
            }
        }
    }

    fn line(&mut self, path: &Path, what: &str) {
        let name = path.strip_prefix(self.root).unwrap_or(path).as_os_str().as_bytes();
        let shown = if name.len() > 60 { &name[..60] } else { name };
        writeln!(self.text, "= ./{}: {what}", shown.escape_ascii()).expect("write to a string");
    }

    /// A time of the run is only that; one that was set is told in full.
    fn write_time(&self, line: &mut String, seconds: i64, part: i64) {
        if (self.now - seconds).abs() < 3600 {
            line.push_str(" now");
        } else {
            write!(line, " {seconds}.{part:09}").expect("write to a string");
        }
    }
}

/// The first bytes of a file.
fn head(path: &Path) -> String {
    let mut bytes = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(40).read_to_end(&mut bytes)) {
        Ok(_) => bytes.escape_ascii().to_string(),
        Err(error) => error.to_string(),
    }
}

fn write_attributes(line: &mut String, path: &Path) {
    let path = c(path);
    let mut names = vec![0_u8; 4096];
    let length = call(libc::SYS_llistxattr, &[at(&path), names.as_mut_ptr() as i64, 4096]);
    names.truncate(usize::try_from(length).unwrap_or(0));
    let mut names: Vec<_> = names.split_inclusive(|byte| *byte == 0).collect();
    names.sort_unstable();
    for name in names {
        let mut value = vec![0_u8; 70_000];
        let args = [at(&path), name.as_ptr() as i64, value.as_mut_ptr() as i64, value.len() as i64];
        let length = call(libc::SYS_lgetxattr, &args);
        value.truncate(usize::try_from(length).unwrap_or(0));
        let shown = value[..value.len().min(40)].escape_ascii();
        write!(line, " {}={length}:{shown}", name.escape_ascii()).expect("write to a string");
    }
}
