//! Which environment variables reach the jail.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::policy::EnvRules;
use crate::policy::pattern::stars_match;

/// The jail's environment, sorted by name.
pub fn build(
    rules: &EnvRules,
    outer: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let mut inner: BTreeMap<OsString, OsString> = outer.filter(|(name, _)| passes(rules, name)).collect();
    inner.extend(rules.set.iter().map(|(name, value)| (name.into(), value.into())));
    inner
}

fn passes(rules: &EnvRules, name: &OsStr) -> bool {
    let any =
        |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
    let passed = any(&rules.pass);
    let kept = if rules.inherit { passed || !any(&rules.drop) } else { passed };
    kept && !any(&rules.drop_always)
}

/// Case counts for nothing: `http_token` is as secret as `HTTP_TOKEN`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    stars_match(pattern, name, u8::eq_ignore_ascii_case)
}

/// As `execve(2)` takes it. No variable holds a NUL: the kernel gave them.
pub(super) fn for_exec(environment: &BTreeMap<OsString, OsString>) -> Vec<CString> {
    let joined = environment.iter().map(|(name, value)| {
        let mut text = name.clone().into_vec();
        text.push(b'=');
        text.extend_from_slice(value.as_bytes());
        text
    });
    joined.filter_map(|text| CString::new(text).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(rules: &EnvRules, names: &[&str]) -> Vec<String> {
        let outer = names.iter().map(|name| (OsString::from(name), OsString::from("v")));
        build(rules, outer).into_keys().map(|name| name.to_string_lossy().into_owned()).collect()
    }

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn patterns_match_as_a_whole_and_without_case() {
        let matching = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        assert!(matching("*TOKEN", "GITHUB_TOKEN") && matching("*token*", "TOKENS"));
        assert!(matching("AWS_*", "AWS_") && matching("A*B*C", "axxbxxc") && matching("*", ""));
        assert!(!matching("TMUX", "TMUX_PANE") && !matching("*TOKEN", "TOKENIZER") && !matching("", "A"));
    }

    #[test]
    fn pass_beats_drop_and_drop_always_beats_pass() {
        let mut rules =
            EnvRules { drop: list(&["*TOKEN"]), pass: list(&["NPM_TOKEN"]), ..EnvRules::default() };
        assert_eq!(inner(&rules, &["GH_TOKEN", "NPM_TOKEN", "PATH"]), ["NPM_TOKEN", "PATH"]);
        rules.drop_always = list(&["NPM_*"]);
        assert_eq!(inner(&rules, &["GH_TOKEN", "NPM_TOKEN", "PATH"]), ["PATH"]);
    }

    #[test]
    fn without_inheriting_only_what_is_passed_or_set_is_there() {
        let mut rules = EnvRules { inherit: false, pass: list(&["PATH"]), ..EnvRules::default() };
        rules.set.insert("A".into(), "1".into());
        assert_eq!(inner(&rules, &["HOME", "PATH"]), ["A", "PATH"]);
    }
}
