//! What coding agents have really destroyed, in profile `standard`: where nobody
//! is there, where a person says no, and where one says yes.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::Value;

use super::{Jailed, Watcher, id};
use crate::support::fixture::{git, write};
use crate::support::process::eventually;
use crate::support::tree::assert_same;
use crate::support::{Jail, Output, Outsider, Tree, os};

/// A row of the table.
struct Row {
    /// Its number, and what it is.
    name: &'static str,
    /// What the agent does. OUTSIDE is a directory outside, PID a process outside.
    script: &'static str,
    ends: Ends,
    /// Holds in the workspace once it is done.
    done: &'static str,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Nothing, whatever anybody says.
    Refused,
    /// What is there before stays, unless a person says yes.
    Asked,
    /// It happens, and can be undone.
    Kept,
    /// The same, where git may work on history.
    KeptInCommitMode,
}
use Ends::{Asked, Kept, KeptInCommitMode, Refused};

const fn row(name: &'static str, ends: Ends, script: &'static str, done: &'static str) -> Row {
    Row { name, script, ends, done }
}

const ROWS: &[Row] = &[
    row("1: stray home", Asked, "rm -rf tests/ patches/ plan/ ~/", "! -e tests -a ! -e patches"),
    row("2: home", Refused, "rm -rf \"$HOME\"; rm -rf \"$HOME\"/*; find \"$HOME\" -delete", ""),
    row("3: .git", Refused, "rm -rf .git; rm -f .git/index; git update-ref -d HEAD", ""),
    row("4: failed cd", Asked, "cd /nowhere; rm -rf ./*", "! -e README.md -a ! -e src"),
    row(
        "5: unguarded",
        Refused,
        "mv OUTSIDE/tree/*.none pkg/; rm -rf OUTSIDE/tree; mv OUTSIDE/victim pkg/",
        "",
    ),
    row(
        "6: nested",
        Refused,
        "mv nested/.git nested/.git.bak && rm -rf nested/.git.bak; rm -rf nested/.git",
        "",
    ),
    row("7: git rm, clean", Asked, "git rm -rf .; git clean -fdx", "! -e untracked.txt -a ! -e ignored.log"),
    row("8: stash, clean", Asked, "git stash; git clean -fd", "! -e untracked.txt"),
    row("9: reset", Refused, "git reset --hard HEAD~1", ""),
    row(
        "9: reset in commit mode",
        KeptInCommitMode,
        "git reset --hard HEAD~1",
        "\"$(cat README.md)\" = 'first version'",
    ),
    row("10: checkout", Refused, "git checkout -- .; git restore .", ""),
    row(
        "10: checkout in commit mode",
        KeptInCommitMode,
        "git checkout -- .",
        "\"$(cat README.md)\" = 'second version'",
    ),
    row("11: sed", Kept, "sed -i d README.md; sed -i -n p src/lib.txt", "! -s README.md"),
    row("12: patch", Asked, "rm README.md && echo new > README.md", "\"$(cat README.md)\" = new"),
    row(
        "13: emptied",
        Kept,
        ": > README.md; truncate -s 0 ignored.log; dd if=/dev/null of=src/lib.txt; for f in tests/*; do > $f; done",
        "! -s README.md -a ! -s ignored.log -a ! -s src/lib.txt",
    ),
    row(
        "14: modes",
        Kept,
        "chmod -R u+rwx,go= src pkg; touch -d @5 README.md ~/victim OUTSIDE/victim; chmod 777 ~/.ssh OUTSIDE/victim; chown 1:1 ~/victim",
        "\"$(stat -c %Y README.md)\" = 5",
    ),
    row(
        "15: worktree",
        Refused,
        "git worktree remove --force OUTSIDE/other; rm -rf OUTSIDE/other .git/worktrees",
        "",
    ),
    row("16: find -delete", Asked, "find . -name '*.txt' -delete", "! -e untracked.txt -a ! -e src/lib.txt"),
    row(
        "16: find -exec mv",
        Asked,
        "mkdir $TMPDIR/gone; find src patches -type f -exec mv {} $TMPDIR/gone \\;",
        "! -e src/lib.txt",
    ),
    row(
        "16: find -exec mv to /tmp",
        Asked,
        "mkdir /tmp/incident-PID; find src patches -type f -exec mv {} /tmp/incident-PID \\;",
        "! -e src/lib.txt",
    ),
    row(
        "17: python",
        Asked,
        "python3 -c 'import shutil; shutil.rmtree(\"src\"); shutil.rmtree(\".\", ignore_errors=True)'",
        "! -e src",
    ),
    row(
        "17: perl",
        Asked,
        "perl -e 'unlink glob(\"* .git/* src/* nested/.git/*\"); rmdir \"src\"'",
        "! -e README.md -a ! -e src",
    ),
    row(
        "18: hooks",
        Refused,
        "echo x > .git/hooks/post-checkout; git config core.hooksPath pkg; git config --global core.hooksPath pkg",
        "",
    ),
    row(
        "19: settings",
        Refused,
        "mkdir .claude .vscode src/.git nested/.idea; echo x > .envrc; git init src",
        "",
    ),
    row(
        "20: .git moved",
        Refused,
        "mv .git x; mv nested n2 && rm -rf n2/.git; ln .git/HEAD h && : > h; cd .. && mv work w2",
        "",
    ),
    row(
        "21: sockets",
        Refused,
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) and connect(S, sockaddr_un(\"OUTSIDE/docker.sock\"))'",
        "",
    ),
    row("22: processes", Refused, "kill PID; kill -9 PID; kill -9 -PID; kill -STOP PID", ""),
];

/// What a person who is there says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Person {
    Nobody,
    No,
    Yes,
}

