//! Opening what its mode closes even to its owner, for as long as an undo needs
//! it: root needs none of this.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::keeper::Named;
use super::plan::Plan;
use super::restore::{Step, Undo};
use super::spot::Spot;
use crate::sys::file::{self, Stat};

/// What the owner of a directory needs to change names in it.
pub(super) const OWNER_CHANGES: u32 = 0o700;
/// What the owner of a file needs to write it and its extended attributes, and to save both.
pub(super) const OWNER_WRITES: u32 = 0o600;

/// Directories that an undo has opened, as they were before.
pub type Opened = BTreeMap<PathBuf, Stat>;

impl Undo<'_> {
    /// Opens the directories that hide what became of a session's changes, so
    /// that a second plan can tell. The undo closes them again.
    pub fn open_closed(&self, plan: &Plan) -> Opened {
        let hidden = plan.items.iter().filter(|item| item.is_hidden);
        let paths = hidden.flat_map(|item| [Some(&item.path), item.now.as_ref()]).flatten();
        // Parents come first in this order.
        let above: BTreeSet<&Path> = paths.flat_map(|path| path.ancestors().skip(1)).collect();
        for dir in above.into_iter().filter(|dir| dir.parent().is_some()) {
            // What is not there, or cannot be opened, stays hidden: its own step fails, and says why.
            let _ = self.open_closed_dir(dir);
        }
        self.touched.borrow().clone()
    }

    fn open_closed_dir(&self, dir: &Path) -> Step {
        let spot = Spot::at(dir)?;
        if let Some(stat) =
            spot.stat()?.filter(|stat| stat.is(libc::S_IFDIR) && is_closed(stat, OWNER_CHANGES))
        {
            self.touched.borrow_mut().insert(dir.to_path_buf(), stat);
            self.open_up(Undo::named(&spot.pin()?, &stat, dir), OWNER_CHANGES)?;
        }
        Ok(())
    }

    /// Gives its owner the permissions that an undo needs, where they are
    /// missing; tells whether. The mode is set back with the other metadata.
    pub(super) fn open_up(&self, it: Named<'_>, needed: u32) -> Step<bool> {
        if !is_closed(it.stat, needed) {
            return Ok(false);
        }
        self.keeper.before_meta(it)?;
        file::chmod(it.fd, it.stat.mode & 0o7777 | needed)?;
        Ok(true)
    }
}

/// Whether the mode keeps permissions from its owner that an undo needs.
pub(super) fn is_closed(stat: &Stat, needed: u32) -> bool {
    stat.mode & needed != needed && is_own(stat)
}

pub(super) fn is_own(stat: &Stat) -> bool {
    stat.owner == nix::unistd::geteuid().as_raw()
}
