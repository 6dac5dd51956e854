//! What Landlock may be told to grant.

use serde::Serialize;

use super::{Access, Effect, Verb};

/// What Landlock can be told to grant, as far as a plan distinguishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Rights {
    /// Listing directories.
    pub list: bool,
    /// Reading files.
    pub read: bool,
    /// Executing files.
    pub execute: bool,
    /// Writing to and truncating what exists.
    pub write: bool,
    /// Removing names.
    pub remove: bool,
    /// Making, renaming and linking names.
    pub make: bool,
}

impl Rights {
    /// No right.
    pub const NONE: Rights =
        Rights { list: false, read: false, execute: false, write: false, remove: false, make: false };
    /// Every right.
    pub const ALL: Rights =
        Rights { list: true, read: true, execute: true, write: true, remove: true, make: true };

    /// What an access gives without anybody watching. Changing names is all or
    /// nothing: only where creating, modifying and removing are all allowed.
    pub fn native(access: Access) -> Rights {
        let allowed = |verb| access.effect(verb) == Effect::Allow;
        let changes = allowed(Verb::Create) && allowed(Verb::Modify) && allowed(Verb::Remove);
        Rights {
            list: allowed(Verb::Read),
            read: allowed(Verb::Read),
            execute: allowed(Verb::Execute),
            write: allowed(Verb::Modify),
            remove: changes,
            make: changes,
        }
    }

    /// The rights that both have.
    #[must_use]
    pub fn and(self, other: Rights) -> Rights {
        self.zip(other, |a, b| a && b)
    }

    /// The rights that either has.
    #[must_use]
    pub fn or(self, other: Rights) -> Rights {
        self.zip(other, |a, b| a || b)
    }

    /// The rights that the other does not have.
    #[must_use]
    pub fn minus(self, other: Rights) -> Rights {
        self.zip(other, |a, b| a && !b)
    }

    /// Whether there is no right in it.
    pub fn is_empty(self) -> bool {
        self == Rights::NONE
    }

    /// The names of the rights.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.list, "list"),
            (self.read, "read"),
            (self.execute, "execute"),
            (self.write, "write"),
            (self.remove, "remove"),
            (self.make, "make"),
        ];
        all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name)
    }

    fn zip(self, other: Rights, combine: impl Fn(bool, bool) -> bool) -> Rights {
        Rights {
            list: combine(self.list, other.list),
            read: combine(self.read, other.read),
            execute: combine(self.execute, other.execute),
            write: combine(self.write, other.write),
            remove: combine(self.remove, other.remove),
            make: combine(self.make, other.make),
        }
    }
}
