//! Undo: what a session changes can be brought back, and nothing is copied up
//! front.
//!
//! Before the broker changes something that is to be kept it saves what would be
//! lost in the session's *store* and says in the *journal* what it is about to do.

pub mod entry;
