//! What the machine's policy and the user say about places that deserve more care:
//! a level for workspaces by their path, and for repositories by their remotes.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::merge::{LayerSource, PolicyError};
use super::pattern::{Pattern, stars_match};
use super::profile::Profile;
use super::written::one_or_more;
use super::{LayerKind, Level, Note, Origin, Places, vars};

/// One entry of `care`, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CareSpec {
    /// The level that such a place deserves at least.
    pub level: Level,
    /// Patterns of workspaces, as in rules, but absolute or from the home.
    #[serde(default, deserialize_with = "one_or_more")]
    pub paths: Vec<String>,
    /// Addresses of remotes, in which `*` stands for any text.
    #[serde(default, deserialize_with = "one_or_more")]
    pub remotes: Vec<String>,
    /// Why.
    #[serde(default)]
    pub why: Arc<str>,
    /// Where it was written.
    #[serde(skip)]
    pub origin: Origin,
}

impl CareSpec {
    /// What is wrong with it, but for its patterns.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.level == Level::Relaxed {
            return Some("`level: relaxed` raises nothing: expected standard, strict or readonly");
        }
        if self.paths.is_empty() && self.remotes.is_empty() {
            return Some("an entry needs `paths` or `remotes`");
        }
        let is_absolute = |path: &String| path.starts_with(['/', '~']) || path.starts_with("${HOME}");
        (!self.paths.iter().all(is_absolute)).then_some("a path must start with `/` or `~`")
    }
}

/// What `care` says in some profiles, ready to match.
#[derive(Debug, Clone, Default)]
pub struct CareRules {
    rules: Vec<CareRule>,
}

/// One of its entries.
#[derive(Debug, Clone)]
pub struct CareRule {
    /// The level.
    pub level: Level,
    /// Why.
    pub why: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
    paths: Vec<Pattern>,
    remotes: Vec<String>,
}

impl CareRules {
    /// Those of profiles.
    pub fn of<'a>(
        profiles: impl IntoIterator<Item = &'a Profile>,
        home: &Path,
    ) -> Result<CareRules, PolicyError> {
        let nowhere = Path::new("/");
        let places =
            Places { workspace: nowhere.into(), home: home.into(), tmpdir: nowhere.into(), report: None };
        let mut rules = Vec::new();
        for spec in profiles.into_iter().flat_map(|profile| &profile.care) {
            let paths = spec.paths.iter().map(|text| pattern(text, &spec.origin, &places));
            rules.push(CareRule {
                level: spec.level,
                why: spec.why.clone(),
                origin: spec.origin.clone(),
                paths: paths.collect::<Result<_, _>>()?,
                remotes: spec.remotes.clone(),
            });
        }
        Ok(CareRules { rules })
    }

    /// Adds those of another source.
    #[must_use]
    pub fn and(mut self, others: CareRules) -> CareRules {
        self.rules.extend(others.rules);
        self
    }

    /// Those that name a workspace, or a directory around it, by its real path.
    pub fn for_path(&self, workspace: &Path) -> impl Iterator<Item = &CareRule> {
        self.rules.iter().filter(move |rule| rule.paths.iter().any(|pattern| pattern.covers(workspace)))
    }

    /// Those that name a remote by its URL, with the text that does.
    pub fn for_remote(&self, url: &OsStr) -> impl Iterator<Item = (&CareRule, &str)> {
        let known = address(&url.to_string_lossy());
        self.rules.iter().filter_map(move |rule| {
            let is_meant = |text: &&String| {
                stars_match(address(text).as_bytes(), known.as_bytes(), |a, b| a.eq_ignore_ascii_case(b))
            };
            rule.remotes.iter().find(is_meant).map(|text| (rule, text.as_str()))
        })
    }
}

fn pattern(text: &str, origin: &Origin, places: &Places) -> Result<Pattern, PolicyError> {
    let expanded = vars::expand_pattern(text, places).map_err(|source| PolicyError::Variable {
        origin: origin.clone(),
        text: text.into(),
        source,
    })?;
    Pattern::parse(expanded).map_err(|source| PolicyError::Pattern {
        origin: origin.clone(),
        pattern: text.into(),
        source,
    })
}

