//! What procfs says of processes. None where it says nothing: the process is gone,
//! or may not be looked at.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt;

use nix::unistd::{Pid, getpid};

/// How many ancestors are looked at.
const MOST_ANCESTORS: usize = 1024;
/// Fields of `/proc/PID/stat` behind the name in brackets (`proc_pid_stat(5)`).
const PARENT: usize = 1;
const START_TIME: usize = 19;

/// The process that a thread belongs to: the leader of its group, which is what
/// `/proc/self` names.
pub fn group(thread: Pid) -> Option<Pid> {
    status(thread)?.field("Tgid")?.parse().ok().map(Pid::from_raw)
}

/// What `/proc/PID/status` says of a process or a thread (`proc_pid_status(5)`).
#[derive(Debug, Clone)]
pub struct Status(String);

/// What it says now.
pub fn status(process: Pid) -> Option<Status> {
    // A process's name may be anything.
    let text = read(process, "status")?;
    Some(Status::new(String::from_utf8_lossy(&text)))
}

impl Status {
    /// A text of that form.
    pub fn new(text: impl Into<String>) -> Status {
        Status(text.into())
    }

    /// A field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// A set of signals, the first of them in the lowest bit; none where it is not told.
    pub fn signals(&self, name: &str) -> u64 {
        self.field(name).and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0)
    }

    /// The signals that wait for it.
    pub fn pending(&self) -> u64 {
        self.signals("SigPnd") | self.signals("ShdPnd")
    }

    /// Whether it stands still, or a signal is pending that will stop it.
    fn is_stopped(&self) -> bool {
        let bit = |signal: i32| 1_u64 << (signal - 1);
        let by_default = bit(libc::SIGTSTP) | bit(libc::SIGTTIN) | bit(libc::SIGTTOU);
        let handled = self.signals("SigBlk") | self.signals("SigIgn") | self.signals("SigCgt");
        self.field("State").is_some_and(|state| state.starts_with('T'))
            || self.pending() & (by_default & !handled | bit(libc::SIGSTOP)) != 0
    }
}

/// The parent of a process.
pub fn parent(process: Pid) -> Option<Pid> {
    stat_field(process, PARENT).and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw)
}

/// Whether a thread's process was stopped, or will be as soon as the thread gets out
/// of the call in which it waits.
pub fn is_stopped(thread: Pid) -> bool {
    let Some(group) = group(thread) else { return false };
    let tasks = fs::read_dir(format!("/proc/{group}/task")).into_iter().flatten().flatten();
    let threads = tasks.filter_map(|task| task.file_name().to_str()?.parse().ok());
    threads.filter_map(|thread| status(Pid::from_raw(thread))).any(|status| status.is_stopped())
}

/// When a process began, in clock ticks since the machine did.
pub fn start_time(process: Pid) -> Option<u64> {
    stat_field(process, START_TIME)
}

/// A process, and where it stands among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The process.
    pub pid: Pid,
    /// `R`, `S`, `D`, `T` and so on.
    pub state: char,
    /// Its parent.
    pub parent: Pid,
    /// Its process group.
    pub group: Pid,
}

impl Standing {
    /// Where a process stands.
    pub fn of(process: Pid) -> Option<Standing> {
        let stat = stat(process)?;
        let mut fields = stat.split(' ');
        let state = fields.next()?.chars().next()?;
        let mut next = || fields.next()?.parse().ok().map(Pid::from_raw);
        Some(Standing { pid: process, state, parent: next()?, group: next()? })
    }

    /// All processes that can be seen.
    pub fn all() -> Vec<Standing> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Standing::of(Pid::from_raw(pid))).collect()
    }
}

/// The children of a process, found by asking everybody for their parent.
pub fn children(process: Pid) -> Vec<Pid> {
    Standing::all().into_iter().filter(|child| child.parent == process).map(|child| child.pid).collect()
}

/// Those of some processes that descend from one, parents before their children.
pub fn descendants(processes: &[Standing], root: Pid) -> Vec<Standing> {
    let mut found: Vec<Standing> = Vec::new();
    let mut parents = vec![root];
    while !parents.is_empty() {
        let children: Vec<Standing> =
            processes.iter().filter(|process| parents.contains(&process.parent)).copied().collect();
        parents = children.iter().map(|child| child.pid).collect();
        found.extend(children);
    }
    found
}

/// The ancestors of a process among some processes, the nearest first.
pub fn ancestors(processes: &[Standing], process: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let parent_of = |pid: Pid| processes.iter().find(|process| process.pid == pid).map(|found| found.parent);
    let mut next = parent_of(process);
    while let Some(parent) = next.filter(|parent| !found.contains(parent)) {
        found.push(parent);
        next = parent_of(parent);
    }
    found
}

