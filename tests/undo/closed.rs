//! Files whose modes keep out their owner too: an undo opens and closes them as
//! the owner would, and gives back what could not be read at first.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::random::undo;
use super::{keeping, look_the_same};
use crate::support::attack::Attack;
use crate::support::fixture::write;
use crate::support::os::{self, at, c, call};
use crate::support::{Jail, Tree};

pub const ATTACKS: &[Attack] = &[
    ("undo-closed", |args| change(Path::new(&args[0]))),
    ("undo-opened", |args| open_up(Path::new(&args[0]))),
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
        assert_eq!(fs::metadata(&file).expect("stat").permissions().mode() & 0o7777, 0, "{name}");
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
    assert_eq!(fs::metadata(&file).expect("stat").permissions().mode() & 0o7777, 0);
    set_mode(&file, 0o600);
    assert_eq!(attribute(&file), "before");
}
