//! What coding agents have really destroyed, replayed: one test for each
//! reported operation, in profile `standard` and, where that makes sense, `ci`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::fixture::{git, write};
use crate::support::tree::assert_same;
use crate::support::{Jail, Outsider, Tree, each_mode, skip};

/// Runs a script in profile `standard`, in each mode: home and everything
/// outside must be the same to the byte afterwards, and so must everything that
/// was in the workspace. New things may have come there.
#[track_caller]
fn nothing_lost(prepare: impl Fn(&Jail), script: &str) {
    each_mode("standard", |jail| {
        prepare(jail);
        let before = [jail.home_tree(), Tree::exact(&jail.outside)];
        let work = Tree::exact(&jail.work);
        run(jail, script);
        let after = [jail.home_tree(), Tree::exact(&jail.outside)];
        before.iter().zip(&after).for_each(|(b, a)| assert_same(b, a));
        let now = Tree::exact(&jail.work).of_old(&work);
        assert_same(&work.without_dir_times(), &now);
    });
}

/// Runs a script in profile `standard`: with a broker it may change what is in
/// the workspace, which is kept for undo, but no name may go, and nothing may
/// change in `.git` or outside. In static mode nothing changes at all.
#[track_caller]
fn kept(script: &str) {
    each_mode("standard", |jail| {
        let look = || {
            let git = [".git", "nested/.git"].map(|name| Tree::exact(&jail.work.join(name)));
            (git, jail.home_tree(), Tree::exact(&jail.outside))
        };
        let (before, work) = (look(), Tree::exact(&jail.work));
        run(jail, script);
        if !jail.is_static() {
            // What was made unreadable must be looked at all the same.
            fs::set_permissions(&jail.work, fs::Permissions::from_mode(0o755)).expect("set a mode");
            let open_up = "find . -name .git -prune -o -exec chmod u+rwX {} \\;";
            jail.bare(&["sh", "-c", open_up]).expect(0);
        }
        let (after, now) = (look(), Tree::exact(&jail.work).of_old(&work));
        before.0.iter().zip(&after.0).for_each(|(b, a)| assert_same(b, a));
        assert_same(&before.1, &after.1);
        assert_same(&before.2, &after.2);
        assert_eq!(work.names(), now.names());
        if jail.is_static() {
            assert_same(&work.without_dir_times(), &now);
        }
    });
}

fn run(jail: &Jail, script: &str) {
    let text = script.replace("OUTSIDE", &jail.outside.display().to_string());
    jail.run(&["bash", "-c", &format!("{text}\nexit 0")]).expect(0);
}

/// Runs a script in profile `ci`, in each mode: what is protected there must
/// be the same to the byte afterwards.
#[track_caller]
fn protected_kept(script: &str) {
    each_mode("ci", |jail| {
        let look = || {
            let places = [".git", "nested/.git", ".github"].map(|name| Tree::exact(&jail.work.join(name)));
            (places, jail.home_tree(), Tree::exact(&jail.outside))
        };
        let before = look();
        run(jail, script);
        let after = look();
        before.0.iter().zip(&after.0).for_each(|(b, a)| assert_same(b, a));
        assert_same(&before.1, &after.1);
        assert_same(&before.2, &after.2);
    });
}

/// Both.
#[track_caller]
fn refused(script: &str) {
    nothing_lost(|_| (), script);
    protected_kept(script);
}

#[test]
fn incident_01_stray_home_in_rm() {
    refused("rm -rf tests/ patches/ plan/ ~/");
}

#[test]
fn incident_02_home_removed_by_clean_up() {
    refused("trap 'rm -rf \"$HOME\"' EXIT; false");
    refused("rm -rf \"$HOME\"/* \"$HOME\"/.[a-z]*; find \"$HOME\" -delete");
}

#[test]
fn incident_03_rm_git() {
    refused("rm -rf .git");
    refused("rm -rf .git/objects .git/refs; rm -f .git/index; git update-ref -d HEAD; git branch -D main");
}

#[test]
fn incident_04_rm_after_failed_cd() {
    refused("cd /nowhere; rm -rf ./*; rm -rf ./.[a-z]*");
}

#[test]
fn incident_05_unguarded_rm_of_a_directory_outside() {
    refused(
        "DIR=OUTSIDE/tree; mv $DIR/*.nothing pkg/; rm -rf \"$DIR\"; mv OUTSIDE/victim pkg/; rm -rf OUTSIDE",
    );
}

#[test]
fn incident_06_nested_git_renamed_and_removed() {
    refused("mv nested/.git nested/.git.bak && rm -rf nested/.git.bak; rm -rf nested/.git nested/.git.bak");
}

#[test]
fn incident_07_git_rm_and_clean() {
    nothing_lost(|_| (), "git rm -rf .; git clean -fd; git clean -fdx; git clean -ffdx");
    protected_kept("git rm -rf .; git clean -fd; git clean -ffdx");
}

