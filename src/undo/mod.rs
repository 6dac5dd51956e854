//! Undo: what a session changes can be brought back, and nothing is copied up
//! front.
//!
//! Before the broker changes something that is to be kept, the `keeper` saves
//! what would be lost in the session's `store` and says in its `journal` what is
//! about to happen.

mod commands;
pub mod entry;
mod journal;
mod keeper;
mod meta;
mod store;

pub use keeper::{Keeper, Named, Saved, Unsaved};
