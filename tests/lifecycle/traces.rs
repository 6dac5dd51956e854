//! What is left behind: nothing.

use std::fs;
use std::path::Path;

use crate::support::fixture::git;
use crate::support::tree::assert_same;
use crate::support::{Jail, Tree, both_modes, each_mode};

#[test]
fn the_temporary_directory_is_removed() {
    both_modes(|jail| {
        let script = "mkdir -p $TMPDIR/a/b; echo x > $TMPDIR/a/b/c; (umask 777; mkdir $TMPDIR/a/locked); chmod 000 $TMPDIR/a/b $TMPDIR/a 2>/dev/null; \
                      ln -s $HOME $TMPDIR/home; ln -s / $TMPDIR/a/root; mkfifo $TMPDIR/p; chmod 500 $TMPDIR; echo $TMPDIR";
        let before = jail.home_tree();
        let text = jail.sh(script).expect(0);
        let dir = Path::new(text.trim());
        assert!(dir.is_absolute(), "{text}");
        assert!(fs::symlink_metadata(dir).is_err(), "{} is gone", dir.display());
        assert_same(&before, &jail.home_tree());
    });
}

#[test]
fn scratch_directories_come_and_go() {
    each_mode("standard", |jail| {
        assert!(!jail.work.join("target").exists());
        jail.sh("test -d target && test -d node_modules && test -w target").expect(0);
        assert!(!jail.work.join("target").exists(), "removed when empty");
        assert!(!jail.work.join("node_modules").exists(), "removed when empty");
        jail.sh("mkdir target/debug && echo built > target/debug/x").expect(0);
        assert_eq!(fs::read_to_string(jail.work.join("target/debug/x")).expect("kept when used"), "built\n");
        fs::remove_dir_all(jail.work.join("target")).expect("remove");
        fs::create_dir(jail.work.join("target")).expect("make");
        jail.run(&["true"]).expect(0);
        assert!(jail.work.join("target").exists(), "what was there before stays");
    });
}

#[test]
fn the_workspace_keeps_no_trace() {
    for profile in ["ci", "relaxed", "standard", "readonly"] {
        each_mode(profile, |jail| {
            let status = |jail: &Jail| git(&jail.work, &jail.home, &["status", "--porcelain", "--ignored"]);
            let listed = status(jail);
            let before = [jail.home_tree(), Tree::exact(&jail.outside), Tree::exact(&jail.work)];
            jail.sh("git status; git log; ls -la; cat README.md; find . > /dev/null").expect(0);
            jail.run(&["no-such-command"]).expect(127);
            let after = [jail.home_tree(), Tree::exact(&jail.outside), Tree::exact(&jail.work)];
            before.iter().zip(&after).for_each(|(b, a)| assert_same(b, a));
            assert_eq!(listed, status(jail));
        });
    }
}

#[test]
fn no_process_stays() {
    both_modes(|jail| {
        jail.sh("chmod 644 pkg/own.txt; sleep 0.01").code();
        let name = jail.base().display().to_string();
        let mentioned = |pid: &Path, file: &str| {
            fs::read(pid.join(file)).is_ok_and(|b| String::from_utf8_lossy(&b).contains(&name))
                || fs::read_link(pid.join("cwd")).is_ok_and(|p| p.starts_with(&name))
        };
        let left: Vec<_> = fs::read_dir("/proc")
            .expect("list the processes")
            .flatten()
            .map(|e| e.path())
            .filter(|p| mentioned(p, "cmdline") || mentioned(p, "environ"))
            .collect();
        assert_eq!(left, Vec::<std::path::PathBuf>::new());
    });
}

#[test]
fn runs_side_by_side_do_not_meet() {
    both_modes(|jail| {
        let jail: &Jail = jail;
        let outputs: Vec<String> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8)
                .map(|i| {
                    scope.spawn(move || {
                        jail.sh(&format!("echo {i} > $TMPDIR/x; sleep 0.1; cat $TMPDIR/x")).expect(0)
                    })
                })
                .collect();
            runs.into_iter().map(|r| r.join().expect("a run")).collect()
        });
        for (i, text) in outputs.iter().enumerate() {
            assert!(text.starts_with(&format!("{i}\n")), "{text}");
        }
    });
}
