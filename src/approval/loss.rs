//! What a removal would take: the text of the files that are there.
//!
//! A jail may change what lies there at any time, so no link is followed, and
//! nothing but a regular file is opened.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag, ResolveFlag, readlinkat};
use walkdir::WalkDir;

use super::server::{MOST_TREES, Shown};
use crate::policy::{shortened, size, visible};
use crate::sys::file::{open_path, reopen, stat};
use crate::sys::{Errno, errno_of};

/// How many files are looked at.
const MOST_FILES: usize = 50;
/// How many names are, to find them.
const MOST_NAMES: usize = 5000;
/// How many bytes of all of them are read.
const MOST_BYTES: u64 = 256 << 10;
/// How many bytes of one file are.
const MOST_OF_ONE: u64 = 32 << 10;
/// How long a line is shown, in characters.
const MOST_CHARS: usize = 500;

/// What would be lost. Texts are escaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loss {
    /// File by file.
    pub files: Vec<Lost>,
    /// Whether there is more that was not looked at.
    pub has_more: bool,
}

/// A file that would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its path, from the workspace where it lies in it, and how much there is.
    pub name: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Lines of text, and whether there are more.
    Text(Vec<String>, bool),
    /// No text.
    Binary,
    /// A symbolic link, and what it says.
    Link(String),
    /// A socket, a FIFO or a device.
    Special,
    /// It cannot be read.
    Unreadable(Errno),
    /// So much was read before it that it was left out.
    Unread,
}

impl Loss {
    /// Looks at what a question is about. None where it takes nothing away.
    pub fn of(question: &Shown) -> Option<Loss> {
        if question.verb != "remove" {
            return None;
        }
        let mut loss = Loss { has_more: question.trees.len() > MOST_TREES, ..Loss::default() };
        let (mut names, mut left) = (0, MOST_BYTES);
        let places = question.places.iter().map(|place| Path::new(OsStr::from_bytes(place)));
        let places: Vec<&Path> = places.collect();
        for (index, place) in places.iter().enumerate() {
            let walk = WalkDir::new(place).follow_root_links(false).same_file_system(true);
            let is_new = |path: &Path| !places[..index].iter().any(|before| path.starts_with(before));
            let walk = walk.sort_by_file_name().into_iter().filter_entry(|entry| is_new(entry.path()));
            for entry in walk.flatten() {
                names += 1;
                if names > MOST_NAMES || loss.files.len() >= MOST_FILES {
                    return Some(Loss { has_more: true, ..loss });
                }
                if !entry.file_type().is_dir() {
                    loss.files.push(Lost::of(entry.path(), Path::new(&question.workspace), &mut left));
                }
            }
        }
        Some(loss)
    }
}

impl Lost {
    fn of(path: &Path, workspace: &Path, left: &mut u64) -> Lost {
        let name = visible(&path.strip_prefix(workspace).unwrap_or(path).to_string_lossy());
        match look(path, left) {
            Ok((content, Some(bytes))) => Lost { name: format!("{name} ({})", size(bytes)), content },
            Ok((content, None)) => Lost { name, content },
            Err(errno) => Lost { name, content: Content::Unreadable(errno) },
        }
    }
}

/// What is at a path, and how many bytes a file has.
fn look(path: &Path, left: &mut u64) -> Result<(Content, Option<u64>), Errno> {
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EINVAL) };
    let dir = open_path(AT_FDCWD, parent, OFlag::O_DIRECTORY, resolve)?;
    let pinned = open_path(dir.as_fd(), Path::new(name), OFlag::O_NOFOLLOW, ResolveFlag::empty())?;
    let found = stat(pinned.as_fd(), c"")?;
    if found.is(libc::S_IFLNK) {
        let target = readlinkat(pinned.as_fd(), c"")?;
        return Ok((Content::Link(line(&target.to_string_lossy())), None));
    }
    if !found.is(libc::S_IFREG) {
        return Ok((Content::Special, None));
    }
    let most = MOST_OF_ONE.min(*left);
    if most == 0 {
        return Ok((Content::Unread, Some(found.size)));
    }
    let file = File::from(reopen(pinned.as_fd(), OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW)?);
    let mut bytes = Vec::new();
    let read: io::Result<usize> = file.take(most).read_to_end(&mut bytes);
    let read = read.map_err(|error| errno_of(&error))? as u64;
    *left -= read.min(*left);
    Ok((text(&bytes, read < found.size), Some(found.size)))
}

