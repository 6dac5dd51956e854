//! The walk and its bounds, and what the machine's policy says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::policy::profile;

/// Enough for what tests make, whatever the machine does beside.
const AMPLE: Budget = Budget { entries: 1_000_000, reads: 10_000, time: Duration::from_secs(600) };

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("make the parents");
    fs::write(path, text).expect("write");
}

/// A directory with what looks like a new clone.
fn clone_of(url: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| write(&dir.path().join(".git").join(name), text);
    write("HEAD", "ref: refs/heads/main\n");
    write("refs/heads/main", &format!("{}\n", "a".repeat(40)));
    write("config", &format!("[core]\n\tbare = false\n[remote \"origin\"]\n\turl = {url}\n"));
    dir
}

fn look_at(dir: &Path, rules: &CareRules, budget: Budget) -> Care {
    look(&dir.canonicalize().expect("a real path"), Path::new("/nonexistent"), rules, budget)
}

fn rules(body: &str) -> CareRules {
    let text = format!("version: 1\nname: machine\ncare:\n{body}");
    let profile = profile::parse(&text, "/etc/stockade/policy.yaml").expect("parses");
    CareRules::of([&profile], Path::new("/home/u")).expect("compiles")
}

/// So many files, in directories of `each`.
fn fill(dir: &Path, directories: usize, each: usize) {
    for number in 0..directories {
        let inside = dir.join(format!("d{number:04}"));
        fs::create_dir_all(&inside).expect("make a directory");
        let first = inside.join("0");
        fs::write(&first, "x").expect("write");
        (1..each).for_each(|name| fs::hard_link(&first, inside.join(name.to_string())).expect("link"));
    }
}

#[test]
fn the_machine_names_remotes_and_paths() {
    let dir = clone_of("git@example.org:acme/app.git");
    let check = |body: &str, level: Level, reasons: usize| {
        let care = look_at(dir.path(), &rules(body), AMPLE);
        assert_eq!((care.level, care.reasons.len()), (level, reasons), "{body} {care:?}");
        care
    };
    check("  - {level: strict, remotes: example.org/other/*}\n", Level::Standard, 0);
    let care =
        check("  - {level: readonly, remotes: example.org/acme/*, why: customers}\n", Level::Readonly, 1);
    assert!(care.reasons[0].what.contains("customers"), "{care:?}");
    assert!(care.reasons[0].what.contains("/etc/stockade/policy.yaml:3"), "{care:?}");
    let real = dir.path().canonicalize().expect("a real path");
    check(&format!("  - {{level: strict, paths: '{}'}}\n", real.display()), Level::Strict, 1);
    check("  - {level: standard, paths: /}\n", Level::Standard, 1);
}

#[test]
fn a_reason_raises_and_nothing_lowers() {
    let dir = clone_of("git@example.org:acme/app.git");
    let none = look_at(dir.path(), &CareRules::default(), AMPLE);
    assert_eq!((none.level, none.above(Level::Relaxed)), (Level::Standard, Level::Relaxed));
    let some = look_at(dir.path(), &rules("  - {level: standard, paths: /}\n"), AMPLE);
    assert_eq!(some.above(Level::Relaxed), Level::Standard);
    assert_eq!(some.above(Level::Readonly), Level::Readonly);
}

#[test]
fn what_a_remote_is_short_for_is_in_the_home() {
    let dir = clone_of("work:app");
    let home = tempfile::tempdir().expect("a directory");
    write(&home.path().join(".gitconfig"), "[url \"git@example.org:acme/\"]\n\tinsteadOf = work:\n");
    let rules = rules("  - {level: strict, remotes: example.org/acme/*}\n");
    let workspace = dir.path().canonicalize().expect("a real path");
    assert_eq!(look(&workspace, home.path(), &rules, AMPLE).level, Level::Strict);
}

#[test]
fn what_lies_near_the_top_is_seen_whatever_lies_beneath() {
    let dir = clone_of("git@example.org:acme/app.git");
    fill(dir.path(), 100, 1000);
    write(&dir.path().join("zz/.env"), "API_KEY=abc123def\n");
    let small = Budget { entries: 5000, ..AMPLE };
    let care = look_at(dir.path(), &CareRules::default(), small);
    assert!(!care.is_complete);
    assert!(care.looked_at <= 5000, "{}", care.looked_at);
    let all = look_at(dir.path(), &CareRules::default(), AMPLE);
    // 100 directories, `.git` and `zz` are at the top.
    assert_eq!((all.is_complete, all.looked_at), (true, 100_000 + 100 + 2 + 1));
    assert_eq!(all.level, Level::Strict);
    write(&dir.path().join(".env"), "API_KEY=abc123def\n");
    let care = look_at(dir.path(), &CareRules::default(), small);
    assert_eq!(care.reasons[0].path.as_deref(), Some(Path::new(".env")));
    assert_eq!(care, look_at(dir.path(), &CareRules::default(), small), "it comes out the same");
}

#[test]
fn one_large_directory_does_not_hide_the_others() {
    let dir = clone_of("git@example.org:acme/app.git");
    fill(&dir.path().join("a"), 1, 3000);
    write(&dir.path().join("b/c/.env"), "API_KEY=abc123def\n");
    let care = look_at(dir.path(), &CareRules::default(), Budget { entries: 2000, ..AMPLE });
    assert_eq!((care.level, care.is_complete), (Level::Strict, false));
}

#[test]
fn reads_and_time_are_bounded() {
    let dir = clone_of("git@example.org:acme/app.git");
    for number in 0..30 {
        write(&dir.path().join(format!(".env.{number:02}")), "API_KEY=abc123def\n");
    }
    let care = look_at(dir.path(), &CareRules::default(), Budget { reads: 10, ..AMPLE });
    assert_eq!(
        (care.reasons.iter().filter(|reason| reason.level == Level::Strict).count(), care.is_complete),
        (10, false)
    );
    let care = look_at(dir.path(), &CareRules::default(), AMPLE);
    assert!(care.is_complete);
    assert_eq!(care.reasons.iter().filter(|reason| reason.level == Level::Strict).count(), MOST_ALIKE);
    let care = look_at(dir.path(), &CareRules::default(), Budget { time: Duration::ZERO, ..AMPLE });
    assert_eq!((care.is_complete, care.looked_at), (false, 0));
}

#[test]
fn deep_trees_end() {
    let dir = clone_of("git@example.org:acme/app.git");
    let deep = vec!["d"; 300].join("/");
    write(&dir.path().join(deep).join(".env"), "API_KEY=abc123def\n");
    let care = look_at(dir.path(), &CareRules::default(), AMPLE);
    assert_eq!((care.level, care.is_complete), (Level::Standard, false));
}

/// By hand: `cargo test --release --lib -- --ignored a_million --nocapture`.
#[test]
#[ignore = "makes a million files"]
fn a_million_files_take_no_longer_than_the_budget() {
    let dir = clone_of("git@example.org:acme/app.git");
    fill(dir.path(), 1000, 1000);
    for (name, budget) in [("run", Budget::RUN), ("command", Budget::COMMAND)] {
        let start = std::time::Instant::now();
        let care = look_at(dir.path(), &CareRules::default(), budget);
        eprintln!(
            "{name}: {:?}, {} entries, complete: {}",
            start.elapsed(),
            care.looked_at,
            care.is_complete
        );
    }
}
