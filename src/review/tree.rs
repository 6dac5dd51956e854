//! The hash of a tree: what a verdict is about.
//!
//! It covers names, kinds, permissions and content of all that is in the workspace, but
//! for git directories and for scratch, which everybody may fill and empty; and of every
//! path that the author's sessions changed, wherever it is. Times and owners are left out.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use blake3::Hasher;

use crate::policy::{Access, Policy};
use crate::sys::file::open_regular;

/// What a hash begins with.
const KIND: &str = "blake3:";
/// A file that changed less than this ago could change again without its times telling.
const SETTLED: Duration = Duration::from_secs(2);

/// What tells whether a file's content may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(u64::try_from(self.changed.0).unwrap_or_default());
        since.checked_sub(changed).is_some_and(|age| age > SETTLED)
    }
}

/// A workspace that is hashed again and again: what did not change is read once.
#[derive(Debug)]
pub struct Tree {
    workspace: PathBuf,
    known: HashMap<Stamp, [u8; 32]>,
}

impl Tree {
    /// The tree of a workspace.
    pub fn new(workspace: &Path) -> Tree {
        Tree { workspace: workspace.into(), known: HashMap::new() }
    }

    /// Its hash now, where a policy says what is scratch, with further paths.
    pub fn hash(&mut self, policy: &Policy, further: &BTreeSet<PathBuf>) -> io::Result<String> {
        let mut hasher = Hasher::new();
        let mut seen = BTreeSet::new();
        self.add_dir(&self.workspace.clone(), policy, &mut hasher, &mut seen)?;
        for path in further.difference(&seen) {
            self.add(path, &mut hasher)?;
        }
        Ok(format!("{KIND}{}", hasher.finalize().to_hex()))
    }

    fn add_dir(
        &mut self,
        dir: &Path,
        policy: &Policy,
        hasher: &mut Hasher,
        seen: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        let mut entries = match fs::read_dir(dir) {
            // What its owner closed is known by its own metadata alone.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            entries => entries?.collect::<Result<Vec<_>, _>>()?,
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_name() == ".git" || policy.access(&path) == Access::SCRATCH {
                continue;
            }
            self.add(&path, hasher)?;
            if entry.file_type()?.is_dir() {
                self.add_dir(&path, policy, hasher, seen)?;
            }
            seen.insert(path);
        }
        Ok(())
    }

    /// Adds what stands at a path, or that nothing does.
    fn add(&mut self, path: &Path, hasher: &mut Hasher) -> io::Result<()> {
        let name = path.strip_prefix(&self.workspace).unwrap_or(path).as_os_str().as_bytes();
        let mut put = |mode: u32, content: &[u8]| {
            for part in [name, &mode.to_le_bytes(), content] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        };
        let metadata = match path.symlink_metadata() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                put(0, b"");
                return Ok(());
            }
            metadata => metadata?,
        };
        let mode = metadata.mode();
        if metadata.is_symlink() {
            put(mode, path.read_link()?.as_os_str().as_bytes());
        } else if metadata.is_file() {
            put(mode, &self.content(path, &metadata)?);
        } else {
            put(mode, &metadata.rdev().to_le_bytes());
        }
        Ok(())
    }

    fn content(&mut self, path: &Path, metadata: &Metadata) -> io::Result<[u8; 32]> {
        let stamp = Stamp::of(metadata);
        if let Some(known) = self.known.get(&stamp) {
            return Ok(*known);
        }
        let file = match open_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // Whatever it says: it is another one when any of this is.
                return Ok(*blake3::hash(format!("{stamp:?}").as_bytes()).as_bytes());
            }
            file => file?,
        };
        let mut hasher = Hasher::new();
        hasher.update_reader(&file)?;
        let hash = *hasher.finalize().as_bytes();
        if Stamp::of(&file.metadata()?) == stamp && stamp.is_settled(SystemTime::now()) {
            self.known.insert(stamp, hash);
        }
        Ok(hash)
    }
}