/// The text of a file or, where there is more of it, of its beginning.
fn text(mut bytes: &[u8], has_more: bool) -> Content {
    if let Err(error) = std::str::from_utf8(bytes)
        && has_more
        && error.error_len().is_none()
    {
        // A character goes on after the end.
        bytes = &bytes[..error.valid_up_to()];
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Content::Text(text.lines().map(line).collect(), has_more),
        _ => Content::Binary,
    }
}

fn line(text: &str) -> String {
    shortened(&text.split('\t').map(visible).collect::<Vec<_>>().join("    "), MOST_CHARS)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::approval::view;

    fn question(dir: &Path, name: &str) -> Shown {
        let tree = dir.join(name);
        Shown {
            workspace: dir.to_string_lossy().into_owned(),
            trees: vec![tree.to_string_lossy().into_owned()],
            places: vec![tree.as_os_str().as_bytes().to_vec()],
            ..view::tests::question()
        }
    }

    #[test]
    fn text_is_shown_and_nothing_else_is_opened_or_followed() {
        let dir = tempfile::tempdir().expect("make a directory");
        let root = dir.path().canonicalize().expect("resolve it");
        let at = |name: &str| root.join("d").join(name);
        fs::create_dir(root.join("d")).expect("make a directory");
        fs::write(root.join("secret"), "secret").expect("write");
        fs::write(at("a"), "one\n\ttwo\u{1b}[2J\u{202e}").expect("write");
        fs::write(at("b"), b"a\0b").expect("write");
        symlink("../secret", at("c")).expect("link");
        nix::unistd::mkfifo(&at("d"), nix::sys::stat::Mode::S_IRWXU).expect("make a FIFO");
        fs::write(at("e\u{1b}"), "").expect("write");
        symlink("..", at("f")).expect("link");
        let loss = Loss::of(&question(&root, "d")).expect("a removal");
        let lines = vec!["one".into(), r"    two\u{1b}[2J\u{202e}".into()];
        let expected = [
            ("d/a (15 B)", Content::Text(lines, false)),
            ("d/b (3 B)", Content::Binary),
            ("d/c", Content::Link("../secret".into())),
            ("d/d", Content::Special),
            (r"d/e\u{1b} (0 B)", Content::Text(Vec::new(), false)),
            ("d/f", Content::Link("..".into())),
        ];
        let expected = expected.map(|(name, content)| Lost { name: name.into(), content });
        assert_eq!(loss, Loss { files: expected.into(), has_more: false });
        // Nor is a link on the way, or the tree itself.
        symlink("d", root.join("l")).expect("link");
        let link = Loss::of(&question(&root, "l")).expect("a removal");
        assert_eq!(link.files, [Lost { name: "l".into(), content: Content::Link("d".into()) }]);
        let behind = Loss::of(&question(&root, "l/a")).expect("a removal");
        assert_eq!(behind.files, [Lost { name: "l/a".into(), content: Content::Unreadable(Errno::ELOOP) }]);
        // What is asked about comes first, and nothing twice.
        let both = [question(&root, "d/b"), question(&root, "d")].map(|one| one.places).concat();
        let both = Loss::of(&Shown { places: both, ..question(&root, "d") }).expect("a removal");
        let names: Vec<&str> = both.files.iter().map(|file| &file.name[..3]).collect();
        assert_eq!(names, ["d/b", "d/a", "d/c", "d/d", "d/e", "d/f"]);
        assert_eq!(Loss::of(&Shown { verb: "modify".into(), ..question(&root, "d") }), None);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let dir = tempfile::tempdir().expect("make a directory");
        let root = dir.path().canonicalize().expect("resolve it");
        for number in 0..MOST_FILES + 5 {
            fs::write(root.join(format!("{number:03}")), "é".repeat(MOST_OF_ONE as usize)).expect("write");
        }
        let loss = Loss::of(&question(&root, "")).expect("a removal");
        assert_eq!((loss.files.len(), loss.has_more), (MOST_FILES, true));
        let read = loss.files.iter().filter(|file| matches!(file.content, Content::Text(_, true))).count();
        assert_eq!(read as u64, MOST_BYTES / MOST_OF_ONE);
        assert_eq!(loss.files[MOST_FILES - 1].content, Content::Unread);
        // A character that is cut in two is no reason to call it binary.
        assert_eq!(
            text("aé".as_bytes().split_last().expect("bytes").1, true),
            Content::Text(vec!["a".into()], true)
        );
        assert_eq!(text(b"a\xff", true), Content::Binary);
    }
}
