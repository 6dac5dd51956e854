//! Directories that exist for the run alone.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::getuid;

use super::LaunchError;
use crate::policy::plan::Plan;

/// What was made. Removed when dropped: the temporary directory with all that
/// is in it, the others if they are empty.
#[derive(Debug)]
pub(super) struct Made {
    tmpdir: PathBuf,
    /// Locked as long as the run lasts, so that others can tell.
    _lock: Flock<File>,
    dirs: Vec<PathBuf>,
}

impl Made {
    /// Makes the plan's directories.
    pub(super) fn new(plan: &Plan) -> Result<Made, LaunchError> {
        let tmpdir = plan.policy.places.tmpdir.clone();
        let failed = |error| LaunchError::TmpDir(tmpdir.clone(), error);
        // Somebody else's directory of this name must not be taken for ours.
        DirBuilder::new().mode(0o700).create(&tmpdir).map_err(failed)?;
        let lock = lock(&tmpdir).map_err(failed)?;
        let mut made = Made { tmpdir, _lock: lock, dirs: Vec::new() };
        for dir in &plan.make_dirs {
            match fs::create_dir(dir) {
                Ok(()) => made.dirs.push(dir.clone()),
                // Without it the jail has less, which the plan cannot be blamed for.
                Err(error) => tracing::debug!(dir = %dir.display(), %error, "not made"),
            }
        }
        Ok(made)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for dir in self.dirs.iter().rev() {
            // Not empty: then it stays.
            let _ = fs::remove_dir(dir);
        }
        if let Err(error) = remove_tree(&self.tmpdir) {
            eprintln!("stockade: cannot remove {}: {error}", self.tmpdir.display());
        }
    }
}

fn lock(dir: &Path) -> io::Result<Flock<File>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(dir)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

/// Removes what runs left behind that were killed before they could clean up:
/// directories beside this one with the same name up to the random part, of
/// the same owner, a minute old at least, and locked by nobody.
pub(super) fn remove_stale(tmpdir: &Path) {
    let (Some(beside), Some(name)) = (tmpdir.parent(), tmpdir.file_name().and_then(OsStr::to_str)) else {
        return;
    };
    let Some((kin, _)) = name.rsplit_once('-') else { return };
    for entry in fs::read_dir(beside).into_iter().flatten().flatten() {
        let is_kin = entry
            .file_name()
            .to_str()
            .is_some_and(|other| other.rsplit_once('-').is_some_and(|(other, _)| other == kin));
        if is_kin && is_stale(&entry.path()).unwrap_or(false) {
            // Whatever is in the way now will be tried again by the next run.
            let _ = remove_tree(&entry.path());
        }
    }
}

fn is_stale(dir: &Path) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(dir)?;
    let age = metadata.modified()?.elapsed().unwrap_or_default();
    let is_ours = metadata.is_dir() && metadata.uid() == getuid().as_raw();
    Ok(is_ours && age > Duration::from_secs(60) && lock(dir).is_ok())
}

/// Removes a tree, also where a program took away its own permissions.
fn remove_tree(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(root)?;
            fs::remove_dir_all(root)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives the owner all permissions on every directory. Nobody of the jail is
/// alive any more, so nothing moves meanwhile.
fn open_up(dir: &Path) -> io::Result<()> {
    let mut pending = vec![dir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_permissions_can_be_removed() -> io::Result<()> {
        let outer = tempfile::tempdir()?;
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("a/b"))?;
        fs::write(root.join("a/b/file"), "x")?;
        std::os::unix::fs::symlink("/", root.join("a/link"))?;
        for dir in ["a/b", "a", ""] {
            fs::set_permissions(root.join(dir), Permissions::from_mode(0o000))?;
        }
        remove_tree(&root)?;
        assert!(!root.exists());
        Ok(())
    }
}
