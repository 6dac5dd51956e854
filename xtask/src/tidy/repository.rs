//! Checks of what is not Rust: entries, profiles, links, dependencies.

use std::path::Path;
use std::process::Command;

use serde_yaml::Value;

use super::Violation;
use super::source::Source;

/// What may lie at the repository's root.
const ENTRIES: [&str; 22] = [
    ".cargo",
    ".ci",
    ".git",
    ".gitignore",
    ".github",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "benches",
    "build.rs",
    "docs",
    "profiles",
    "rustfmt.toml",
    "src",
    "tests",
    "xtask",
];

/// Where cargo puts build results.
const BUILD: &str = "target";

/// Entries at the root that nobody agreed on.
pub(super) fn unknown_entries(names: &[String]) -> Vec<Violation> {
    let unknown = names.iter().filter(|name| *name != BUILD && !ENTRIES.contains(&name.as_str()));
    unknown.map(|name| Violation::new(name, 1, "this does not belong at the repository's root")).collect()
}

/// Rules of a profile that do not say why.
pub(super) fn rules_without_reason(file: &str, text: &str) -> Vec<Violation> {
    let profile: Value = match serde_yaml::from_str(text) {
        Ok(profile) => profile,
        Err(error) => {
            let line = error.location().map_or(1, |location| location.line());
            return vec![Violation::new(file, line, format!("this is not YAML: {error}"))];
        }
    };
    let Some(rules) = profile.get("rules").and_then(Value::as_sequence) else {
        return Vec::new();
    };
    let lines = rule_lines(text);
    let mut violations = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let why = rule.get("why").and_then(Value::as_str).unwrap_or_default();
        if why.trim().is_empty() {
            let line = lines.get(index).copied().unwrap_or(1);
            violations.push(Violation::new(file, line, "the rule does not say why"));
        }
    }
    violations
}

/// The lines on which the rules of a profile start.
fn rule_lines(text: &str) -> Vec<usize> {
    let mut indent = None;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("rules:")) {
        let body = line.trim_start();
        let depth = line.len() - body.len();
        if body.starts_with("- ") && depth == *indent.get_or_insert(depth) {
            lines.push(index + 1);
        } else if depth == 0
            && !body.is_empty()
            && !body.starts_with(['#', '-'])
            && !line.starts_with("rules:")
        {
            break;
        }
    }
    lines
}

/// Links of a Markdown file to files that are not there.
pub(super) fn dead_links(root: &Path, file: &str, text: &str) -> Vec<Violation> {
    let directory = root.join(file).parent().map_or_else(|| root.to_path_buf(), Path::to_path_buf);
    let mut violations = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let body = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| body.starts_with(mark));
        match (fence, mark) {
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, Some(mark)) => fence = Some(mark),
            (None, None) => violations.extend(
                links(line)
                    .into_iter()
                    .filter(|link| is_dead(&directory, link))
                    .map(|link| Violation::new(file, index + 1, format!("the link to {link} leads nowhere"))),
            ),
            _ => {}
        }
    }
    violations
}

/// The targets of the links on a line of Markdown, code left out.
fn links(line: &str) -> Vec<String> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let inline = prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or(rest));
    let html = ["src=\"", "href=\""]
        .into_iter()
        .flat_map(|start| prose.split(start).skip(1))
        .map(|rest| rest.split('"').next().unwrap_or(rest));
    let reference = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
    inline
        .chain(html)
        .chain(reference)
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_start_matches('<').trim_end_matches('>').to_owned())
        .collect()
}

/// Whether a link is one to a file, and the file is not there.
fn is_dead(directory: &Path, link: &str) -> bool {
    let target = link.split(['#', '?']).next().unwrap_or(link);
    let elsewhere =
        target.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(char::is_alphanumeric));
    !target.is_empty() && !elsewhere && !directory.join(target).exists()
}

/// The names under which the root package's code knows its dependencies,
/// each with the name in its manifest.
pub(super) fn dependencies(root: &Path) -> Result<Vec<(String, String)>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let manifest = root.join("Cargo.toml");
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let package = packages
        .iter()
        .find(|package| package["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest))
        .ok_or("cargo metadata: no package at the repository's root")?;
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(dependencies
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["rename"].as_str().or(dependency["name"].as_str()))
        .map(|name| (name.replace('-', "_"), name.to_owned()))
        .collect())
}

