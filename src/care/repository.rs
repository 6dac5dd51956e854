//! The repository that a workspace belongs to: where it is shared, what git tracks, and
//! how much of its history is here alone. Read from git's files, since git itself would
//! run what the repository's settings name.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Budget;
use super::config::Config;
use super::ignore::{Ignored, Patterns};
use super::index::{Beneath, Index};
use super::read;

/// How many remotes are asked what they have.
const MOST_REMOTES: usize = 16;
/// How much of the packed references is read.
const MOST_PACKED: u64 = 4 << 20;
/// Bytes of the index for each entry that may be looked at.
const INDEX_BYTES: u64 = 200;
/// The largest index that is read.
const LARGEST_INDEX: u64 = 128 << 20;

/// A repository.
#[derive(Debug)]
pub(super) struct Repository {
    /// The directory that the index is about.
    pub(super) root: OwnedFd,
    /// The names between that and the workspace.
    pub(super) inner: Vec<Vec<u8>>,
    /// The URLs of its remotes.
    pub(super) remotes: Vec<OsString>,
    /// Whether there is a commit; none where that cannot be told.
    pub(super) has_commit: Option<bool>,
    /// How many commits of the branch are on no remote, as far as its log says.
    pub(super) unshared: usize,
    /// What is tracked; none where that cannot be told.
    pub(super) index: Option<Index>,
    /// What of that lies in the workspace.
    pub(super) tracked: Beneath,
    /// What git does not call new.
    pub(super) ignored: Option<Rc<Ignored>>,
    /// Whether everything could be read.
    pub(super) is_whole: bool,
}

/// Where git keeps what it knows.
struct Dirs {
    /// What is this work tree's own.
    own: OwnedFd,
    /// What all work trees share.
    shared: OwnedFd,
}

impl Repository {
    /// The repository around a workspace, if there is one.
    pub(super) fn around(workspace: &Path, home: &Path, budget: Budget) -> Option<Repository> {
        let path = workspace.ancestors().find(|dir| dir.join(".git").symlink_metadata().is_ok())?;
        let root = read::real_dir(path)?;
        let dirs = git_dirs(path, &root)?;
        read::file(dirs.own.as_fd(), Path::new("HEAD"), read::MOST).ok()??;
        let user = user_settings(home);
        let text = read::file(dirs.shared.as_fd(), Path::new("config"), read::MOST).ok().flatten();
        let config = Config::parse(&text.unwrap_or_default().bytes).with_short(&user);
        let (head, packed) = (Head::of(&dirs), packed(&dirs));
        let most = (budget.entries as u64).saturating_mul(INDEX_BYTES).min(LARGEST_INDEX);
        let index = index(&dirs, most, config.is_sha256);
        let inside = workspace.strip_prefix(path).ok()?;
        let inner: Vec<Vec<u8>> = inside.iter().map(|name| name.as_bytes().to_vec()).collect();
        let all = index.as_ref().map(Index::all).unwrap_or_else(|| Index::default().all());
        let tracked = index.iter().fold(all, |beneath, index| {
            inner.iter().fold(beneath, |beneath, name| index.enter(beneath, name))
        });
        Some(Repository {
            ignored: ignored(&root, &dirs, home, &user, &inner),
            is_whole: index.as_ref().is_some_and(|index| !index.is_partial),
            remotes: config.urls(),
            has_commit: head.has_commit(&dirs, &packed),
            unshared: head.unshared(&dirs, &packed, &config),
            index: index.filter(|index| !index.is_partial),
            root,
            inner,
            tracked,
        })
    }
}

/// What `.git` is, or points to.
fn git_dirs(path: &Path, root: &OwnedFd) -> Option<Dirs> {
    let dot_git = Path::new(".git");
    let (own, at) = match read::dir(root.as_fd(), dot_git) {
        Ok(own) => (own, path.join(dot_git)),
        Err(_) => {
            let pointer = read::file(root.as_fd(), dot_git, 4096).ok()??;
            let at = named(pointer.bytes.strip_prefix(b"gitdir:")?, path)?;
            (read::real_dir(&at)?, at)
        }
    };
    let shared = match read::file(own.as_fd(), Path::new("commondir"), 4096).ok()? {
        Some(pointer) => read::real_dir(&named(&pointer.bytes, &at)?)?,
        None => own.try_clone().ok()?,
    };
    Some(Dirs { own, shared })
}

