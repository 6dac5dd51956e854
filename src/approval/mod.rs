//! Asking a person: what waits for a yes, and what was said before.
//!
//! A call with the effect `ask` is held until somebody answers. Calls of one
//! process on one tree are one question ([`Desk`]), and an answer holds for what
//! it was given for and nothing else ([`Answer`]).

mod bulk;
pub mod client;
mod desk;
pub mod loss;
pub mod notify;
pub mod peer;
pub mod presence;
mod process;
mod remembered;
pub mod server;
pub mod terminal;
pub mod view;

pub use bulk::{Tally, Whose};
pub use desk::{Desk, Pending, Released, Stale};
pub use process::{Who, lineage};
pub use remembered::{Answer, Bulk, Deed, Process};
