//! Making what old sessions keep smaller: copies are compressed, and equal ones
//! are stored once.
//!
//! A packed object `N` is the file `N.gz` (RFC 1952) with the content's BLAKE3
//! hash as its comment; equal ones are names of one file. What is kept is not
//! touched before the smaller form is complete, and never takes more room with it
//! than it gives free. Files that were moved to the store stay as they are: they
//! are to come back as themselves.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::entry::{Entry, Object};
use super::read::Journal;
use super::small;
use super::store::name_of;

/// How the names of packed objects end.
const END: &str = ".gz";
/// What is smaller takes one block in any case.
const WORTHWHILE: u64 = 4 << 10;
/// How much is read at once, and how long a run of zero bytes becomes a hole.
const PIECE: usize = 64 << 10;

/// Packed files by the hash of what is in them.
#[derive(Debug, Default)]
pub(super) struct Packed {
    by_hash: HashMap<blake3::Hash, PathBuf>,
}

impl Packed {
    /// Packs the copies of a session that has ended, in these directories; gives
    /// the bytes that got free.
    pub(super) fn pack(&mut self, journal: &Journal, stores: &[PathBuf]) -> io::Result<u64> {
        let mut freed = 0;
        for name in copies(journal) {
            for store in stores {
                freed += self.pack_one(store, &name)?;
            }
        }
        Ok(freed)
    }

    fn pack_one(&mut self, store: &Path, name: &str) -> io::Result<u64> {
        let (plain, packed) = (store.join(name), store.join(format!("{name}{END}")));
        if let Ok(found) = File::open(&packed) {
            // From an earlier time.
            if let Some(hash) = hash_of(found) {
                self.by_hash.entry(hash).or_insert(packed);
            }
            return Ok(0);
        }
        let Ok(stat) = plain.symlink_metadata() else { return Ok(0) };
        if !stat.is_file() || stat.nlink() != 1 || stat.size() < WORTHWHILE {
            return Ok(0);
        }
        let hash = hash(File::open(&plain)?)?;
        let twin = self.by_hash.get(&hash).filter(|twin| fs::hard_link(twin, &packed).is_ok());
        let mut taken = 0;
        if twin.is_none() {
            let draft = store.join(format!("{name}.draft"));
            let written = write(&plain, &draft, &hash).and_then(|()| draft.symlink_metadata());
            match written {
                Ok(new) if new.blocks() < stat.blocks() => taken = new.blocks(),
                other => {
                    fs::remove_file(&draft)?;
                    return other.map(|_| 0);
                }
            }
            fs::rename(&draft, &packed)?;
            self.by_hash.insert(hash, packed);
        }
        fs::remove_file(&plain)?;
        Ok((stat.blocks() - taken) * 512)
    }
}

/// The files of a session's stores that hold copies.
fn copies(journal: &Journal) -> BTreeSet<String> {
    let copy = |line: &super::entry::Line| match &line.entry {
        Entry::Content { object, .. } => Some(*object),
        Entry::Remove { gone, .. } | Entry::Rename { replaced: Some(gone), .. } if gone.copied => gone.object,
        _ => None,
    };
    let name = |object| match object {
        Object::File(number) => name_of(number),
        Object::Piece { .. } => small::NAME.to_owned(),
    };
    journal.lines.iter().filter_map(copy).map(name).collect()
}

fn hash(file: File) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(hasher.finalize())
}

fn hash_of(packed: File) -> Option<blake3::Hash> {
    let reader = GzDecoder::new(BufReader::new(packed));
    let comment = reader.header()?.comment()?;
    blake3::Hash::from_hex(comment).ok()
}

/// Writes the packed form, and makes sure that it is on the disk.
fn write(plain: &Path, draft: &Path, hash: &blake3::Hash) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    let builder = flate2::GzBuilder::new().comment(hash.to_hex().as_str());
    let mut encoder: GzEncoder<_> = builder.write(BufWriter::new(file), Compression::default());
    io::copy(&mut BufReader::with_capacity(PIECE, File::open(plain)?), &mut encoder)?;
    encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// The content of a packed file in a store, as a file without a name; none
