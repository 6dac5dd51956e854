//! Attempts to get out of the jail or to harm what it protects: one file per attack.

use crate::support::attack::Attack;

mod abi;
mod descriptors;
mod ipc;
mod links;
mod metadata;
mod nested;
mod planted;
mod privileges;
mod processes;
mod race;
mod secrets;
mod sockets;
mod stress;
mod syscalls;
mod terminal;

/// All attacks of all files.
pub const ATTACKS: &[&[Attack]] = &[
    abi::ATTACKS,
    descriptors::ATTACKS,
    crate::fidelity::ODD,
    crate::fidelity::RANDOM,
    ipc::ATTACKS,
    links::ATTACKS,
    metadata::ATTACKS,
    privileges::ATTACKS,
    processes::ATTACKS,
    race::ATTACKS,
    sockets::ATTACKS,
    stress::ATTACKS,
    syscalls::ATTACKS,
    terminal::ATTACKS,
];
