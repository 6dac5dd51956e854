//! What a session changed, path by path: how each was before, and how it is now.

mod content;
mod hunks;
mod metadata;
mod pairs;
mod patch;
mod stat;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::entry::{Kind, Meta};
use super::ledger::{After, Before, Ledger};
use super::objects::Objects;
use super::plan::Selection;
use super::spot::Spot;
use super::{UndoError, meta};
use crate::sys::file::Stat;
use content::Source;
use pairs::Pairs;

pub use content::Body;
pub use metadata::Difference;
pub use patch::{Face, Paint, Part, quoted};
pub use stat::{Counted, table};

/// One version of something that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its path.
    pub path: PathBuf,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Its metadata.
    pub meta: Meta,
    /// Its size in bytes.
    pub size: u64,
    source: Source,
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The session made it.
    Added,
    /// It is gone.
    Removed,
    /// Its content changed.
    Modified,
    /// It had another name.
    Renamed,
    /// Another thing stands at the name.
    Replaced,
    /// Only mode, owner, times or attributes changed.
    Metadata,
}

/// Metadata of which nothing is known.
const NOTHING: Meta = Meta { mode: 0, uid: 0, gid: 0, size: 0, atime: (0, 0), mtime: (0, 0), xattrs: None };

/// A path that a session changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// How it was; none where nothing was there.
    pub old: Option<Version>,
    /// How it is; none where it is gone.
    pub new: Option<Version>,
    /// The commands that changed it, sorted.
    pub by: Vec<u32>,
    /// Whether what stands there is another thing than before.
    pub is_replaced: bool,
    /// Whether it is only where it is because a directory above it was renamed.
    pub is_carried: bool,
}

/// A row that was looked at, so that what became of it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What became of it.
    pub what: What,
    /// What a patch can say.
    pub parts: Vec<Part>,
    /// Metadata that changed.
    pub metadata: Vec<Difference>,
}

impl Ledger {
    /// What the session changed among what is selected, by path.
    pub fn rows(&self, selection: &Selection) -> Result<Vec<Row>, UndoError> {
        let mut pairs = Pairs::default();
        for change in self.changes.iter().filter(|change| !change.only_times) {
            pairs.extend(change)?;
        }
        pairs.carry(&self.changes)?;
        let mut rows = pairs.rows();
        rows.retain(|row| selection.includes(row.old_path(), row.new_path(), &row.by));
        Ok(rows)
    }
}

impl Version {
    fn now(path: &Path, stat: &Stat) -> Result<Version, UndoError> {
        let pinned = Spot::at(path).and_then(|spot| spot.pin());
        let meta = match pinned {
            // Attributes that may not be read are not compared.
            Ok(fd) => meta::whole(fd.as_fd(), stat)?,
            // It went meanwhile, which is found again when it is read.
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Meta::of(stat),
            Err(errno) => return Err(errno.into()),
        };
        Ok(Version {
            path: path.into(),
            kind: Kind::of(stat.mode),
            meta,
            size: stat.size,
            source: Source::File(path.into()),
        })
    }

    /// What the session left where it cannot be looked at, as far as it is known.
    fn hidden(after: &After, before: Option<&Before>) -> Version {
        let meta = before.and_then(|before| before.meta.clone()).unwrap_or(NOTHING);
        let (path, kind, size) = (after.path.clone(), after.kind, meta.size);
        Version { path, kind, meta, size, source: Source::Hidden }
    }

    /// How something was; what was not saved of it is as it is now.
    fn before(before: &Before, now: Option<&Version>) -> Version {
        let kept = before.content.or(before.object).map(Source::Object);
        let source = kept.or(now.map(|now| now.source.clone())).unwrap_or(Source::Nowhere);
        let known = before.meta.clone().or(now.map(|now| now.meta.clone()));
        let meta = known.unwrap_or(NOTHING);
        Version { path: before.path.clone(), kind: before.kind, size: meta.size, meta, source }
    }

    fn has_text(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Link)
    }
}

impl Row {
    /// Its path: where it is, or was.
    pub fn path(&self) -> &Path {
        self.new_path().or(self.old_path()).unwrap_or(Path::new(""))
    }

    /// Where it was.
    pub fn old_path(&self) -> Option<&Path> {
        self.old.as_ref().map(|old| old.path.as_path())
    }

