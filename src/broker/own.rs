//! What the session itself made: it may change and remove that freely,
//! wherever it was allowed to make it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::file::Stat;

/// The files that the session made.
///
/// A file is known by device, inode number and time of birth: numbers are used
/// again, times of birth are not, and nobody can set them. Where a file system
/// does not tell them nothing is known for own.
#[derive(Debug, Default)]
pub(super) struct Own {
    born: Mutex<HashMap<Identity, (i64, u32)>>,
}

/// Device and inode.
type Identity = ((u32, u32), u64);

fn identity(stat: &Stat) -> Identity {
    (stat.device, stat.inode)
}

impl Own {
    /// The session made this.
    pub(super) fn add(&self, stat: &Stat) {
        if let Some(born) = stat.born {
            self.lock().insert(identity(stat), born);
        }
    }

    /// Whether the session made this.
    pub(super) fn has(&self, stat: &Stat) -> bool {
        stat.born.is_some() && self.lock().get(&identity(stat)).copied() == stat.born
    }

    /// A name of this was taken away. With its last one it is forgotten; but
    /// what another thread has made meanwhile may have its number already.
    pub(super) fn unname(&self, stat: &Stat) {
        if stat.links <= 1 || stat.is(libc::S_IFDIR) {
            let mut born = self.lock();
            if born.get(&identity(stat)).copied() == stat.born {
                born.remove(&identity(stat));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, (i64, u32)>> {
        self.born.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64, born: Option<(i64, u32)>) -> Stat {
        Stat {
            device: (8, 1),
            inode,
            mode: libc::S_IFREG | 0o644,
            links: 1,
            owner: 0,
            size: 0,
            mount: 1,
            born,
        }
    }

    #[test]
    fn a_number_used_again_is_not_the_same_file() {
        let own = Own::default();
        own.add(&file(7, Some((1, 1))));
        assert!(own.has(&file(7, Some((1, 1)))));
        assert!(!own.has(&file(7, Some((1, 2)))));
        assert!(!own.has(&file(8, Some((1, 1)))));
        assert!(!own.has(&Stat { device: (8, 2), ..file(7, Some((1, 1))) }));
    }

    #[test]
    fn without_a_time_of_birth_nothing_is_own() {
        let own = Own::default();
        own.add(&file(7, None));
        assert!(!own.has(&file(7, None)));
        assert!(!own.has(&file(7, Some((1, 1)))));
    }

    #[test]
    fn what_has_the_number_of_something_removed_is_not_forgotten_with_it() {
        let own = Own::default();
        let (old, new) = (file(7, Some((1, 1))), file(7, Some((1, 2))));
        own.add(&new);
        own.unname(&old);
        assert!(own.has(&new));
    }

    #[test]
    fn the_last_name_takes_the_memory_along() {
        let own = Own::default();
        let linked = Stat { links: 2, ..file(7, Some((1, 1))) };
        own.add(&linked);
        own.unname(&linked);
        assert!(own.has(&linked));
        own.unname(&Stat { links: 1, ..linked });
        assert!(!own.has(&linked));
    }
}