/// The path in the first line of a file.
fn named(text: &[u8], base: &Path) -> Option<PathBuf> {
    let line = text.split(|byte| *byte == b'\n').next()?.trim_ascii();
    (!line.is_empty()).then(|| base.join(OsStr::from_bytes(line)))
}

/// The user's own settings of git.
fn user_settings(home: &Path) -> Config {
    let texts = [".config/git/config", ".gitconfig"].map(|name| read::own_file(&home.join(name)));
    Config::parse(&texts.into_iter().flatten().collect::<Vec<_>>().join(&b'\n'))
}

/// What is tracked. A repository in which nothing was added yet has no index.
fn index(dirs: &Dirs, most: u64, is_sha256: bool) -> Option<Index> {
    match read::file(dirs.own.as_fd(), Path::new("index"), most).ok()? {
        Some(content) if content.is_cut => None,
        Some(content) => Index::parse(&content.bytes, is_sha256),
        None => Some(Index::default()),
    }
}

/// What is ignored at the workspace, but for its own `.gitignore`.
fn ignored(
    root: &OwnedFd,
    dirs: &Dirs,
    home: &Path,
    user: &Config,
    inner: &[Vec<u8>],
) -> Option<Rc<Ignored>> {
    let excludes = match &user.excludes {
        Some(path) => match path.strip_prefix(b"~/") {
            Some(rest) => home.join(OsStr::from_bytes(rest)),
            None => Path::new("/").join(OsStr::from_bytes(path)),
        },
        None => home.join(".config/git/ignore"),
    };
    let users = Patterns::parse(&read::own_file(&excludes).unwrap_or_default());
    let own = read::file(dirs.shared.as_fd(), Path::new("info/exclude"), read::MOST).ok().flatten();
    let mut ignored = Ignored::with(None, users, 0);
    ignored = Ignored::with(ignored, Patterns::parse(&own.unwrap_or_default().bytes), 0);
    let mut path = PathBuf::new();
    for (depth, name) in inner.iter().enumerate() {
        let text = read::file(root.as_fd(), &path.join(".gitignore"), read::MOST).ok().flatten();
        ignored = Ignored::with(ignored, Patterns::parse(&text.unwrap_or_default().bytes), depth);
        path.push(OsString::from_vec(name.clone()));
    }
    ignored
}

/// Where a work tree stands.
enum Head {
    /// On a branch, `refs/heads/…`.
    Branch(PathBuf),
    /// On a commit.
    Commit,
    /// Somewhere that git's files do not tell in a known way.
    Unknown,
}

impl Head {
    fn of(dirs: &Dirs) -> Head {
        let is_there = |name: &str| read::dir(dirs.shared.as_fd(), Path::new(name)).is_ok();
        let text = read::file(dirs.own.as_fd(), Path::new("HEAD"), 4096).ok().flatten().unwrap_or_default();
        let line = text.bytes.trim_ascii();
        match line.strip_prefix(b"ref:").map(<[u8]>::trim_ascii) {
            _ if is_there("reftable") => Head::Unknown,
            Some(name) if name.starts_with(b"refs/heads/") => Head::Branch(OsStr::from_bytes(name).into()),
            None if line.len() >= 40 && line.iter().all(u8::is_ascii_hexdigit) => Head::Commit,
            _ => Head::Unknown,
        }
    }

    fn has_commit(&self, dirs: &Dirs, packed: &[u8]) -> Option<bool> {
        match self {
            Head::Branch(name) => {
                let is_loose = read::file(dirs.shared.as_fd(), name, 4096).ok()?.is_some();
                Some(is_loose || references(packed).any(|(known, _)| known == name.as_os_str().as_bytes()))
            }
            Head::Commit => Some(true),
            Head::Unknown => None,
        }
    }

