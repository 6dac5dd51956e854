//! What the session itself made: it may change and remove that freely,
//! wherever it was allowed to make it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::sys::file::Stat;

/// How many files a generation remembers: what fits a table of 2^20 places
/// (17 MiB) before it grows.
const MOST: usize = (1 << 20) / 8 * 7;

/// The files that the session made.
///
/// A file is known by device, inode number and time of birth: numbers are used
/// again, times of birth are not, and nobody can set them. Where a file system
/// does not tell them nothing is known for own.
///
/// A file whose last name the broker takes away is forgotten. What the kernel
/// removes by itself in scratch nobody hears of; so there are two generations,
/// and when the young one is full the old one is forgotten. Then something of
/// the session's may be taken for older than it, which only refuses more.
#[derive(Debug, Default)]
pub(super) struct Own {
    generations: Mutex<Generations>,
    /// Read while something is made and not known yet.
    making: RwLock<()>,
}

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

/// By device and inode number, when a file was born.
#[derive(Debug, Default)]
struct Generation {
    by_device: HashMap<(u32, u32), HashMap<u64, Made>>,
    len: usize,
}

/// Nanoseconds since 1970 at which a file was born, times two; plus one for a
/// socket that the session bound. Others may have become its own on their way
/// out of scratch. Kept small, since there may be a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made(u64);

impl Made {
    /// None where it is not told, or out of range.
    fn of(stat: &Stat, is_bound: bool) -> Option<Made> {
        let (seconds, nanoseconds) = stat.born?;
        let seconds = u64::try_from(seconds).ok()?;
        let born = seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds.into())?;
        Some(Made(born.checked_mul(2)? | u64::from(is_bound)))
    }

    fn is_bound(self) -> bool {
        self.0 & 1 == 1
    }

    fn is_same_birth(self, other: Made) -> bool {
        self.0 >> 1 == other.0 >> 1
    }
}

impl Generation {
    fn get(&self, stat: &Stat) -> Option<Made> {
        self.by_device.get(&stat.device)?.get(&stat.inode).copied()
    }

    fn insert(&mut self, stat: &Stat, made: Made) {
        let known = self.by_device.entry(stat.device).or_default().insert(stat.inode, made);
        self.len += usize::from(known.is_none());
    }

    fn remove(&mut self, stat: &Stat, made: Made) {
        let Some(inodes) = self.by_device.get_mut(&stat.device) else { return };
        if inodes.get(&stat.inode).is_some_and(|known| known.is_same_birth(made)) {
            inodes.remove(&stat.inode);
            self.len -= 1;
        }
    }
}

impl Own {
    /// While this is held whoever asks about something that nobody knows waits:
    /// it may be what is just being made. The holder must not ask.
    pub(super) fn making(&self) -> RwLockReadGuard<'_, ()> {
        self.making.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session made this.
    pub(super) fn add(&self, stat: &Stat) {
        self.insert(stat, false, MOST);
    }

    /// The session bound a socket to this, and nobody else did.
    pub(super) fn add_socket(&self, stat: &Stat) {
        self.insert(stat, true, MOST);
    }

    fn insert(&self, stat: &Stat, is_bound: bool, most: usize) {
        let known = self.known(stat).is_some_and(Made::is_bound);
        let Some(made) = Made::of(stat, is_bound || known) else { return };
        let mut generations = self.lock();
        if generations.young.len >= most {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(stat, made);
    }

    /// Whether the session made this.
    pub(super) fn has(&self, stat: &Stat) -> bool {
        self.get(stat).is_some()
    }

    /// Whether the session bound a socket to this.
    pub(super) fn has_socket(&self, stat: &Stat) -> bool {
        self.get(stat).is_some_and(Made::is_bound)
    }

    fn get(&self, stat: &Stat) -> Option<Made> {
        self.known(stat).or_else(|| {
            drop(self.making.write());
            self.known(stat)
        })
    }

    fn known(&self, stat: &Stat) -> Option<Made> {
        let wanted = Made::of(stat, false)?;
        let generations = self.lock();
        // What is known of the number later is what is true of it.
        let known = generations.young.get(stat).or_else(|| generations.old.get(stat));
        known.filter(|made| made.is_same_birth(wanted))
    }

    /// A name of this was taken away. With its last one it is forgotten; but
    /// what another thread has made meanwhile may have its number already.
    pub(super) fn unname(&self, stat: &Stat) {
        let Some(made) = Made::of(stat, false) else { return };
        if stat.links <= 1 || stat.is(libc::S_IFDIR) {
            let mut generations = self.lock();
            generations.young.remove(stat, made);
            generations.old.remove(stat, made);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn what_is_just_being_made_is_waited_for() {
        let own = Own::default();
        std::thread::scope(|scope| {
            let making = own.making();
            let asking = scope.spawn(|| own.has(&file(7, Some((1, 1)))));
            std::thread::sleep(std::time::Duration::from_millis(20));
            own.add(&file(7, Some((1, 1))));
            drop(making);
            assert!(asking.join().unwrap_or(false));
        });
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

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many() {
        let own = Own::default();
        for inode in 0..25 {
            own.insert(&file(inode, Some((1, 1))), false, 10);
        }
        let known: Vec<u64> = (0..25).filter(|inode| own.has(&file(*inode, Some((1, 1))))).collect();
        assert_eq!(known, (10..25).collect::<Vec<_>>());
        // A number that is used again is not the file of the older generation.
        own.insert(&file(12, Some((1, 2))), false, 10);
        assert!(own.has(&file(12, Some((1, 2)))) && !own.has(&file(12, Some((1, 1)))));
        (0..25).for_each(|inode| own.unname(&file(inode, Some((1, 1)))));
        own.unname(&file(12, Some((1, 2))));
        let generations = own.lock();
        assert_eq!((generations.young.len, generations.old.len), (0, 0));
    }

    #[test]
    fn times_that_cannot_be_told_apart_are_none() {
        let own = Own::default();
        for born in [(-1, 5), (i64::MAX, 0)] {
            own.add(&file(7, Some(born)));
            assert!(!own.has(&file(7, Some(born))));
        }
    }
}
