//! Opening files for more than reading, and making them; truncation.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, ResolveFlag, fcntl, readlinkat};
use nix::unistd::ftruncate;

use super::decode::{How, Named};
use super::reply::{INTERRUPTED, Opened, Reply, Served};
use super::{Call, Shared, caller};
use crate::path::{self, Last, Name, Pinned, Place, Target};
use crate::policy::Verb;
use crate::sys::file::{self, Stat};
use crate::sys::{Errno, process};

/// As the kernel (`path_resolution(7)`).
const MOST_LINKS: usize = 40;
/// How often it is tried again where others make and remove the same name.
const MOST_TRIES: usize = 100;

/// Serves `open`, `openat`, `openat2` and `creat`.
pub(super) fn open(shared: &Shared, call: &Call, at: &Named, how: How) -> Served {
    if how.flags.contains(OFlag::O_PATH) {
        return Ok(Reply::Continue);
    }
    let opening = Opening { shared, call, how };
    if !opening.changes() {
        return opening.to_read(at);
    }
    let _tree = shared.judge.hold_tree();
    if how.flags.contains(OFlag::O_TMPFILE) {
        return opening.nameless(at);
    }
    if !how.resolve.is_empty() {
        return opening.restricted(at);
    }
    if !how.flags.contains(OFlag::O_CREAT) {
        let follow = !how.flags.contains(OFlag::O_NOFOLLOW);
        return opening.existing(&opening.pin(at, follow)?, None);
    }
    let mut place = shared.place(call, at)?;
    for _ in 0..MOST_TRIES {
        if let Some(reply) = opening.make_or_open(&mut place)? {
            return Ok(reply);
        }
    }
    Err(Errno::ELOOP)
}

/// Serves `truncate`.
pub(super) fn truncate(shared: &Shared, call: &Call, at: &Named, length: i64) -> Served {
    let judge = &shared.judge;
    let _tree = judge.hold_tree();
    let how = How { flags: OFlag::O_WRONLY, mode: 0, resolve: ResolveFlag::empty() };
    let pinned = Opening { shared, call, how }.pin(at, true)?;
    let stat = file::stat(pinned.as_fd(), c"")?;
    if stat.is(libc::S_IFDIR) {
        return Err(Errno::EISDIR);
    }
    let Name::Path(path) = pinned.name() else { return Ok(Reply::Continue) };
    if judge.native(path).write && judge.governs_truncation() {
        return Ok(Reply::Continue);
    }
    if !stat.is(libc::S_IFREG) {
        return Err(Errno::EINVAL);
    }
    judge.check(call, path, Verb::Modify, Some(&stat))?;
    let new = u64::try_from(length).unwrap_or(0);
    if new > stat.size && process::file_size_limit(call.caller).is_some_and(|limit| new > limit) {
        return Err(Errno::EFBIG);
    }
    ftruncate(file::reopen(pinned.as_fd(), OFlag::O_WRONLY)?, length)?;
    Ok(Reply::Done(0))
}

/// A file being opened.
struct Opening<'a> {
    shared: &'a Shared,
    call: &'a Call,
    how: How,
}

