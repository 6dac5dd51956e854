//! Attempts to get out of the jail or to harm what it protects: one file per attack.

use crate::support::attack::Attack;

mod abi;
mod aside;
mod born_git;
mod callers;
mod connections;
mod descriptors;
mod fifos;
mod held;
mod ipc;
mod links;
mod listeners;
mod loopback;
mod metadata;
mod moved_parent;
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
mod swapped_fds;
mod syscalls;
mod terminal;

/// All attacks of all files.
pub const ATTACKS: &[&[Attack]] = &[
    abi::ATTACKS,
    born_git::ATTACKS,
    callers::ATTACKS,
    connections::ATTACKS,
    descriptors::ATTACKS,
    fifos::ATTACKS,
    held::ATTACKS,
    crate::fidelity::ODD,
    crate::fidelity::RANDOM,
    crate::undo::CLOSED,
    crate::undo::RANDOM,
    crate::undo::USERS,
    ipc::ATTACKS,
    links::ATTACKS,
    listeners::ATTACKS,
    loopback::ATTACKS,
    metadata::ATTACKS,
    moved_parent::ATTACKS,
    own_races::ATTACKS,
    privileges::ATTACKS,
    processes::ATTACKS,
    race::ATTACKS,
    crate::sockets::ATTACKS,
    crate::sockets::ODD_ATTACKS,
    sockets::ATTACKS,
    stress::ATTACKS,
    swap::ATTACKS,
    swapped_fds::ATTACKS,
    syscalls::ATTACKS,
    terminal::ATTACKS,
];