#[test]
fn incident_08_stash_and_clean() {
    nothing_lost(|_| (), "git stash; git clean -fd; git stash -u; git stash drop");
    protected_kept("git stash; git clean -fd; git stash -u");
}

#[test]
fn incident_09_reset_hard() {
    nothing_lost(|_| (), "git reset --hard HEAD~1; git reset HEAD~1");
    protected_kept("git reset --hard HEAD~1; git reset HEAD~1");
}

#[test]
fn incident_10_checkout_over_uncommitted_work() {
    nothing_lost(
        |_| (),
        "git checkout -- .; git restore .; git checkout -f HEAD~1; git switch -f --detach HEAD~1",
    );
    protected_kept("git checkout -f HEAD~1; git switch --discard-changes --detach HEAD~1");
}

#[test]
fn incident_11_sed_in_place() {
    kept("sed -i 'd' README.md; sed -i -n p src/lib.txt; perl -i -ne '' README.md");
}

#[test]
fn incident_12_patch_tool_deletes_first() {
    nothing_lost(
        |_| (),
        "rm README.md && echo new > README.md; mv src/lib.txt /tmp/lib.txt.orig; cp README.md README.md.orig",
    );
}

#[test]
fn incident_13_truncation() {
    kept(
        ": > README.md; truncate -s 0 README.md; dd if=/dev/null of=README.md; dd if=/dev/zero of=src/lib.txt bs=1 count=9 conv=notrunc; \
         for f in *.txt src/* tests/*; do : > $f; echo >> $f; done; tee README.md < /dev/null; cp /dev/null README.md",
    );
}

#[test]
fn incident_14_modes_owners_times() {
    kept(
        "chmod -R 000 .; chmod 777 ~/.ssh; chmod -R a+rwx ~; chown -R 1:1 . ~; chown $(id -u) README.md; touch -d @5 ~/victim README.md OUTSIDE/victim; \
         chmod 777 OUTSIDE/victim; touch README.md",
    );
    protected_kept(
        "chmod -R 000 .git; chmod 777 ~/.ssh; chown -R 1:1 .git ~; touch -d @5 .git/HEAD ~/victim; chmod 777 OUTSIDE/victim",
    );
}

#[test]
fn incident_15_worktree_removed_with_fallback() {
    let prepare = |jail: &Jail| {
        let other = jail.outside.join("other");
        git(&jail.work, &jail.home, &["worktree", "add", "-q", &other.display().to_string()]);
        write(&other.join("unsaved.txt"), "work in the other tree\n");
    };
    let script = "git worktree remove --force OUTSIDE/other; rm -rf OUTSIDE/other; git worktree prune; rm -rf .git/worktrees";
    nothing_lost(prepare, script);
}

#[test]
fn incident_15_linked_worktree_protects_what_it_points_to() {
    for profile in ["standard", "ci"] {
        each_mode(profile, |jail| {
            let other = jail.base().join("other");
            git(&jail.work, &jail.home, &["worktree", "add", "-q", &other.display().to_string()]);
            let before = (Tree::exact(&jail.work.join(".git")), fs::read(other.join(".git")).expect("read"));
            let main = jail.work.join(".git").display().to_string();
            jail.cwd(&other);
            let script = "rm -rf .git GIT/hooks GIT/worktrees; echo x > GIT/config; chmod 777 GIT/HEAD; echo gitdir: /x > .git; git commit --allow-empty -m x";
            jail.sh(&script.replace("GIT", &main));
            assert_same(&before.0, &Tree::exact(&jail.work.join(".git")));
            assert_eq!(before.1, fs::read(other.join(".git")).expect("read"));
            assert_eq!(jail.sh("git log --format=%s").expect(0), "Second\nFirst\n", "reading works");
        });
    }
}

#[test]
fn incident_16_find_delete_with_a_bad_pattern() {
    nothing_lost(
        |_| (),
        "find . -name '*.md' -delete; find . -name '*' -delete; find . -type f -exec mv {} /tmp \\;",
    );
    protected_kept("find . -name '*' -path '*git*' -delete; find .git -type f -exec mv {} /tmp \\;");
}

