//! `cargo xtask screens`: pictures of what the program shows; `levels`: the table of
//! levels.
//!
//! The tests have what it takes to see a terminal as a person does, and to read the
//! profiles, so one of them makes the picture or the table, and writes it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::Outcome;

/// Something that a test writes.
pub struct Written {
    /// The test, and how `cargo test` finds it.
    test: &'static str,
    target: &'static [&'static str],
    /// What tells it to write.
    variable: &'static str,
    /// What it writes.
    file: &'static str,
}

/// The picture of `stockade approve`.
pub const SCREENS: Written = Written {
    test: "approval::picture::the_readme_shows_the_real_screen",
    target: &["--test", "suite"],
    variable: "STOCKADE_WRITE_SCREENS",
    file: "docs/approve.svg",
};

/// The table of levels.
pub const LEVELS: Written = Written {
    test: "policy::tests::levels::the_readme_shows_what_the_profiles_say",
    target: &["--lib"],
    variable: "STOCKADE_WRITE_LEVELS",
    file: "README.md",
};

/// Has the test write it.
pub fn run(root: &Path, what: &Written) -> Outcome {
    let Written { test: name, target, variable, file } = what;
    let began = SystemTime::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut test = Command::new(cargo);
    test.args(["test", "--quiet", "--package", "stockade"]).args(*target).args(["--", "--exact", name]);
    // The path of the workspace is in the picture.
    test.env(variable, "1").env("STOCKADE_TEST_DIR", "/var/tmp").current_dir(root);
    let status = test.status().map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the test {name} failed"));
    }
    let written = fs::metadata(root.join(file)).and_then(|found| found.modified());
    match written {
        Ok(written) if written >= began => Ok(()),
        Ok(_) => Err(format!("{file} was not written: is there no test {name} any more?")),
        Err(error) => Err(format!("{file}: {error}")),
    }
}