impl Opening<'_> {
    /// Whether it is more than opening for reading.
    fn changes(&self) -> bool {
        let flags = self.how.flags;
        flags.bits() & libc::O_ACCMODE != libc::O_RDONLY
            || flags.intersects(OFlag::O_CREAT | OFlag::O_TRUNC)
            || flags.contains(OFlag::O_TMPFILE)
    }

    fn writes(&self) -> bool {
        self.how.flags.bits() & libc::O_ACCMODE != libc::O_RDONLY
    }

    fn pin(&self, at: &Named, follow: bool) -> Result<Pinned, Errno> {
        let Shared { judge, .. } = self.shared;
        let target = Target::Path { dir: at.dir, path: &at.path, follow };
        let pinned = path::pin(self.call.caller, target)
            .map_err(|errno| judge.undecided(self.call, &at.path.to_string_lossy(), errno))?;
        self.shared.confirm(self.call).map(|()| pinned)
    }

    /// Reading is Landlock's alone, but where something that Landlock was told
    /// to hide lies beside something that may be read.
    fn to_read(&self, at: &Named) -> Served {
        let judge = &self.shared.judge;
        if !judge.grants.with_reading() || !self.how.resolve.is_empty() {
            return Ok(Reply::Continue);
        }
        let follow = !self.how.flags.contains(OFlag::O_NOFOLLOW);
        let _tree = judge.hold_tree();
        // The kernel says best why it cannot be found.
        let Ok(pinned) = self.pin(at, follow) else { return Ok(Reply::Continue) };
        let Name::Path(path) = pinned.name() else { return Ok(Reply::Continue) };
        let stat = file::stat(pinned.as_fd(), c"")?;
        let native = judge.native(path);
        let (is_dir, is_file) = (stat.is(libc::S_IFDIR), stat.is(libc::S_IFREG));
        if (if is_dir { native.list } else { native.read }) || !(is_dir || is_file) {
            return Ok(Reply::Continue);
        }
        judge.check(self.call, path, Verb::Read, Some(&stat))?;
        self.opened(file::reopen(pinned.as_fd(), self.how.flags)?, None, None)
    }

    /// `openat2` with restrictions on the way: the kernel applies them, once.
    fn restricted(&self, at: &Named) -> Served {
        let (dir, path, how) = (at.dir, &at.path, self.how);
        let follow = !how.flags.contains(OFlag::O_NOFOLLOW);
        match path::pin_restricted(self.call.caller, dir, path, follow, how.resolve) {
            Ok(pinned) => {
                self.shared.confirm(self.call)?;
                if how.flags.contains(OFlag::O_CREAT | OFlag::O_EXCL) {
                    return Err(Errno::EEXIST);
                }
                self.existing(&pinned, None)
            }
            Err(Errno::ENOENT) if how.flags.contains(OFlag::O_CREAT) => {
                let place = Place::find_restricted(self.call.caller, dir, path, how.resolve)?;
                self.shared.confirm(self.call)?;
                match place.stat()? {
                    // A link that leads nowhere; who restricts links has no use for it.
                    Some(_) => Err(Errno::ELOOP),
                    None => self.make(&place)?.ok_or(Errno::EEXIST),
                }
            }
            Err(errno) => Err(errno),
        }
    }

    /// `O_TMPFILE`: a file without a name, which may get one later.
    fn nameless(&self, at: &Named) -> Served {
        let judge = &self.shared.judge;
        let follow = !self.how.flags.contains(OFlag::O_NOFOLLOW);
        let dir = self.pin(at, follow)?;
        let Name::Path(path) = dir.name() else { return Err(Errno::ENOENT) };
        if judge.native(path).make {
            return Ok(Reply::Continue);
        }
        judge.check(self.call, &path.join("#nameless"), Verb::Create, None)?;
        let mode = self.shared.umasks.apply(self.call.caller, dir.as_fd(), self.how.mode)?;
        let file = file::create(dir.as_fd(), c".", self.how.flags, mode)?;
        judge.own.add(&file::stat(file.as_fd(), c"")?);
        self.opened(file, None, None)
    }

    /// One try at a name that is made where it is missing. None where it has to
    /// be tried again, at a place that a link may have led to.
    fn make_or_open(&self, place: &mut Place) -> Result<Option<Reply>, Errno> {
        let flags = self.how.flags;
        let native = self.shared.judge.native(place.dir_path());
        let stat = if place.last() == Last::Name { place.stat()? } else { None };
        match stat {
            _ if place.last() != Last::Name => Err(Errno::EISDIR),
            stat if native.make
                && !self.truncates_ungoverned()
                && stat.is_none_or(|stat| !stat.is(libc::S_IFLNK)) =>
            {
                Ok(Some(Reply::Continue))
            }
            None if place.ends_in_slash() => Err(Errno::EISDIR),
            None => self.make(place),
            Some(_) if flags.contains(OFlag::O_EXCL) => Err(Errno::EEXIST),
            Some(_) if place.ends_in_slash() => Err(Errno::EISDIR),
            Some(stat) if stat.is(libc::S_IFLNK) => {
                if flags.contains(OFlag::O_NOFOLLOW) {
                    return Err(Errno::ELOOP);
                }
                self.through_link(place)
            }
            Some(stat) => match place.pin() {
                Ok(pinned) => self.existing(&pinned, Some((&*place, stat))).map(Some),
                Err(Errno::ENOENT) => Ok(None),
                Err(errno) => Err(errno),
            },
        }
    }

    /// Opens what a link leads to, or goes to where it would have to be made.
    fn through_link(&self, place: &mut Place) -> Result<Option<Reply>, Errno> {
        match place.pin_followed(self.call.caller) {
            Ok(pinned) => {
                self.shared.confirm(self.call)?;
                self.existing(&pinned, None).map(Some)
            }
            Err(Errno::ENOENT) => {
                let text = readlinkat(place.dir(), place.name())?;
                *place = place.follow(self.call.caller, &text)?;
                self.shared.confirm(self.call)?;
                if place.links() > MOST_LINKS { Err(Errno::ELOOP) } else { Ok(None) }
            }
            Err(errno) => Err(self.shared.judge.undecided(self.call, &place.path().to_string_lossy(), errno)),
        }
    }

    /// Makes a file. None where somebody else just did.
    fn make(&self, place: &Place) -> Result<Option<Reply>, Errno> {
        let judge = &self.shared.judge;
        let How { flags, mode, .. } = self.how;
        judge.check(self.call, &place.path(), Verb::Create, None)?;
        let mode = self.shared.umasks.apply(self.call.caller, place.dir(), mode)?;
        let flags = flags | OFlag::O_EXCL;
        let file = match file::create(place.dir(), place.name(), flags, mode) {
            Err(Errno::EEXIST) if !self.how.flags.contains(OFlag::O_EXCL) => return Ok(None),
            other => other?,
        };
        judge.own.add(&file::stat(file.as_fd(), c"")?);
        self.opened(file, None, Some(place.try_clone()?)).map(Some)
    }

    /// Opens what is there. `named` is where a plain name found it.
    fn existing(&self, pinned: &Pinned, named: Option<(&Place, Stat)>) -> Served {
        let judge = &self.shared.judge;
        let flags = self.how.flags;
        let stat = file::stat(pinned.as_fd(), c"")?;
        if stat.is(libc::S_IFLNK) {
            return Err(Errno::ELOOP);
        }
        if stat.is(libc::S_IFDIR) {
            return Err(Errno::EISDIR);
        }
        if flags.contains(OFlag::O_DIRECTORY) {
            return Err(Errno::ENOTDIR);
        }
        // What has no name lies under no rule: the kernel decides.
        let Name::Path(path) = pinned.name() else { return Ok(Reply::Continue) };
        let native = judge.native(path);
        let may_make = flags.contains(OFlag::O_CREAT);
        if native.write && (native.make || !may_make) && !self.truncates_ungoverned() {
            return Ok(Reply::Continue);
        }
        if let Some((place, stat)) = named {
            forbid_planted(place, &stat)?;
        }
        if let Some(fd) = pinned.through()
            && let Some(kept) = caller::open_file(self.call.caller, fd)
            && kept.is(&stat)
            && is_no_more(flags, kept.flags)
        {
            return self.reopened(pinned, flags | (kept.flags & OFlag::O_APPEND), &stat);
        }
        judge.check(self.call, path, Verb::Modify, Some(&stat))?;
        match stat.mode & libc::S_IFMT {
            libc::S_IFREG => self.reopened(pinned, flags, &stat),
            libc::S_IFIFO => self.fifo(pinned),
            // Devices are opened by nobody but the caller, as far as Landlock lets it.
            _ => Ok(Reply::Continue),
        }
    }

    fn reopened(&self, pinned: &Pinned, flags: OFlag, stat: &Stat) -> Served {
        let file = file::reopen(pinned.as_fd(), flags - OFlag::O_TRUNC)?;
        let empties = match flags.contains(OFlag::O_TRUNC) && stat.is(libc::S_IFREG) {
            false => None,
            true if self.writes() => Some(file.try_clone().map_err(|_| Errno::EMFILE)?),
            true => Some(file::reopen(pinned.as_fd(), OFlag::O_WRONLY)?),
        };
        self.opened(file, empties, None)
    }

    /// A FIFO's open waits for its other end, and a signal may end the waiting.
    fn fifo(&self, pinned: &Pinned) -> Served {
        let flags = self.how.flags;
        let nonblocking = flags.contains(OFlag::O_NONBLOCK);
        let reads_too = flags.bits() & libc::O_ACCMODE == libc::O_RDWR;
        if nonblocking || reads_too {
            return self.opened(file::reopen(pinned.as_fd(), flags)?, None, None);
        }
        let fifo = pinned.as_fd().try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
        let (call, close_on_exec) = (*self.call, self.closes_on_exec());
        Ok(Reply::Later(Box::new(move |shared| {
            let file = wait_for_reader(shared, &call, &fifo, flags)?;
            Ok(Reply::Opened(Opened { file, close_on_exec, empties: None, made: None }))
        })))
    }

    fn closes_on_exec(&self) -> bool {
        self.how.flags.contains(OFlag::O_CLOEXEC)
    }

    fn truncates_ungoverned(&self) -> bool {
        self.how.flags.contains(OFlag::O_TRUNC) && !self.shared.judge.governs_truncation()
    }

    fn opened(&self, file: OwnedFd, empties: Option<OwnedFd>, made: Option<Place>) -> Served {
        Ok(Reply::Opened(Opened { file, close_on_exec: self.closes_on_exec(), empties, made }))
    }
}