    fn new_path(&self) -> Option<&Path> {
        self.new.as_ref().map(|new| new.path.as_path())
    }

    /// What kind of thing it is, or was.
    pub fn kind(&self) -> Kind {
        self.new.as_ref().or(self.old.as_ref()).map_or(Kind::File, |version| version.kind)
    }

    /// Whether an undo has what it needs for it.
    pub fn is_recoverable(&self, objects: &Objects) -> bool {
        match self.old.as_ref() {
            Some(Version { source: Source::Object(object), .. }) => objects.has(*object),
            Some(Version { source: Source::Nowhere, kind, .. }) => *kind == Kind::Dir,
            Some(Version { source: Source::File(_) | Source::Hidden, .. }) | None => true,
        }
    }

    /// Compares old and new; none where nothing differs (any more). Names are
    /// shown from `base`, where they lie beneath it.
    pub fn look(&self, objects: &Objects, base: &Path) -> Option<Seen> {
        let parts = self.parts(objects, base);
        let mut metadata = match (&self.old, &self.new) {
            (Some(old), Some(new)) if old.kind == new.kind => metadata::differences(&old.meta, &new.meta),
            _ => Vec::new(),
        };
        if self.is_replaced && self.kind() == Kind::Dir {
            // Its times come and go with the names in it.
            metadata.retain(|difference| difference.what != metadata::MODIFIED);
        }
        let is_same = parts.iter().all(|part| part.body == Body::Same);
        let what = match (&self.old, &self.new) {
            (None, _) => What::Added,
            (_, None) => What::Removed,
            (Some(old), Some(new)) if old.path != new.path => What::Renamed,
            (Some(old), Some(new)) if old.kind != new.kind => What::Replaced,
            _ if is_same && metadata.is_empty() => return None,
            _ if is_same => What::Metadata,
            _ if self.is_replaced => What::Replaced,
            _ => What::Modified,
        };
        Some(Seen { what, parts, metadata })
    }

    /// What a patch can say of it: two parts where a file became a link or the
    /// other way round.
    fn parts(&self, objects: &Objects, base: &Path) -> Vec<Part> {
        let old = self.old.as_ref().filter(|version| version.has_text());
        let new = self.new.as_ref().filter(|version| version.has_text());
        let sides = match (old, new) {
            (Some(old), Some(new)) if old.kind == new.kind => vec![(Some(old), Some(new))],
            _ => vec![(old, None), (None, new)],
        };
        let face = |version: &Version| Face::new(shown(&version.path, base), version.meta.mode);
        let sides = sides.into_iter().filter(|(old, new)| old.is_some() || new.is_some());
        sides
            .map(|(old, new)| Part {
                old: old.map(face),
                new: new.map(face),
                body: Body::of(objects, old, new),
            })
            .collect()
    }
}

/// A path as a diff names it.
pub fn shown<'a>(path: &'a Path, base: &Path) -> &'a Path {
    match path.strip_prefix(base) {
        Ok(beneath) if beneath.as_os_str().is_empty() => Path::new("."),
        Ok(beneath) => beneath,
        Err(_) => path.strip_prefix("/").unwrap_or(path),
    }
}

impl Seen {
    /// The unified diff of it; a comment where nothing but metadata changed.
    pub fn text(&self, row: &Row, base: &Path, paint: Paint) -> String {
        let is_shown = |part: &&Part| {
            let has_new_mode = matches!((&part.old, &part.new), (Some(old), Some(new)) if old != new);
            part.body != Body::Same || has_new_mode
        };
        let text: String = self.parts.iter().filter(is_shown).map(|part| part.text(paint)).collect();
        if text.is_empty() { self.metadata_text(row, base) } else { text }
    }

    /// Comments about what is no content.
    pub fn metadata_text(&self, row: &Row, base: &Path) -> String {
        if self.what != What::Metadata {
            return String::new();
        }
        let name = quoted("", shown(row.path(), base));
        self.metadata
            .iter()
            .map(|difference| patch::comment(&format!("metadata: {name}: {difference}")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_the_workspace() {
        let base = Path::new("/w");
        for (path, name) in [("/w/a/b", "a/b"), ("/w", "."), ("/x/a", "x/a"), ("/wa", "wa")] {
            assert_eq!(shown(path.as_ref(), base), Path::new(name));
        }
    }
}
