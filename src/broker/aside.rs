//! Files that were there before and were put aside: renamed in their
//! directory, as editors do until the new content is written.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::file::{self, Stat};

/// What was put aside: by the directory and the name that it has now.
#[derive(Debug, Default)]
pub(super) struct Aside {
    moved: Mutex<HashMap<(Identity, CString), Moved>>,
}

/// One file that was put aside.
#[derive(Debug)]
struct Moved {
    file: Identity,
    /// Its name before, in the same directory.
    before: CString,
}

/// Device, inode and time of birth: numbers are used again, times are not.
type Identity = ((u32, u32), u64, (i64, u32));

/// None where the file system does not tell the time of birth.
fn identity(stat: &Stat) -> Option<Identity> {
    stat.born.map(|born| (stat.device, stat.inode, born))
}

impl Aside {
    /// A file got another name in its directory. The name that counts is the
    /// one that it had at first.
    pub(super) fn renamed(&self, dir: &Stat, from: &CStr, to: &CStr, file: &Stat) {
        let (Some(dir), Some(file)) = (identity(dir), identity(file)) else { return };
        let mut moved = self.lock();
        let earlier = moved.remove(&(dir, from.to_owned())).filter(|moved| moved.file == file);
        let before = earlier.map_or_else(|| from.to_owned(), |moved| moved.before);
        if before.as_c_str() == to {
            moved.remove(&(dir, before));
        } else {
            moved.insert((dir, to.to_owned()), Moved { file, before });
        }
    }

    /// Something else has the name in a directory now, or nothing has.
    pub(super) fn forget(&self, dir: BorrowedFd<'_>, name: &CStr) {
        // Mostly there is nothing, and then the directory need not be asked.
        let mut moved = self.lock();
        if !moved.is_empty()
            && let Ok(dir) = file::stat(dir, c"")
            && let Some(dir) = identity(&dir)
        {
            moved.remove(&(dir, name.to_owned()));
        }
    }

    /// Whether nothing is put aside, as mostly.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The name that a file had before it was put aside under this one.
    pub(super) fn name_before(&self, dir: &Stat, name: &CStr, file: &Stat) -> Option<CString> {
        let (dir, file) = (identity(dir)?, identity(file)?);
        let moved = self.lock();
        let found = moved.get(&(dir, name.to_owned())).filter(|moved| moved.file == file);
        found.map(|moved| moved.before.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Identity, CString), Moved>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn old(inode: u64) -> Stat {
        let born = Some((1, 1));
        Stat {
            device: (8, 1),
            inode,
            mode: libc::S_IFREG | 0o644,
            links: 1,
            mount: 1,
            born,
            ..Stat::default()
        }
    }

    fn before(aside: &Aside, name: &CStr, inode: u64) -> Option<CString> {
        aside.name_before(&old(1), name, &old(inode))
    }

    #[test]
    fn the_first_name_counts() {
        let aside = Aside::default();
        aside.renamed(&old(1), c"a", c"b", &old(7));
        aside.renamed(&old(1), c"b", c"c", &old(7));
        assert_eq!(before(&aside, c"c", 7).as_deref(), Some(c"a"));
        assert_eq!(before(&aside, c"b", 7), None);
        aside.renamed(&old(1), c"c", c"a", &old(7));
        assert_eq!(before(&aside, c"c", 7), None);
        assert_eq!(before(&aside, c"a", 7), None);
    }

    #[test]
    fn only_that_file_in_that_directory_by_that_name_was_put_aside() {
        let aside = Aside::default();
        aside.renamed(&old(1), c"a", c"b", &old(7));
        assert_eq!(before(&aside, c"b", 8), None);
        assert_eq!(before(&aside, c"d", 7), None);
        assert_eq!(aside.name_before(&old(2), c"b", &old(7)), None);
        let again = Stat { born: Some((1, 2)), ..old(7) };
        assert_eq!(aside.name_before(&old(1), c"b", &again), None);
        let here = std::fs::File::open(".").expect("open a directory");
        let dir = file::stat(here.as_fd(), c"").expect("stat");
        aside.renamed(&dir, c"a", c"b", &old(7));
        aside.forget(here.as_fd(), c"b");
        assert_eq!(aside.name_before(&dir, c"b", &old(7)), None);
    }

    #[test]
    fn without_a_time_of_birth_nothing_is_known() {
        let aside = Aside::default();
        let old = |inode| Stat { born: None, ..old(inode) };
        aside.renamed(&old(1), c"a", c"b", &old(7));
        assert_eq!(aside.name_before(&old(1), c"b", &old(7)), None);
    }
}
