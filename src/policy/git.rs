//! Linked worktrees and submodules: what a `.git` file points to is protected
//! like a `.git` directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::facts::{Facts, Kind};
use super::pattern::Pattern;
use super::rules::{Force, Rule};
use super::{Access, Note, Origin, Places};

/// Rules for what the workspace's `.git` file points to (`gitdir:`), and what
/// that in turn shares (`commondir`); none where `.git` is a directory.
///
/// A `.git` file can be written by anybody who can write the directory, so it
/// opens a place for reading only where git itself would agree: the place is a
/// git directory and points back, or lies in another `.git`.
pub(super) fn protection(places: &Places, facts: &dyn Facts, notes: &mut Vec<Note>) -> Vec<Rule> {
    let file = places.workspace.join(".git");
    if facts.kind(&file) != Some(Kind::File) {
        return Vec::new();
    }
    let Some(git_dir) = pointed_to(facts, &file, b"gitdir:", &places.workspace) else {
        return Vec::new();
    };
    let origin = Origin { source: file.display().to_string().into(), line: 1 };
    if !is_genuine(facts, &git_dir, &file) {
        let text = format!("{} does not point back, so it is not opened", git_dir.display());
        notes.push(Note { origin, text });
        return Vec::new();
    }
    let common = pointed_to(facts, &git_dir.join("commondir"), b"", &git_dir);
    let why = "the workspace's .git points here";
    let both = [Some(git_dir), common].into_iter().flatten();
    both.flat_map(|path| {
        let rule = |force| Rule {
            pattern: Pattern::of_path(&path),
            access: Access::READ,
            why: why.into(),
            force,
            origin: origin.clone(),
        };
        [rule(Force::Normal), rule(Force::Final)]
    })
    .collect()
}

/// The path that a pointer file names, relative to `base`, with `..` resolved
/// by name.
fn pointed_to(facts: &dyn Facts, file: &Path, key: &[u8], base: &Path) -> Option<PathBuf> {
    let content = facts.read_small(file)?;
    let line = content.split(|byte| *byte == b'\n').next()?;
    let path = Path::new(OsStr::from_bytes(line.strip_prefix(key)?.trim_ascii()));
    if path.as_os_str().is_empty() {
        return None;
    }
    let mut normal = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    Some(normal)
}

fn is_genuine(facts: &dyn Facts, git_dir: &Path, file: &Path) -> bool {
    let has_head = facts.kind(&git_dir.join("HEAD")).is_some();
    let points_back =
        pointed_to(facts, &git_dir.join("gitdir"), b"", git_dir).is_some_and(|back| back == file);
    let in_git = git_dir.components().any(|component| component.as_os_str() == ".git");
    has_head && (points_back || in_git)
}
