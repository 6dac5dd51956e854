//! Opening files for more than reading, and making them; truncation.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{OFlag, ResolveFlag, readlinkat};
use nix::unistd::ftruncate;

use super::decode::{How, Named};
use super::reply::{Opened, Reply, Served};
use super::{Call, Shared, caller, fifo};
use crate::path::{self, Last, Name, Pinned, Place, Target};
use crate::policy::Verb;
use crate::sys::file::{self, Stat};
use crate::sys::{Errno, process};
use crate::undo::entry::Kind;

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
    if !how.flags.contains(OFlag::O_CREAT) {
        let follow = !how.flags.contains(OFlag::O_NOFOLLOW);
        return opening.existing(&opening.pin(at, follow)?, None);
    }
    let mut place = opening.place(at)?;
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
    let Name::Path(path) = pinned.name() else {
        let held = pinned.through().and_then(|fd| caller::open_file(call.caller, fd));
        return match held {
            Some(held) if held.is(&stat) && is_no_more(OFlag::O_WRONLY, held.flags) => {
                set_length(call, &pinned, &stat, length)
            }
            _ => Ok(Reply::Continue),
        };
    };
    if judge.native(path).write && judge.governs_truncation() {
        return Ok(Reply::Continue);
    }
    if !stat.is(libc::S_IFREG) {
        return Err(Errno::EINVAL);
    }
    judge.check(call, path, Verb::Modify, Some(&stat))?;
    shared.keep_content(call, &pinned, path, &stat)?;
    set_length(call, &pinned, &stat, length)
}

