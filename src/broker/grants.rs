//! What Landlock grants by path, so that the broker knows what it may leave to
//! the kernel. To be wrong here costs a refusal, and never gives anything.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use nix::fcntl::AT_FDCWD;

use crate::policy::plan::{Grant, Plan, Rights};
use crate::sys::file::{self, Stat};

/// How long it is believed that a granted directory still is the one that was
/// granted. Rules belong to inodes, and people remove and make directories.
const BELIEVED: Duration = Duration::from_millis(100);

/// The grants that change something.
#[derive(Debug)]
pub(super) struct Grants {
    by_path: RwLock<HashMap<PathBuf, Known>>,
    /// Whether reading is looked up too.
    with_reading: bool,
}

#[derive(Debug, Clone)]
struct Known {
    rights: Rights,
    /// Which directory or file was granted; none where it could not be looked at.
    identity: Option<Identity>,
    seen: Instant,
}

type Identity = ((u32, u32), u64);

impl Grants {
    /// Those of a plan.
    pub(super) fn new(plan: &Plan) -> Grants {
        let with_reading = plan.mediates_reads;
        let matters = |rights: Rights| rights.write || rights.remove || with_reading;
        let entries = plan.grants.iter().filter(|grant| matters(grant.rights)).map(|grant| {
            let Grant { rights, .. } = *grant;
            (grant.path.clone(), Known { rights, identity: identity(&grant.path), seen: Instant::now() })
        });
        Grants { by_path: RwLock::new(entries.collect()), with_reading }
    }

    /// Whether reading is looked up too.
    pub(super) fn with_reading(&self) -> bool {
        self.with_reading
    }

    /// What holds at a path: what is granted there and above.
    pub(super) fn at(&self, path: &Path) -> Rights {
        let mut stale = Vec::new();
        let rights = {
            let grants = self.read();
            path.ancestors().fold(Rights::NONE, |rights, above| match grants.get(above) {
                None => rights,
                Some(grant) if grant.seen.elapsed() > BELIEVED => {
                    stale.push(above.to_path_buf());
                    if identity(above) == grant.identity { rights.or(grant.rights) } else { rights }
                }
                Some(grant) => rights.or(grant.rights),
            })
        };
        if !stale.is_empty() {
            self.look_again(&stale);
        }
        rights
    }

    /// What is granted at a path and beneath it, by the rest of the path.
    pub(super) fn beneath(&self, path: &Path) -> Vec<(PathBuf, Rights)> {
        let grants = self.read();
        let rest =
            |(at, grant): (&PathBuf, &Known)| Some((at.strip_prefix(path).ok()?.to_path_buf(), grant.rights));
        grants.iter().filter_map(rest).collect()
    }

    fn look_again(&self, paths: &[PathBuf]) {
        let mut grants = self.write();
        for path in paths {
            if let Some(grant) = grants.get_mut(path) {
                if identity(path) == grant.identity {
                    grant.seen = Instant::now();
                } else {
                    grants.remove(path);
                }
            }
        }
    }

    /// Something new stands at a path, so what was granted there does not hold for it.
    pub(super) fn replaced(&self, path: &Path) {
        if self.read().contains_key(path) {
            self.write().remove(path);
        }
    }

    /// A directory was renamed; what was granted in it goes along.
    pub(super) fn moved(&self, from: &Path, to: &Path) {
        let mut grants = self.write();
        let moved: Vec<PathBuf> = grants.keys().filter(|path| path.starts_with(from)).cloned().collect();
        let taken: Vec<_> = moved.into_iter().filter_map(|path| grants.remove_entry(&path)).collect();
        grants.retain(|path, _| !path.starts_with(to));
        for (path, grant) in taken {
            if let Ok(rest) = path.strip_prefix(from) {
                let is_itself = rest.as_os_str().is_empty();
                grants.insert(if is_itself { to.to_path_buf() } else { to.join(rest) }, grant);
            }
        }
    }

    /// Two directories changed places.
    pub(super) fn exchanged(&self, a: &Path, b: &Path) {
        let mut grants = self.write();
        let old = std::mem::take(&mut *grants);
        for (path, grant) in old {
            let moved = [(a, b), (b, a)].into_iter().find_map(|(from, to)| {
                path.strip_prefix(from)
                    .ok()
                    .map(|rest| if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) })
            });
            grants.insert(moved.unwrap_or(path), grant);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<PathBuf, Known>> {
        self.by_path.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<PathBuf, Known>> {
        self.by_path.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let Stat { device, inode, .. } = file::stat(AT_FDCWD, &path).ok()?;
    Some((device, inode))
}
