//! Directories, and a report, that exist for the run alone.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::getuid;

use super::LaunchError;
use crate::audit::Log;
use crate::policy::plan::Plan;
use crate::policy::printable;
use crate::policy::report::REPORT_END;

/// What was made. Removed when dropped: the temporary directory with all that
/// is in it, the jail's report, other directories if they are empty.
#[derive(Debug)]
pub(super) struct Made {
    tmpdir: PathBuf,
    /// Locked as long as the run lasts, so that others can tell.
    _lock: Flock<File>,
    dirs: Vec<PathBuf>,
    /// The jail's report, which may not be there.
    report: Option<PathBuf>,
}

impl Made {
    /// Makes the plan's directories, and the report if it must be there early.
    pub(super) fn new(plan: &Plan, log: &Log) -> Result<Made, LaunchError> {
        let tmpdir = plan.policy.places.tmpdir.clone();
        let failed = |error| LaunchError::TmpDir(tmpdir.clone(), error);
        // Somebody else's directory of this name must not be taken for ours.
        DirBuilder::new().mode(0o700).create(&tmpdir).map_err(failed)?;
        let lock = lock(&tmpdir).map_err(failed)?;
        let report = plan.report.as_ref();
        let path = report.map(|report| report.path.clone());
        let mut made = Made { tmpdir, _lock: lock, dirs: Vec::new(), report: path };
        if let Some(report) = report.filter(|report| report.early)
            && let Err(error) = log.make_report()
        {
            eprintln!("stockade: no report for the jail in {}: {error}", printable(&report.path));
        }
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
        let report = self.report.as_deref().map(|path| (path, remove_file(path)));
        for (path, removed) in report.into_iter().chain([(&*self.tmpdir, remove_tree(&self.tmpdir))]) {
            if let Err(error) = removed {
                eprintln!("stockade: cannot remove {}: {error}", path.display());
            }
        }
    }
}

fn lock(path: &Path) -> io::Result<Flock<File>> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

/// Removes what runs left behind that were killed before they could clean up:
/// directories and reports where this run's are, with the same name up to the
/// random part, of the same owner, a minute old at least, and locked by nobody.
pub(super) fn remove_stale(plan: &Plan) {
    let tmpdir = &plan.policy.places.tmpdir;
    let Some((kin, _)) = tmpdir.file_name().and_then(OsStr::to_str).and_then(|name| name.rsplit_once('-'))
    else {
        return;
    };
    let apart = plan.policy.places.report.as_ref().and_then(|report| report.apart.parent());
    for dir in tmpdir.parent().into_iter().chain(apart) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.rsplit_once('-').is_some_and(|(other, _)| other == kin))
            {
                // Whatever is in the way now will be tried again by the next run.
                let _ = remove_if_stale(&entry.path());
            }
        }
    }
}

fn remove_if_stale(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    let age = metadata.modified()?.elapsed().unwrap_or_default();
    if metadata.uid() != getuid().as_raw() || age <= Duration::from_secs(60) {
        return Ok(());
    }
    let is_report = metadata.is_file() && path.to_str().is_some_and(|path| path.ends_with(REPORT_END));
    if metadata.is_dir() {
        lock(path).and_then(|_| remove_tree(path))
    } else if is_report {
        lock(path).and_then(|_| remove_file(path))
    } else {
        Ok(())
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
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
