//! What a session changed is shown, and as a patch that makes one state the other.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::keeping;
use super::random::{latest, undo};
use crate::support::fixture::{PATH, git, write};
use crate::support::jail::stockade;
use crate::support::pty::Terminal;
use crate::support::{Jail, Running};

/// Names, git's modes and content; nothing of `.git`, and no directories, which
/// patches do not know.
fn files(root: &Path) -> Vec<(String, u32, Vec<u8>)> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("list").map(|entry| entry.expect("list")) {
            let (path, kind) = (entry.path(), entry.file_type().expect("look"));
            let name = path.strip_prefix(root).expect("beneath").display().to_string();
            if kind.is_dir() && entry.file_name() != ".git" {
                left.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).expect("read a link");
                found.push((name, 0o120_000, target.as_os_str().as_bytes().to_vec()));
            } else if kind.is_file() {
                let mode = entry.metadata().expect("look").permissions().mode();
                found.push((name, mode & 0o100, fs::read(&path).expect("read")));
            }
        }
    }
    found.sort();
    found
}

/// Runs a tool with a patch as its input in a directory.
#[track_caller]
fn apply(program: &str, args: &[&str], dir: &Path, patch: &str) {
    write(&dir.with_extension("patch"), patch);
    let input = fs::File::open(dir.with_extension("patch")).expect("open");
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).env_clear().env("PATH", PATH).stdin(input);
    let out = command.output().expect("run it");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{program} {args:?}: {said}\n{patch}");
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().expect("run cp");
    assert!(status.success());
}

#[track_caller]
fn diff(jail: &Jail, args: &[&str]) -> String {
    jail.stockade(&[&["diff"], args].concat()).expect(0)
}

#[track_caller]
fn changes(jail: &Jail, args: &[&str]) -> Vec<Value> {
    let text = diff(jail, &[&["--json"], args].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn change<'a>(all: &'a [Value], jail: &Jail, name: &str) -> &'a Value {
    let path = jail.work.join(name).display().to_string();
    all.iter().find(|change| change["path"] == path.as_str()).unwrap_or_else(|| panic!("{name}: {all:?}"))
}

/// Runs a script, and asserts that the diff makes the old state the new one and
/// the other way round.
#[track_caller]
fn is_a_patch(jail: &Jail, script: &str) -> String {
    let work = jail.base().join("copy");
    copy(&jail.work, &work);
    let before = files(&jail.work);
    let out = jail.sh(script);
    assert_eq!(out.code(), 0, "{}", out.err());
    let after = files(&jail.work);
    assert_ne!(before, after);
    let patch = diff(jail, &[]);
    apply("git", &["apply", "-"], &work, &patch);
    assert_eq!(files(&work), after, "git apply\n{patch}");
    apply("git", &["apply", "-R", "-"], &work, &patch);
    assert_eq!(files(&work), before, "git apply -R\n{patch}");
    apply("patch", &["-p1", "-s", "-f"], &work, &patch);
    assert_eq!(files(&work), after, "patch\n{patch}");
    apply("patch", &["-p1", "-R", "-s", "-f"], &work, &patch);
    assert_eq!(files(&work), before, "patch -R\n{patch}");
    patch
}

#[test]
fn all_kinds_of_changes_are_one_patch() {
    let jail = keeping();
    write(&jail.work.join("pkg/long.txt"), &(0..100).map(|line| format!("{line}\n")).collect::<String>());
    write(&jail.work.join("pkg/no end"), "one\ntwo");
    write(&jail.work.join("pkg/empty"), "");
    write(&jail.work.join("pkg/run.sh"), "#!/bin/sh\n");
    write(&jail.work.join("pkg/old name"), "stays\nas\nit\nis\n");
    std::os::unix::fs::symlink("long.txt", jail.work.join("pkg/link")).expect("make a link");
    let patch = is_a_patch(
        &jail,
        "echo third >> README.md; sed -i -e 's/^7$/seven/' -e '/^90$/d' pkg/long.txt; rm src/lib.txt pkg/empty; \
         printf 'one\\n2' > 'pkg/no end'; mkdir -p new/dir; printf 'x y\\n' > 'new/dir/a b'; : > new/none; \
         chmod +x pkg/run.sh; mv 'pkg/old name' pkg/new; ln -sfn own.txt pkg/link; ln -s nowhere new/link; \
         printf 'odd\\n' > \"$(printf 'new/tab\\tquote\\\"é')\"",
    );
    for line in [
        "+third",
        "-7",
        "+seven",
        "\\ No newline at end of file",
        "deleted file mode 100644",
        "new file mode 120000",
        "old mode 100644",
        "new mode 100755",
        "rename from pkg/old name",
        "rename to pkg/new",
        "+++ b/new/dir/a b\t",
        "+++ \"b/new/tab\\tquote\\\\\\\"é\"",
    ] {
        assert!(patch.lines().any(|found| found == line), "{line:?} in\n{patch}");
    }
}

