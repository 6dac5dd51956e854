//! How much is kept: each file once, whatever is done to it how often.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::random::{latest, undo};
use super::{keeping, look_the_same};
use crate::support::fixture::{PATH, write};
use crate::support::{Jail, Tree, os};

/// Bytes that the objects of the last session take.
fn kept(jail: &Jail) -> u64 {
    let session = jail.home.join(".local/state/stockade/sessions").join(latest(jail).expect("a session"));
    let entries = fs::read_dir(session.join("objects")).into_iter().flatten().flatten();
    entries.map(|entry| entry.metadata().expect("stat").blocks() * 512).sum()
}

/// Runs a script where `prepare` has worked, and undoes it; gives what was kept.
#[track_caller]
fn is_undone(prepare: impl Fn(&Path), script: &str) -> u64 {
    let jail = keeping();
    prepare(&jail.work);
    os::age(&jail.work);
    let before = Tree::lasting(&jail.work);
    jail.sh(script).expect(0);
    let kept = kept(&jail);
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&jail.work), script);
    kept
}

#[test]
fn a_large_file_is_kept_once() {
    let content: Vec<u8> = (0..32 << 18).flat_map(u32::to_le_bytes).collect();
    let kept = is_undone(
        |work| fs::write(work.join("large"), &content).expect("write"),
        "for i in 1 2 3 4 5; do printf x | dd of=large bs=1 seek=${i}00000 conv=notrunc 2> /dev/null; done",
    );
    assert!(kept <= (32 << 20) + (64 << 10), "{kept}");
}

#[test]
fn holes_cost_nothing() {
    let kept = is_undone(
        |work| fs::File::create(work.join("sparse")).and_then(|file| file.set_len(4 << 30)).expect("make it"),
        "printf x | dd of=sparse bs=1 seek=1000000000 conv=notrunc 2> /dev/null; truncate -s 1 sparse",
    );
    assert!(kept <= 64 << 10, "{kept}");
}

#[test]
fn what_grows_all_the_time_is_kept_as_it_was() {
    let kept = is_undone(
        |work| write(&work.join("log"), &"line\n".repeat(20_000)),
        "exec >> log; for i in $(seq 2000); do echo more; done; for i in $(seq 200); do echo $i >> log; done",
    );
    assert!(kept <= 128 << 10, "{kept}");
}

#[test]
fn what_is_replaced_a_thousand_times_is_kept_once() {
    let script = "for i in $(seq 1000); do echo $i > new; mv new file; done";
    let kept = is_undone(|work| write(&work.join("file"), &"old\n".repeat(5000)), script);
    assert!(kept <= 24 << 10, "{kept}");
}

#[test]
fn a_database_with_a_log_is_as_it_was() {
    let sql = |dir: &Path, text: &str| {
        let mut command = Command::new("sqlite3");
        let out = command.env_clear().env("PATH", PATH).arg(dir.join("db")).arg(text).output();
        out.ok().map(|out| String::from_utf8_lossy(&out.stdout).into_owned())
    };
    if sql(Path::new("/nowhere"), "").is_none() {
        eprintln!("SKIPPED: sqlite3 is not installed");
        return;
    }
    let jail = keeping();
    let rows = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) ";
    let script = format!(
        "pragma journal_mode = wal; create table t(i, x); {rows} insert into t select i, hex(i) from n;"
    );
    sql(&jail.work, &script).expect("run sqlite3");
    // A log that was not written back, as a killed program leaves it.
    let killed = format!(
        "cp db keep; cp db-wal keep-wal; mv keep db; mv keep-wal db-wal; echo {}",
        jail.work.display()
    );
    let writer = format!(
        "sqlite3 db \"pragma wal_autocheckpoint = 0; insert into t values (-1, 'late');\" \".shell {killed}\""
    );
    jail.bare(&["sh", "-c", &format!("cd {} && {writer}", jail.work.display())]).expect(0);
    let sum = "select count(*), sum(i) from t; pragma integrity_check;";
    os::age(&jail.work);
    let before = Tree::lasting(&jail.work);
    let script = format!(
        "for n in 1 2 3; do sqlite3 db \"update t set x = 'new' where i % 3 = $n; {rows} insert into t select i, 'more' from n; \
         delete from t where i > 1500;\"; done; sqlite3 db 'pragma wal_checkpoint(truncate); vacuum;'"
    );
    let script = script.replace('\n', " ");
    jail.sh(&script).expect(0);
    let kept = kept(&jail);
    assert!(kept <= 1 << 20, "{kept}");
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&jail.work), "sqlite3");
    let text = sql(&jail.work, sum).expect("run sqlite3");
    assert!(text.ends_with("ok\n") && text.starts_with("200"), "{text}");
}
