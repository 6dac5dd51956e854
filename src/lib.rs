//! Stockade: a Linux jail for coding agents that the kernel enforces.
//!
//! The modules stand in the order of their dependencies: a later one may use
//! an earlier one, never the reverse (`cargo xtask tidy` checks it).
#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(unreachable_pub)]

pub mod policy;
pub mod sys;

pub mod landlock;
pub mod seccomp;

pub mod path;

pub mod approval;
pub mod audit;
pub mod broker;
pub mod care;
pub mod launch;
pub mod review;
pub mod undo;

pub mod cli;
