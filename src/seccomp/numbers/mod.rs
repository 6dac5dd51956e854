//! System-call numbers of the architectures, as the kernel headers give them.
//!
//! `cargo xtask gen-syscalls` writes the tables.

pub mod aarch64;
pub mod x86_64;
