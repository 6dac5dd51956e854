//! The command line: what is refused before anything runs, and what the other commands print.

mod bad_input;
mod completions;
mod log;
mod machine;
mod names;
mod report;
mod trust;
mod words;
