//! Attempts to get out of the jail or to harm what it protects: one file per attack.

use crate::support::attack::Attack;

mod abi;
mod born_git;
mod callers;
mod connections;
mod descriptors;
mod ipc;
mod links;
mod listeners;
mod loopback;
mod metadata;
mod nested;
mod own_races;
mod planted;
mod privileges;
mod processes;
mod race;
mod secrets;
mod sockets;
mod stress;
mod swap;
mod syscalls;
mod terminal;

/// All attacks of all files.
pub const ATTACKS: &[&[Attack]] = &[
    abi::ATTACKS,
    born_git::ATTACKS,
    callers::ATTACKS,
    connections::ATTACKS,
    descriptors::ATTACKS,
    crate::fidelity::ODD,
    crate::fidelity::RANDOM,
    ipc::ATTACKS,
    links::ATTACKS,
    listeners::ATTACKS,
    loopback::ATTACKS,
    metadata::ATTACKS,
    own_races::ATTACKS,
    privileges::ATTACKS,
    processes::ATTACKS,
    race::ATTACKS,
    crate::sockets::ATTACKS,
    crate::sockets::ODD_ATTACKS,
    sockets::ATTACKS,
    stress::ATTACKS,
    swap::ATTACKS,
    syscalls::ATTACKS,
    terminal::ATTACKS,
];
