//! What is in a file before and after, as far as it can be shown.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};

use super::super::entry::{Kind, Object};
use super::super::objects::Objects;
use super::super::spot::Spot;
use super::Version;
use crate::sys::file::{reopen, stat};

/// Files larger than this are not shown, and never held in memory.
const LIMIT: u64 = 8 << 20;
/// How much is compared at a time.
const PIECE: usize = 64 << 10;

/// Where content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// An object of the session.
    Object(Object),
    /// A file as it is now.
    File(PathBuf),
    /// Nothing was kept.
    Nowhere,
    /// In a directory that cannot be looked into.
    Hidden,
}

/// What became of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It is as it was.
    Same,
    /// It can be shown.
    Text {
        /// As it was.
        old: String,
        /// As it is.
        new: String,
    },
    /// It is no text, or too large.
    Binary,
    /// It cannot be told, and why.
    Unknown(String),
}

enum Content {
    Text(String),
    Binary,
}

impl Body {
    /// Compares two versions of one kind; what is not there is empty.
    pub(super) fn of(objects: &Objects, old: Option<&Version>, new: Option<&Version>) -> Body {
        match compare(objects, old, new) {
            Ok(body) => body,
            Err(("old", error)) if error.kind() == io::ErrorKind::NotFound => {
                Body::Unknown("the old version is not kept any more".into())
            }
            Err((which, error)) => Body::Unknown(format!("the {which} version cannot be read: {error}")),
        }
    }
}

type Named<T> = Result<T, (&'static str, io::Error)>;

fn compare(objects: &Objects, old: Option<&Version>, new: Option<&Version>) -> Named<Body> {
    if old.is_some_and(|old| old.source == Source::Nowhere) {
        return Ok(Body::Unknown("the old version was not kept".into()));
    }
    if new.is_some_and(|new| new.source == Source::Hidden) {
        return Ok(Body::Unknown("it is in a directory that cannot be looked into".into()));
    }
    if let (Some(old), Some(new)) = (old, new)
        && (old.source == new.source || are_equal(objects, old, new)?)
    {
        return Ok(Body::Same);
    }
    let read = |which, version: Option<&Version>| match version {
        None => Ok(Content::Text(String::new())),
        Some(version) => version.read(objects).map_err(|error| (which, error)),
    };
    Ok(match (read("old", old)?, read("new", new)?) {
        (Content::Text(old), Content::Text(new)) => Body::Text { old, new },
        _ => Body::Binary,
    })
}

/// Compares files without holding them in memory.
fn are_equal(objects: &Objects, old: &Version, new: &Version) -> Named<bool> {
    if old.kind != Kind::File || old.size != new.size {
        return Ok(false);
    }
    let open = |which, version: &Version| version.open(objects).map_err(|errno| (which, errno.into()));
    let (mut one, mut other) = (open("old", old)?, open("new", new)?);
    let (mut here, mut there) = (Vec::new(), Vec::new());
    loop {
        piece(&mut one, &mut here).map_err(|error| ("old", error))?;
        piece(&mut other, &mut there).map_err(|error| ("new", error))?;
        if here != there {
            return Ok(false);
        }
        if here.is_empty() {
            return Ok(true);
        }
    }
}

fn piece(file: &mut File, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    file.take(PIECE as u64).read_to_end(into).map(drop)
}

impl Version {
    fn read(&self, objects: &Objects) -> io::Result<Content> {
        if self.kind == Kind::Link {
            return Ok(text(self.target(objects)?.into_vec()));
        }
        let file = self.open(objects)?;
        if file.metadata()?.len() > LIMIT {
            return Ok(Content::Binary);
        }
        let mut bytes = Vec::new();
        // It may grow meanwhile.
        file.take(LIMIT + 1).read_to_end(&mut bytes)?;
        Ok(if bytes.len() as u64 > LIMIT { Content::Binary } else { text(bytes) })
    }

    fn target(&self, objects: &Objects) -> Result<OsString, Errno> {
        match &self.source {
            Source::Object(object) => objects.read_link(*object),
            Source::File(path) => readlinkat(Spot::at(path)?.pin()?, c""),
            Source::Nowhere | Source::Hidden => Err(Errno::ENOENT),
        }
    }

    fn open(&self, objects: &Objects) -> Result<File, Errno> {
        let fd = match &self.source {
            Source::Object(object) => objects.open(*object)?,
            Source::File(path) => {
                let pinned = Spot::at(path)?.pin()?;
                // Opening a FIFO or a device does more than look.
                if !stat(pinned.as_fd(), c"")?.is(libc::S_IFREG) {
                    return Err(Errno::ESTALE);
                }
                reopen(pinned.as_fd(), OFlag::O_RDONLY)?
            }
            Source::Nowhere | Source::Hidden => return Err(Errno::ENOENT),
        };
        Ok(File::from(fd))
    }
}

fn text(bytes: Vec<u8>) -> Content {
    if bytes.contains(&0) {
        return Content::Binary;
    }
    String::from_utf8(bytes).map_or(Content::Binary, Content::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_binary() {
        for (bytes, is_text) in [(&b"a\n\x1b"[..], true), (b"", true), (b"a\0", false), (b"\xff\n", false)] {
            assert_eq!(matches!(text(bytes.to_vec()), Content::Text(_)), is_text, "{bytes:?}");
        }
    }
}
