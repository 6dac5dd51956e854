//! git's index (`gitformat-index(5)`, versions 2 to 4): which files are tracked, and how
//! they were when git last looked at them.

/// The longest path that is taken.
const LONGEST: usize = 4096;
/// How much all paths may take together: those of version 4 are short for more.
const MOST_BYTES: usize = 64 << 20;

/// The type of a file in an entry's mode; links to commits are submodules.
const TYPE: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const DIR: u32 = 0o040_000;

/// Bits of an entry's flags.
const ASSUME_VALID: u16 = 0x8000;
const EXTENDED: u16 = 0x4000;
const STAGE: u16 = 0x3000;
const SKIP_WORKTREE: u16 = 0x4000;
const INTENT_TO_ADD: u16 = 0x2000;

/// What is tracked.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<Entry>,
    /// The paths, one behind the other.
    paths: Vec<u8>,
    /// Whether more is tracked than is written here: in another file, or in a
    /// directory that has one entry alone.
    pub(super) is_partial: bool,
}

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    start: usize,
    end: usize,
    /// When the content last changed, in seconds and nanoseconds; 32 bits each.
    pub(super) mtime: (u32, u32),
    /// The lower 32 bits of the size.
    pub(super) size: u32,
    /// Whether the file on the disk can tell that it was changed.
    pub(super) is_file: bool,
    /// Whether git knows no content of it yet.
    pub(super) is_new: bool,
}

/// Entries beneath one directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beneath {
    from: usize,
    to: usize,
    /// How much of their paths is the directory's.
    skip: usize,
}

impl Index {
    /// Reads an index; none where it is not one.
    pub(super) fn parse(bytes: &[u8], is_sha256: bool) -> Option<Index> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(4)? != b"DIRC" {
            return None;
        }
        let version = reader.u32()?;
        if !(2..=4).contains(&version) {
            return None;
        }
        let count = reader.u32()? as usize;
        let hash = if is_sha256 { 32 } else { 20 };
        // No entry is shorter, so no count is believed that the file has no room for.
        if count > bytes.len() / (40 + hash) {
            return None;
        }
        let mut index = Index { entries: Vec::with_capacity(count), ..Index::default() };
        for _ in 0..count {
            index.add(&mut reader, version, hash)?;
        }
        index.is_partial |= has_link(&bytes[reader.at..], hash);
        Some(index)
    }

    fn add(&mut self, reader: &mut Reader<'_>, version: u32, hash: usize) -> Option<()> {
        let begin = reader.at;
        reader.take(8)?;
        let mtime = (reader.u32()?, reader.u32()?);
        reader.take(8)?;
        let mode = reader.u32()?;
        reader.take(8)?;
        let size = reader.u32()?;
        reader.take(hash)?;
        let flags = reader.u16()?;
        let extended = if flags & EXTENDED != 0 { reader.u16()? } else { 0 };
        let start = self.paths.len();
        if version == 4 {
            let cut = reader.number()?;
            let last = self.entries.last().map_or(start..start, |last| last.start..last.end);
            let kept = last.len().checked_sub(cut)?;
            self.paths.extend_from_within(last.start..last.start + kept);
        }
        let name = reader.until_nul()?;
        self.paths.extend_from_slice(name);
        if version != 4 {
            // Filled with NULs to a multiple of eight, the one that ends the name among them.
            let length = reader.at - 1 - begin;
            reader.take(7 - length % 8)?;
        }
        let end = self.paths.len();
        if end - start > LONGEST || end > MOST_BYTES {
            return None;
        }
        self.is_partial |= mode & TYPE == DIR;
        let is_watched = flags & (ASSUME_VALID | STAGE) == 0 && extended & SKIP_WORKTREE == 0;
        let is_file = mode & TYPE == FILE && is_watched;
        self.entries.push(Entry { start, end, mtime, size, is_file, is_new: extended & INTENT_TO_ADD != 0 });
        Some(())
    }

    /// All of them.
    pub(super) fn all(&self) -> Beneath {
        Beneath { from: 0, to: self.entries.len(), skip: 0 }
    }

    /// Entries with their whole paths.
    pub(super) fn entries(&self, beneath: Beneath) -> impl Iterator<Item = (&Entry, &[u8])> {
        let entries = self.entries.get(beneath.from..beneath.to).unwrap_or_default();
        entries.iter().map(|entry| (entry, self.rest(entry, 0)))
    }

    /// Whether a name in a directory is tracked, or something beneath it.
    pub(super) fn has(&self, beneath: Beneath, name: &[u8]) -> bool {
        let entries = self.entries.get(beneath.from..beneath.to).unwrap_or_default();
        entries.binary_search_by(|entry| self.rest(entry, beneath.skip).cmp(name)).is_ok()
    }

    /// What is beneath a directory in a directory. Of an index that is not sorted
    /// anything may come out.
    pub(super) fn enter(&self, beneath: Beneath, name: &[u8]) -> Beneath {
        let entries = self.entries.get(beneath.from..beneath.to).unwrap_or_default();
        let first = [name, b"/"].concat();
        // `0` follows `/`.
        let after = [name, b"0"].concat();
        let from = entries.partition_point(|entry| self.rest(entry, beneath.skip) < first.as_slice());
        let to = entries.partition_point(|entry| self.rest(entry, beneath.skip) < after.as_slice());
        Beneath {
            from: beneath.from + from,
            to: beneath.from + to.max(from),
            skip: beneath.skip + first.len(),
        }
    }

    fn rest(&self, entry: &Entry, skip: usize) -> &[u8] {
        self.paths.get(entry.start + skip..entry.end).unwrap_or_default()
    }
}

