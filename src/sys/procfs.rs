//! What procfs says of processes. None where it says nothing: the process is gone,
//! or may not be looked at.

use std::ffi::OsString;
use std::fs;
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
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    group.trim().parse().ok().map(Pid::from_raw)
}

/// The parent of a process.
pub fn parent(process: Pid) -> Option<Pid> {
    stat_field(process, PARENT).and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw)
}

/// When a process began, in clock ticks since the machine did.
pub fn start_time(process: Pid) -> Option<u64> {
    stat_field(process, START_TIME)
}

/// A process's command line, of which it is itself the author: so many words at most.
pub fn arguments(process: Pid, most: usize) -> Vec<OsString> {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
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

fn stat_field(process: Pid, field: usize) -> Option<u64> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    // The name may be anything.
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit_once(") ")?.1.split(' ').nth(field)?.parse().ok()
}
