//! git, where a rule says that `.git` is tracked like everything else.

use crate::support::fixture::write;
use crate::support::{Jail, process, skip};

use super::{SLOW, Twice, works};

/// What there is afterwards, but for the index, which holds inode numbers and times.
const LOOK: &str = "look() { git -C \"$1\" fsck --full --strict 2>&1; git -C \"$1\" for-each-ref; git -C \"$1\" symbolic-ref HEAD || git -C \"$1\" rev-parse HEAD; \
     git -C \"$1\" ls-files -s; git -C \"$1\" status --porcelain --ignored || true; git -C \"$1\" log --graph --all --format='%h %s %an %ad' --date=raw; git -C \"$1\" stash list || true; \
     git -C \"$1\" reflog --all; git -C \"$1\" worktree list | sed \"s|$PWD|here|\"; git -C \"$1\" count-objects -v | grep -v size; git -C \"$1\" config --list --local; }";

/// A jail in which every `.git` of the workspace is tracked.
fn jail() -> Jail {
    let mut jail = Jail::new("standard");
    let profile = jail.base().join("history.yaml");
    write(
        &profile,
        "version: 1\nname: history\nextends: [base, toolchains, workspace/tracked]\nrules:\n  - access: tracked\n    paths: [\"**/.git\"]\n    why: work on history\n",
    );
    jail.profile(&profile);
    for who in ["AUTHOR", "COMMITTER"] {
        jail.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    // several threads would make another pack each time
    for (name, value) in [("COUNT", "1"), ("KEY_0", "pack.threads"), ("VALUE_0", "1"), ("NOSYSTEM", "1")] {
        jail.env(format!("GIT_CONFIG_{name}"), value);
    }
    jail
}

/// A repository `old` that was there before, with two branches that conflict.
fn prepare(jail: &Jail) {
    let old = jail.work.join("pkg/old");
    write(&old.join("text"), &(1..=30).map(|number| format!("line {number}\n")).collect::<String>());
    write(&old.join("dir/file"), "a file\n");
    let git = |args: &[&str]| {
        let out = process::run(jail.bare_command("git").args(args).current_dir(&old), SLOW);
        assert_eq!(out.code(), 0, "git {args:?}: {}", out.err());
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "Zero"]);
}

#[track_caller]
fn same(test: &str, script: &str) {
    if !works("git", &["--version"]) {
        return skip(test, "no git");
    }
    Twice::of(jail(), prepare).without(&[".tmp", "old/.git/index"]).script(&format!(
        "set -e; {LOOK}; export GIT_PAGER=cat GIT_EDITOR=true; exec 2>&1; {script}; find . -path '*.git*' -name index ! -path './old/*' -delete"
    ));
}

/// A new repository `one` with two branches that change the same line.
const ONE: &str = "git init -q -b main one; cd one; seq 100 > numbers; mkdir dir; echo file > dir/file; ln -s dir/file link; echo '*.o' > .gitignore; \
     echo 'echo run' > run; chmod 755 run; git add .; git commit -qm Zero; \
     git checkout -qb topic; sed -i 's/^50$/fifty/' numbers; git commit -qam Fifty; git mv dir/file dir/moved; git commit -qm Moved; \
     git checkout -q main; sed -i 's/^50$/L/; s/^9$/nine/' numbers; echo more > more; git add more; git commit -qam More";

#[test]
fn commits_merges_and_rebases() {
    let script = "git merge -q topic || echo conflict; git diff --name-only --diff-filter=U; git checkout -q --theirs numbers; git commit -qam Merged; look .; \
         git branch side topic; git reset -q --hard HEAD^; git merge -q -s ours --no-ff -m Ours topic; git reset -q --hard HEAD^; \
         git checkout -q side; git rebase main || echo conflict; git checkout -q --theirs numbers; git add .; git rebase --continue; look .; \
         GIT_SEQUENCE_EDITOR='sed -i 2s/pick/fixup/' git rebase -q -i main; git rebase -q --onto main~1 main side || git rebase --abort; \
         git cherry-pick topic~1 || git cherry-pick --abort; git revert --no-edit HEAD; git tag -a -m Tag v1; git tag light; \
         git checkout -q main; git merge -q --ff-only side || git merge -q --no-edit side; git mv more most; git rm -q run; git commit -qm Most; git commit -q --amend -m 'Most of it'; \
         git format-patch -q -o ../patches HEAD~1; git reset -q --hard HEAD~1; git am -q ../patches/*; git branch -m side other; git branch -D topic; \
         touch a.o junk; git clean -fdx; git bisect start HEAD main~2; git bisect run true; git bisect reset; look .; cd ..";
    same("commits_merges_and_rebases", &format!("{ONE}; {script}"));
}

