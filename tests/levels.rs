//! What the levels above `standard` keep, in a real run.

use std::fs;

use crate::support::fixture::write;
use crate::support::{Jail, Tree, each_mode};

/// What is secret by its name, and stays so.
const SECRETS: [&str; 6] = [
    ".env",
    "deploy/.env.production",
    "tls/server.key",
    "infra/prod.tfstate",
    "id_ed25519",
    "k8s/kubeconfig",
];

fn fill(jail: &Jail) {
    for name in SECRETS {
        write(&jail.work.join(name), "a secret\n");
    }
    write(&jail.work.join(".env.example"), "KEY=\n");
    write(&jail.home.join(".cargo/registry/x"), "cached\n");
    write(&jail.home.join(".npm/x"), "cached\n");
}

#[test]
fn secrets_of_the_workspace_are_hidden() {
    for profile in ["strict", "readonly"] {
        each_mode(profile, |jail| {
            fill(jail);
            let out = jail.sh(&format!(
                "cat .env.example README.md; cat {} 2> /dev/null; echo ended",
                SECRETS.join(" ")
            ));
            assert!(out.out().starts_with("KEY=\n") && out.out().ends_with("ended\n"), "{}", out.err());
            assert!(!out.out().contains("a secret"), "{}", out.out());
            // Nor by another way.
            let ways = "cp .env pkg/x; ln .env pkg/y; ln -s ../.env pkg/z; cat pkg/x pkg/y pkg/z < .env; mv tls/server.key pkg/k; \
                        cat pkg/k; dd if=id_ed25519 2> /dev/null; git hash-object -w .env; tar cf - . 2> /dev/null";
            assert!(!jail.sh(ways).out().contains("a secret"));
        });
    }
}

#[test]
fn secrets_can_be_neither_made_nor_moved_into_sight() {
    let jail = Jail::new("strict");
    fill(&jail);
    let before = Tree::lasting(&jail.work);
    let tries = "echo x > .env.local; echo x > pkg/new.key; mkdir new; echo x > new/.env; echo x > y && mv y .env.staging; \
                 mv deploy moved; mv .env seen; rm -f .env; rm -rf tls k8s; chmod 777 .env; rm -rf new y; true";
    jail.sh(tries).expect(0);
    assert_eq!(before.names(), Tree::lasting(&jail.work).names());
}

#[test]
fn nothing_that_was_there_is_removed_and_the_rest_is_as_in_standard() {
    let jail = Jail::new("strict");
    let out = jail
        .sh("rm README.md; rm -rf src; mv README.md $TMPDIR/x; echo changed >> README.md; echo new > new; \
                       echo again > again; rm again; sed -i s/changed/edited/ README.md; ls");
    assert!(fs::read_to_string(jail.work.join("README.md")).expect("read").ends_with("edited\n"));
    assert!(jail.work.join("src/lib.txt").exists() && jail.work.join("new").exists(), "{}", out.err());
    assert!(!jail.work.join("again").exists());
    jail.stockade(&["undo", "--yes"]).expect(0);
    assert!(!jail.work.join("new").exists());
}

#[test]
fn caches_are_read_and_new_ones_private() {
    let jail = Jail::new("strict");
    fill(&jail);
    let home = Tree::lasting(&jail.home);
    let script = "cat ~/.cargo/registry/x ~/.npm/x; echo x > ~/.cargo/registry/y; echo x > ~/.npm/x; mkdir -p ~/.cache/pip; \
                  mkdir -p $XDG_CACHE_HOME/a $npm_config_cache $PIP_CACHE_DIR $GOCACHE && echo made; \
                  case $XDG_CACHE_HOME in $TMPDIR/*) echo private;; esac; touch /tmp/stockade-test-x; echo ended";
    let out = jail.sh(script).out();
    assert_eq!(out, "cached\ncached\nmade\nprivate\nended\n");
    let home_now = Tree::lasting(&jail.home).without(&[".local"]);
    assert_eq!(home.without(&[".local"]).names(), home_now.names());
}

#[test]
fn the_environment_is_a_clean_one() {
    for profile in ["strict", "readonly"] {
        let mut jail = Jail::new(profile);
        jail.env("STAGE", "production").env("LC_TIME", "C").env("MY_TOKEN", "x");
        let out = jail.sh("echo \"${STAGE-none} $LC_TIME ${MY_TOKEN-none} $HOME\"").out();
        assert_eq!(out, format!("none C none {}\n", jail.home.display()));
    }
}

#[test]
fn there_is_no_network() {
    each_mode("strict", |jail| {
        let out = jail
            .sh("exec 3<> /dev/null; python3 -c 'import socket; socket.socket()' 2>&1 | tail -1; true")
            .out();
        assert!(out.is_empty() || out.contains("PermissionError") || out.contains("not found"), "{out}");
    });
}
