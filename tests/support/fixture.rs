//! The throw-away world of one test: a home, a git workspace and a place outside both.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Tree;

/// Search path of the programs that tests run.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The directories of one test, removed when it ends.
pub struct World {
    base: TempDir,
    /// The user's home.
    pub home: PathBuf,
    /// The workspace: a git repository with a nested one.
    pub work: PathBuf,
    /// A place that no rule of a built-in profile mentions.
    pub outside: PathBuf,
}

/// Where throw-away worlds are made: not beneath `/tmp` if that can be
/// helped, since programs in a jail may read `/tmp`.
pub fn nursery() -> PathBuf {
    let wanted = [
        std::env::var_os("STOCKADE_TEST_DIR").map(PathBuf::from),
        Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))),
        Some(repository().join("target/tmp")),
    ];
    for dir in wanted.into_iter().flatten() {
        if fs::create_dir_all(&dir).is_ok() && TempDir::new_in(&dir).is_ok() {
            return dir;
        }
    }
    std::env::temp_dir()
}

/// The root of Stockade's own repository.
pub fn repository() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

impl World {
    /// A new world.
    pub fn new() -> World {
        let nursery = nursery();
        let base = tempfile::Builder::new().prefix("jail-").tempdir_in(nursery).expect("make a directory");
        let root = base.path().canonicalize().expect("resolve the directory");
        let world =
            World { home: root.join("home"), work: root.join("work"), outside: root.join("outside"), base };
        world.fill_home();
        world.fill_outside();
        world.fill_work();
        world
    }

    /// The directory that holds everything.
    pub fn base(&self) -> &Path {
        self.home.parent().expect("home has a parent")
    }

    /// The home as it is, but for Stockade's own records.
    pub fn home_tree(&self) -> Tree {
        Tree::exact(&self.home).without(&[".local"])
    }

    /// Whether the home is hidden by default: not so beneath `/tmp`, which
    /// every profile lets programs read.
    pub fn home_is_hidden(&self) -> bool {
        !["/tmp", "/var/tmp", "/dev/shm"].iter().any(|shared| self.home.starts_with(shared))
    }

    fn fill_home(&self) {
        write(&self.home.join(".gitconfig"), "[user]\n\tname = Tester\n\temail = tester@example.org\n");
        write(&self.home.join(".ssh/id"), "the private key\n");
        write(&self.home.join(".aws/credentials"), "the cloud key\n");
        write(&self.home.join(".bash_history"), "what was typed\n");
        write(&self.home.join("notes.txt"), "the notes\n");
        write(&self.home.join("photos/2019/beach.jpg"), "the picture\n");
        write(&self.home.join("victim"), "the home's victim\n");
        fs::set_permissions(self.home.join(".ssh"), fs::Permissions::from_mode(0o700)).expect("chmod");
    }

    fn fill_outside(&self) {
        write(&self.outside.join("victim"), "the victim outside\n");
        write(&self.outside.join("tree/a/b.txt"), "a file in a tree\n");
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(self.outside.join("victim"), mode).expect("chmod");
    }

    fn fill_work(&self) {
        write(&self.work.join("README.md"), "first version\n");
        write(&self.work.join(".gitignore"), "*.log\n/target\n");
        write(&self.work.join(".github/workflows/ci.yml"), "on: push\n");
        write(&self.work.join("src/lib.txt"), "the library\n");
        write(&self.work.join("tests/case.txt"), "the case\n");
        write(&self.work.join("patches/one.patch"), "the patch\n");
        write(&self.work.join("pkg/own.txt"), "the package's own\n");
        write(&self.work.join("pkg/sub/deep.txt"), "deep below\n");
        git(&self.work, &self.home, &["init", "-q", "-b", "main"]);
        git(&self.work, &self.home, &["add", "."]);
        git(&self.work, &self.home, &["commit", "-q", "-m", "First"]);
        write(&self.work.join("README.md"), "second version\n");
        git(&self.work, &self.home, &["commit", "-q", "-a", "-m", "Second"]);
        write(&self.work.join("nested/src/inner.txt"), "inner\n");
        git(&self.work.join("nested"), &self.home, &["init", "-q", "-b", "main"]);
        git(&self.work.join("nested"), &self.home, &["add", "."]);
        git(&self.work.join("nested"), &self.home, &["commit", "-q", "-m", "Nested"]);
        write(&self.work.join("README.md"), "uncommitted work\n");
        write(&self.work.join("ignored.log"), "what git does not know\n");
        write(&self.work.join("untracked.txt"), "not yet added\n");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        open_up(self.base.path());
    }
}

/// Gives the owner all rights in a tree, so that it can be removed.
fn open_up(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        if path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            open_up(&path);
        }
    }
}

/// Writes a file and makes its parents.
pub fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a file has a parent")).expect("make the parents");
    fs::write(path, content).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
}

/// Runs git outside the jail and returns what it prints.
pub fn git(dir: &Path, home: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .expect("run git");
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