impl Beneath {
    /// How many there are.
    pub(super) fn len(self) -> usize {
        self.to - self.from
    }
}

/// Whether the extensions say that entries lie in another file (`link`).
fn has_link(bytes: &[u8], hash: usize) -> bool {
    let mut reader = Reader { bytes, at: 0 };
    // The index ends with a hash of itself.
    while reader.at + hash < bytes.len() {
        let (Some(name), Some(size)) = (reader.take(4), reader.u32()) else { return false };
        if name == b"link" {
            return true;
        }
        if reader.take(size as usize).is_none() {
            return false;
        }
    }
    false
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A number of variable length, as in packs.
    fn number(&mut self) -> Option<usize> {
        let mut byte = self.take(1)?[0];
        let mut number = usize::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.take(1)?[0];
            number = number.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        }
        Some(number)
    }

    fn until_nul(&mut self) -> Option<&'a [u8]> {
        let length = self.bytes.get(self.at..)?.iter().take(LONGEST + 1).position(|byte| *byte == 0)?;
        let taken = self.take(length)?;
        self.at += 1;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of files of a size of 7, as git writes it.
    fn index(version: u32, names: &[&str]) -> Vec<u8> {
        let mut bytes = b"DIRC".to_vec();
        bytes.extend(version.to_be_bytes());
        bytes.extend((names.len() as u32).to_be_bytes());
        let mut last = "";
        for name in names {
            let begin = bytes.len();
            for field in [1, 2, 3, 4, 5, 6, 0o100_644, 8, 9, 7_u32] {
                bytes.extend(field.to_be_bytes());
            }
            bytes.extend([0xaa; 20]);
            bytes.extend(0_u16.to_be_bytes());
            if version == 4 {
                let common = last.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
                bytes.push((last.len() - common) as u8);
                bytes.extend(&name.as_bytes()[common..]);
                bytes.push(0);
            } else {
                bytes.extend(name.as_bytes());
                bytes.push(0);
                while !(bytes.len() - begin).is_multiple_of(8) {
                    bytes.push(0);
                }
            }
            last = name;
        }
        bytes.extend([0; 20]);
        bytes
    }

    const NAMES: [&str; 6] = ["a", "b/c", "b/d/e", "b.x", "bb", "z/zz/zzz/zzzz"];

    fn sorted() -> Vec<&'static str> {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names
    }

    #[test]
    fn entries_are_found_in_their_directories() {
        for version in [2, 3, 4] {
            let index = Index::parse(&index(version, &sorted()), false).expect("an index");
            assert_eq!(index.all().len(), NAMES.len());
            let all = index.all();
            let names: Vec<&[u8]> = index.entries(all).map(|(_, path)| path).collect();
            assert_eq!(names, sorted().iter().map(|name| name.as_bytes()).collect::<Vec<_>>());
            assert!(index.has(all, b"a") && index.has(all, b"b.x") && !index.has(all, b"b"));
            let b = index.enter(all, b"b");
            assert!(index.has(b, b"c") && !index.has(b, b"x") && b.len() == 2);
            assert!(index.has(index.enter(b, b"d"), b"e"));
            assert!(index.enter(all, b"none").len() == 0);
            let (entry, _) = index.entries(all).next().expect("an entry");
            assert_eq!((entry.mtime, entry.size, entry.is_file), ((3, 4), 7, true));
        }
    }

    #[test]
    fn garbage_is_no_index() {
        for version in [2, 4] {
            let good = index(version, &sorted());
            for length in 0..good.len() - 20 {
                assert!(Index::parse(&good[..length], false).is_none(), "{length}");
            }
            // Whatever a byte is: no panic, no endless work.
            for at in 0..good.len() {
                for value in [0, 1, 0x7f, 0xff] {
                    let mut bad = good.clone();
                    bad[at] = value;
                    if let Some(index) = Index::parse(&bad, false) {
                        let b = index.enter(index.all(), b"b");
                        index.has(index.enter(b, b"d"), b"e");
                    }
                }
            }
        }
        assert!(Index::parse(b"DIRC\0\0\0\x02\xff\xff\xff\xff", false).is_none());
        assert!(Index::parse(&index(5, &["a"]), false).is_none());
    }

    #[test]
    fn an_index_that_is_not_sorted_finds_less() {
        let index = Index::parse(&index(2, &["z/a", "b", "z/b", "a/x", "z"]), false).expect("an index");
        for name in [&b"z"[..], b"a", b"b", b""] {
            let beneath = index.enter(index.all(), name);
            index.has(beneath, b"x");
            assert_eq!(index.entries(beneath).count(), beneath.len());
        }
    }

    #[test]
    fn a_split_index_says_so() {
        let mut bytes = index(2, &["a"]);
        bytes.truncate(bytes.len() - 20);
        bytes.extend(b"TREE\0\0\0\x02xxlink\0\0\0\x00");
        bytes.extend([0; 20]);
        assert!(Index::parse(&bytes, false).is_some_and(|index| index.is_partial));
    }
}
