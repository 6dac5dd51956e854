//! That somebody watches, said where a session that has just begun can see it: they
//! look for new sessions now and then, and it may ask before they find it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::server::make_private;

/// The file, beside the sockets, on which those who watch hold a shared lock.
const NAME: &str = "watched";

/// Holds as long as it lives. It ends with its process, however that ends.
#[derive(Debug)]
pub struct Presence {
    _lock: Flock<File>,
}

impl Presence {
    /// Says it in the directory of the sockets, which need not exist.
    pub fn announce(dir: &Path) -> io::Result<Presence> {
        make_private(dir)?;
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(flags)
            .open(dir.join(NAME))?;
        let lock = Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| errno)?;
        Ok(Presence { _lock: lock })
    }
}

/// Whether somebody says it.
pub(super) fn is_announced(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join(NAME)) else { return false };
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    matches!(lock, Err((_, Errno::EWOULDBLOCK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_as_long_as_anybody_watches() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("approvals");
        assert!(!is_announced(&dir));
        let first = Presence::announce(&dir).unwrap();
        let second = Presence::announce(&dir).unwrap();
        assert!(is_announced(&dir));
        drop(first);
        assert!(is_announced(&dir));
        drop(second);
        assert!(!is_announced(&dir));
    }
}
