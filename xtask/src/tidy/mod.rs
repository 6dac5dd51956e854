//! `cargo xtask tidy`: the repository's own rules, as far as code can check them.

mod modules;
mod repository;
mod size;
mod source;

use std::fmt;
use std::fs;
use std::path::Path;

use crate::Outcome;
use source::Source;

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// The file, from the repository's root.
    file: String,
    /// Line from 1.
    line: usize,
    /// What is wrong.
    what: String,
}

impl Violation {
    /// A violation at a place.
    fn new(file: &str, line: usize, what: impl Into<String>) -> Violation {
        Violation { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Where Rust files are looked for.
const RUST_PLACES: [&str; 5] = ["build.rs", "src", "tests", "benches", "xtask/src"];

/// Runs every check and prints what they find.
pub fn run(root: &Path) -> Outcome {
    let mut violations = Vec::new();
    let mut sources = Vec::new();
    for file in RUST_PLACES.iter().flat_map(|place| files(root, place, "rs")) {
        match Source::parse(&file, &read(root, &file)?) {
            Ok(source) => sources.push(source),
            Err(violation) => violations.push(violation),
        }
    }
    for source in &sources {
        violations.extend(modules::check(source));
        violations.extend(size::check(source));
    }
    for file in files(root, "profiles", "yaml") {
        violations.extend(repository::rules_without_reason(&file, &read(root, &file)?));
    }
    for file in files(root, "", "md") {
        violations.extend(repository::dead_links(root, &file, &read(root, &file)?));
    }
    violations.extend(repository::unknown_entries(&entries(root, "")));
    let dependencies = repository::dependencies(root)?;
    violations.extend(repository::unused_dependencies(&dependencies, &read(root, "Cargo.toml")?, &sources));

    violations.sort();
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => Err("tidy: 1 violation".to_owned()),
        count => Err(format!("tidy: {count} violations")),
    }
}

/// The text of a file.
fn read(root: &Path, file: &str) -> Result<String, String> {
    fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))
}

/// The names in a directory, sorted; none where there is no such directory.
fn entries(root: &Path, directory: &str) -> Vec<String> {
    let Ok(listing) = fs::read_dir(root.join(directory)) else {
        return Vec::new();
    };
    let mut names: Vec<String> =
        listing.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// The files with an extension at or beneath a place, links and build results left out.
fn files(root: &Path, place: &str, extension: &str) -> Vec<String> {
    let path = root.join(place);
    if path.is_file() {
        let wanted = path.extension().is_some_and(|found| found == extension);
        return if wanted { vec![place.to_owned()] } else { Vec::new() };
    }
    if path.is_symlink() {
        return Vec::new();
    }
    let inside = entries(root, place).into_iter().filter(|name| name != ".git" && name != "target");
    inside
        .flat_map(|name| {
            let inner = if place.is_empty() { name } else { format!("{place}/{name}") };
            files(root, &inner, extension)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_extension_beneath_a_place_but_not_in_target() {
        let root = tempfile::tempdir().unwrap();
        for file in ["a.md", "docs/b.md", "docs/c.rs", "target/d.md", ".git/e.md"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(files(root.path(), "", "md"), ["a.md", "docs/b.md"]);
        assert_eq!(files(root.path(), "docs", "rs"), ["docs/c.rs"]);
        assert_eq!(files(root.path(), "a.md", "md"), ["a.md"]);
        assert!(files(root.path(), "missing", "md").is_empty());
    }

    #[test]
    fn a_violation_reads_like_a_compiler_message() {
        assert_eq!(Violation::new("src/a.rs", 3, "too long").to_string(), "src/a.rs:3: too long");
    }
}
