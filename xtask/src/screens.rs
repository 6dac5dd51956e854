//! `cargo xtask screens`: pictures of what the program shows.
//!
//! The tests have what it takes to see a terminal as a person does, so one of
//! them makes the picture, and writes it where it is told to.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::Outcome;

/// The test that makes the picture.
const TEST: &str = "approval::picture::the_readme_shows_the_real_screen";
/// Where it lies.
const PICTURE: &str = "docs/approve.svg";

/// Has the test write the picture.
pub fn run(root: &Path) -> Outcome {
    let began = SystemTime::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut test = Command::new(cargo);
    test.args(["test", "--quiet", "--package", "stockade", "--test", "suite", "--", "--exact", TEST]);
    // The path of the workspace is in the picture.
    test.env("STOCKADE_WRITE_SCREENS", "1").env("STOCKADE_TEST_DIR", "/var/tmp").current_dir(root);
    let status = test.status().map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the test {TEST} failed"));
    }
    let written = fs::metadata(root.join(PICTURE)).and_then(|found| found.modified());
    match written {
        Ok(written) if written >= began => Ok(()),
        Ok(_) => Err(format!("{PICTURE} was not written: is there no test {TEST} any more?")),
        Err(error) => Err(format!("{PICTURE}: {error}")),
    }
}
