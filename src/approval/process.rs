//! Who asks, and what about: from what procfs says of a process.

use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use nix::unistd::Pid;

use super::remembered::{Deed, Process};
use crate::policy::Verb;
use crate::sys::procfs;

/// How many ancestors are shown.
const MOST_ANCESTORS: usize = 64;
/// How many of a process's arguments are taken for paths.
const MOST_ARGUMENTS: usize = 1000;

impl Process {
    /// A process that lives; none where nothing can be learned of it.
    pub fn of(pid: Pid) -> Option<Process> {
        Some(Process { pid: pid.as_raw(), began: procfs::start_time(pid)? })
    }

    /// Whether it still lives.
    pub fn lives(self) -> bool {
        Process::of(Pid::from_raw(self.pid)) == Some(self)
    }
}

impl Deed {
    /// What a process is about to do.
    pub fn of(who: Who, verb: Verb, path: &Path) -> Deed {
        let Who { process, command } = who;
        Deed { process, command, verb, path: path.to_path_buf(), trees: Vec::new(), bulk: None }
    }

    /// Looks for what the process was asked to do this to.
    pub fn find_trees(&mut self) {
        let pid = Pid::from_raw(self.process.pid);
        let current = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        self.trees = trees(&procfs::arguments(pid, MOST_ARGUMENTS), &current, &self.path);
    }
}

/// A process, and the command that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Who {
    /// The process.
    pub process: Process,
    /// A child of the session's main process, or that itself.
    pub command: Process,
}

impl Who {
    /// Whose thread this is, in a session with this main process. None where
    /// nothing can be learned of it.
    pub fn of(thread: Pid, main: Pid) -> Option<Who> {
        let group = procfs::group(thread)?;
        let command = procfs::command_of(group, main);
        Some(Who { process: Process::of(group)?, command: Process::of(command)? })
    }
}

/// The command lines of a process and of its ancestors up to the session's main one.
pub fn lineage(process: Process, main: Pid) -> Vec<Vec<OsString>> {
    let mut lines = Vec::new();
    let mut pid = Pid::from_raw(process.pid);
    for _ in 0..MOST_ANCESTORS {
        lines.push(procfs::arguments(pid, MOST_ARGUMENTS));
        if pid == main {
            break;
        }
        match procfs::parent(pid) {
            Some(next) if next.as_raw() > 1 && next != nix::unistd::getpid() => pid = next,
            _ => break,
        }
    }
    lines
}

/// What a command was asked to do something to: those of its arguments that are
/// paths, if what it does now lies beneath one of them; else where it works, if
/// that is above it; else the directory.
///
/// Whatever a process makes of its arguments, this is what the person is shown
/// and what an answer holds for.
fn trees(arguments: &[OsString], current: &Path, path: &Path) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = arguments
        .iter()
        .skip(1)
        .filter(|word| !word.is_empty() && !word.as_encoded_bytes().starts_with(b"-"))
        .map(|word| plain(&current.join(word)))
        .filter(|named| named.symlink_metadata().is_ok())
        .collect();
    if named.iter().any(|tree| path.starts_with(tree)) {
        let mut trees = named;
        trees.sort();
        trees.dedup();
        return trees;
    }
    let above = if path.starts_with(current) && !current.as_os_str().is_empty() {
        current
    } else {
        path.parent().unwrap_or(path)
    };
    vec![above.to_path_buf()]
}

/// A path without `.` and `..`, as it is written.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_what_the_arguments_name() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("src/deep"))?;
        fs::write(at("notes"), "")?;
        let trees = |line: &str, current: &str, path: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            trees(&words, &plain(&at(current)), &at(path))
        };
        assert_eq!(trees("rm -rf src notes gone", "", "src/deep/x"), [at("notes"), at("src")]);
        assert_eq!(trees("rm -rf ./deep/../../notes", "src", "notes"), [at("notes")]);
        assert_eq!(trees("git clean -fdx", "", "src/deep/x"), [at("")].map(|path| plain(&path)));
        assert_eq!(trees("python notes", "src", "notes"), [dir.path()], "that is another file of the name");
        assert_eq!(trees("rm x", "src", "notes"), [dir.path()], "beside where it works");
        Ok(())
    }

    #[test]
    fn this_process_is_found() {
        let me = nix::unistd::getpid();
        let process = Process::of(me).expect("this process");
        assert!(process.lives());
        assert!(!Process { began: process.began + 1, ..process }.lives());
        let who = Who { process, command: process };
        assert_eq!(Who::of(nix::unistd::gettid(), me), Some(who));
        let mut deed = Deed::of(who, Verb::Remove, Path::new("/nowhere/x"));
        deed.find_trees();
        assert_eq!(deed.trees, [Path::new("/nowhere")]);
        assert_eq!(lineage(process, me).len(), 1);
    }
}