/// where there is no such object.
pub(super) fn open(store: &OwnedFd, name: &str) -> io::Result<Option<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let packed = match openat(store, format!("{name}{END}").as_str(), flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(None),
        packed => File::from(packed?),
    };
    let draft = format!("{name}.{}", std::process::id());
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = File::from(openat(store, draft.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
    unlinkat(store, draft.as_str(), UnlinkatFlags::NoRemoveDir)?;
    unpack(packed, &file)?;
    Ok(Some(file.into()))
}

/// Writes the content of a packed file; long runs of zero bytes become holes.
fn unpack(packed: File, mut to: &File) -> io::Result<()> {
    let mut from = GzDecoder::new(BufReader::new(packed));
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match from.read(&mut piece[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            break;
        }
        size += filled as u64;
        hasher.update(&piece[..filled]);
        if piece[..filled].iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Start(size))?;
        } else {
            to.write_all(&piece[..filled])?;
        }
    }
    let expected = from.header().and_then(|header| header.comment()).map(<[u8]>::to_vec);
    if expected.as_deref() != Some(hasher.finalize().to_hex().as_bytes()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packed object is damaged"));
    }
    to.set_len(size)?;
    to.rewind()
}

/// Whether a packed file is there.
pub(super) fn has(store: &OwnedFd, name: &str) -> bool {
    let name = std::ffi::CString::new(format!("{name}{END}"));
    name.is_ok_and(|name| crate::sys::file::stat(store.as_fd(), &name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::file::Stat;
    use crate::undo::entry::{Identity, Line, Meta};

    fn journal(objects: std::ops::Range<u64>) -> Journal {
        let line = |object| {
            let stat = Stat::default();
            let (file, meta) = (Identity::of(&stat), Meta::of(&stat));
            let object_there = Object::File(object);
            let entry = Entry::Content { path: Path::new("/w/x").into(), file, meta, object: object_there };
            Line { seq: object, time: 0, by: 0, entry }
        };
        Journal { lines: objects.map(line).collect(), is_closed: true, is_running: false, damage: None }
    }

    fn unpacked(store: &Path, object: u64) -> io::Result<Vec<u8>> {
        let store = OwnedFd::from(File::open(store)?);
        let mut content = Vec::new();
        if let Some(file) = open(&store, &name_of(object))? {
            File::from(file).read_to_end(&mut content)?;
        }
        Ok(content)
    }

    #[test]
    fn equal_copies_are_stored_once_and_come_back() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let text = "all work and no play\n".repeat(2000);
        for object in 0..3 {
            fs::write(dir.path().join(name_of(object)), &text)?;
        }
        fs::write(dir.path().join(name_of(3)), "short")?;
        let stores = [dir.path().to_path_buf()];
        let freed = Packed::default().pack(&journal(0..4), &stores)?;
        assert!(freed > 2 * text.len() as u64, "{freed}");
        assert_eq!(dir.path().join(name_of(0) + END).metadata()?.nlink(), 3);
        for object in 0..3 {
            assert!(!dir.path().join(name_of(object)).exists());
            assert!(unpacked(dir.path(), object)? == text.as_bytes());
        }
        assert!(dir.path().join(name_of(3)).exists(), "nothing is to be won");
        // Again, with another session's copy of the same.
        fs::write(dir.path().join(name_of(9)), &text)?;
        let mut packed = Packed::default();
        packed.pack(&journal(0..4), &stores)?;
        packed.pack(&journal(9..10), &stores)?;
        assert_eq!(dir.path().join(name_of(9) + END).metadata()?.nlink(), 4);
        assert_eq!(fs::read_dir(dir.path())?.count(), 5);
        Ok(())
    }

    #[test]
    fn holes_stay_holes_and_noise_stays_as_it_is() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let sparse = File::create_new(dir.path().join(name_of(0)))?;
        sparse.set_len(40 << 20)?;
        (&sparse).write_all(&b"all work and no play\n".repeat(20_000))?;
        let mut noise = vec![0; 64 << 10];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        fs::write(dir.path().join(name_of(1)), &noise)?;
        Packed::default().pack(&journal(0..2), &[dir.path().to_path_buf()])?;
        assert!(dir.path().join(name_of(1)).exists() && !dir.path().join(name_of(1) + END).exists());
        let store = OwnedFd::from(File::open(dir.path())?);
        let back = File::from(open(&store, &name_of(0))?.ok_or(io::ErrorKind::NotFound)?);
        assert_eq!((back.metadata()?.len(), back.metadata()?.blocks() < 1000), (40 << 20, true));
        assert!(!dir.path().join(name_of(0)).exists(), "it was packed");
        Ok(())
    }

    #[test]
    fn damage_is_noticed() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join(name_of(0)), "all work and no play\n".repeat(2000))?;
        Packed::default().pack(&journal(0..1), &[dir.path().to_path_buf()])?;
        let path = dir.path().join(name_of(0) + END);
        let mut bytes = fs::read(&path)?;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes)?;
        assert!(unpacked(dir.path(), 0).is_err());
        Ok(())
    }
}