#[test]
fn stashes_and_collected_garbage() {
    let script = "echo changed >> numbers; echo new > new; git stash push -q -u; ls; echo again >> dir/file; git add .; git stash push -q -m Second; look .; \
         git stash pop -q; git stash list; git commit -qam Popped; git stash apply -q; git stash drop -q; git add .; git commit -qm Applied; git stash list; \
         git repack -q -d; git branch -D topic; git reflog expire --expire=now --all; git gc -q --prune=now; look .; \
         for i in 1 2 3; do echo $i > numbers; git commit -qam $i; done; git gc -q --aggressive --prune=now; git pack-refs --all; git prune; git repack -q -a -d -F; \
         git update-ref -d refs/heads/none; git notes add -m Note; git replace HEAD HEAD~1; git replace -d HEAD; git fast-export --all | sha256sum; git multi-pack-index write --no-progress; \
         git commit-graph write --reachable --no-progress; git read-tree --empty; git reset -q --hard; git sparse-checkout set --no-cone numbers; ls; git sparse-checkout disable; look .; cd ..";
    same("stashes_and_collected_garbage", &format!("{ONE}; {script}"));
}

#[test]
fn clones_worktrees_and_submodules() {
    let script = "cd ..; git clone -q one two; git clone -q --no-hardlinks one three; git clone -q --bare file://$PWD/one four.git; git clone -q --shared one five; git clone -q --depth 1 file://$PWD/one six; \
         cd two; git checkout -q -b work; echo work > work; git add work; git commit -qm Work; git push -q origin work; git push -q ../four.git work:main -f; \
         cd ../one; git merge -q work; cd ../two; git checkout -q main; git pull -q --ff-only; git fetch -q --all --prune; git remote add four ../four.git; git fetch -q four; look .; \
         git worktree add -q -b topic ../tree origin/topic; cd ../tree; echo tree > tree; git add tree; git commit -qm Tree; cd ../two; git worktree list | wc -l; look .; \
         git worktree move ../tree ../moved; git worktree lock ../moved; git worktree unlock ../moved; git worktree add -q --detach ../other; rm -r ../other; git worktree prune; git worktree remove ../moved; ls ..; \
         git -c protocol.file.allow=always submodule add -q ../three sub; git commit -qm Submodule; git -C sub checkout -q -b inner; echo inner > sub/inner; git -C sub add inner; git -C sub commit -qm Inner; git -C sub push -q origin inner; git commit -qam Updated; \
         git submodule status; look .; cd ..; git -c protocol.file.allow=always clone -q --recurse-submodules two seven; cat seven/sub/inner; cd two; git submodule deinit -f -q sub; git rm -q sub; rm -rf .git/modules; git commit -qm Removed; look .; cd ..; look one; look four.git";
    same("clones_worktrees_and_submodules", &format!("{ONE}; {script}"));
}

#[test]
fn a_repository_that_was_there_before() {
    let script = "cd old; sed -i 's/line 7$/seven/' text; git commit -qam Seven; git checkout -qb topic; echo new > new; git add new; git commit -qm New; \
         git checkout -q main; sed -i 's/line 8$/eight/' text; git commit -qam Eight; git rebase -q main topic; git checkout -q main; git merge -q --no-ff -m Merged topic; \
         echo changed >> text; git stash -q; git stash pop -q; git commit -qam Changed; git mv new newer; git commit -qm Newer; git tag t; git branch -d topic; git reset -q --hard HEAD~1; \
         git worktree add -q ../tree -b tree; (cd ../tree; echo tree > tree; git add tree; git commit -qm Tree); git merge -q tree; git worktree remove ../tree; \
         git config user.nickname T; git repack -q; look .; cd ..; git clone -q old copy; look copy";
    same("a_repository_that_was_there_before", script);
}
