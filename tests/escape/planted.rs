//! Symbolic links that lay in the workspace before the jail was started.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::tree::assert_same;
use crate::support::{Entry, Tree, both_modes, each_mode};

#[test]
fn links_lead_to_no_write_outside() {
    both_modes(|jail| {
        symlink(jail.home.join("victim"), jail.work.join("pkg/link")).expect("link");
        symlink(&jail.outside, jail.work.join("pkg/out")).expect("link");
        symlink("../.git/config", jail.work.join("pkg/config")).expect("link");
        symlink("../../outside/new", jail.work.join("pkg/dangling")).expect("link");
        let before = [jail.home_tree(), Tree::exact(&jail.outside), Tree::exact(&jail.work.join(".git"))];
        let script = "cd pkg; echo x > link; echo x >> config; chmod 777 link config out; touch -d yesterday link; rm -f out/victim; \
                      echo x > out/new; echo x > dangling; truncate -s 0 link; mkdir out/d; cp own.txt link; mv out/victim .; \
                      ln out/victim v; sed -i s/a/b/ out/victim; dd if=own.txt of=config; tee link < own.txt; install own.txt out/i; echo end";
        assert!(jail.sh(script).expect(0).ends_with("end\n"));
        let after = [jail.home_tree(), Tree::exact(&jail.outside), Tree::exact(&jail.work.join(".git"))];
        before.iter().zip(&after).for_each(|(b, a)| assert_same(b, a));
    });
}

#[test]
fn a_scratch_name_that_is_a_link_gives_nothing_away() {
    for profile in ["standard", "ci"] {
        each_mode(profile, |jail| {
            symlink(&jail.home, jail.work.join("target")).expect("link");
            symlink(&jail.outside, jail.work.join("node_modules")).expect("link");
            let before = [jail.home_tree(), Tree::exact(&jail.outside)];
            let out = jail.sh(
                "echo x > target/new; rm -rf target/photos; chmod 777 target/victim; cat target/.ssh/id; \
                 echo x > node_modules/new; rm -f node_modules/victim; chmod 700 node_modules/.; echo end",
            );
            let after = [jail.home_tree(), Tree::exact(&jail.outside)];
            before.iter().zip(&after).for_each(|(b, a)| assert_same(b, a));
            assert!(!out.out().contains("private key"), "{}", out.out());
            // either stockade will not start, or nothing could be done through the link
            assert!(out.code() == 125 || out.out() == "end\n", "{} {}", out.out(), out.err());
        });
    }
}

#[test]
fn a_scratch_name_that_links_to_protected_places_gives_nothing_away() {
    each_mode("standard", |jail| {
        symlink(".git", jail.work.join("target")).expect("link");
        symlink("src", jail.work.join(".venv")).expect("link");
        let before = Tree::exact(&jail.work);
        jail.sh("rm -rf target/hooks; echo x > target/config; chmod 777 target/HEAD; rm .venv/lib.txt; mv .venv/lib.txt /tmp");
        assert_same(&before, &Tree::exact(&jail.work).without(&["node_modules", ".pytest_cache"]));
        // what the link leads to is under the rules of where it is
        let written = jail.sh("echo x > .venv/lib.txt && cat src/lib.txt").out() == "x\n";
        assert_eq!(written, !jail.is_static());
    });
}

#[test]
fn hard_links_to_protected_files_keep_their_protection_or_are_none() {
    // a link made outside, before: the kernel judges by path, so only what
    // lies in scratch may be changed through it; the attributes of the inode
    // behind `.git` are reachable then, and nothing else of `.git`
    both_modes(|jail| {
        fs::hard_link(jail.outside.join("victim"), jail.outside.join("twin")).expect("link");
        let before = Entry::of(&jail.outside.join("victim"));
        jail.sh(&format!("echo x > {0}/twin; chmod 777 {0}/twin; rm {0}/twin", jail.outside.display()));
        assert_eq!(before, Entry::of(&jail.outside.join("victim")));
    });
}
