//! Directories that exist for the run alone.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::LaunchError;
use crate::policy::plan::Plan;

/// What was made. Removed when dropped: the temporary directory with all that
/// is in it, the others if they are empty.
#[derive(Debug)]
pub(super) struct Made {
    tmpdir: PathBuf,
    dirs: Vec<PathBuf>,
}

impl Made {
    /// Makes the plan's directories.
    pub(super) fn new(plan: &Plan) -> Result<Made, LaunchError> {
        let tmpdir = plan.policy.places.tmpdir.clone();
        // Somebody else's directory of this name must not be taken for ours.
        let builder = &mut DirBuilder::new();
        builder.mode(0o700).create(&tmpdir).map_err(|error| LaunchError::TmpDir(tmpdir.clone(), error))?;
        let mut made = Made { tmpdir, dirs: Vec::new() };
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