fn set_length(call: &Call, pinned: &Pinned, stat: &Stat, length: i64) -> Served {
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

    /// Whether the content can be changed by it.
    fn writes(&self) -> bool {
        let flags = self.how.flags;
        flags.bits() & libc::O_ACCMODE != libc::O_RDONLY || flags.contains(OFlag::O_TRUNC)
    }

    fn pin(&self, at: &Named, follow: bool) -> Result<Pinned, Errno> {
        let caller = self.call.caller;
        let path = at.path.as_deref().map_err(|errno| *errno)?;
        let pinned = if self.how.resolve.is_empty() {
            path::pin(caller, Target::Path { dir: at.dir, path, follow })
        } else {
            path::pin_restricted(caller, at.dir, path, follow, self.how.resolve)
        };
        let pinned = pinned?;
        self.shared.confirm(self.call).map(|()| pinned)
    }

    fn place(&self, at: &Named) -> Result<Place, Errno> {
        if self.how.resolve.is_empty() {
            return self.shared.place(self.call, at);
        }
        let path = at.path.as_deref().map_err(|errno| *errno)?;
        let place = Place::find_restricted(self.call.caller, at.dir, path, self.how.resolve)?;
        self.shared.confirm(self.call).map(|()| place)
    }

    /// Reading is Landlock's alone, but where something that Landlock was told
    /// to hide lies beside something that may be read.
    fn to_read(&self, at: &Named) -> Served {
        let judge = &self.shared.judge;
        if !judge.grants.with_reading() {
            return Ok(Reply::Continue);
        }
        let follow = !self.how.flags.contains(OFlag::O_NOFOLLOW);
        let _tree = judge.hold_tree();
        // The kernel says best why it cannot be found.
        let Ok(pinned) = self.pin(at, follow) else { return Ok(Reply::Continue) };
        let Name::Path(path) = pinned.name() else { return Ok(Reply::Continue) };
        let stat = file::stat(pinned.as_fd(), c"")?;
        let native = judge.native(path);
        let kind = stat.mode & libc::S_IFMT;
        let is_native = if kind == libc::S_IFDIR { native.list } else { native.read };
        if is_native || !matches!(kind, libc::S_IFDIR | libc::S_IFREG | libc::S_IFSOCK | libc::S_IFIFO) {
            return Ok(Reply::Continue);
        }
        judge.check(self.call, path, Verb::Read, Some(&stat))?;
        if kind == libc::S_IFIFO {
            return self.fifo(&pinned);
        }
        self.opened(file::reopen(pinned.as_fd(), self.how.flags)?, None, None)
    }

    /// `O_TMPFILE`: a file without a name, which may get one later.
    fn nameless(&self, at: &Named) -> Served {
        let judge = &self.shared.judge;
        let follow = !self.how.flags.contains(OFlag::O_NOFOLLOW);
        let dir = self.pin(at, follow)?;
        let Name::Path(path) = dir.name() else {
            // No directory, or a removed one: the kernel knows what to say.
            return self.opened(file::create(dir.as_fd(), c".", self.how.flags, self.how.mode)?, None, None);
        };
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
        if place.last() != Last::Name {
            return Err(if flags.contains(OFlag::O_EXCL) { Errno::EEXIST } else { Errno::EISDIR });
        }
        if place.ends_in_slash() {
            return Err(Errno::EISDIR);
        }
        let native = self.shared.judge.native(place.dir_path());
        match place.stat()? {
            None if place.is_removed() => Err(Errno::ENOENT),
            stat if native.make
                && !self.truncates_ungoverned()
                && stat.is_none_or(|stat| !stat.is(libc::S_IFLNK)) =>
            {
                Ok(Some(Reply::Continue))
            }
            None => self.make(place),
            Some(_) if flags.contains(OFlag::O_EXCL) => Err(Errno::EEXIST),
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

    /// Opens what a magic link leads to, or goes to where another one leads:
    /// what its text says about the end holds as if the caller had written it.
    fn through_link(&self, place: &mut Place) -> Result<Option<Reply>, Errno> {
        match place.pin_followed(self.call.caller) {
            Ok(pinned) if place.is_in_proc()? => {
                self.shared.confirm(self.call)?;
                return self.existing(&pinned, None).map(Some);
            }
            // Whether it may be followed (`fs.protected_symlinks`) the kernel has said.
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(errno) => return Err(errno),
        }
        let text = readlinkat(place.dir(), place.name())?;
        *place = place.follow(self.call.caller, &text)?;
        self.shared.confirm(self.call)?;
        if place.links() > MOST_LINKS { Err(Errno::ELOOP) } else { Ok(None) }
    }

    /// Makes a file. None where somebody else just did.
    fn make(&self, place: &Place) -> Result<Option<Reply>, Errno> {
        let judge = &self.shared.judge;
        let How { flags, mode, .. } = self.how;
        if let Err(errno) = judge.check(self.call, &place.path(), Verb::Create, None) {
            // In procfs there is nothing behind a missing name to be made.
            return Err(if place.is_in_proc()? { Errno::ENOENT } else { errno });
        }
        let mode = self.shared.umasks.apply(self.call.caller, place.dir(), mode)?;
        let flags = flags | OFlag::O_EXCL;
        let created = self.shared.creating(self.call, place, Kind::File, || {
            let file = file::create(place.dir(), place.name(), flags, mode)?;
            let stat = file::stat(file.as_fd(), c"")?;
            judge.own.add(&stat);
            judge.may_be_index_lock(self.call, place, &stat);
            Ok((file, Some(stat)))
        });
        let file = match created {
            Err(Errno::EEXIST) if !self.how.flags.contains(OFlag::O_EXCL) => return Ok(None),
            other => other?,
        };
        self.opened(file, None, Some(place.try_clone()?)).map(Some)
    }

    /// Opens what is there. `named` is where a plain name found it.
    fn existing(&self, pinned: &Pinned, named: Option<(&Place, Stat)>) -> Served {
        let judge = &self.shared.judge;
        let flags = self.how.flags;
        let stat = file::stat(pinned.as_fd(), c"")?;
        if flags.contains(OFlag::O_DIRECTORY) && !stat.is(libc::S_IFDIR) {
            return Err(Errno::ENOTDIR);
        }
        if stat.is(libc::S_IFLNK) {
            return Err(Errno::ELOOP);
        }
        if stat.is(libc::S_IFDIR) {
            return Err(Errno::EISDIR);
        }
        let held = pinned.through().and_then(|fd| caller::open_file(self.call.caller, fd));
        let held = held.filter(|held| held.is(&stat) && is_no_more(flags, held.flags));
        let Name::Path(path) = pinned.name() else {
            return match held {
                Some(held) if stat.is(libc::S_IFREG) => self.reopened(pinned, flags | held.appends(), &stat),
                // What has no name lies under no rule: the kernel decides.
                _ => Ok(Reply::Continue),
            };
        };
        let native = judge.native(path);
        let may_make = flags.contains(OFlag::O_CREAT);
        if native.write && (native.make || !may_make) && !self.truncates_ungoverned() {
            return Ok(Reply::Continue);
        }
        if let Some((place, stat)) = named {
            forbid_planted(place, &stat)?;
        }
        // What the caller holds counts where the policy would say no.
        let held = held.filter(|_| !judge.allows(path, Verb::Modify, Some(&stat)));
        if held.is_none() {
            judge.check(self.call, path, Verb::Modify, Some(&stat))?;
        }
        if self.writes() {
            self.shared.keep_content(self.call, pinned, path, &stat)?;
        }
        match (stat.mode & libc::S_IFMT, held) {
            (libc::S_IFIFO, _) => self.fifo(pinned),
            (_, Some(held)) => self.reopened(pinned, flags | held.appends(), &stat),
            // A socket cannot be opened, and the kernel says so (`ENXIO`).
            (libc::S_IFREG | libc::S_IFSOCK, None) => self.reopened(pinned, flags, &stat),
            // Devices are opened by nobody but the caller, as far as Landlock lets it.
            _ => Ok(Reply::Continue),
        }
    }

    fn reopened(&self, pinned: &Pinned, flags: OFlag, stat: &Stat) -> Served {
        let file = file::reopen(pinned.as_fd(), flags - OFlag::O_TRUNC)?;
        let empties = match flags.contains(OFlag::O_TRUNC) && stat.is(libc::S_IFREG) {
            false => None,
            true if matches!(flags.bits() & libc::O_ACCMODE, libc::O_WRONLY | libc::O_RDWR) => {
                Some(file.try_clone().map_err(|_| Errno::EMFILE)?)
            }
            true => Some(file::reopen(pinned.as_fd(), OFlag::O_WRONLY)?),
        };
        self.opened(file, empties, None)
    }

    fn fifo(&self, pinned: &Pinned) -> Served {
        let fifo = pinned.as_fd().try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
        fifo::open(self.call, fifo, self.how.flags)
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
