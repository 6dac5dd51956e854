//! From start to end: exit statuses, signals, the terminal, endurance, and that
//! nothing is left behind.

use crate::support::attack::Attack;

mod broker_killed;
mod crowd;
mod debuggers;
mod exit;
mod interrupted;
mod interruptions;
mod memory;
mod report;
mod terminal;
mod traces;

/// What runs inside the jails of these tests.
pub const ATTACKS: &[&[Attack]] =
    &[broker_killed::ATTACKS, crowd::ATTACKS, interruptions::ATTACKS, memory::ATTACKS];
