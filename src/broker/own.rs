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
    made: Mutex<HashMap<Identity, Made>>,
}

/// What is known about one.
#[derive(Debug, Clone, Copy)]
struct Made {
    born: (i64, u32),
    /// Whether it is a socket that the session bound. Others may have become
    /// its own on their way out of scratch.
    is_bound: bool,
}

/// Device and inode.
type Identity = ((u32, u32), u64);

fn identity(stat: &Stat) -> Identity {
    (stat.device, stat.inode)
}

impl Own {
    /// The session made this.
    pub(super) fn add(&self, stat: &Stat) {
        self.insert(stat, false);
    }

    /// The session bound a socket to this, and nobody else did.
    pub(super) fn add_socket(&self, stat: &Stat) {
        self.insert(stat, true);
    }

    fn insert(&self, stat: &Stat, is_bound: bool) {
        let Some(born) = stat.born else { return };
        let mut made = self.lock();
        let known = made.get(&identity(stat)).is_some_and(|made| made.born == born && made.is_bound);
        made.insert(identity(stat), Made { born, is_bound: is_bound || known });
    }

    /// Whether the session made this.
    pub(super) fn has(&self, stat: &Stat) -> bool {
        self.get(stat).is_some()
    }

    /// Whether the session bound a socket to this.
    pub(super) fn has_socket(&self, stat: &Stat) -> bool {
        self.get(stat).is_some_and(|made| made.is_bound)
    }

    fn get(&self, stat: &Stat) -> Option<Made> {
        let born = stat.born?;
        self.lock().get(&identity(stat)).copied().filter(|made| made.born == born)
    }

    /// A name of this was taken away. With its last one it is forgotten; but
    /// what another thread has made meanwhile may have its number already.
    pub(super) fn unname(&self, stat: &Stat) {
        if stat.links <= 1 || stat.is(libc::S_IFDIR) {
            let mut born = self.lock();
            if born.get(&identity(stat)).map(|made| made.born) == stat.born {
                born.remove(&identity(stat));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
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
            mount: 1,
            born,
            ..Stat::default()
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
    fn what_was_made_otherwise_is_no_bound_socket() {
        let own = Own::default();
        let (bound, planted) = (file(7, Some((1, 1))), file(8, Some((1, 1))));
        own.add_socket(&bound);
        own.add(&planted);
        own.add(&bound);
        assert!(own.has_socket(&bound) && own.has(&planted) && !own.has_socket(&planted));
        // Another file with its number.
        own.add(&file(7, Some((1, 2))));
        assert!(!own.has_socket(&file(7, Some((1, 2)))));
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
