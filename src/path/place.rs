//! A name in a pinned directory: what calls are about that make, remove or
//! replace names, whether or not there is a file behind it.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, ResolveFlag};
use nix::unistd::Pid;

use super::{
    Name, Pinned, as_path, by_path, by_path_restricted, is_in_proc, name_of, restricted_start, root,
    start_dir,
};
use crate::sys::Errno;
use crate::sys::file::{self, Stat, open_path};

/// What the last component of a path is (`path_resolution(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// A name.
    Name,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// The path is nothing but slashes.
    Root,
}

/// A name in a pinned directory.
#[derive(Debug)]
pub struct Place {
    dir: OwnedFd,
    dir_path: PathBuf,
    name: CString,
    last: Last,
    ends_in_slash: bool,
    is_removed: bool,
    /// How many links at the end of paths were followed to get here.
    links: usize,
    way: Option<Way>,
}

/// How a restricted path got here; where its end is followed the restrictions
/// hold for all of it.
#[derive(Debug)]
struct Way {
    start: Option<OwnedFd>,
    /// The path up to its last component.
    parent: Vec<u8>,
    resolve: ResolveFlag,
}

impl Place {
    /// Resolves all of a path but its last component, as `thread` would.
    ///
    /// Errors are those that the kernel would give the caller. The caller of
    /// this function must make sure afterwards that `thread` still is who it was.
    pub fn find(thread: Pid, dir: RawFd, path: &CStr) -> Result<Place, Errno> {
        let path = as_path(path)?;
        let start = start_dir(thread, dir, path)?;
        Place::in_parent(path, start, |start, parent| by_path(thread, start, parent, true).map(|(fd, _)| fd))
    }

    /// The same with the restrictions of `openat2(2)` on the way.
    pub fn find_restricted(
        thread: Pid,
        dir: RawFd,
        path: &CStr,
        resolve: ResolveFlag,
    ) -> Result<Place, Errno> {
        let path = as_path(path)?;
        Place::by_way(restricted_start(thread, dir, path, resolve)?, path, resolve)
    }

    fn by_way(start: Option<OwnedFd>, path: &Path, resolve: ResolveFlag) -> Result<Place, Errno> {
        let again = start.as_ref().map(copy).transpose()?;
        let place = Place::in_parent(path, again, |start, parent| {
            by_path_restricted(start.as_ref(), parent, true, resolve)
        })?;
        let parent = split(path.as_os_str().as_bytes()).0.to_vec();
        Ok(Place { way: Some(Way { start, parent, resolve }), ..place })
    }

    /// Where a symbolic link at this place leads.
    pub fn follow(&self, thread: Pid, text: &OsStr) -> Result<Place, Errno> {
        let text = Path::new(text);
        if let Some(way) = &self.way {
            let start = way.start.as_ref().map(copy).transpose()?;
            let path = Path::new(OsStr::from_bytes(&way.parent)).join(text);
            let place = Place::by_way(start, &path, way.resolve)?;
            return Ok(Place { links: self.links + 1, ..place });
        }
        let start = if text.is_absolute() { None } else { Some(copy(&self.dir)?) };
        let place = Place::in_parent(text, start, |start, parent| {
            by_path(thread, start, parent, true).map(|(fd, _)| fd)
        })?;
        Ok(Place { links: self.links + 1, ..place })
    }

    /// Another handle of the same.
    pub fn try_clone(&self) -> Result<Place, Errno> {
        let (dir_path, name) = (self.dir_path.clone(), self.name.clone());
        Ok(Place { dir: copy(&self.dir)?, dir_path, name, way: None, ..*self })
    }

    fn in_parent(
        path: &Path,
        start: Option<OwnedFd>,
        open: impl FnOnce(Option<OwnedFd>, &Path) -> Result<OwnedFd, Errno>,
    ) -> Result<Place, Errno> {
        let (parent, name, ends_in_slash) = split(path.as_os_str().as_bytes());
        // The dot has the kernel see to it that it is a directory to be searched.
        let dir = match start {
            Some(start) if parent.is_empty() => {
                open_path(start.as_fd(), Path::new("."), OFlag::O_DIRECTORY, ResolveFlag::empty())?
            }
            None if parent.is_empty() => root()?,
            start => open(start, Path::new(OsStr::from_bytes(&[parent, b"."].concat())))?,
        };
        let last = match name {
            b"" => Last::Root,
            b"." => Last::Dot,
            b".." => Last::DotDot,
            _ => Last::Name,
        };
        let (dir_path, is_removed) = match name_of(dir.as_fd())? {
            Name::Path(path) => (path, false),
            Name::Nameless => (PathBuf::new(), true),
        };
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        Ok(Place { dir, dir_path, name, last, ends_in_slash, is_removed, links: 0, way: None })
    }