/// Dependencies that nothing under `src` uses.
pub(super) fn unused_dependencies(
    dependencies: &[(String, String)],
    manifest: &str,
    sources: &[Source],
) -> Vec<Violation> {
    let used = |krate: &str| {
        let mut paths =
            sources.iter().filter(|source| source.file.starts_with("src/")).flat_map(|s| &s.paths);
        paths.any(|path| path.parts.len() > 1 && path.parts[0] == krate)
    };
    let line = |name: &str| {
        let mut lines =
            manifest.lines().enumerate().skip_while(|(_, line)| !line.starts_with("[dependencies"));
        lines
            .find(|(_, line)| line.split(['=', '.', ' ']).next() == Some(name))
            .map_or(1, |(index, _)| index + 1)
    };
    let unused = dependencies.iter().filter(|(krate, _)| !used(krate));
    unused
        .map(|(_, name)| Violation::new("Cargo.toml", line(name), format!("nothing under src uses {name}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(violations: Vec<Violation>) -> Vec<String> {
        violations.into_iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn a_stray_entry_is_named() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(text(unknown_entries(&names(&["src", "target", "Cargo.toml"]))), [""; 0]);
        assert_eq!(
            text(unknown_entries(&names(&["src", "notes.txt"]))),
            ["notes.txt:1: this does not belong at the repository's root"]
        );
    }

    #[test]
    fn a_rule_says_why() {
        let good = "name: x\nrules:\n  # words\n  - access: read\n    paths:\n      - a\n    why: needed\n";
        assert_eq!(text(rules_without_reason("p.yaml", good)), [""; 0]);
        assert_eq!(text(rules_without_reason("p.yaml", "name: x\n")), [""; 0]);
        let missing = format!("{good}  - paths: [b]\n    access: read\nlimits:\n  - x\n");
        assert_eq!(text(rules_without_reason("p.yaml", &missing)), ["p.yaml:8: the rule does not say why"]);
        let blank = good.replace("needed", "\" \"");
        assert_eq!(text(rules_without_reason("p.yaml", &blank)), ["p.yaml:4: the rule does not say why"]);
        assert_eq!(rules_without_reason("p.yaml", "a: [").len(), 1);
    }

    #[test]
    fn a_dead_link_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        std::fs::write(root.path().join("docs/a.md"), "").unwrap();
        let check = |file, markdown| text(dead_links(root.path(), file, markdown));
        let good = "[a](docs/a.md#part) [b](https://example.org/x) ![c](docs/a.md \"title\") [d](#here)\n\
                    `[e](gone)`\n```\n[f](gone)\n```\n[g]: docs/a.md\n<img src=\"docs/a.md\">\n";
        assert_eq!(check("README.md", good), [""; 0]);
        assert_eq!(check("README.md", "\n[a](gone.md)"), ["README.md:2: the link to gone.md leads nowhere"]);
        assert_eq!(check("README.md", "[a]: gone.md"), ["README.md:1: the link to gone.md leads nowhere"]);
        assert_eq!(
            check("README.md", "<img src=\"x.svg\">"),
            ["README.md:1: the link to x.svg leads nowhere"]
        );
        assert_eq!(check("docs/a.md", "[a](a.md) [b](../docs)"), [""; 0]);
        assert_eq!(check("docs/a.md", "[a](docs/a.md)").len(), 1);
    }

    #[test]
    fn a_dependency_is_used_in_the_source() {
        let dependencies = [("serde_json".to_owned(), "serde-json".to_owned())];
        let manifest = "[package]\n[dependencies]\nclap = \"4\"\nserde-json = \"1\"\n";
        let sources = |file, text| [Source::parse(file, text).ok().unwrap()];
        let used = sources("src/a.rs", "use serde_json::Value;");
        assert_eq!(text(unused_dependencies(&dependencies, manifest, &used)), [""; 0]);
        for (file, other) in [("src/a.rs", "use clap::Parser;"), ("tests/a.rs", "use serde_json::Value;")] {
            assert_eq!(
                text(unused_dependencies(&dependencies, manifest, &sources(file, other))),
                ["Cargo.toml:4: nothing under src uses serde-json"]
            );
        }
    }
}