/// A process's command line, of which it is itself the author: so many words at most.
pub fn arguments(process: Pid, most: usize) -> Vec<OsString> {
    let line = read(process, "cmdline").unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    line.split(|byte| *byte == 0).take(most).map(|word| OsString::from_vec(word.to_vec())).collect()
}

/// The command that a process belongs to: its ancestor that is a child of the
/// session's main process, the main process itself, or the topmost one where an
/// orphan came to this process.
pub fn command_of(process: Pid, main: Pid) -> Pid {
    let broker = getpid();
    let mut at = process;
    for _ in 0..MOST_ANCESTORS {
        match parent(at) {
            _ if at == main => return main,
            Some(next) if next == main || next == broker || next.as_raw() <= 1 => return at,
            Some(next) => at = next,
            None => return at,
        }
    }
    at
}

/// A file of a process. Most are less than a page, so that one call reads them; the size
/// that the kernel tells of them is 0, from which others would feel their way.
fn read(process: Pid, name: &str) -> Option<Vec<u8>> {
    const PAGE: usize = 4096;
    let mut text = Vec::with_capacity(PAGE);
    File::open(format!("/proc/{process}/{name}")).ok()?.read_to_end(&mut text).ok()?;
    Some(text)
}

fn stat_field(process: Pid, field: usize) -> Option<u64> {
    stat(process)?.split(' ').nth(field)?.parse().ok()
}

/// What `/proc/PID/stat` says behind the name in brackets.
fn stat(process: Pid) -> Option<String> {
    let stat = read(process, "stat")?;
    // The name may be anything.
    let stat = String::from_utf8_lossy(&stat);
    Some(stat.rsplit_once(") ")?.1.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_come_after_their_parents() {
        let process = |pid, parent| Standing {
            pid: Pid::from_raw(pid),
            state: 'S',
            parent: Pid::from_raw(parent),
            group: Pid::from_raw(1),
        };
        let all = [process(9, 5), process(5, 3), process(4, 1), process(3, 2), process(6, 3), process(2, 1)];
        let found: Vec<i32> =
            descendants(&all, Pid::from_raw(2)).iter().map(|found| found.pid.as_raw()).collect();
        assert_eq!(found, [3, 5, 6, 9]);
        assert_eq!(ancestors(&all, Pid::from_raw(9)), [5, 3, 2, 1].map(Pid::from_raw));
        let in_circles = [process(4, 7), process(7, 4)];
        assert_eq!(ancestors(&in_circles, Pid::from_raw(4)), [7, 4].map(Pid::from_raw));
    }

    #[test]
    fn a_stop_that_is_to_come_is_seen() {
        let is_stopped_by = |state: &str, pending: u64, caught: u64| {
            let text = format!(
                "Name:\tx\nState:\t{state}\nSigPnd:\t0\nShdPnd:\t{pending:016x}\nSigBlk:\t0\nSigCgt:\t{caught:x}\n"
            );
            Status::new(text).is_stopped()
        };
        assert!(!is_stopped_by("S (sleeping)", 0, 0));
        assert!(is_stopped_by("T (stopped)", 0, 0));
        assert!(is_stopped_by("D (disk sleep)", 1 << 18, 1 << 18), "SIGSTOP");
        assert!(is_stopped_by("D (disk sleep)", 1 << 19, 0), "SIGTSTP");
        assert!(!is_stopped_by("D (disk sleep)", 1 << 19, 1 << 19), "SIGTSTP, which is caught");
        assert!(!is_stopped_by("D (disk sleep)", 1 << 16, 0), "SIGCHLD");
        assert!(!is_stopped(getpid()));
    }

    #[test]
    fn a_thread_may_have_any_name() {
        let named = |name: &std::ffi::CStr| {
            nix::sys::prctl::set_name(name).expect("set a name");
            let me = nix::unistd::gettid();
            (status(me).and_then(|status| status.field("Tgid").map(str::to_owned)), stat(me).is_some())
        };
        let expected = (Some(getpid().to_string()), true);
        let name_it = move || [c"\xff\xfe", c"b\xc3", c"x) R 1 1", c"\nTgid:\t1"].map(named);
        let told = std::thread::spawn(name_it).join().expect("a thread");
        assert!(told.iter().all(|told| *told == expected), "{told:?}");
    }

    #[test]
    fn this_process_stands_where_it_does() {
        let me = getpid();
        let found = Standing::all().into_iter().find(|process| process.pid == me).expect("this process");
        assert_eq!((found.parent, found.group), (nix::unistd::getppid(), nix::unistd::getpgrp()));
        assert!("RS".contains(found.state), "{found:?}");
    }
}
