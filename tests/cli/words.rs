//! `plan`, `why`, `profile` and `doctor`.

use crate::support::{Jail, each_mode};

#[track_caller]
fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn plan_is_printed_and_is_json() {
    for profile in ["ci", "relaxed", "standard", "strict", "readonly"] {
        each_mode(profile, |jail| {
            let mut args = vec!["plan", "--profile", profile];
            if jail.is_static() {
                args.push("--static");
            }
            let text = jail.stockade(&args).expect(0);
            assert!(text.contains(&jail.work.display().to_string()), "{text}");
            args.push("--json");
            let text = jail.stockade(&args).expect(0);
            assert!(json(&text).is_object(), "{text}");
        });
    }
}

#[test]
fn plan_makes_nothing() {
    let jail = Jail::new("standard");
    jail.stockade(&["plan"]).expect(0);
    jail.stockade(&["why", "read", "README.md"]).expect(0);
    assert!(!jail.work.join("target").exists());
}

#[test]
fn why_tells_the_effect_and_the_rule() {
    let jail = Jail::new("ci");
    let home = |name: &str| jail.home.join(name).display().to_string();
    let (key, config) = (home(".ssh/id"), home(".gitconfig"));
    for (profile, verb, path, effect, rule) in [
        ("ci", "remove", ".git", "deny", "history"),
        ("ci", "modify", ".git/config", "deny", "history"),
        ("ci", "read", ".git/config", "allow", "history"),
        ("ci", "create", "pkg/new", "allow", "workspace"),
        ("ci", "create", "pkg/.git", "deny", "history"),
        ("ci", "modify", ".github/workflows/ci.yml", "deny", "CI settings"),
        ("ci", "modify", "pkg/../.git/HEAD", "deny", "history"),
        ("ci", "read", &key, "deny", "credentials"),
        ("ci", "read", &config, "allow", "identity"),
        ("ci", "execute", "/usr/bin/env", "allow", "programs"),
        ("ci", "modify", "/usr/bin/env", "deny", "programs"),
        ("standard", "modify", "README.md", "keep", "work"),
        ("standard", "remove", "README.md", "ask", "work"),
        ("standard", "remove", "target/x", "allow", "build"),
        ("relaxed", "remove", "README.md", "keep", "brought back"),
        ("relaxed", "remove", "target/x", "allow", "build"),
        ("relaxed", "modify", ".github/workflows/ci.yml", "deny", "CI settings"),
        ("readonly", "modify", "README.md", "deny", ""),
        ("readonly", "read", "README.md", "allow", ""),
    ] {
        let out = jail.stockade(&["why", "--profile", profile, verb, path]);
        let text = out.expect(0);
        assert!(text.contains(effect), "{profile} {verb} {path}: {effect} in {text}");
        assert!(text.contains(rule), "{profile} {verb} {path}: {rule} in {text}");
        let text = jail.stockade(&["why", "--json", "--profile", profile, verb, path]).expect(0);
        let value = json(&text);
        assert!(value.to_string().contains(&format!("\"{effect}\"")), "{text}");
    }
}

#[test]
fn why_says_what_a_run_does() {
    // one question for each kind of place, asked and then tried
    let jail = Jail::new("ci");
    for (path, script) in [
        ("pkg/own.txt", "echo x > pkg/own.txt"),
        (".git/HEAD", "echo x > .git/HEAD"),
        (".github/workflows/ci.yml", "echo x > .github/workflows/ci.yml"),
    ] {
        let said = jail.stockade(&["why", "--profile", "ci", "--json", "modify", path]).expect(0);
        let allowed = said.contains("\"allow\"");
        assert_eq!(jail.sh(script).code() == 0, allowed, "{path}: {said}");
    }
}

#[test]
fn profiles_are_listed_shown_and_checked() {
    let jail = Jail::new("ci");
    let list = jail.stockade(&["profile", "list"]).expect(0);
    for name in ["ci", "relaxed", "standard", "strict", "readonly"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{name} in {list}");
        let text = jail.stockade(&["profile", "show", name]).expect(0);
        assert!(text.contains("version: 1") && text.contains(&format!("name: {name}")), "{text}");
        assert!(jail.stockade(&["profile", "check", name]).expect(0).contains(name));
    }
    let file = jail.outside.join("mine.yaml");
    crate::support::fixture::write(&file, &jail.stockade(&["profile", "show", "ci"]).expect(0));
    let out = jail.stockade(&["profile", "check", file.to_str().expect("UTF-8")]);
    assert_eq!(out.code(), 0, "what is shown can be used: {}", out.err());
}

#[test]
fn own_profiles_work() {
    let mut jail = Jail::new("ci");
    let file = jail.outside.join("mine.yaml");
    let text = "version: 1\nname: mine\nextends: [readonly]\nrules:\n  - access: scratch\n    final: true\n    paths: [pkg]\n    why: the test's own\nenv:\n  set: {GREETING: hello}\nlimits: {open_files: 100}\n";
    crate::support::fixture::write(&file, text);
    jail.profile(&file);
    let out = jail.sh("echo $GREETING; ulimit -n; echo x > pkg/new && echo x > README.md");
    assert!(out.out().starts_with("hello\n100\n"), "{} {}", out.out(), out.err());
    assert_eq!(out.code(), 2, "{}", out.err());
}

#[test]
fn doctor_finds_this_machine_fit() {
    let jail = Jail::new("ci");
    let text = jail.stockade(&["doctor"]).expect(0);
    assert!(text.contains("Landlock"), "{text}");
    let value = json(&jail.stockade(&["doctor", "--json"]).expect(0));
    assert!(value.to_string().contains("Landlock"), "{value}");
    // One jail after the other, although starting the first takes what root can do.
    for mode in ["brokered mode", "static mode"] {
        let check = value.as_array().and_then(|checks| checks.iter().find(|check| check["name"] == mode));
        assert_eq!(check.map(|check| &check["status"]), Some(&"good".into()), "{value}");
    }
}