    /// How many commits were made on the branch since it was last where a remote was.
    fn unshared(&self, dirs: &Dirs, packed: &[u8], config: &Config) -> usize {
        let (log, branch) = match self {
            Head::Branch(name) => {
                let log = read::end_of_file(dirs.shared.as_fd(), &Path::new("logs").join(name), read::MOST);
                (log, name.strip_prefix("refs/heads").ok())
            }
            Head::Commit => (read::end_of_file(dirs.own.as_fd(), Path::new("logs/HEAD"), read::MOST), None),
            Head::Unknown => return 0,
        };
        let log = log.unwrap_or_default();
        if made_since(&log, &HashSet::new()) == 0 {
            return 0;
        }
        made_since(&log, &shared_commits(dirs, packed, config, branch))
    }
}

/// References that were packed.
fn packed(dirs: &Dirs) -> Vec<u8> {
    let text = read::file(dirs.shared.as_fd(), Path::new("packed-refs"), MOST_PACKED).ok().flatten();
    text.unwrap_or_default().bytes
}

/// Their names and commits.
fn references(packed: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = packed.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    lines.filter_map(|line| {
        let blank = line.iter().position(|byte| *byte == b' ')?;
        Some((&line[blank + 1..], &line[..blank]))
    })
}

/// Commits that remotes are known to have or to have had.
fn shared_commits(dirs: &Dirs, packed: &[u8], config: &Config, branch: Option<&Path>) -> HashSet<Vec<u8>> {
    let packed = references(packed).filter(|(name, _)| name.starts_with(b"refs/remotes/"));
    let mut commits: HashSet<Vec<u8>> = packed.map(|(_, commit)| commit.to_vec()).collect();
    let known = ["main", "master", "HEAD"].map(Path::new);
    for (remote, _) in config.remotes.iter().take(MOST_REMOTES) {
        let remote = Path::new("refs/remotes").join(OsStr::from_bytes(remote));
        for name in branch.into_iter().chain(known) {
            let name = remote.join(name);
            let tip = read::file(dirs.shared.as_fd(), &name, 4096).ok().flatten();
            commits.extend(tip.map(|tip| tip.bytes.trim_ascii().to_vec()));
            let log = read::end_of_file(dirs.shared.as_fd(), &Path::new("logs").join(name), read::MOST);
            let lines = log.iter().flat_map(|log| log.split(|byte| *byte == b'\n'));
            commits
                .extend(lines.flat_map(|line| line.split(|byte| *byte == b' ').take(2).map(<[u8]>::to_vec)));
        }
    }
    commits
}

/// How many lines of a branch's log made a commit, since the last that is shared.
fn made_since(log: &[u8], shared: &HashSet<Vec<u8>>) -> usize {
    const MAKING: [&[u8]; 8] = [
        b"commit:",
        b"commit (initial)",
        b"commit (merge)",
        b"merge ",
        b"cherry-pick",
        b"revert",
        b"am:",
        b"rebase",
    ];
    let mut count = 0;
    for line in log.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
        let new = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let message = &line[tab + 1..];
        if shared.contains(new) || message.starts_with(b"clone:") {
            break;
        }
        count += usize::from(MAKING.iter().any(|start| message.starts_with(start)));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_back_to_what_is_shared() {
        let line = |old: &str, new: &str, message: &str| format!("{old} {new} A <a@b> 1 +0000\t{message}\n");
        let log = [
            line("0", "a", "clone: from x"),
            line("a", "b", "commit: one"),
            line("b", "c", "commit: two"),
            line("c", "d", "commit (amend): two"),
            line("d", "e", "merge topic: Fast-forward"),
            line("e", "f", "reset: moving to e"),
        ]
        .concat();
        let count = |shared: &[&str]| {
            let shared = shared.iter().map(|commit| commit.as_bytes().to_vec()).collect();
            made_since(log.as_bytes(), &shared)
        };
        assert_eq!(count(&[]), 3);
        assert_eq!(count(&["b"]), 2);
        assert_eq!(count(&["f"]), 0);
        assert_eq!(made_since(b"garbage\n\xff\t\n\n", &HashSet::new()), 0);
    }
}
