//! Linked worktrees and submodules: what a `.git` file points to is protected
//! like a `.git` directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::facts::{Facts, Kind};
use super::pattern::Pattern;
use super::rules::{Force, Rule};
use super::{Access, Effect, Note, Origin, Places};

/// The source of the rules of `git: commit`.
pub(super) const COMMIT: &str = "git: commit";
/// What `git: commit` gives: everything can be undone.
const HISTORY: Access = Access::new(Effect::Allow, Effect::Allow, Effect::Keep, Effect::Keep, Effect::Keep);

/// Rules for what the workspace's `.git` file points to (`gitdir:`), and what
/// that in turn shares (`commondir`); none where `.git` is a directory.
///
/// A `.git` file can be written by anybody who can write the directory, so it
/// opens a place for reading only where git itself would have put it: a linked
/// worktree's, or a submodule's. It is protected in any case.
pub(super) fn protection(places: &Places, facts: &dyn Facts, notes: &mut Vec<Note>) -> Vec<Rule> {
    let file = places.workspace.join(".git");
    if facts.kind(&file) != Some(Kind::File) {
        return Vec::new();
    }
    let Some(git_dir) = pointed_to(facts, &file, b"gitdir:", &places.workspace) else { return Vec::new() };
    let origin = Origin { source: file.display().to_string().into(), line: 1 };
    let protect = |path: &Path, force| Rule {
        pattern: Pattern::of_path(path),
        access: Access::READ,
        why: "the workspace's .git points here".into(),
        force,
        origin: origin.clone(),
    };
    let mut rules = vec![protect(&git_dir, Force::Final)];
    // What lies in the workspace is readable already, or meant not to be.
    if git_dir.starts_with(&places.workspace) {
        return rules;
    }
    let shared = if is_submodule(facts, &git_dir, &places.workspace) {
        None
    } else if let Some(shared) = shared_by_worktree(facts, &git_dir, &file) {
        Some(shared)
    } else {
        let text =
            format!("{} is not this workspace's git directory, so it is not opened", git_dir.display());
        notes.push(Note { origin, text });
        return rules;
    };
    for path in [Some(git_dir.as_path()), shared.as_deref()].into_iter().flatten() {
        rules.extend([protect(path, Force::Normal), protect(path, Force::Final)]);
    }
    rules
}

/// What every file of git's own that is not history must stay: it decides what
/// runs, or where git looks, also outside the jail.
///
/// Directories are named whole: where one could be replaced by a link, a rule
/// for what is in it would bind nothing.
const SETTINGS: [&str; 8] =
    ["hooks", "config", "config.worktree", "commondir", "gitdir", "info", "modules", "worktrees"];

/// Rules for `git: commit`: history may grow and change in the workspace's git
/// directories, which `protected` are those that [`protection`] found.
pub(super) fn commits(places: &Places, facts: &dyn Facts, protected: &[Rule]) -> Vec<Rule> {
    let dot_git = places.workspace.join(".git");
    let mut dirs: Vec<PathBuf> = if facts.kind(&dot_git) == Some(Kind::Dir) {
        vec![dot_git]
    } else {
        let opened = protected.iter().filter(|rule| rule.force == Force::Normal);
        opened.filter_map(|rule| rule.pattern.literal()).collect()
    };
    // What is shared comes before a worktree's own part of it.
    dirs.sort();
    dirs.dedup();
    let rule = |pattern, access, why: &str, force| Rule {
        pattern,
        access,
        why: why.into(),
        force,
        origin: Origin { source: COMMIT.into(), line: 0 },
    };
    let mut rules = Vec::new();
    for dir in dirs {
        let (of_dir, why) = (Pattern::of_path(&dir), "history, which may grow and change");
        rules.push(rule(of_dir, HISTORY, why, Force::CommandLine));
        let why = "decides what git runs and where it looks, also outside the jail";
        for name in SETTINGS {
            rules.push(rule(Pattern::of_path(&dir.join(name)), Access::READ, why, Force::Final));
        }
    }
    rules
}

/// Whether a git directory is a submodule's, kept by the repository around the
/// workspace: `SUPER/.git/modules/…`.
fn is_submodule(facts: &dyn Facts, git_dir: &Path, workspace: &Path) -> bool {
    let keeper = git_dir.ancestors().find(|path| path.ends_with(".git/modules"));
    let around = keeper.and_then(|modules| modules.parent()?.parent());
    around.is_some_and(|around| workspace.starts_with(around)) && is_git_dir(facts, git_dir)
}

/// What a linked worktree shares with its repository: `SHARED/worktrees/NAME`
/// must be where its git directory lies, name it in `commondir`, and point
/// back at the workspace's `.git`.
fn shared_by_worktree(facts: &dyn Facts, git_dir: &Path, file: &Path) -> Option<PathBuf> {
    let worktrees = git_dir.parent().filter(|parent| parent.ends_with("worktrees"))?;
    let shared = worktrees.parent()?;
    let named = pointed_to(facts, &git_dir.join("commondir"), b"", git_dir)?;
    let back = pointed_to(facts, &git_dir.join("gitdir"), b"", git_dir)?;
    (named == shared && back == file && is_git_dir(facts, shared)).then(|| shared.to_path_buf())
}

fn is_git_dir(facts: &dyn Facts, dir: &Path) -> bool {
    ["HEAD", "objects"].iter().all(|name| facts.kind(&dir.join(name)).is_some())
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
