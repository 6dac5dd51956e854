//! Moving names: decided on both ends, and on everything beneath a directory.

use std::cell::RefCell;
use std::ffi::{CStr, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::fcntl::{OFlag, OpenHow, RenameFlags, ResolveFlag, openat2, renameat2};

use super::create::gives_more;
use super::decode::Named;
use super::judge::Judge;
use super::reply::{Reply, Served};
use super::{Call, Shared};
use crate::path::{Last, Place};
use crate::policy::{Access, Verb, Walk};
use crate::sys::Errno;
use crate::sys::file::{self, Stat};

/// Serves `rename` and its kin.
pub(super) fn rename(shared: &Shared, call: &Call, from: &Named, to: &Named, flags: u32) -> Served {
    let flags = RenameFlags::from_bits_retain(flags);
    // Also for files: what others decide about a name must still hold when they act.
    let _everything = shared.judge.hold_everything();
    match Move::find(shared, call, from, to, flags)? {
        None => Ok(Reply::Continue),
        Some(found) => found.perform(shared, call),
    }
}

/// What is to be moved where.
struct Move {
    from: Place,
    to: Place,
    source: Stat,
    target: Option<Stat>,
    flags: RenameFlags,
    /// The directory, where it is the same at both ends.
    dir: Option<Stat>,
}

impl Move {
    /// Looks at both ends; none where Landlock decides about both.
    fn find(
        shared: &Shared,
        call: &Call,
        from: &Named,
        to: &Named,
        flags: RenameFlags,
    ) -> Result<Option<Move>, Errno> {
        let from = shared.place(call, from)?;
        let to = shared.place(call, to)?;
        let [from_native, to_native] = [&from, &to].map(|place| shared.judge.native(place.dir_path()).make);
        if from_native && to_native {
            return Ok(None);
        }
        let (from_dir, to_dir) = (file::stat(from.dir(), c"")?, file::stat(to.dir(), c"")?);
        if from_dir.mount != to_dir.mount {
            return Err(Errno::EXDEV);
        }
        let noreplace = flags.contains(RenameFlags::RENAME_NOREPLACE);
        if from.last() != Last::Name {
            return Err(Errno::EBUSY);
        }
        if to.last() != Last::Name {
            return Err(if noreplace { Errno::EEXIST } else { Errno::EBUSY });
        }
        let source = from.stat()?.ok_or(Errno::ENOENT)?;
        let target = to.stat()?;
        if to.is_removed() {
            return Err(Errno::ENOENT);
        }
        if noreplace && target.is_some() {
            return Err(Errno::EEXIST);
        }
        if flags.contains(RenameFlags::RENAME_EXCHANGE) && target.is_none() {
            return Err(Errno::ENOENT);
        }
        let dir = from_dir.is_same_file(&to_dir).then_some(from_dir);
        let found = Move { from, to, source, target, flags, dir };
        found.forbid_impossible()?;
        // What the kernel lets be renamed and filled by itself may be another
        // thing by the time it moves. Programs copy instead.
        if from_native || (to_native && found.is_exchange()) {
            return Err(Errno::EXDEV);
        }
        Ok(Some(found))
    }

    /// What the kernel finds before it asks whether it is permitted.
    fn forbid_impossible(&self) -> Result<(), Errno> {
        let is_dir = |stat: &Stat| stat.is(libc::S_IFDIR);
        let slashes = (self.from.ends_in_slash(), self.to.ends_in_slash());
        let needs_dir = if self.is_exchange() {
            slashes.1 && !self.target.as_ref().is_some_and(is_dir) || slashes.0 && !is_dir(&self.source)
        } else {
            (slashes.0 || slashes.1) && !is_dir(&self.source)
        };
        if needs_dir {
            return Err(Errno::ENOTDIR);
        }
        if self.to.dir_path().starts_with(self.from.path()) {
            return Err(Errno::EINVAL);
        }
        if self.from.dir_path().starts_with(self.to.path()) {
            return Err(if self.is_exchange() { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        Ok(())
    }

    fn is_exchange(&self) -> bool {
        self.flags.contains(RenameFlags::RENAME_EXCHANGE)
    }

    fn perform(&self, shared: &Shared, call: &Call) -> Served {
        let judge = &shared.judge;
        let (from, to) = (self.from.path(), self.to.path());
        let leaving = RefCell::default();
        let there = Trip { judge, call, from: &from, to: &to, leaving: &leaving };
        let arriving = match self.target {
            // What is there is taken along the other way.
            Some(_) if self.is_exchange() => None,
            Some(target) => Some((Verb::Modify, Some(target))),
            None => Some((Verb::Create, None)),
        };
        // First, so that nobody is asked about what cannot arrive.
        if let Some((verb, stat)) = arriving {
            judge.check(call, &to, verb, stat.as_ref())?;
        }
        there.check(&self.source)?;
        there.keep_grants()?;
        let mut scratch = there.tree(&self.from, &self.source)?;
        if let Some(target) = self.target.filter(|_| self.is_exchange()) {
            let back = Trip { judge, call, from: &to, to: &from, leaving: &leaving };
            back.check(&target)?;
            back.keep_grants()?;
            scratch.extend(back.tree(&self.to, &target)?);
        }
        let (old, new) = (self.from.written(), self.to.written());
        let act = || {
            renameat2(self.from.dir(), old.as_c_str(), self.to.dir(), new.as_c_str(), self.flags)?;
            self.adopt_whiteout(judge)
        };
        if self.target.is_some_and(|target| self.source.is_same_file(&target)) {
            // Two names of one file: nothing happens, and both stay.
            return act().map(|()| Reply::Done(0));
        }
        let gone = self.gone(judge, leaving.into_inner());
        let counts = |path: &&Path| judge.counts(&judge.policy.walk(path));
        let paths: Vec<&Path> = gone.iter().map(PathBuf::as_path).filter(counts).collect();
        let is_own = gone.len() == 1 && judge.own.has(&self.source);
        judge.remove_many(call, &paths, is_own, || None)?;
        let (source, target) = ((&self.from, &self.source), (&self.to, self.target.as_ref()));
        let moved = shared.renaming(call, source, target, self.flags, act);
        moved.inspect_err(|_| paths.iter().for_each(|path| judge.is_left(call, path, is_own)))?;
        judge.is_back(&to);
        scratch.iter().for_each(|stat| judge.adopt(stat));
        self.update(judge, &from, &to);
        Ok(Reply::Done(0))
    }

    /// Names that are gone with it: of what leaves its zone, or else the one name
    /// fewer where it replaces something. What the session made only to replace
    /// something with it is no name that was there.
    fn gone(&self, judge: &Judge, leaving: Vec<PathBuf>) -> Vec<PathBuf> {
        let replaces = self.target.is_some() && !self.is_exchange() && !judge.own.has(&self.source);
        if leaving.is_empty() && replaces { vec![self.from.path()] } else { leaving }
    }

    /// `RENAME_WHITEOUT` leaves a device, which is the session's own.
    fn adopt_whiteout(&self, judge: &Judge) -> Result<(), Errno> {
        if self.flags.contains(RenameFlags::RENAME_WHITEOUT)
            && let Some(left) = self.from.stat()?.filter(|stat| stat.is(libc::S_IFCHR))
        {
            judge.own.add(&left);
        }
        Ok(())
    }

    fn update(&self, judge: &Judge, from: &Path, to: &Path) {
        match self.dir.filter(|_| !self.is_exchange() && !self.source.is(libc::S_IFDIR)) {
            Some(dir) if !judge.own.has(&self.source) => {
                judge.aside.renamed(&dir, self.from.name(), self.to.name(), &self.source);
            }
            _ => {
                [&self.from, &self.to].iter().for_each(|place| judge.aside.forget(place.dir(), place.name()))
            }
        }
        if self.is_exchange() {
            judge.grants.exchanged(from, to);
            return;
        }
        if let Some(target) = self.target {
            judge.own.unname(&target);
        }
        if self.source.is(libc::S_IFDIR) {
            judge.grants.moved(from, to);
        }
    }
}

/// One thing on its way to another name.
struct Trip<'a> {
    judge: &'a Judge,
    call: &'a Call,
    from: &'a Path,
    to: &'a Path,
    /// What leaves its zone, and may by itself.
    leaving: &'a RefCell<Vec<PathBuf>>,
}

impl Trip<'_> {
    /// Whether the thing itself may leave its name and be reached by the other.
    fn check(&self, stat: &Stat) -> Result<(), Errno> {
        let policy = &self.judge.policy;
        self.decide(&policy.walk(self.from), &policy.walk(self.to), Path::new(""), Some(stat))
    }

    /// Landlock's rules belong to inodes and go along, so nothing that carries one
    /// may go where that would be too much. Programs copy instead.
    fn keep_grants(&self) -> Result<(), Errno> {
        let policy = &self.judge.policy;
        let is_too_much = self.judge.grants.beneath(self.from).into_iter().any(|(rest, rights)| {
            let to = join(self.to, &rest);
            !rights.minus(policy.grantable(&to)).is_empty()
        });
        if is_too_much { Err(Errno::EXDEV) } else { Ok(()) }
    }

    /// Decides about what lies at `rest` beneath the thing (or about itself).
    fn decide(
        &self,
        here: &Walk<'_>,
        there: &Walk<'_>,
        rest: &Path,
        stat: Option<&Stat>,
    ) -> Result<(), Errno> {
        let judge = self.judge;
        let verb = if is_one_zone(here, there) { Verb::Modify } else { Verb::Remove };
        let access = judge.with_own(here.access(), stat);
        let refuse = |verb: Verb, walk: &Walk<'_>, path: &Path, to: Option<&Path>| {
            judge.refuse(self.call, &join(path, rest), to, verb, &walk.decide(verb))
        };
        if !judge.permits(access.effect(verb)) {
            let (from, to) = (join(self.from, rest), join(self.to, rest));
            judge.ask(self.call, (&from, Some(&to)), verb, access.effect(verb), &here.decide(verb))?;
        } else if verb == Verb::Remove {
            self.leaving.borrow_mut().push(join(self.from, rest));
        }
        if !rest.as_os_str().is_empty() && !judge.permits(there.access().create) {
            return Err(refuse(Verb::Create, there, self.to, None));
        }
        if gives_more(access, judge.with_own(there.access(), stat)) {
            refuse(Verb::Modify, here, self.from, Some(&join(self.to, rest)));
            // As Landlock says it, so that programs copy instead.
            return Err(Errno::EXDEV);
        }
        let is_kept = here.access().keeps() && !stat.is_some_and(|stat| judge.own.has(stat));
        if is_kept && !there.access().keeps() {
            // Nobody could bring it back from there; what is copied and removed is kept.
            return Err(Errno::EXDEV);
        }
        Ok(())
    }

    /// Decides about everything beneath a directory. Gives what comes from
    /// scratch, the thing itself included: it becomes the session's own.
    fn tree(&self, place: &Place, stat: &Stat) -> Result<Vec<Stat>, Errno> {
        let policy = &self.judge.policy;
        let (here, there) = (policy.walk(self.from), policy.walk(self.to));
        let comes_from_scratch = here.access() == Access::SCRATCH && there.access() != Access::SCRATCH;
        let mut scratch = if comes_from_scratch { vec![*stat] } else { Vec::new() };
        let is_own = self.judge.own.has(stat);
        let is_boring = !here.has_rules_below() && !there.has_rules_below() && !comes_from_scratch && !is_own;
        if !stat.is(libc::S_IFDIR) || is_boring {
            return Ok(scratch);
        }
        let top = (here.access(), there.access());
        let mut dirs = vec![(PathBuf::new(), here, there)];
        while let Some((dir, here, there)) = dirs.pop() {
            for (name, kind) in entries(place, &dir)? {
                let name = OsStr::from_bytes(name.to_bytes());
                let (here, there, rest) = (here.at(name), there.at(name), dir.join(name));
                let is_like_top = (here.access(), there.access()) == top && !is_own;
                if !is_like_top || comes_from_scratch {
                    let stat = stat_at(place, &rest)?;
                    self.decide(&here, &there, &rest, Some(&stat))?;
                    if comes_from_scratch {
                        scratch.push(stat);
                    }
                }
                if kind == Type::Directory {
                    dirs.push((rest, here, there));
                }
            }
        }
        Ok(scratch)
    }
}

/// Whether the same rules hold at both ends, so that what moves between them
/// does not leave its zone.
pub(super) fn is_one_zone(here: &Walk<'_>, there: &Walk<'_>) -> bool {
    here.access() == there.access() && here.decide(Verb::Remove).rule == there.decide(Verb::Remove).rule
}

fn join(path: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { path.to_path_buf() } else { path.join(rest) }
}

/// The entries of a directory beneath a place, with their types. A directory
/// that cannot be listed cannot be decided about.
pub(super) fn entries(place: &Place, dir: &Path) -> Result<Vec<(Box<CStr>, Type)>, Errno> {
    let path = join(Path::new(OsStr::from_bytes(place.name().to_bytes())), dir);
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let mut listing = Dir::from_fd(openat2(place.dir(), &path, how)?)?;
    let mut found = Vec::new();
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            Some(kind) => kind,
            None if stat_at(place, &dir.join(OsStr::from_bytes(name.to_bytes())))?.is(libc::S_IFDIR) => {
                Type::Directory
            }
            None => Type::File,
        };
        found.push((name.into(), kind));
    }
    Ok(found)
}

fn stat_at(place: &Place, rest: &Path) -> Result<Stat, Errno> {
    let path = Path::new(OsStr::from_bytes(place.name().to_bytes())).join(rest);
    let how = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let fd = file::open_path(place.dir(), &path, OFlag::O_NOFOLLOW, how);
    match fd {
        Ok(fd) => file::stat(fd.as_fd(), c""),
        // The last component is a link itself, which NO_SYMLINKS takes only with O_NOFOLLOW.
        Err(errno) => Err(errno),
    }
}
