//! The picture of `stockade approve` in the README: of the real screen.

use super::Jailed;
use super::screen::{ready, together, watching};
use crate::support::Jail;
use crate::support::fixture::{repository, write};
use crate::support::picture::picture;

/// Set by `cargo xtask screens`: writes the picture.
const VARIABLE: &str = "STOCKADE_WRITE_SCREENS";

/// A session whose script does something once it is watched.
fn session(jail: &Jail, script: &str, does: &str) -> Jailed {
    write(&jail.work.join(script), &format!("until [ -e go ]; do sleep 0.02; done\n{does}\n"));
    Jailed::start(jail.command(&["sh", script]))
}

#[test]
fn the_readme_shows_the_real_screen() {
    let (first, second) = together();
    write(
        &first.work.join("src/import/csv.py"),
        "def rows(text):\n    return [line.split(\",\") for line in text.splitlines()]\n",
    );
    write(
        &first.work.join("src/import/README.md"),
        "Reads what the shop's old system exported.\nKeep this: the export cannot be made again.\n",
    );
    write(&first.work.join("src/import/sample.bin"), "\0\u{1}\u{2}");
    write(&second.work.join("notes.md"), "# Before the release\n");
    let one = session(&first, "tidy.sh", "rm -rf src/import");
    let other = session(&second, "build.sh", "rm notes.md");
    let mut screen = watching(&first, 29, 100);
    screen.expect("0 questions, 2 sessions");
    write(&first.work.join("go"), "");
    screen.expect("1 question");
    write(&second.work.join("go"), "");
    screen.expect("2 questions");
    screen.expect("-Keep this");
    ready(&mut screen, "▸ rm -rf src/import");
    let svg = picture(
        screen.screen(),
        "stockade approve: two questions, and what would be lost by a yes to the first",
    );
    for word in [
        "rm -rf src/import",
        "wants to remove src/import",
        "-Keep this",
        "no, and tell why",
        "fill=\"#ef6b73\"",
    ] {
        assert!(svg.contains(word), "{word}: {svg}");
    }
    if std::env::var_os(VARIABLE).is_some() {
        write(&repository().join("docs/approve.svg"), &svg);
    }
    screen.send("q");
    assert_eq!(screen.terminal.code(), 0);
    for running in [one, other] {
        running.wait();
    }
    assert!(first.work.join("src/import/csv.py").exists() && second.work.join("notes.md").exists());
}