    /// The directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Whether the directory was removed: then there is nothing in it, and
    /// nothing can be made in it.
    pub fn is_removed(&self) -> bool {
        self.is_removed
    }

    /// The directory's real path at the time it was asked for; empty if it was removed.
    pub fn dir_path(&self) -> &Path {
        &self.dir_path
    }

    /// The real path of the name, wherever a symbolic link there may lead.
    pub fn path(&self) -> PathBuf {
        self.dir_path.join(OsStr::from_bytes(self.name.to_bytes()))
    }

    /// The name, for `*at` calls with [`Place::dir`].
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// The name as it was written, with the slash that says it must be a directory.
    pub fn written(&self) -> CString {
        if !self.ends_in_slash {
            return self.name.clone();
        }
        let mut text = self.name.to_bytes().to_vec();
        text.push(b'/');
        // There was no NUL in it, and a slash is none.
        CString::new(text).unwrap_or_default()
    }

    /// What the last component is.
    pub fn last(&self) -> Last {
        self.last
    }

    /// Whether the path ended in a slash.
    pub fn ends_in_slash(&self) -> bool {
        self.ends_in_slash
    }

    /// Whether it is a name in procfs, where links may be more than their text.
    pub fn is_in_proc(&self) -> Result<bool, Errno> {
        is_in_proc(self.dir())
    }

    /// How many links at the end of paths led here.
    pub fn links(&self) -> usize {
        self.links
    }

    /// What the name stands for; none where there is nothing.
    pub fn stat(&self) -> Result<Option<Stat>, Errno> {
        match file::stat(self.dir(), &self.name) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Pins what the name stands for, which is not followed.
    pub fn pin(&self) -> Result<Pinned, Errno> {
        let name = Path::new(OsStr::from_bytes(self.name.to_bytes()));
        let fd = open_path(self.dir(), name, OFlag::O_NOFOLLOW, ResolveFlag::empty())?;
        Ok(Pinned { fd, name: Name::Path(self.path()), through: None })
    }

    /// Pins what a symbolic link here leads to, as `thread` would follow it.
    pub fn pin_followed(&self, thread: Pid) -> Result<Pinned, Errno> {
        let name = OsStr::from_bytes(self.name.to_bytes());
        let (fd, through) = match &self.way {
            None => by_path(thread, Some(copy(&self.dir)?), Path::new(name), true)?,
            Some(Way { start, parent, resolve }) => {
                let path = Path::new(OsStr::from_bytes(parent)).join(name);
                (by_path_restricted(start.as_ref(), &path, true, *resolve)?, None)
            }
        };
        let name = name_of(fd.as_fd())?;
        Ok(Pinned { fd, name, through })
    }
}

fn copy(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    fd.try_clone().map_err(|_| Errno::EMFILE)
}

/// A path's directory as written (empty: where it starts), its last component,
/// and whether slashes follow that.
fn split(path: &[u8]) -> (&[u8], &[u8], bool) {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    (&path[..start], &path[start..end], end < path.len())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn paths_are_split_at_their_last_component() {
        let cases: [(&str, &str, &str, bool); 8] = [
            ("a", "", "a", false),
            ("a/", "", "a", true),
            ("a/b", "a/", "b", false),
            ("/a", "/", "a", false),
            ("/a//b//", "/a//", "b", true),
            ("/", "", "", true),
            ("..", "", "..", false),
            ("a/./", "a/", ".", true),
        ];
        for (path, parent, name, slash) in cases {
            assert_eq!(split(path.as_bytes()), (parent.as_bytes(), name.as_bytes(), slash), "{path}");
        }
    }
}
