//! What the journal of a session says, line by line.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sys::file::Stat;

/// The version of what is written.
pub const SCHEMA: u32 = 1;

/// A line: its number from 0, when it was written, whose doing it is, and what
/// is about to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 0.
    pub seq: u64,
    /// Milliseconds since 1970 (UTC).
    pub time: i64,
    /// The command that did it, as [`Entry::Command`] numbers them.
    pub by: u32,
    /// What is about to happen.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What is about to happen, or just has. Paths are real, absolute paths of the
/// moment at which the line was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Entry {
    /// The first line: which session it is.
    Start {
        /// The version of the format.
        schema: u32,
        /// The session's id.
        session: String,
        /// The command and its arguments.
        command: Vec<Name>,
        /// Where it works.
        workspace: Name,
        /// The session that this one takes back, where it is an undo.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<String>,
    },
    /// A further directory with objects: what lies on another file system than
    /// the session's own directory is kept there.
    Store {
        /// The directory.
        path: Name,
    },
    /// A command that is about to change something for the first time: 0 is the
    /// session's own main process, others are its children with all of their own.
    Command {
        /// Its number.
        number: u32,
        /// Its process id.
        pid: i32,
        /// Its arguments as far as they could be read; shortened where long.
        argv: Vec<Name>,
    },
    /// A name is about to be made where there is none.
    Create {
        /// The name.
        path: Name,
        /// What is made.
        kind: Kind,
    },
    /// What was made by the line of that number.
    Made {
        /// The number of the [`Entry::Create`].
        of: u64,
        /// What it is.
        file: Identity,
    },
    /// A name is about to go.
    Remove {
        /// The name.
        path: Name,
        /// What it stands for.
        gone: Gone,
    },
    /// A name is about to become another one.
    Rename {
        /// The name.
        from: Name,
        /// Its new name.
        to: Name,
        /// What it stands for.
        file: Identity,
        /// What it is.
        kind: Kind,
        /// Whether what stands at the new name gets the old one.
        exchange: bool,
        /// What stands at the new name and goes.
        replaced: Option<Gone>,
    },
    /// The content of a file was copied, before it can change for the first time.
    Content {
        /// The name that it was reached by.
        path: Name,
        /// What it is.
        file: Identity,
        /// Metadata of the moment.
        meta: Meta,
        /// The copy.
        object: Object,
    },
    /// Metadata of a file before it changes for the first time.
    Meta {
        /// The name that it was reached by.
        path: Name,
        /// What it is.
        file: Identity,
        /// Metadata of the moment, extended attributes included.
        meta: Meta,
    },
    /// Metadata of a directory before a name in it changes for the first time,
    /// without extended attributes: these do not change by that.
    Dir {
        /// The directory.
        path: Name,
        /// What it is.
        file: Identity,
        /// Metadata of the moment.
        meta: Meta,
    },
    /// What an earlier line says did not happen.
    Failed {
        /// The number of the line.
        of: u64,
    },
    /// How the session left something that stands at a name which it changed;
    /// written at its end.
    After {
        /// The name.
        path: Name,
        /// What stands there; none where nobody could look.
        state: Option<State>,
    },
    /// The session with this id took back what this one did, all or in part.
    Undone {
        /// The other session.
        session: String,
        /// Whether nothing of it was left out.
        whole: bool,
    },
    /// The session ended by itself: all that it left is written above.
    End {
        /// The exit status of the main command.
        status: u8,
        /// Bytes that the store holds.
        saved: u64,
    },
}

/// What is kept of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Object {
    /// The file of this number in the store.
    File(u64),
    /// A piece of the file that holds the content of small ones.
    Piece {
        /// Where it begins, in bytes.
        offset: u64,
        /// How many bytes it has.
        length: u64,
    },
}

/// How far the number of a session stands left in an object's; no store grows so large.
const SESSION_SHIFT: u32 = 48;

