//! `.stockade.yaml`: it tightens at once, and loosens what a person has looked at.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::Jail;
use crate::support::fixture::write;

/// A repository's file that asks for much.
const GREEDY: &str = "version: 1\nname: here\nrules:\n  - {access: scratch, paths: [src, ~/build, ~/.ssh], why: we need it}\n\
                      git: commit\nenv: {pass: [MY_TOKEN], set: {HERE: \"yes\"}}\n\
                      approvals: {notify: [/bin/true]}\n";
/// Shows what it has got.
const TRIES: &str =
    "rm src/lib.txt; cat ~/.ssh/*; rm -rf .git; echo more >> .stockade.yaml; echo \"$MY_TOKEN$HERE\"";

fn jail(text: &str) -> Jail {
    let mut jail = Jail::by_default();
    jail.env("MY_TOKEN", "token");
    write(&jail.work.join(".stockade.yaml"), text);
    write(&jail.home.join(".ssh/id_ed25519"), "private\n");
    jail
}

/// Runs the tries, and gives whether the file has loosened anything.
#[track_caller]
fn loosened(jail: &Jail) -> bool {
    let out = jail.sh(TRIES);
    assert!(jail.work.join(".git/config").exists() && !out.out().contains("private"), "{}", out.out());
    assert!(out.err().contains("cannot create .stockade.yaml: Permission denied"), "{}", out.err());
    let is_gone = !jail.work.join("src/lib.txt").exists();
    assert_eq!(out.out().trim() == "tokenyes", is_gone, "{}", out.out());
    let says = out.err().contains("so what it would loosen is ignored; see: stockade trust");
    assert_ne!(is_gone, says, "{}", out.err());
    is_gone
}

#[test]
fn it_loosens_only_when_it_is_trusted_as_it_is() {
    let jail = jail(GREEDY);
    assert!(!loosened(&jail));
    // Nobody can be asked here.
    let asked = jail.stockade(&["trust"]);
    assert_eq!(asked.code(), 125);
    let told = "  create, modify allowed instead of allowed and kept for undo; remove allowed instead of asked about: src\n";
    assert!(asked.out().contains(told), "{}", asked.out());
    assert!(asked.out().contains("~/build") && !asked.out().contains(".ssh"), "{}", asked.out());
    for line in ["git: commit", "secret or not: MY_TOKEN", "are set: HERE=yes"] {
        assert!(asked.out().contains(line), "{line}: {}", asked.out());
    }
    assert!(!loosened(&jail));
    jail.stockade(&["trust", "--yes"]).expect(0);
    let listed = jail.stockade(&["trust", "--list"]).expect(0);
    assert!(listed.contains(".stockade.yaml") && !listed.contains("changed"), "{listed}");
    assert!(loosened(&jail));
    assert!(jail.stockade(&["trust"]).expect(0).contains("trusted already"));
}

#[test]
fn another_content_another_path_or_a_change_of_mind_is_no_trust() {
    let jail = jail(GREEDY);
    jail.stockade(&["trust", "--yes"]).expect(0);
    let file = jail.work.join(".stockade.yaml");
    write(&file, &format!("{GREEDY}# \n"));
    assert!(!loosened(&jail), "swapped");
    assert!(jail.stockade(&["trust", "--list"]).expect(0).contains("changed since"));
    assert!(jail.sh("true").err().contains("has changed since you trusted it"));
    write(&file, GREEDY);
    jail.stockade(&["trust", "--revoke"]).expect(0);
    assert!(!loosened(&jail), "revoked");
    assert_eq!(jail.stockade(&["trust", "--revoke"]).code(), 125);
    assert_eq!(jail.stockade(&["trust", "--list"]).expect(0), "");
    let elsewhere = jail.work.join("pkg");
    fs::create_dir_all(elsewhere.join(".git")).expect("make a repository");
    jail.stockade(&["trust", "--yes"]).expect(0);
    fs::copy(&file, elsewhere.join(".stockade.yaml")).expect("copy");
    let listed =
        jail.stockade(&["plan", "--json", "--workspace", &elsewhere.display().to_string()]).expect(0);
    assert!(!listed.contains("\"HERE\": \"yes\""), "elsewhere");
}

#[test]
fn a_link_in_its_place_is_refused() {
    let jail = jail("version: 1\nname: x\n");
    let file = jail.work.join(".stockade.yaml");
    fs::remove_file(&file).expect("remove");
    write(&jail.outside.join("policy.yaml"), GREEDY);
    symlink(jail.outside.join("policy.yaml"), &file).expect("link");
    for args in [&["run", "--", "true"][..], &["trust", "--yes"]] {
        let out = jail.stockade(args);
        assert_eq!(out.code(), 125, "{args:?}");
        assert!(out.err().contains("cannot be read"), "{}", out.err());
    }
}

#[test]
fn what_the_user_wrote_wins_over_what_is_trusted() {
    let jail = jail(GREEDY);
    let own = jail.home.join(".config/stockade/profiles/default.yaml");
    write(
        &own,
        "version: 1\nname: default\nextends: standard\nrules:\n  - {access: read, paths: [src], why: mine}\n",
    );
    jail.stockade(&["trust", "--yes"]).expect(0);
    let out = jail.sh("rm src/lib.txt; echo $HERE");
    assert_eq!(out.out().trim(), "yes");
    assert!(jail.work.join("src/lib.txt").exists(), "{}", out.err());
}

#[test]
fn what_only_tightens_needs_no_trust() {
    let jail = jail("version: 1\nname: x\nrules:\n  - {access: read, paths: [src], why: ours}\n");
    let out = jail.sh("echo x > src/lib.txt");
    assert!(!out.err().contains("trust") && out.err().contains("refused 1 call"), "{}", out.err());
    assert!(jail.stockade(&["trust"]).expect(0).contains("loosens nothing"));
    fs::remove_file(jail.work.join(".stockade.yaml")).expect("remove");
    let none = jail.stockade(&["trust"]);
    assert_eq!(none.code(), 125);
    assert!(none.err().contains("there is no "), "{}", none.err());
}

#[test]
fn the_jail_cannot_trust_for_the_user() {
    let jail = jail(GREEDY);
    let out = jail.sh(
        "mkdir -p ~/.config/stockade; echo x > ~/.config/stockade/trusted.json; $STOCKADE trust --yes; true",
    );
    assert!(!jail.home.join(".config/stockade/trusted.json").exists(), "{}", out.err());
    assert!(!loosened(&jail));
}
