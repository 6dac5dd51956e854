//! What an earlier session has kept, to be given back.

use std::cell::OnceCell;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, ResolveFlag, openat, readlinkat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::entry::Object;
use super::pack;
use super::read::Journal;
use super::small;
use super::spot::Spot;
use super::store::{copy_special, name_of, objects_path};
use crate::sys::copy::copy_content;
use crate::sys::errno_of;
use crate::sys::file::{self, Stat, open_path};

/// The objects of a session, or of several that are looked at as one.
#[derive(Debug)]
pub struct Objects {
    stores: Vec<Kept>,
}

/// What one session keeps.
#[derive(Debug)]
struct Kept {
    dirs: Vec<OwnedFd>,
    /// The file that holds small ones, once it was looked for.
    small: OnceCell<Option<File>>,
}

impl Objects {
    /// Those of a session in the directory of all sessions, with what its
    /// journal says of other places.
    pub fn of(sessions: &Path, id: &str, journal: &Journal) -> Objects {
        Objects::of_all(sessions, [(id, journal)])
    }

    /// Those of several sessions, numbered in this order.
    pub(super) fn of_all<'a>(
        sessions: &Path,
        all: impl IntoIterator<Item = (&'a str, &'a Journal)>,
    ) -> Objects {
        let kept = |(id, journal): (&str, &Journal)| {
            let places = [objects_path(sessions, id)].into_iter().chain(journal.stores());
            // One that is not there holds nothing.
            let dirs = places.filter_map(|path| File::open(path).ok()).map(OwnedFd::from).collect();
            Kept { dirs, small: OnceCell::new() }
        };
        Objects { stores: all.into_iter().map(kept).collect() }
    }

    fn kept(&self, object: Object) -> Result<(&Kept, Object), Errno> {
        let (session, object) = object.apart();
        Ok((self.stores.get(session).ok_or(Errno::ENOENT)?, object))
    }

    /// Whether an object is there.
    pub fn has(&self, object: Object) -> bool {
        self.kept(object).is_ok_and(|(kept, object)| kept.has(object))
    }

    /// Opens a regular file's content.
    pub fn open(&self, object: Object) -> Result<OwnedFd, Errno> {
        let (kept, object) = self.kept(object)?;
        kept.open(object)
    }

    /// The text of a symbolic link.
    pub fn read_link(&self, object: Object) -> Result<OsString, Errno> {
        let (kept, object) = self.kept(object)?;
        kept.read_link(object)
    }

    /// Gives an object a name: moves it there, or a copy of it where it lies on
    /// another mount, is packed, or is only a piece of a file.
    pub(super) fn give(&self, object: Object, spot: &Spot, flags: RenameFlags) -> Result<(), Errno> {
        let (kept, object) = self.kept(object)?;
        kept.give(object, spot, flags)
    }
}

impl Kept {
    fn find(&self, name: &CStr) -> Result<(&OwnedFd, Stat), Errno> {
        for dir in &self.dirs {
            match file::stat(dir.as_fd(), name) {
                Ok(stat) => return Ok((dir, stat)),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::ENOENT)
    }

    fn has(&self, object: Object) -> bool {
        match object {
            Object::File(number) => {
                let name = name_of(number);
                self.find(&c_name(&name)).is_ok() || self.dirs.iter().any(|dir| pack::has(dir, &name))
            }
            Object::Piece { offset, length } => {
                let size = self.small().and_then(|small| small.metadata().ok()).map(|small| small.len());
                size.is_some_and(|size| offset.saturating_add(length) <= size)
            }
        }
    }

    fn open(&self, object: Object) -> Result<OwnedFd, Errno> {
        match object {
            Object::File(number) => self.open_file(&name_of(number)),
            Object::Piece { offset, length } => {
                let small = self.small().ok_or(Errno::ENOENT)?;
                small::piece(small, offset, length).map_err(|error| failed(&error))
            }
        }
    }

    fn small(&self) -> Option<&File> {
        self.small.get_or_init(|| self.open_file(small::NAME).ok().map(File::from)).as_ref()
    }

    fn open_file(&self, name: &str) -> Result<OwnedFd, Errno> {
        match self.find(&c_name(name)) {
            Ok((dir, _)) => {
                let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                openat(dir, name, flags, Mode::empty())
            }
            Err(Errno::ENOENT) => self.unpack(name),
            Err(errno) => Err(errno),
        }
    }

    fn unpack(&self, name: &str) -> Result<OwnedFd, Errno> {
        for dir in &self.dirs {
            if let Some(file) = pack::open(dir, name).map_err(|error| failed(&error))? {
                return Ok(file);
            }
        }
        Err(Errno::ENOENT)
    }

    fn read_link(&self, object: Object) -> Result<OsString, Errno> {
        let Object::File(number) = object else { return Err(Errno::EINVAL) };
        let name = c_name(&name_of(number));
        let (dir, _) = self.find(&name)?;
        readlinkat(dir, name.as_c_str())
    }

    fn give(&self, object: Object, spot: &Spot, flags: RenameFlags) -> Result<(), Errno> {
        let copied = draft_name();
        let draft = copied.as_c_str();
        let found = match object {
            Object::Piece { .. } => Err(Errno::ENOENT),
            Object::File(number) => {
                let name = c_name(&name_of(number));
                self.find(&name).map(|(dir, stat)| (dir, stat, name))
            }
        };
        match found {
            Err(Errno::ENOENT) => copy_to(&self.open(object)?, spot, draft)?,
            Err(errno) => return Err(errno),
            Ok((dir, stat, name)) => {
                match renameat2(dir, name.as_c_str(), spot.dir(), spot.name().as_c_str(), flags) {
                    Err(Errno::EXDEV) => {}
                    other => return other,
                }
                if stat.is(libc::S_IFREG) {
                    copy_to(&self.open(object)?, spot, draft)?;
                } else {
                    let name = Path::new(OsStr::from_bytes(name.to_bytes()));
                    let fd = open_path(dir.as_fd(), name, OFlag::O_NOFOLLOW, ResolveFlag::empty())?;
                    copy_special(spot.dir(), fd.as_fd(), &stat, &copied)?;
                }
            }
        }
        // At once, so that nobody sees half of it.
        renameat2(spot.dir(), draft, spot.dir(), spot.name().as_c_str(), flags)
            .inspect_err(|_| discard(spot, draft))
    }
}

/// The name of a file in a store, in which there are no zero bytes.
fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

fn failed(error: &io::Error) -> Errno {
    tracing::error!(%error, "what is kept cannot be read");
    errno_of(error)
}

/// What a copy is called until it is complete.
fn draft_name() -> CString {
    CString::new(format!(".stockade-undo-{}-copy", std::process::id())).unwrap_or_default()
}

fn copy_to(from: &OwnedFd, spot: &Spot, draft: &CStr) -> Result<(), Errno> {
    let create = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let to = openat(spot.dir(), draft, create, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let size = file::stat(from.as_fd(), c"")?.size;
    copy_content(from.as_fd(), to.as_fd(), size).inspect_err(|_| discard(spot, draft))
}

fn discard(spot: &Spot, draft: &CStr) {
    if let Err(errno) = unlinkat(spot.dir(), draft, UnlinkatFlags::NoRemoveDir) {
        tracing::warn!(%errno, path = %spot.dir_path().display(), "half a copy stays");
    }
}
