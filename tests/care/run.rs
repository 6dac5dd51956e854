//! A run takes the level that its workspace deserves, where nobody names a profile.

use std::fs;

use crate::support::Jail;
use crate::support::fixture::write;

/// The first line that a run says, of what it runs nothing is said.
#[track_caller]
fn first_line(jail: &Jail) -> String {
    let out = jail.sh("true");
    assert_eq!(out.code(), 0, "{}", out.err());
    out.err().lines().next().unwrap_or_default().to_string()
}

fn with_secrets() -> Jail {
    let jail = Jail::by_default();
    write(&jail.work.join(".env"), "PAYMENT_KEY=sk_live_4eC39HqLyjWDarjtT1zdp7dc\n");
    jail
}

fn default(jail: &Jail, body: &str) {
    let file = jail.home.join(".config/stockade/profiles/default.yaml");
    write(&file, &format!("version: 1\nname: default\n{body}"));
}

#[test]
fn the_first_line_says_level_and_reason() {
    assert!(first_line(&Jail::by_default()).starts_with("stockade: standard, "));
    let jail = with_secrets();
    let line = first_line(&jail);
    assert!(line.starts_with("stockade: strict, because of ") && line.ends_with(".env"), "{line}");
    let care = jail.stockade(&["care"]).expect(0);
    assert!(care.starts_with("strict: because of "), "{care}");
    let out = jail.sh("cat .env; rm README.md; true");
    assert!(!out.out().contains("sk_live") && jail.work.join("README.md").exists(), "{}", out.err());
    // Whoever names a profile gets it, and no line about it.
    let mut named = with_secrets();
    named.profile("standard");
    let out = named.sh("cat .env");
    assert!(out.out().contains("sk_live") && out.err().is_empty(), "{}", out.err());
}

#[test]
fn plan_and_why_are_about_the_same_jail() {
    let jail = with_secrets();
    assert!(jail.stockade(&["why", "read", ".env"]).expect(0).contains("deny"));
    let plan = jail.stockade(&["plan", "--json"]).expect(0);
    assert!(plan.contains("\"network\": \"none\""), "of strict");
}

#[test]
fn a_default_of_ones_own_is_raised_and_never_lowered() {
    let jail = with_secrets();
    let loose = "extends: relaxed\nnetwork: open\nrules:\n  - {access: scratch, paths: [.], why: mine}\n  - \
                 {access: read, paths: [~/tools], why: mine}\n";
    default(&jail, loose);
    write(&jail.home.join("tools/x"), "a tool\n");
    assert!(first_line(&jail).starts_with("stockade: strict, because of "));
    let tries = "cat .env; rm README.md; cat ~/tools/x; python3 -c 'import socket; socket.socket()' && echo network; true";
    let out = jail.sh(tries);
    assert_eq!(out.out(), "a tool\n", "{}", out.err());
    assert!(jail.work.join("README.md").exists());
    // A person may still name a path.
    let mut allowed = with_secrets();
    default(&allowed, loose);
    allowed.allow("scratch", allowed.work.join("README.md"));
    allowed.sh("rm README.md").expect(0);
    fs::remove_file(jail.work.join(".env")).expect("remove");
    default(&jail, "extends: relaxed\n");
    // The repository has no remote.
    assert!(first_line(&jail).starts_with("stockade: standard, because of "));
    assert_ne!(jail.sh("rm README.md").code(), 0);
    default(&jail, "extends: readonly\n");
    assert!(first_line(&jail).starts_with("stockade: readonly, "));
}

#[test]
fn a_default_may_name_places_that_deserve_more() {
    let jail = Jail::by_default();
    let base = jail.base().display().to_string();
    default(
        &jail,
        &format!("extends: relaxed\ncare:\n  - {{level: readonly, paths: ['{base}'], why: a customer's}}\n"),
    );
    let line = first_line(&jail);
    assert!(line.starts_with("stockade: readonly, because of "), "{line}");
    assert_ne!(jail.sh("echo x > new").code(), 0);
}
