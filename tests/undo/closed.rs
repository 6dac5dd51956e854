//! Files whose modes keep out their owner too: an undo opens and closes them as
//! the owner would, and gives back what could not be read at first.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::random::{latest, undo};
use super::{keeping, look_the_same};
use crate::support::attack::Attack;
use crate::support::fixture::write;
use crate::support::os::{self, at, c, call};
use crate::support::{Jail, Tree, is_root};

pub const ATTACKS: &[Attack] = &[
    ("undo-closed", |args| change(Path::new(&args[0]))),
    ("undo-opened", |args| open_up(Path::new(&args[0]))),
    ("undo-closed-directories", |args| close_directories(Path::new(&args[0]))),
];

/// Changes everything about two files of the caller and closes them.
fn change(dir: &Path) {
    for name in ["alone", "linked"] {
        let file = dir.join(name);
        set_mode(&file, 0o644);
        fs::write(&file, "after").expect("write");
        set_attribute(&file, "after");
        set_mode(&file, 0);
    }
}

/// Opens a file that was closed, and changes its attribute.
fn open_up(dir: &Path) {
    let file = dir.join("closed");
    set_mode(&file, 0o200);
    set_mode(&file, 0o600);
    set_attribute(&file, "after");
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).expect("set a mode");
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("stat").permissions().mode() & 0o7777
}

fn set_attribute(file: &Path, value: &str) {
    let (path, name, value) = (c(file), c("user.what"), c(value));
    let size = value.count_bytes() as i64;
    assert_eq!(call(libc::SYS_setxattr, &[at(&path), at(&name), at(&value), size, 0]), 0, "set an attribute");
}

fn attribute(file: &Path) -> String {
    let (path, name, mut value) = (c(file), c("user.what"), [0_u8; 64]);
    let size = value.len() as i64;
    let got = call(libc::SYS_getxattr, &[at(&path), at(&name), value.as_mut_ptr() as i64, size]);
    let got = usize::try_from(got).expect("get an attribute");
    String::from_utf8_lossy(&value[..got]).into_owned()
}

/// A jail, with a directory of its workspace in which these files are.
fn with_files(names: &[&str]) -> (Jail, std::path::PathBuf) {
    let jail = keeping();
    let dir = jail.work.join("pkg/closed");
    for name in names {
        write(&dir.join(name), "before");
        set_attribute(&dir.join(name), "before");
    }
    (jail, dir)
}

#[test]
fn files_closed_by_the_session_come_back_and_go_again() {
    let (jail, dir) = with_files(&["alone", "linked"]);
    fs::hard_link(dir.join("linked"), dir.join("other")).expect("make a link");
    for name in ["alone", "linked"] {
        set_mode(&dir.join(name), 0o444);
    }
    os::age(&dir);
    let before = Tree::lasting(&dir);
    jail.attack("undo-closed", &[&dir]).expect(0);
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&dir), "undone");
    undo(&jail);
    for name in ["alone", "other"] {
        let file = dir.join(name);
        assert_eq!(mode(&file), 0, "{name}");
        set_mode(&file, 0o600);
        assert_eq!(fs::read_to_string(&file).expect("read"), "after", "{name}");
        assert_eq!(attribute(&file), "after", "{name}");
    }
}

#[test]
fn an_attribute_that_could_not_be_read_at_first_comes_back() {
    let (jail, dir) = with_files(&["closed"]);
    let file = dir.join("closed");
    set_mode(&file, 0);
    jail.attack("undo-opened", &[&dir]).expect(0);
    undo(&jail);
    assert_eq!(mode(&file), 0);
    set_mode(&file, 0o600);
    assert_eq!(attribute(&file), "before");
}

/// Changes what is in directories, and closes them with a new one in them.
fn close_directories(dir: &Path) {
    fs::write(dir.join("a/b/file"), "after").expect("write");
    fs::rename(dir.join("a/b/moved"), dir.join("a/there")).expect("rename");
    fs::write(dir.join("a/b/new"), "new").expect("write");
    fs::remove_file(dir.join("a/gone")).expect("remove");
    for (name, mode) in [("a/b", 0), ("a", 0o400)] {
        set_mode(&dir.join(name), mode);
    }
}

#[test]
fn what_is_in_closed_directories_is_shown_undone_and_done_again() {
    let (jail, dir) = with_files(&["a/b/file", "a/b/moved", "a/gone", "open"]);
    os::age(&dir);
    let before = Tree::lasting(&dir);
    jail.attack("undo-closed-directories", &[&dir]).expect(0);
    let diff = jail.stockade(&["diff", "--stat"]);
    for name in ["a/b/file", "a/b/new", "a/there", "a/gone"] {
        assert!(diff.expect(0).contains(name), "{name}: {}", diff.out());
    }
    let session = latest(&jail).expect("a session");
    let dry = jail.stockade(&["undo", "--dry-run", &session]);
    assert!(
        is_root() || dry.expect(0).contains("a/b/file: in a directory that is closed\n"),
        "{}",
        dry.out()
    );
    undo(&jail);
    look_the_same(&before, &Tree::lasting(&dir), "undone");
    undo(&jail);
    assert_eq!(mode(&dir.join("a")), 0o400);
    set_mode(&dir.join("a"), 0o700);
    assert_eq!(mode(&dir.join("a/b")), 0);
    set_mode(&dir.join("a/b"), 0o700);
    assert_eq!(fs::read_to_string(dir.join("a/b/file")).expect("read"), "after");
    assert!(dir.join("a/there").exists() && dir.join("a/b/new").exists() && !dir.join("a/gone").exists());
}

#[test]
fn what_a_person_changed_in_a_closed_directory_is_left_alone_and_it_stays_closed() {
    let (jail, dir) = with_files(&["a/b/file", "a/b/moved", "a/gone"]);
    jail.attack("undo-closed-directories", &[&dir]).expect(0);
    let (a, b) = (dir.join("a"), dir.join("a/b"));
    for dir in [&a, &b] {
        set_mode(dir, 0o755);
    }
    // The clock of files goes by ticks, of which one may be under way since the session ended.
    std::thread::sleep(Duration::from_millis(50));
    fs::write(b.join("file"), "a person's").expect("write");
    for (dir, mode) in [(&b, 0), (&a, 0o200)] {
        set_mode(dir, mode);
    }
    let undone = jail.stockade(&["undo", "--yes"]);
    assert_eq!(undone.code(), 1, "{}", undone.out());
    assert!(undone.err().contains("a/b/file: changed since the session"), "{}", undone.err());
    assert_eq!(mode(&a), 0o200);
    set_mode(&a, 0o755);
    assert_eq!(mode(&b), 0o755);
    assert_eq!(fs::read_to_string(b.join("file")).expect("read"), "a person's");
}