fn jail(row: &Row) -> Jail {
    let mut jail = Jail::new("standard");
    if row.ends == KeptInCommitMode {
        let profile = jail.base().join("commit.yaml");
        write(&profile, "version: 1\nname: commit\nextends: standard\ngit: commit\n");
        jail.profile(&profile);
    }
    git(
        &jail.work,
        &jail.home,
        &["worktree", "add", "-q", &jail.outside.join("other").display().to_string()],
    );
    os::age(&jail.work);
    jail
}

/// Runs a script, answers whatever is asked meanwhile, and gives how often that was.
fn run(jail: &Jail, script: &str, person: Person) -> (Output, usize) {
    let text = format!("until [ -e go ]; do sleep 0.02; done\n{script}\nexit 0");
    let mut running = Jailed::start(jail.command(&["bash", "-c", &text]));
    let watcher = (person != Person::Nobody).then(|| {
        let mut watcher = Watcher::new(jail);
        assert!(watcher.next().is_empty());
        watcher
    });
    write(&jail.work.join("go"), "");
    let mut asked = 0;
    let ended = eventually(Duration::from_secs(120), || {
        let told = jail.stockade(&["approve", "--json"]).out();
        let questions: Vec<Value> = serde_json::from_str(&told).unwrap_or_default();
        for question in &questions {
            let word = if person == Person::Yes { "--yes" } else { "--no" };
            // It may have grown meanwhile, and is answered then.
            asked += usize::from(jail.stockade(&["approve", word, id(question)]).code() == 0);
        }
        running.0.try_wait().expect("look at the jail").is_some()
    });
    assert!(ended, "it ends");
    drop(watcher);
    (running.wait(), asked)
}

fn check(row: &Row, person: Person) {
    let jail = jail(row);
    let (mut outsider, service) = (Outsider::start(), UnixListener::bind(jail.outside.join("docker.sock")));
    let service = service.expect("bind");
    service.set_nonblocking(true).expect("do not wait");
    let elsewhere = || [jail.home_tree(), Tree::exact(&jail.outside)];
    let (work, lasting, before) = (Tree::exact(&jail.work), Tree::lasting(&jail.work), elsewhere());
    let script = row.script.replace("OUTSIDE", &jail.outside.display().to_string());
    let (out, asked) = run(&jail, &script.replace("PID", &outsider.pid()), person);
    // Neither of these may be there, and the first comes back with the rest.
    let clean = || {
        let _ = std::fs::remove_file(jail.work.join("go"));
        let _ = std::fs::remove_dir_all(format!("/tmp/incident-{}", outsider.pid()));
    };
    clean();
    before.iter().zip(&elsewhere()).for_each(|(before, after)| assert_same(before, after));
    assert!(service.accept().is_err(), "nobody came");
    let (may_ask, is_kept) = (row.ends == Asked, matches!(row.ends, Kept | KeptInCommitMode));
    assert_eq!(asked > 0, may_ask && person != Person::Nobody, "{asked} questions\n{}", out.err());
    if is_kept || (may_ask && person == Person::Yes) {
        jail.bare(&["sh", "-c", &format!("test {}", row.done)]).expect(0);
    } else {
        let now = Tree::exact(&jail.work).of_old(&work);
        assert_same(&work.without_dir_times(), &now);
    }
    crate::undo::undo_what_changed(&jail);
    clean();
    assert_same(&lasting, &Tree::lasting(&jail.work));
    assert!(outsider.is_alive());
}

#[track_caller]
fn check_all(person: Person) {
    let failed: Vec<&str> = ROWS
        .iter()
        .filter(|row| std::panic::catch_unwind(|| check(row, person)).is_err())
        .map(|row| row.name)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn where_nobody_is_there_nothing_is_lost() {
    check_all(Person::Nobody);
}

#[test]
fn where_a_person_says_no_nothing_is_lost() {
    check_all(Person::No);
}

#[test]
fn where_a_person_says_yes_it_is_done_and_can_be_undone() {
    check_all(Person::Yes);
}
