//! What a session did is taken back, to the byte.

mod closed;
mod conflicts;
mod diff;
mod growth;
mod incidents;
mod killed;
mod links;
mod mounts;
mod random;
mod store;
mod tools;
mod users;

pub use closed::ATTACKS as CLOSED;
pub use random::{ATTACKS as RANDOM, latest};
pub use users::ATTACKS as USERS;

use crate::support::fixture::write;
use crate::support::tree::assert_same;
use crate::support::{Jail, Tree};

/// A jail in whose workspace everything may be changed, and is kept.
pub fn keeping() -> Jail {
    let mut jail = Jail::new("standard");
    let profile = jail.base().join("keep.yaml");
    write(
        &profile,
        "version: 1\nname: keep\nextends: standard\napprovals: {bulk: 1000000}\nrules:\n  - access: {read: allow, execute: allow, \
         create: keep, modify: keep, remove: keep}\n    paths: [\".\"]\n    why: it is all kept\n",
    );
    jail.profile(&profile);
    jail
}

/// Undoes the session that began last, if it changed anything.
#[track_caller]
pub fn undo_what_changed(jail: &Jail) {
    if let Some(session) = latest(jail) {
        let undone = jail.stockade(&["undo", "--yes", &session]);
        let had_nothing = ["no session that changed something", "nothing is left"];
        let is_done = undone.code() == 0 || had_nothing.iter().any(|text| undone.err().contains(text));
        assert!(is_done, "{}", undone.err());
    }
}

/// Asserts that two snapshots are equal, and says of what.
#[track_caller]
pub fn look_the_same(one: &Tree, other: &Tree, what: &str) {
    let same = std::panic::catch_unwind(|| assert_same(one, other));
    assert!(same.is_ok(), "{what}");
}
