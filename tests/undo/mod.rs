//! What a session did is taken back, to the byte.

mod random;

pub use random::ATTACKS as RANDOM;

use crate::support::Jail;
use crate::support::fixture::write;

/// A jail in whose workspace everything may be changed, and is kept.
pub fn keeping() -> Jail {
    let mut jail = Jail::new("standard");
    let profile = jail.base().join("keep.yaml");
    write(
        &profile,
        "version: 1\nname: keep\nextends: standard\nrules:\n  - access: {read: allow, execute: allow, \
         create: keep, modify: keep, remove: keep}\n    paths: [\".\"]\n    why: it is all kept\n",
    );
    jail.profile(&profile);
    jail
}