/// Whether opening again gives nothing that the descriptor does not have.
fn is_no_more(flags: OFlag, kept: OFlag) -> bool {
    let mode = |flags: OFlag| flags.bits() & libc::O_ACCMODE;
    !kept.contains(OFlag::O_PATH)
        && mode(kept) != libc::O_RDONLY
        && (mode(flags) == mode(kept) || mode(kept) == libc::O_RDWR)
}

/// `fs.protected_regular` and `fs.protected_fifos` (`proc_sys_fs(5)`), which the
/// kernel applies to `O_CREAT` alone: in a directory that others can write to
/// and where they cannot remove, a file of somebody else is not opened.
fn forbid_planted(place: &Place, stat: &Stat) -> Result<(), Errno> {
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o002;
    let me = nix::unistd::geteuid().as_raw();
    if stat.owner == me || !(stat.is(libc::S_IFREG) || stat.is(libc::S_IFIFO)) {
        return Ok(());
    }
    let dir = file::stat(place.dir(), c"")?;
    let is_shared = dir.mode & STICKY != 0 && dir.mode & OTHERS_WRITE != 0;
    if is_shared && stat.owner != dir.owner { Err(Errno::EACCES) } else { Ok(()) }
}

/// Opens a FIFO for writing as soon as it has a reader.
fn wait_for_reader(shared: &Shared, call: &Call, fifo: &OwnedFd, flags: OFlag) -> Result<OwnedFd, Errno> {
    loop {
        match file::reopen(fifo.as_fd(), flags | OFlag::O_NONBLOCK) {
            Err(Errno::ENXIO) => {}
            Err(errno) => return Err(errno),
            Ok(file) => {
                fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_TRUNC - OFlag::O_CREAT))?;
                return Ok(file);
            }
        }
        shared.confirm(call)?;
        if caller::has_pending_signal(call.caller) {
            return Err(INTERRUPTED);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
