//! Undo: what a session changes can be brought back, and nothing is copied up
//! front.
//!
//! Before the broker changes something that is to be kept, the `keeper` saves
//! what would be lost in the session's `store` and says in its `journal` what is
//! about to happen.
//!
//! Reading goes the other way: the `ledger` folds a journal into what the session
//! changed, a `plan` looks at what became of that since, and `restore` takes it
//! back, saving and journaling each step as if a jail had made it.

mod back;
mod chain;
mod close;
mod commands;
mod cut;
pub mod diff;
pub mod entry;
mod error;
mod fold;
mod gone;
mod journal;
mod keeper;
mod ledger;
mod meta;
mod names;
mod objects;
mod opening;
mod pack;
mod plan;
mod read;
mod restore;
mod sessions;
mod sibling;
mod small;
mod spot;
mod steps;
mod store;

pub use back::Back;
pub use chain::Chain;
pub use close::Closed;
pub use error::UndoError;
pub use keeper::{Keeper, Named, Saved, Unsaved};
pub use ledger::{After, Before, Change, Ledger};
pub use objects::Objects;
pub use opening::Opened;
pub use plan::{Act, Conflict, Item, Plan, Selection};
pub use read::{Journal, read};
pub use restore::{Outcome, Resolution, Undo};
pub use sessions::{Overview, Pruned, Sparing, Standing, journaled, overview, pack, prune, undone_by};
pub use sibling::{MayLie, known as sibling_stores};