impl Object {
    /// The same where several sessions are looked at: kept by the one of this number.
    pub(super) fn kept_by(self, session: usize) -> Object {
        let tag = (session as u64) << SESSION_SHIFT;
        match self {
            Object::File(number) => Object::File(number | tag),
            Object::Piece { offset, length } => Object::Piece { offset: offset | tag, length },
        }
    }

    /// The number of the session that keeps it, and what it is there.
    pub(super) fn apart(self) -> (usize, Object) {
        let (Object::File(tagged) | Object::Piece { offset: tagged, .. }) = self;
        let (session, own) = (tagged >> SESSION_SHIFT, tagged & ((1 << SESSION_SHIFT) - 1));
        let object = match self {
            Object::File(_) => Object::File(own),
            Object::Piece { length, .. } => Object::Piece { offset: own, length },
        };
        (usize::try_from(session).unwrap_or(usize::MAX), object)
    }
}

/// Something that loses a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// What it is.
    pub file: Identity,
    /// What kind of thing.
    pub kind: Kind,
    /// Its metadata; extended attributes only where no object has them.
    pub meta: Meta,
    /// Where the store keeps it; directories are not kept, since they are
    /// empty when they go. None as well for what the session itself made.
    pub object: Option<Object>,
    /// Whether the object is a copy, made because something else might still
    /// change the file.
    pub copied: bool,
    /// Whether the session itself had made it, so that it need not come back.
    pub own: bool,
    /// How many names it has, the one that goes included.
    pub links: u32,
}

/// What a file is known by: numbers are used again, times of birth are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// The device's major and minor number.
    pub device: (u32, u32),
    /// The inode's number.
    pub inode: u64,
    /// Its time of birth in seconds and nanoseconds, where the file system has it.
    pub born: Option<(i64, u32)>,
}

impl Identity {
    /// What a file is known by.
    pub fn of(stat: &Stat) -> Identity {
        Identity { device: stat.device, inode: stat.inode, born: stat.born }
    }
}

/// What kind of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A character or block device.
    Device,
}

impl Kind {
    /// The kind that a mode says (`inode(7)`).
    pub fn of(mode: u32) -> Kind {
        match mode & libc::S_IFMT {
            libc::S_IFDIR => Kind::Dir,
            libc::S_IFLNK => Kind::Link,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFSOCK => Kind::Socket,
            libc::S_IFCHR | libc::S_IFBLK => Kind::Device,
            _ => Kind::File,
        }
    }
}

/// Metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Time of access, in seconds and nanoseconds.
    pub atime: (i64, u32),
    /// Time of the content's last change.
    pub mtime: (i64, u32),
    /// Extended attributes (ACLs among them) with their values; none where
    /// they were not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xattrs: Option<Vec<(Name, Name)>>,
}

impl Meta {
    /// Metadata without extended attributes.
    pub fn of(stat: &Stat) -> Meta {
        Meta {
            mode: stat.mode,
            uid: stat.owner,
            gid: stat.group,
            size: stat.size,
            atime: stat.atime,
            mtime: stat.mtime,
            xattrs: None,
        }
    }
}

/// What tells whether somebody changed a file: all of it changes together with
/// content or metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What it is.
    pub file: Identity,
    /// Type and permissions.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Time of the content's last change, in seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Time of the last change of any kind.
    pub ctime: (i64, u32),
}

impl State {
    /// The state of a file.
    pub fn of(stat: &Stat) -> State {
        State {
            file: Identity::of(stat),
            mode: stat.mode,
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
        }
    }
}

/// A path, an argument or an attribute's value: any bytes. It is written as a
/// string, or as an array of bytes where it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub OsString);

impl Name {
    /// As a path.
    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Name {
        Name(path.as_os_str().to_os_string())
    }
}

impl From<PathBuf> for Name {
    fn from(path: PathBuf) -> Name {
        Name(path.into_os_string())
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_seq(self.0.as_bytes()),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Bytes(Vec<u8>),
        }
        Ok(Name(match Either::deserialize(deserializer)? {
            Either::Text(text) => text.into(),
            Either::Bytes(bytes) => OsString::from_vec(bytes),
        }))
    }
}
