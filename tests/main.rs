//! The integration tests: each runs the real `stockade` executable in a
//! throw-away home and repository.
//!
//! Attacks are functions of this very binary, which runs itself again inside
//! the jail (see [`support::attack`]).

mod agents;
mod approval;
mod care;
mod cli;
mod commits;
mod escape;
mod fidelity;
mod incidents;
mod learn;
mod levels;
mod lifecycle;
mod readme;
mod review_back;
mod review_sarif;
mod scratch;
mod sockets;
mod suites;
mod support;
mod tools;
mod undo;