#[test]
fn names_that_change_places_are_a_patch() {
    let jail = keeping();
    write(&jail.work.join("a"), "a\n");
    write(&jail.work.join("b"), "b\n");
    write(&jail.work.join("c"), "c\n");
    is_a_patch(&jail, "mv a t; mv b a; mv t b; mv c d; echo new > c");
}

#[test]
fn a_directory_that_was_renamed_takes_its_files_along() {
    let jail = keeping();
    write(&jail.work.join("pkg/sub/other.txt"), "other\n");
    let patch = is_a_patch(&jail, "mv pkg/sub pkg/moved; echo more >> pkg/moved/deep.txt");
    assert!(patch.contains("rename from pkg/sub/other.txt\nrename to pkg/moved/other.txt\n"), "{patch}");
    let all = changes(&jail, &[]);
    assert_eq!(change(&all, &jail, "pkg/moved")["what"], "renamed");
    assert_eq!(change(&all, &jail, "pkg/moved/deep.txt")["what"], "renamed");
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn a_link_in_a_files_place_is_two_parts() {
    let jail = keeping();
    let out = jail.sh("rm README.md; ln -s pkg README.md");
    assert_eq!(out.code(), 0, "{}", out.err());
    let patch = diff(&jail, &[]);
    let work = jail.base().join("copy");
    copy(&jail.work, &work);
    apply("git", &["apply", "-R", "-"], &work, &patch);
    assert_eq!(fs::read_to_string(work.join("README.md")).expect("read"), "uncommitted work\n");
    assert_eq!(change(&changes(&jail, &[]), &jail, "README.md")["what"], "replaced");
}

#[test]
fn it_is_shown_while_the_session_runs() {
    let jail = keeping();
    let mut running = Running::start(&mut jail.command(&[
        "sh",
        "-c",
        "echo more >> README.md; echo done; read x; rm README.md",
    ]));
    assert_eq!(running.line(Duration::from_secs(20)).as_deref(), Some("done"));
    let shown = diff(&jail, &[]);
    assert!(shown.contains("\n uncommitted work\n+more\n"), "{shown}");
    running.go_on();
    assert_eq!(running.code(Duration::from_secs(20)), 0);
    let shown = diff(&jail, &[]);
    assert!(shown.ends_with("+++ /dev/null\n@@ -1 +0,0 @@\n-uncommitted work\n"), "{shown}");
}

#[test]
fn what_is_no_text_is_only_named() {
    let jail = keeping();
    fs::write(jail.work.join("bin"), b"a\0b").expect("write");
    fs::write(jail.work.join("large"), vec![b'a'; 9 << 20]).expect("write");
    fs::write(jail.work.join("touched"), vec![b'a'; 9 << 20]).expect("write");
    let out = jail.sh("printf c >> bin; printf c >> large; rm -f untracked.txt; printf a | dd of=touched conv=notrunc 2> /dev/null");
    assert_eq!(out.code(), 0, "{}", out.err());
    let shown = diff(&jail, &["bin", "large"]);
    assert_eq!(
        shown,
        "diff --git a/bin b/bin\nBinary files a/bin and b/bin differ\n\
         diff --git a/large b/large\nBinary files a/large and b/large differ\n"
    );
    let shown = diff(&jail, &["touched"]);
    assert!(shown.starts_with("# metadata: touched: modified "), "{shown}");
    let shown = diff(&jail, &["--stat"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], " bin           | Bin 3 -> 4 bytes");
    assert_eq!(lines[2], " untracked.txt |   1 -");
    assert_eq!(lines[3], " 3 files changed, 1 deletion(-)");
}

#[test]
fn metadata_and_directories() {
    let jail = keeping();
    fs::create_dir(jail.work.join("pkg/gone")).expect("make a directory");
    let out =
        jail.sh("chmod 600 README.md; touch -d 2001-02-03T00:00:00Z src/lib.txt; mkdir made; rmdir pkg/gone");
    assert_eq!(out.code(), 0, "{}", out.err());
    let shown = diff(&jail, &[]);
    assert!(shown.contains("# metadata: README.md: mode 0644 → 0600\n"), "{shown}");
    assert!(shown.contains("→ 2001-02-03T00:00:00Z\n"), "{shown}");
    assert_eq!(shown.lines().count(), 2, "{shown}");
    let shown = diff(&jail, &["--stat"]);
    assert!(shown.contains("# directory made: made\n"), "{shown}");
    assert!(shown.contains("# directory removed: pkg/gone\n"), "{shown}");
    let all = changes(&jail, &[]);
    let readme = change(&all, &jail, "README.md");
    assert_eq!((&readme["what"], &readme["metadata"][0]["after"]), (&"metadata".into(), &"0600".into()));
    assert_eq!(change(&all, &jail, "made")["kind"], "dir");
}

#[test]
fn json_says_who_did_what_and_whether_it_can_be_undone() {
    let jail = keeping();
    let out =
        jail.sh("sh -c 'echo more >> README.md; true'; sh -c 'mv src/lib.txt src/moved; echo > new; true'");
    assert_eq!(out.code(), 0, "{}", out.err());
    let all = changes(&jail, &[]);
    assert_eq!(all.len(), 3, "{all:?}");
    let readme = change(&all, &jail, "README.md");
    let path = jail.work.join("README.md").display().to_string();
    assert_eq!((&readme["what"], &readme["kind"]), (&"modified".into(), &"file".into()));
    assert_eq!(readme["before"], path.as_str());
    assert_eq!((&readme["size_before"], &readme["size_after"]), (&17.into(), &22.into()));
    assert_eq!(readme["recoverable"], true);
    assert_eq!(readme["by"][0]["argv"][1], "-c");
    let moved = change(&all, &jail, "src/moved");
    assert_eq!(
        (&moved["what"], moved["before"].as_str().map(|path| path.ends_with("src/lib.txt"))),
        (&"renamed".into(), Some(true))
    );
    let new = change(&all, &jail, "new");
    assert_eq!(
        (&new["what"], &new["before"], &new["size_before"]),
        (&"added".into(), &Value::Null, &Value::Null)
    );
    let number = readme["by"][0]["number"].to_string();
    assert_ne!(readme["by"][0]["number"], new["by"][0]["number"]);
    assert_eq!(changes(&jail, &["--command", &number]), std::slice::from_ref(readme));
    assert_eq!(changes(&jail, &["src"]), std::slice::from_ref(moved));
    let id = latest(&jail).expect("a session");
    assert_eq!(changes(&jail, &[&id, "new"]), std::slice::from_ref(new));
    assert_eq!(jail.stockade(&["diff", "19990101-000000-ab"]).code(), 125);
    undo(&jail);
    assert_eq!(changes(&jail, &[&id]).iter().filter(|change| change["what"] != "modified").count(), 0);
}

#[test]
fn a_workspace_without_git_is_shown_as_well() {
    let jail = keeping();
    let plain = jail.base().join("plain");
    write(&plain.join("x.txt"), "one\n");
    let mut command = jail.bare_command(stockade());
    let profile = jail.base().join("keep.yaml");
    command.args(["run", "--profile"]).arg(profile).arg("--workspace").arg(&plain).current_dir(&plain);
    command.args(["--", "sh", "-c", "echo two >> x.txt"]).stdin(Stdio::null());
    assert!(command.status().expect("run it").success());
    let mut command = jail.bare_command(stockade());
    let out = command.arg("diff").current_dir(&plain).output().expect("run it");
    let shown = String::from_utf8_lossy(&out.stdout);
    assert_eq!(shown, "diff --git a/x.txt b/x.txt\n--- a/x.txt\n+++ b/x.txt\n@@ -1 +1,2 @@\n one\n+two\n");
}

#[test]
fn a_terminal_gets_colours_and_nothing_that_it_obeys() {
    let jail = keeping();
    let out = jail.sh("printf 'a\\033[2Jb\\n' > README.md");
    assert_eq!(out.code(), 0, "{}", out.err());
    let plain = diff(&jail, &[]);
    assert!(plain.contains("+a\u{1b}[2Jb\n"), "a patch says what is there: {plain:?}");
    let coloured = diff(&jail, &["--color", "always"]);
    assert!(coloured.contains("\u{1b}[32m+a\\u{1b}[2Jb\u{1b}[m\n"), "{coloured:?}");
    let screen = |name: &str| {
        let mut command = jail.bare_command(stockade());
        command.arg("diff").env(name, "1");
        let mut terminal = Terminal::start(&mut command, 25, 80);
        assert_eq!(terminal.code(), 0);
        terminal.expect("[2Jb");
        terminal.screen()
    };
    let shown = screen("IRRELEVANT");
    assert!(shown.contains("\u{1b}[31m-uncommitted work\u{1b}[m"), "{shown:?}");
    let shown = screen("NO_COLOR");
    assert!(!shown.contains('\u{1b}') && shown.contains("\\u{1b}[2J"), "{shown:?}");
}

#[test]
fn git_sees_what_the_diff_says() {
    let jail = keeping();
    git(&jail.work, &jail.home, &["commit", "-q", "-a", "-m", "all"]);
    let out = jail.sh("sed -i s/own/OWN/ pkg/own.txt; rm tests/case.txt");
    assert_eq!(out.code(), 0, "{}", out.err());
    let without_index = |text: String| {
        text.lines().filter(|line| !line.starts_with("index ")).map(String::from).collect::<Vec<_>>()
    };
    let git = git(&jail.work, &jail.home, &["--no-optional-locks", "diff"]);
    assert_eq!(without_index(diff(&jail, &[])), without_index(git));
}
