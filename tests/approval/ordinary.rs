//! Ordinary work asks nothing, and a lot is one question.

use std::path::Path;
use std::time::Duration;

use super::{Jailed, Watcher, answer, id, keeping, of, start};
use crate::support::fixture::{PATH, write};
use crate::support::{Jail, skip};

/// Runs a script that somebody watches: it works, and nothing is asked.
#[track_caller]
fn asks_nothing(jail: &mut Jail, script: &str) {
    for variable in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        jail.env(variable, "someone");
    }
    jail.limit(Duration::from_secs(240));
    let (running, watcher) = start(jail, &format!("set -e; {script}; echo ended"));
    let out = running.wait();
    let told: Vec<_> = watcher.rest().into_iter().flatten().collect();
    assert!(told.is_empty(), "{told:?}");
    assert!(out.out().ends_with("ended\n"), "{}\n{}", out.out(), out.err());
}

fn is_there(program: &str) -> bool {
    PATH.split(':').any(|dir| Path::new(dir).join(program).exists())
}

#[test]
fn git_in_commit_mode() {
    // Files of the session itself; for what was there before see `git`.
    let script = "git commit -qam zero; for i in $(seq 250); do echo $i > pkg/$i; done; git add pkg; git commit -qm many; \
                  git checkout -qb topic; for i in $(seq 250); do echo topic > pkg/$i; done; git commit -qam topic; \
                  git checkout -q -; echo main > news; git add news; git commit -qm news; git rebase -q topic; \
                  echo more >> pkg/1; git stash -q; git stash pop -q; git commit -qam more; git reset -q --hard HEAD~1; \
                  git branch -q -D topic; git gc -q --prune=now; git fsck --no-dangling";
    asks_nothing(&mut of("relaxed", "git: commit\n"), script);
    asks_nothing(&mut of("standard", "git: commit\n"), script);
}

#[test]
fn repositories_are_made_in_the_temporary_directory() {
    asks_nothing(
        &mut of("standard", ""),
        "cd $TMPDIR; git init -q x; cd x; for i in $(seq 300); do echo $i > $i; done; git add .; git commit -qm all; \
         git rm -rq .; git reset -q --hard; git gc -q; rm -rf $TMPDIR/x",
    );
}

#[test]
fn editors_and_formatters_save() {
    let mut script = String::from(
        "sed -i s/wrote/read/ pkg/old/d*/?*; perl -pi -e s/read/wrote/ pkg/old/d*/?*; \
         for f in pkg/old/d*/?*; do cp $f $f.tmp; mv $f.tmp $f; done; ",
    );
    if is_there("vim") {
        script += "for f in pkg/old/d0/?*; do vim -Nu NONE -es -c 'normal Ox' -c wq $f; done; \
                   vim -Nu NONE -es -c 'set backup writebackup backupcopy=no' -c 'normal Ox' -c wq notes; ";
    }
    asks_nothing(&mut of("standard", ""), &format!("{script} true"));
}

#[test]
fn builds_are_made_and_cleaned_where_they_belong() {
    let mut jail = of("standard", "");
    asks_nothing(
        &mut jail,
        "for round in 1 2; do for d in target node_modules .venv; do mkdir -p $d/a/b; \
         for i in $(seq 150); do : > $d/a/$i; : > $d/a/b/$i; done; rm -rf $d/*; done; done",
    );
    if !is_there("npm") {
        return skip("npm installs again", "no npm");
    }
    let mut jail = of("standard", "");
    write(&jail.work.join("part/package.json"), "{\"name\":\"part\",\"version\":\"1.0.0\"}\n");
    for number in 0..300 {
        write(&jail.work.join(format!("part/{number}.js")), "1\n");
    }
    let package =
        "{\"name\":\"app\",\"version\":\"1.0.0\",\"dependencies\":{\"part\":\"file:part-1.0.0.tgz\"}}\n";
    write(&jail.work.join("package.json"), package);
    asks_nothing(
        &mut jail,
        "export npm_config_cache=$TMPDIR/npm npm_config_offline=true npm_config_audit=false npm_config_fund=false \
         npm_config_update_notifier=false; npm pack --silent ./part; npm install --silent; npm install --silent; \
         npm ci --silent; npm ci --silent; test -e node_modules/part/299.js",
    );
}

#[test]
fn ten_thousand_files_are_one_question() {
    for jail in [of("standard", ""), keeping("")] {
        for number in 0..10_000 {
            let path = jail.work.join(format!("pkg/many/{}", number % 40));
            std::fs::create_dir_all(&path).expect("make a directory");
            std::fs::write(path.join(number.to_string()), "x").expect("write");
        }
        let (running, mut watcher): (Jailed, Watcher) = start(&jail, "rm -rf pkg/many; echo ended");
        let question = watcher.questions(1).remove(0);
        answer(&jail, &["--yes", id(&question)]);
        assert!(running.wait().out().ends_with("ended\n"));
        assert!(watcher.rest().iter().flatten().all(|other| other["id"] == question["id"]), "asked once");
        assert!(!jail.work.join("pkg/many").exists());
    }
}
