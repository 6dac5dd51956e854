//! From start to end: exit statuses, signals, the terminal, and that nothing is left behind.

mod exit;
mod interrupted;
mod report;
mod terminal;
mod traces;