/// `HOST/PATH` of a remote, however its URL is written: without scheme, user, port
/// and `.git`. A path on this machine stays as it is.
fn address(url: &str) -> String {
    let (has_scheme, rest) = match url.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, url),
    };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let rest = rest[..host_end].rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let (host, path) = match rest.find(['/', ':']) {
        Some(at) if rest[at..].starts_with('/') => (&rest[..at], &rest[at..]),
        // A port, or `HOST:PATH` as for scp.
        Some(at) if has_scheme => (&rest[..at], rest[at..].find('/').map_or("", |slash| &rest[at + slash..])),
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, ""),
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    match (host, path.trim_start_matches('/')) {
        (host, "") => host.to_string(),
        (host, path) => format!("{host}/{path}"),
    }
}

/// Notes about what a repository says of the care that it deserves itself.
pub(super) fn ignored(sources: &[LayerSource], notes: &mut Vec<Note>) {
    let repository = sources.iter().filter(|source| source.kind == LayerKind::Repository);
    let entries = repository.flat_map(|source| &source.profiles).filter_map(|profile| profile.care.first());
    notes.extend(entries.map(|entry| Note {
        origin: entry.origin.clone(),
        text: "care is ignored: a repository does not say how much care it deserves".into(),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::profile;

    fn rules(body: &str) -> CareRules {
        let text = format!("version: 1\nname: x\ncare:\n{body}");
        let profile = profile::parse(&text, "p.yaml").unwrap_or_else(|error| panic!("{error}"));
        CareRules::of([&profile], Path::new("/home/u")).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn remotes_are_one_however_they_are_written() {
        for url in [
            "git@example.org:acme/app.git",
            "https://example.org/acme/app",
            "https://user:word@example.org/acme/app.git/",
            "ssh://git@example.org:2222/acme/app.git",
            "example.org:/acme/app",
        ] {
            assert_eq!(address(url), "example.org/acme/app", "{url}");
        }
        assert_eq!(address("/srv/git/app.git"), "/srv/git/app");
        assert_eq!(address("git@host"), "host");
        assert_eq!(address(""), "");
    }

    #[test]
    fn remotes_are_matched_by_globs() {
        let rules = rules(
            "  - {level: strict, remotes: 'example.org/acme/*'}\n  - {level: readonly, remotes: ['git@*:acme/prod-*']}\n",
        );
        let levels = |url: &str| -> Vec<Level> {
            rules.for_remote(OsStr::new(url)).map(|(rule, _)| rule.level).collect()
        };
        assert_eq!(levels("git@Example.ORG:acme/app.git"), [Level::Strict]);
        assert_eq!(levels("https://example.org/acme/prod-db"), [Level::Strict, Level::Readonly]);
        assert_eq!(levels("https://example.com/acme/app"), []);
        assert_eq!(levels("https://example.org/acmes/app"), []);
    }

    #[test]
    fn paths_cover_what_is_beneath_them() {
        let rules = rules("  - {level: strict, paths: [~/clients/*, /srv/**/live]}\n");
        let count = |path: &str| rules.for_path(Path::new(path)).count();
        assert_eq!(count("/home/u/clients/one"), 1);
        assert_eq!(count("/home/u/clients/one/deep/er"), 1);
        assert_eq!(count("/home/u/clients"), 0);
        assert_eq!(count("/srv/live"), 1);
        assert_eq!(count("/srv/a/b/live/x"), 1);
        assert_eq!(count("/srv/a/b/lively"), 0);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let fault = |entry: &str| {
            let text = format!("version: 1\nname: x\ncare:\n  - {entry}\n");
            profile::parse(&text, "p.yaml").map(drop).expect_err(entry).to_string()
        };
        assert!(fault("{level: relaxed, paths: /x}").starts_with("p.yaml:3: care: `level: relaxed`"));
        assert!(fault("{level: strict}").contains("needs `paths` or `remotes`"));
        assert!(fault("{level: strict, paths: x}").contains("must start with"));
        assert!(fault("{level: ci, paths: /x}").contains("unknown variant `ci`"));
        assert!(fault("{level: strict, path: /x}").contains("unknown field `path`"));
        assert!(fault("{level: strict, paths: '/x/[a'}").contains("bad pattern"));
        assert!(fault("{level: strict, paths: /x/../y}").contains("`..` is not allowed"));
    }
}
