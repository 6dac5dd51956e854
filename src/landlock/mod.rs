//! The plan's grants as a Landlock ruleset (`landlock(7)`).

pub mod rights;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, ResolveFlag};
use nix::sys::stat::{SFlag, fstat};

use crate::policy::plan::{Grant, Plan};
use crate::policy::{Network, UnixSockets};
use crate::sys::{self, SysError};

/// A ruleset that cannot be made or applied.
#[derive(Debug, thiserror::Error)]
pub enum LandlockError {
    /// The kernel has no Landlock, or it is switched off.
    #[error("this kernel has no Landlock")]
    Unsupported,
    /// The kernel refuses the ruleset.
    #[error("Landlock: the ruleset was refused")]
    Ruleset(#[from] RulesetError),
    /// A granted path cannot be opened for a reason other than being gone or
    /// out of the user's own reach.
    #[error("Landlock: {} cannot be granted", .0.display())]
    Path(PathBuf, #[source] SysError),
    /// The ruleset's descriptor cannot be duplicated.
    #[error("Landlock: the ruleset's descriptor cannot be duplicated")]
    Descriptor(#[source] std::io::Error),
    /// The kernel took the ruleset and enforces less than all of it.
    #[error("Landlock: the kernel enforces the ruleset only in part")]
    Partial,
}

/// The running kernel's ABI, 0 for none.
pub fn abi() -> u32 {
    sys::landlock_abi()
}

/// A ruleset, ready to be applied.
#[derive(Debug)]
pub struct Prepared {
    ruleset: RulesetCreated,
}

/// Builds the ruleset of a plan: every right and scope of the ABI is handled,
/// and nothing is granted but what the plan says.
pub fn prepare(plan: &Plan, abi: u32) -> Result<Prepared, LandlockError> {
    if abi < rights::OLDEST {
        return Err(LandlockError::Unsupported);
    }
    let known = rights::known(abi);
    let settings = &plan.policy.settings;
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(known))?;
    let tcp = AccessNet::from_all(known);
    if settings.network != Network::Open && !tcp.is_empty() {
        ruleset = ruleset.handle_access(tcp)?;
    }
    if abi >= rights::SCOPES {
        ruleset = ruleset.scope(Scope::Signal)?;
        if settings.unix_sockets == UnixSockets::Own {
            ruleset = ruleset.scope(Scope::AbstractUnixSocket)?;
        }
    }
    let mut created = ruleset.create()?;
    for grant in &plan.grants {
        let Some(fd) = open(grant)? else { continue };
        let access = rights::access(grant.rights, grant.is_dir, known);
        if !access.is_empty() {
            created = created.add_rule(PathBeneath::new(fd, access))?;
        }
    }
    if abi >= rights::RESOLVE_UNIX {
        let everywhere = (settings.unix_sockets == UnixSockets::Open).then_some(Path::new("/"));
        for path in everywhere.into_iter().chain(plan.sockets.iter().map(PathBuf::as_path)) {
            let Some(fd) = open_if_there(path, OFlag::empty())? else { continue };
            created = created.add_rule(PathBeneath::new(fd, AccessFs::ResolveUnix))?;
        }
    }
    Ok(Prepared { ruleset: created })
}

impl Prepared {
    /// Restricts the calling thread, for good.
    pub fn apply(&self) -> Result<(), LandlockError> {
        let ruleset = self.ruleset.try_clone().map_err(LandlockError::Descriptor)?;
        let RestrictionStatus { ruleset, no_new_privs, .. } = ruleset.restrict_self()?;
        if ruleset == RulesetStatus::FullyEnforced && no_new_privs {
            Ok(())
        } else {
            Err(LandlockError::Partial)
        }
    }
}

/// A ruleset for a helper that makes one socket: it may make one in this
/// directory and beneath it, and nowhere else.
pub fn only_sockets_beneath(dir: BorrowedFd<'_>) -> Result<OwnedFd, LandlockError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::MakeSock)?
        .create()?
        .add_rule(PathBeneath::new(dir, AccessFs::MakeSock))?;
    Option::<OwnedFd>::from(ruleset).ok_or(LandlockError::Unsupported)
}

/// Opens what is granted, and makes sure that it still is what the plan saw:
/// no symbolic link on the way, a directory where one was. What is gone, or
/// cannot be reached by the user at all, needs no grant.
fn open(grant: &Grant) -> Result<Option<OwnedFd>, LandlockError> {
    let flags = if grant.is_dir { OFlag::O_DIRECTORY } else { OFlag::O_NOFOLLOW };
    let Some(fd) = open_if_there(&grant.path, flags)? else { return Ok(None) };
    if grant.is_dir {
        return Ok(Some(fd));
    }
    let failed = |errno| LandlockError::Path(grant.path.clone(), SysError::new("fstat()", errno));
    let format = SFlag::from_bits_truncate(fstat(&fd).map_err(failed)?.st_mode) & SFlag::S_IFMT;
    let is_file = format != SFlag::S_IFDIR && format != SFlag::S_IFLNK;
    Ok(is_file.then_some(fd))
}

fn open_if_there(path: &Path, flags: OFlag) -> Result<Option<OwnedFd>, LandlockError> {
    match open_path(path, flags) {
        Ok(fd) => Ok(Some(fd)),
        Err(SysError { errno: Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ELOOP, .. }) => {
            tracing::debug!(path = %path.display(), "not granted: gone or out of reach");
            Ok(None)
        }
        Err(error) => Err(LandlockError::Path(path.into(), error)),
    }
}

fn open_path(path: &Path, flags: OFlag) -> Result<OwnedFd, SysError> {
    sys::file::open_path(AT_FDCWD, path, flags, ResolveFlag::RESOLVE_NO_SYMLINKS).map_err(|errno| {
        let call = format!("openat2(AT_FDCWD, {path:?}, {{O_PATH, RESOLVE_NO_SYMLINKS}})");
        SysError::new(call, errno)
    })
}
