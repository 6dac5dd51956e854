//! The shapes of repositories, each with its level and its main reason.

use std::fs;
use std::path::{Path, PathBuf};

use super::care;
use crate::support::Jail;
use crate::support::fixture::{git, write};

const KEY: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
const ENV: &str = "DATABASE_URL=postgres://app:s9f8w7@db.example.org/app\nAPI_KEY=9f8e7d6c5b4a\n";
const STATE: &str = "{\"version\": 4, \"outputs\": {}, \"resources\": [{\"mode\": \"managed\", \"type\": \"aws_db_instance\"}]}";
const MANIFEST: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\n";
const CLUSTER: &str = "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n    token: eyJhbGciOi\n";
const VAULT: &str = "$ANSIBLE_VAULT;1.1;AES256\n6638643965\n";
const OWNERS: &str = "* @acme/core\n/auth/ @acme/app-security\n";
const EMBARGO: &str = "# Security\n\nReports stay under embargo until a fix is released.\n";
const REPORTING: &str =
    "# Security\n\nReport vulnerabilities to security@example.org. The security team answers.\n";

/// Name, files, level, words of the main reason and its path; both empty where there is none.
type Shape =
    (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str, &'static str);

const SHAPES: &[Shape] = &[
    ("plain library", &[("src/lib.rs", ""), ("Cargo.toml", "[package]\n")], "standard", "", ""),
    (
        "web app with .env",
        &[("package.json", "{}"), (".env", ENV), (".gitignore", ".env\n")],
        "strict",
        "environment file",
        ".env",
    ),
    ("web app with an example", &[("package.json", "{}"), (".env.example", ENV)], "standard", "", ""),
    ("web app with placeholders", &[(".env", "API_KEY=changeme\nPORT=3000\nTOKEN=\n")], "standard", "", ""),
    (
        "monorepo",
        &[("apps/web/package.json", "{}"), ("services/api/.env.production", ENV)],
        "strict",
        "environment file",
        "services/api/.env.production",
    ),
    (
        "Terraform with state",
        &[("main.tf", ""), ("terraform.tfstate", STATE)],
        "strict",
        "Terraform's state",
        "terraform.tfstate",
    ),
    ("Terraform with remote state", &[("main.tf", "terraform { backend \"s3\" {} }\n")], "standard", "", ""),
    (
        "Terraform with variables",
        &[("terraform.tfvars", "db_password = \"s9f8w7\"\n")],
        "strict",
        "Terraform variables",
        "terraform.tfvars",
    ),
    (
        "Pulumi state",
        &[("Pulumi.yaml", "name: x\n"), (".pulumi/stacks/prod.json", "{}")],
        "strict",
        "Pulumi's state",
        ".pulumi",
    ),
    (
        "Pulumi production",
        &[("Pulumi.yaml", "name: x\n"), ("Pulumi.prod.yaml", "config: {a: b}\n")],
        "strict",
        "Pulumi stack",
        "Pulumi.prod.yaml",
    ),
    (
        "Kustomize production",
        &[
            ("deploy/base/app.yaml", MANIFEST),
            ("deploy/overlays/prod/kustomization.yaml", "resources: [../../base]\n"),
        ],
        "strict",
        "Kubernetes manifests",
        "deploy/overlays/prod",
    ),
    (
        "Kustomize staging",
        &[
            ("deploy/base/app.yaml", MANIFEST),
            ("deploy/overlays/staging/kustomization.yaml", "resources: [../../base]\n"),
        ],
        "standard",
        "",
        "",
    ),
    ("kubeconfig", &[("kubeconfig", CLUSTER)], "strict", "key to a Kubernetes cluster", "kubeconfig"),
    (
        "Ansible production",
        &[("site.yml", "- hosts: all\n"), ("inventories/production/hosts.ini", "[web]\nweb1\n")],
        "strict",
        "Ansible inventory",
        "inventories/production",
    ),
    (
        "shop with an inventory",
        &[("src/inventory/production/stock.ts", ""), ("src/inventory/prod.rs", "")],
        "standard",
        "",
        "",
    ),
    (
        "Ansible vault",
        &[("group_vars/all/vault.yml", VAULT)],
        "strict",
        "encrypted by Ansible",
        "group_vars/all/vault.yml",
    ),
    (
        "Helm production",
        &[("chart/values.yaml", "a: b\n"), ("chart/values-prod.yaml", "a: b\n")],
        "strict",
        "Helm values",
        "chart/values-prod.yaml",
    ),
    (
        "owned by a security team",
        &[(".github/CODEOWNERS", OWNERS)],
        "strict",
        "@acme/app-security",
        ".github/CODEOWNERS",
    ),
    ("with an embargo", &[("SECURITY.md", EMBARGO)], "strict", "embargo", "SECURITY.md"),
    ("takes reports", &[("SECURITY.md", REPORTING)], "standard", "", ""),
    (
        "deploy key",
        &[("deploy/id_ed25519", KEY), ("deploy/id_ed25519.pub", "ssh-ed25519 AAAA\n")],
        "strict",
        "private key",
        "deploy/id_ed25519",
    ),
    ("key of tests", &[("tests/fixtures/server.key", KEY), ("pkg/testdata/ca.pem", KEY)], "standard", "", ""),
    ("certificates", &[("certs/ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n")], "standard", "", ""),
    (
        "registry token",
        &[(".npmrc", "//registry.npmjs.org/:_authToken=npm_Ab12Cd34\n")],
        "strict",
        "credentials",
        ".npmrc",
    ),
    (
        "registry token elsewhere",
        &[(".npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}\n")],
        "standard",
        "",
        "",
    ),
    (
        "service account",
        &[(
            "conf/credentials.json",
            "{\"type\": \"service_account\", \"private_key\": \"-----BEGIN PRIVATE KEY-----\"}",
        )],
        "strict",
        "credentials",
        "conf/credentials.json",
    ),
    (
        "dependencies with keys",
        &[("node_modules/x/.env", ENV), ("vendor/y/key.pem", KEY), ("target/z/.env", ENV)],
        "standard",
        "",
        "",
    ),
];

/// A clone whose only commit has these files, those that are ignored aside.
fn repository(jail: &Jail, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = jail.base().join("shapes").join(name);
    for (path, text) in files {
        write(&dir.join(path), text);
    }
    git(&dir, &jail.home, &["init", "-q", "-b", "main"]);
    git(&dir, &jail.home, &["remote", "add", "origin", "git@example.org:acme/app.git"]);
    commit(jail, &dir, "First");
    dir
}

fn commit(jail: &Jail, dir: &Path, message: &str) {
    git(dir, &jail.home, &["add", "."]);
    git(dir, &jail.home, &["commit", "-q", "--allow-empty", "-m", message]);
}

#[test]
fn shapes_of_repositories_have_their_levels() {
    let jail = Jail::new("standard");
    let mut wrong = String::new();
    for (name, files, level, what, path) in SHAPES {
        let said = care(&jail, &repository(&jail, name, files));
        let (found, place) = said.main();
        let is_reason = if what.is_empty() { found.is_empty() } else { found.contains(what) };
        if said.level() != *level || !is_reason || place != *path || !said.is_complete() {
            wrong.push_str(&format!("{name}: expected {level}, {what}: {path}\n{}\n", said.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn work_that_exists_nowhere_else_is_a_reason() {
    let jail = Jail::new("standard");
    let dir =
        repository(&jail, "work", &[("a/one.txt", "one\n"), ("two.txt", "two\n"), (".gitignore", "*.log\n")]);
    assert!(!care(&jail, &dir).has("in no commit"));
    for number in 0..30 {
        write(&dir.join(format!("a/{number}.log")), "ignored\n");
    }
    assert!(!care(&jail, &dir).has("in no commit"));
    for number in 0..18 {
        write(&dir.join(format!("a/{number}.txt")), "new\n");
    }
    assert!(!care(&jail, &dir).has("in no commit"));
    write(&dir.join("a/one.txt"), "one, changed\n");
    write(&dir.join("two.txt"), "two, changed\n");
    let said = care(&jail, &dir);
    assert!(said.has("20 new or changed files in no commit"), "{}", said.text);
    assert_eq!(said.level(), "standard");
    commit(&jail, &dir, "Second");
    assert!(!care(&jail, &dir).has("in no commit"));
    write(&dir.join("large"), &"x".repeat(300 << 10));
    assert!(care(&jail, &dir).has("1 new or changed file in no commit (300.0 KiB)"));
}

#[test]
fn history_that_no_remote_has_is_a_reason() {
    let jail = Jail::new("standard");
    let shared = jail.base().join("shared.git");
    git(jail.base(), &jail.home, &["init", "-q", "--bare", "-b", "main", &shared.display().to_string()]);
    let dir = repository(&jail, "history", &[("one.txt", "one\n")]);
    git(&dir, &jail.home, &["remote", "set-url", "origin", &shared.display().to_string()]);
    git(&dir, &jail.home, &["push", "-q", "-u", "origin", "main"]);
    for number in 0..6 {
        commit(&jail, &dir, &format!("Number {number}"));
    }
    let said = care(&jail, &dir);
    assert!(said.has("6 commits that no remote has"), "{}", said.text);
    git(&dir, &jail.home, &["push", "-q"]);
    git(&dir, &jail.home, &["pack-refs", "--all"]);
    assert!(!care(&jail, &dir).has("no remote has"));
}

#[test]
fn a_repository_without_a_remote_is_a_reason() {
    let jail = Jail::new("standard");
    let dir = repository(&jail, "alone", &[("one.txt", "one\n")]);
    git(&dir, &jail.home, &["remote", "remove", "origin"]);
    let said = care(&jail, &dir);
    assert!(said.main().0.contains("without a remote"), "{}", said.text);
    assert_eq!(said.level(), "standard");

    let dir = jail.base().join("unborn");
    (0..30).for_each(|number| write(&dir.join(format!("{number}")), "x"));
    git(&dir, &jail.home, &["init", "-q"]);
    assert!(care(&jail, &dir).has("a repository without a commit, and 30 files in it"));
    git(&dir, &jail.home, &["add", "."]);
    assert!(care(&jail, &dir).has("a repository without a commit, and 30 files in it"));
}

#[test]
fn a_directory_without_git_is_looked_at_too() {
    let jail = Jail::new("standard");
    // Not in Stockade's own repository, where the other directories of tests may be.
    let dir = tempfile::tempdir().expect("make a directory");
    write(&dir.path().join("notes.txt"), "x\n");
    assert_eq!(care(&jail, dir.path()).main(), ("", ""));
    (0..30).for_each(|number| write(&dir.path().join(format!("{number}")), "x"));
    assert!(care(&jail, dir.path()).has("31 files in no repository"));
    write(&dir.path().join(".env"), ENV);
    assert_eq!(care(&jail, dir.path()).level(), "strict");
}

#[test]
fn linked_worktrees_and_submodules_have_their_remotes() {
    let jail = Jail::new("standard");
    let rules = "version: 1\nname: mine\ncare:\n  - {level: readonly, remotes: 'example.org/acme/*', why: customers}\n";
    let main = repository(&jail, "main", &[("one.txt", "one\n")]);
    let tree = jail.base().join("tree");
    git(&main, &jail.home, &["worktree", "add", "-q", "-b", "topic", &tree.display().to_string()]);
    let around = repository(&jail, "around", &[("two.txt", "two\n")]);
    git(&around, &jail.home, &["remote", "set-url", "origin", "https://example.com/other"]);
    let source = main.display().to_string();
    let allow = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "sub"];
    git(&around, &jail.home, &allow);
    let sub = around.join("sub");
    git(&sub, &jail.home, &["remote", "set-url", "origin", "ssh://git@example.org:22/acme/app"]);
    for dir in [&main, &tree, &around, &sub] {
        let said = care(&jail, dir);
        assert!(!said.has("without") && !said.has("in no commit"), "{}", said.text);
        assert_eq!(said.level(), "standard");
    }
    // What is new in a submodule is not new in the repository around it.
    (0..30).for_each(|number| write(&sub.join(format!("{number}")), "x"));
    assert!(!care(&jail, &around).has("in no commit") && care(&jail, &sub).has("30 new or changed files"));
    write(&jail.home.join(".config/stockade/profiles/default.yaml"), rules);
    for (dir, level) in [(&main, "readonly"), (&tree, "readonly"), (&around, "standard"), (&sub, "readonly")]
    {
        let said = care(&jail, dir);
        assert_eq!(said.level(), level, "{}", said.text);
        assert_eq!(said.has("customers"), level == "readonly");
    }
    // A directory in a repository has the remotes of that.
    fs::create_dir(main.join("inside")).expect("make a directory");
    assert_eq!(care(&jail, &main.join("inside")).level(), "readonly");
}

#[test]
fn every_version_of_the_index_is_read() {
    let jail = Jail::new("standard");
    let names: Vec<String> =
        (0..60).map(|number| format!("dir{}/sub/file-{number}.txt", number % 7)).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x\n")).collect();
    let dir = repository(&jail, "index", &files);
    for version in ["2", "3", "4"] {
        git(&dir, &jail.home, &["update-index", "--index-version", version]);
        assert_eq!(care(&jail, &dir).main(), ("", ""), "version {version}");
    }
    (0..25).for_each(|number| write(&dir.join(format!("dir3/new{number}")), "x"));
    assert!(care(&jail, &dir).has("25 new or changed files"));
    assert!(care(&jail, &dir.join("dir3")).has("25 new or changed files"));
    assert!(!care(&jail, &dir.join("dir4")).has("in no commit"));
    git(&dir, &jail.home, &["update-index", "--split-index"]);
    let said = care(&jail, &dir);
    assert!(!said.is_complete() && !said.has("in no commit"), "{}", said.text);
}