#[test]
fn incident_17_removal_by_other_languages() {
    let programs = [
        (
            "/usr/bin/python3",
            vec!["-c", "import shutil; shutil.rmtree('.', ignore_errors=True); shutil.rmtree('.git')"],
        ),
        (
            "/usr/bin/node",
            vec![
                "-e",
                "const f=require('fs'); for (const d of ['.git','.']) try { f.rmSync(d,{recursive:true,force:true}) } catch {}",
            ],
        ),
        (
            "/usr/bin/perl",
            vec!["-e", "unlink glob('* .git/* src/* nested/.git/*'); rmdir 'src'; open F, '>.git/HEAD'"],
        ),
    ];
    for (program, args) in programs {
        if !Path::new(program).exists() {
            skip("incident_17_removal_by_other_languages", &format!("no {program}"));
            continue;
        }
        for profile in ["standard", "ci"] {
            each_mode(profile, |jail| {
                let places = if profile == "ci" { vec![".git", "nested/.git", ".github"] } else { vec![""] };
                let look = || {
                    let trees = places.iter().map(|p| Tree::exact(&jail.work.join(p)).without_dir_times());
                    trees.collect::<Vec<_>>()
                };
                let before = look();
                let all: Vec<&str> = std::iter::once(program).chain(args.iter().copied()).collect();
                assert!(jail.run(&all).code() < 125);
                before.iter().zip(&look()).for_each(|(b, a)| assert_same(b, a));
            });
        }
    }
}

#[test]
fn incident_18_hooks_and_config_planted() {
    refused(
        "echo 'touch ~/pwned' > .git/hooks/post-checkout; cp /bin/true .git/hooks/pre-commit; chmod +x .git/hooks/*; \
         git config core.fsmonitor 'touch ~/pwned'; git config core.hooksPath pkg; echo '[core] hooksPath = pkg' >> .git/config; \
         git config --global core.hooksPath $PWD/pkg; echo x >> ~/.gitconfig; ln -sf $PWD/pkg .git/hooks; echo '* filter=x' > .git/info/attributes",
    );
}

#[test]
fn incident_19_settings_created_to_run_outside_later() {
    each_mode("ci", |jail| {
        let script = "mkdir .claude; echo '{}' > .claude/settings.json; mkdir -p .vscode; echo '{}' > .vscode/tasks.json; echo x > .envrc; \
                      mkdir .husky; mkdir pkg/x; mv pkg/x .idea; ln -s pkg .cursor; git init .; echo x > .github/workflows/new.yml; \
                      mkdir nested/.vscode; echo x > nested/.envrc; echo end";
        assert!(jail.sh(script).expect(0).ends_with("end\n"));
        for name in [
            ".claude",
            ".vscode",
            ".envrc",
            ".husky",
            ".idea",
            ".cursor",
            ".github/workflows/new.yml",
            "nested/.vscode",
            "nested/.envrc",
        ] {
            assert!(jail.work.join(name).symlink_metadata().is_err(), "{name} was made");
        }
    });
    nothing_lost(
        |_| (),
        "mkdir .claude .vscode src/.git nested/.idea; echo x > .envrc; git init src; echo '{}' > .mcp.json; echo x > .github/workflows/x.yml",
    );
}

#[test]
fn incident_20_git_moved_linked_or_renamed_with_its_parent() {
    refused(
        "mv .git x; mv .git pkg/x; mv nested n2 && rm -rf n2/.git; ln .git/HEAD h && : > h; ln .git/HEAD pkg/h && : > pkg/h; \
         cp -al .git pkg/copy; : > pkg/copy/HEAD; cd .. && mv work w2 && rm -rf w2/.git",
    );
}

#[test]
fn incident_21_services_reached_through_their_sockets() {
    for profile in ["standard", "ci"] {
        each_mode(profile, |jail| {
            jail.env("DOCKER_HOST", "unix:///var/run/docker.sock")
                .env("SSH_AUTH_SOCK", "/tmp/agent")
                .env("TMUX", "/tmp/tmux,1,0");
            let script = "docker ps; systemd-run --user true; ssh-add -l; tmux list-sessions; test -z \"$DOCKER_HOST$SSH_AUTH_SOCK$TMUX$DBUS_SESSION_BUS_ADDRESS\" && echo dropped; \
                          perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) and connect(S, sockaddr_un(shift)) or print qq(refused\\n)' OUTSIDE/docker.sock";
            let service = UnixListener::bind(jail.outside.join("docker.sock")).expect("bind");
            service.set_nonblocking(true).expect("do not wait");
            let script = script.replace("OUTSIDE", &jail.outside.display().to_string());
            assert_eq!(jail.sh(&script).expect(0), "dropped\nrefused\n");
            assert!(service.accept().is_err(), "nobody came");
        });
    }
}

#[test]
fn incident_22_other_processes_killed() {
    for profile in ["standard", "ci"] {
        each_mode(profile, |jail| {
            let mut outsider = Outsider::start();
            let pid = outsider.pid();
            let out = jail.run(&[
                "bash",
                "-c",
                &format!("kill {pid}; kill -9 {pid}; kill -9 -{pid}; kill -STOP {pid}"),
            ]);
            assert!(outsider.is_alive());
            assert_eq!(out.err().matches("Operation not permitted").count(), 4, "{}", out.err());
        });
    }
}
