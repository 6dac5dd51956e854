//! The table of system calls and the filters made from it. Pure, but for
//! installing them, which [`crate::sys::seccomp`] does.

pub mod arch;
pub mod filter;
pub mod inspect;
mod link;
pub mod numbers;
pub mod table;

#[cfg(test)]
mod tests;

pub use arch::Arch;
pub use filter::{Config, FilterError, Program, check_names, compile};
