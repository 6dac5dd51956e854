//! Review: a second agent reads the work before it stays.
//!
//! An author works in its usual jail, a reviewer reads in one in which it can change
//! nothing but its `verdict`. That counts for the very `tree` that was reviewed.
//! `rounds` decide what comes next, and a `report` says what came of it.

mod material;
pub mod prompt;
mod report;
mod rounds;
mod sarif;
mod tree;
mod verdict;
mod worker;

pub use material::{Assignment, Material, Role, make_dir};
pub use report::{Report, Reviewed, Round, Turn};
pub use rounds::{Outcome, Rounds, Step};
pub use sarif::sarif;
pub use tree::Tree;
pub use verdict::{Fault, Finding, Judgement, LARGEST, Severity, Verdict, of_file, of_output, schema};
pub use worker::{Job, Limits, Worked, work};
