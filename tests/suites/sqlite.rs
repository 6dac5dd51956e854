//! sqlite3: locks, shared memory and journals of databases in a tracked workspace.

use crate::support::fixture::write;
use crate::support::{Jail, skip};

use super::{Twice, works};

/// Fills a table that is larger than the cache.
const FILL: &str = "fill() { echo \"CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b TEXT); \
     WITH RECURSIVE n(x) AS (SELECT $1 UNION ALL SELECT x + 1 FROM n WHERE x < $2) INSERT INTO t SELECT x, printf('%0200d', x) FROM n;\"; }; \
     sum() { sqlite3 \"$@\" 'PRAGMA integrity_check; SELECT count(*), sum(a), max(length(b)) FROM t;'; }";

/// Starts a writer that is in the middle of a transaction, of which part is on
/// the disk already, and kills it.
const KILL: &str = "killed() { coproc sqlite3 \"$1\"; \
     { echo \"PRAGMA journal_mode=$2; PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN; UPDATE t SET b = 'lost'; DELETE FROM t WHERE a % 2;\"; \
     echo \".print half way\"; } >&\"${COPROC[1]}\"; \
     while read -r line <&\"${COPROC[0]}\" && [ \"$line\" != 'half way' ]; do :; done; \
     kill -9 \"$COPROC_PID\"; wait \"$COPROC_PID\" || echo \"killed: $?\"; }";

/// Runs a script with these functions where the database `old` was there before.
#[track_caller]
fn same(test: &str, script: &str) {
    same_without(&[], test, script);
}

/// The same, but for some files.
#[track_caller]
fn same_without(except: &[&'static str], test: &str, script: &str) {
    if !works("sqlite3", &["--version"]) {
        return skip(test, "no sqlite3");
    }
    let prepare = |jail: &Jail| {
        let sql = jail.work.join("fill.sql");
        write(
            &sql,
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two');",
        );
        let old = jail.work.join("pkg/old");
        assert!(works("sqlite3", &[&old.display().to_string(), &format!(".read {}", sql.display())]));
    };
    Twice::new(prepare).without(except).script(&format!("set -e; {FILL}; {KILL}; {script}"));
}

#[test]
fn journals_of_each_kind() {
    let script = "for mode in delete truncate persist memory off wal; do \
         for db in new-$mode old; do { echo \"PRAGMA journal_mode=$mode;\"; fill 100 2000; } | sqlite3 $db; \
         sqlite3 $db 'BEGIN; DELETE FROM t WHERE a > 150; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT'; \
         [ $mode = off ] || sqlite3 $db 'BEGIN; DELETE FROM t; ROLLBACK'; \
         sum $db; sqlite3 $db 'PRAGMA journal_mode'; ls; sqlite3 $db 'DELETE FROM t WHERE a > 99; PRAGMA journal_mode=delete'; ls; done; done";
    same("journals_of_each_kind", script);
}

#[test]
fn killed_writers_and_recovery() {
    let script = "for mode in delete truncate persist wal; do \
         for db in new-$mode old; do fill 100 3000 | sqlite3 $db; killed $db $mode; ls; test -s $db-journal || test -s $db-wal; \
         sum $db; ls; sqlite3 $db 'DELETE FROM t WHERE a > 99; PRAGMA journal_mode=delete; VACUUM'; ls; done; done";
    same("killed_writers_and_recovery", script);
}

#[test]
fn vacuum_attach_backup_and_dump() {
    let script = "fill 100 5000 | sqlite3 db; sqlite3 db 'DELETE FROM t WHERE a % 3; VACUUM'; sum db; stat -c %s db; \
         sqlite3 db \"VACUUM INTO 'copy'\"; sum copy; sqlite3 db '.backup saved' '.dump' | sha256sum; sum saved; \
         sqlite3 db \"ATTACH 'old' AS o; ATTACH 'third' AS x; BEGIN; CREATE TABLE x.t AS SELECT * FROM t; INSERT INTO o.t SELECT * FROM t WHERE a > 100; \
         DELETE FROM main.t WHERE a > 1000; COMMIT; SELECT count(*) FROM o.t; SELECT count(*) FROM x.t\"; sum old; sum third; \
         sqlite3 old 'PRAGMA auto_vacuum=incremental; VACUUM; DELETE FROM t WHERE a > 100; PRAGMA incremental_vacuum; CREATE INDEX i ON t(b); REINDEX'; \
         sum old; stat -c %s old; sqlite3 old .schema; sqlite3 old 'PRAGMA page_size=1024; VACUUM; PRAGMA page_size'; \
         sqlite3 -readonly old 'INSERT INTO t VALUES (9, 9)' || echo $?; sqlite3 \"file:old?mode=ro&immutable=1\" 'SELECT * FROM t ORDER BY a LIMIT 2'; \
         sqlite3 db '.archive --create fill.sql' 2>&1 || true; sqlite3 db \".once out.csv\" \"SELECT a FROM t ORDER BY a LIMIT 3\"; cat out.csv; \
         sqlite3 restored '.restore saved'; sum restored; ls";
    same("vacuum_attach_backup_and_dump", script);
}

#[test]
fn several_processes_at_once() {
    let script = "for mode in delete wal; do for db in new-$mode old; do \
         sqlite3 $db \"PRAGMA journal_mode=$mode; CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b TEXT); DELETE FROM t; CREATE TABLE c(n); INSERT INTO c VALUES (0)\"; \
         for who in 1 2; do (for i in $(seq 40); do echo \"BEGIN IMMEDIATE; UPDATE c SET n = n + 1; INSERT INTO t VALUES (1000 * $who + $i, 'x'); COMMIT;\"; done \
         | sqlite3 -cmd '.timeout 30000' $db) & done; \
         for i in $(seq 20); do sqlite3 -cmd '.timeout 30000' $db 'SELECT n - (SELECT count(*) FROM t WHERE a > 1000) FROM c'; done; wait; \
         sqlite3 $db 'SELECT n FROM c'; sum $db; \
         (sqlite3 $db 'BEGIN EXCLUSIVE' '.shell touch .tmp/locked; while [ -e .tmp/locked ]; do sleep 0.01; done' 'ROLLBACK') & \
         until [ -e .tmp/locked ]; do sleep 0.01; done; sqlite3 $db 'INSERT INTO t VALUES (7, 7)' 2>&1 || echo $?; rm .tmp/locked; wait; \
         sqlite3 $db 'DROP TABLE c; PRAGMA journal_mode=delete'; sqlite3 $db .dump > $db.sql; done; done; cat *.sql | sort; rm new-*";
    // the pages come in whatever order
    same_without(&["old"], "several_processes_at_once", script);
}
