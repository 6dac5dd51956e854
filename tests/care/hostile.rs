//! Repositories that want the look to hang, to lead elsewhere, or to be misunderstood.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::care;
use crate::support::fixture::{git, write};
use crate::support::{Jail, Tree, is_root};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n";
const ENV: &str = "API_KEY=9f8e7d6c5b4a\n";

fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("make the parents");
    mkfifo(path, Mode::S_IRWXU).expect("make a FIFO");
}

/// A jail, and in it a new clone.
fn clone_in_jail() -> Jail {
    let jail = Jail::new("standard");
    let dir = jail.base().join("hostile");
    write(&dir.join("README.md"), "hello\n");
    git(&dir, &jail.home, &["init", "-q", "-b", "main"]);
    git(&dir, &jail.home, &["remote", "add", "origin", "git@example.org:acme/app.git"]);
    git(&dir, &jail.home, &["add", "."]);
    git(&dir, &jail.home, &["commit", "-q", "-m", "First"]);
    jail
}

#[test]
fn fifos_do_not_hang_it() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    for name in
        [".env", "deploy/id_rsa", "CODEOWNERS", "SECURITY.md", "a/.gitignore", ".gitignore", "x.tfstate"]
    {
        fifo(&dir.join(name));
    }
    assert_eq!(care(&jail, &dir).main(), ("", ""));
    for name in
        ["config", "index", "packed-refs", "info/exclude", "logs/refs/heads/main", "refs/remotes/origin/main"]
    {
        let path = dir.join(".git").join(name);
        let _ = fs::remove_file(&path);
        fifo(&path);
    }
    assert_eq!(care(&jail, &dir).level(), "standard");
    fs::rename(dir.join(".git"), dir.join("was.git")).expect("move");
    fifo(&dir.join(".git"));
    assert_eq!(care(&jail, &dir).level(), "standard");
}

#[test]
fn links_are_not_followed() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    write(&jail.home.join(".ssh/id_rsa"), KEY);
    write(&jail.outside.join("secrets/.env"), ENV);
    symlink(jail.home.join(".ssh/id_rsa"), dir.join("id_rsa")).expect("link");
    symlink(jail.outside.join("secrets/.env"), dir.join(".env")).expect("link");
    symlink(jail.outside.join("secrets"), dir.join("secrets")).expect("link");
    symlink(".", dir.join("again")).expect("link");
    symlink("/", dir.join("all")).expect("link");
    let said = care(&jail, &dir);
    assert_eq!((said.main(), said.is_complete()), (("", ""), true), "{}", said.text);
    // Neither is a link in git's place.
    fs::rename(dir.join(".git"), jail.outside.join("other.git")).expect("move");
    symlink(jail.outside.join("other.git"), dir.join(".git")).expect("link");
    assert_eq!(care(&jail, &dir).level(), "standard");
}

#[test]
fn what_a_git_file_points_to_is_not_believed() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    fs::rename(dir.join(".git"), dir.join("was.git")).expect("move");
    for text in [
        "gitdir: /dev/zero\n",
        "gitdir: /proc/self\n",
        "gitdir: nowhere\n",
        "gitdir: \n",
        "gitdir: .\n",
        "gitdir: .git\n",
        "nonsense",
        "\0\0\0",
    ] {
        fs::write(dir.join(".git"), text).expect("write");
        assert_eq!(care(&jail, &dir).level(), "standard", "{text}");
    }
    write(&dir.join("was.git/commondir"), "/dev/full\n");
    fs::write(dir.join(".git"), "gitdir: was.git\n").expect("write");
    assert_eq!(care(&jail, &dir).level(), "standard");
}

#[test]
fn garbage_of_git_is_no_reason() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    let index = fs::read(dir.join(".git/index")).expect("read the index");
    let mut claims = index.clone();
    claims[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    for bytes in [&b"DIRC"[..], b"", &[0xff; 4096], &index[..40], &claims] {
        fs::write(dir.join(".git/index"), bytes).expect("write");
        let said = care(&jail, &dir);
        assert_eq!((said.level(), said.is_complete()), ("standard", false), "{}", said.text);
    }
    fs::remove_file(dir.join(".git/index")).expect("remove");
    write(&dir.join(".git/HEAD"), "ref: refs/heads/../../../../../etc/passwd\n");
    write(&dir.join(".git/packed-refs"), "\u{fffd} \n \n^\n#");
    write(&dir.join(".git/logs/refs/heads/main"), "\t\n \t \n");
    write(&dir.join(".git/config"), "[remote \"../../..\"]\nurl = x\n[remote \"/etc\"]\nurl = y\n[");
    assert_eq!(care(&jail, &dir).level(), "standard");
}

#[test]
fn names_are_shown_with_escapes() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    write(&dir.join(OsStr::from_bytes(b".env.\x1b[31m\xff\n\xe2\x80\xae")), ENV);
    write(&dir.join("CODEOWNERS"), "* @a/\u{1b}]0;x\u{7}security\n");
    let said = care(&jail, &dir);
    assert_eq!(said.level(), "strict");
    assert!(said.main().1.contains(r"\x1b[31m\xff\n"), "{}", said.text);
    let is_plain = |char: char| char == '\n' || !char.is_control() && char != '\u{202e}';
    assert!(said.text.chars().all(is_plain), "{:?}", said.text);
    assert_eq!(said.text.lines().count(), 3, "{}", said.text);
}

#[test]
fn a_huge_file_is_read_at_its_beginning() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    for name in [".env", "big.pem", ".gitignore", "SECURITY.md"] {
        let file = fs::File::create(dir.join(name)).expect("make a file");
        file.set_len(1 << 40).expect("make it long");
    }
    let said = care(&jail, &dir);
    assert!(!said.has("environment") && !said.has("key"), "{}", said.text);
    fs::write(dir.join(".env"), format!("{ENV}{}", "#\n".repeat(1 << 20))).expect("write");
    assert!(care(&jail, &dir).has("environment file"));
}

#[test]
fn what_cannot_be_read_is_said() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    write(&dir.join("closed/.env"), ENV);
    fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o000)).expect("close");
    let said = care(&jail, &dir);
    fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o755)).expect("open");
    assert_eq!(said.is_complete(), is_root(), "{}", said.text);
}

#[test]
fn nothing_is_changed_and_nothing_run() {
    let jail = clone_in_jail();
    let dir = jail.base().join("hostile");
    let marker = jail.outside.join("marker");
    let run = format!("touch {}", marker.display());
    for name in ["core.fsmonitor", "core.sshCommand", "core.hooksPath", "filter.x.clean", "core.pager"] {
        git(&dir, &jail.home, &["config", name, &run]);
    }
    write(&dir.join(".gitattributes"), "* filter=x\n");
    write(&dir.join("README.md"), "changed\n");
    let before = Tree::exact(&dir);
    care(&jail, &dir);
    crate::support::tree::assert_same(&before, &Tree::exact(&dir));
    assert!(!marker.exists());
}

#[test]
fn wrong_arguments_are_refused() {
    let jail = clone_in_jail();
    assert_eq!(jail.stockade(&["care", "--workspace", "nowhere"]).code(), 125);
    assert_eq!(jail.stockade(&["care", "extra"]).code(), 125);
    write(
        &jail.home.join(".config/stockade/profiles/default.yaml"),
        "version: 1\nname: x\ncare: [{level: relaxed, paths: /}]\n",
    );
    let out = jail.stockade(&["care"]);
    assert_eq!(out.code(), 125);
    assert!(out.err().contains("default.yaml:3: care: "), "{}", out.err());
}
