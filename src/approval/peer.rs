//! Who may answer: no process of a jail, and nobody whom one controls.

use nix::unistd::{Pid, Uid};
use thiserror::Error;

use crate::sys::procfs;

/// How many ancestors are looked at.
const MOST_ANCESTORS: usize = 1024;

/// Why somebody may not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Another user.
    #[error("it belongs to another user")]
    Stranger,
    /// It is in the jail, or was started from there.
    #[error("it runs in the jail")]
    Jailed,
    /// It runs under more seccomp filters than the broker does, as jails do.
    #[error("it runs under a seccomp filter")]
    Filtered,
    /// A process that may not answer itself traces it.
    #[error("another process controls it that may not answer")]
    Traced,
    /// It is gone, or nothing can be learned of it.
    #[error("nothing can be learned of it")]
    Unknown,
}

/// What is known of a process (`proc_pid_status(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Whose it is (the effective user).
    pub user: Uid,
    /// Its parent; 0 where it has none that can be seen.
    pub parent: Pid,
    /// How many seccomp filters it runs under.
    pub filters: u32,
    /// Who traces it, if anybody does.
    pub tracer: Option<Pid>,
}

impl Status {
    /// Reads what procfs says of a process.
    pub fn of(process: Pid) -> Option<Status> {
        Status::parse(&procfs::status(process)?)
    }

    fn parse(status: &procfs::Status) -> Option<Status> {
        let field = |name: &str| status.field(name).map(str::split_whitespace);
        let number = |name: &str| field(name)?.next()?.parse::<i32>().ok();
        let user = field("Uid")?.nth(1)?.parse().ok()?;
        // The number of filters is told since Linux 5.9.
        let is_filtered = number("Seccomp").is_some_and(|mode| mode != 0);
        let filters = number("Seccomp_filters").and_then(|count| u32::try_from(count).ok());
        Some(Status {
            user: Uid::from_raw(user),
            parent: Pid::from_raw(number("PPid")?),
            filters: filters.unwrap_or(u32::from(is_filtered)),
            tracer: number("TracerPid").filter(|tracer| *tracer != 0).map(Pid::from_raw),
        })
    }
}

/// Whether a process may answer what the jail of `broker` asks. `look` tells
/// about processes.
pub fn check(peer: Pid, broker: Pid, look: &dyn Fn(Pid) -> Option<Status>) -> Result<(), Unfit> {
    let own = look(broker).ok_or(Unfit::Unknown)?;
    let mut tracers = vec![peer];
    let mut seen = Vec::new();
    while let Some(process) = tracers.pop() {
        if seen.contains(&process) {
            continue;
        }
        seen.push(process);
        let checked = check_one(process, broker, &own, look);
        let status = match checked {
            Err(_) if process != peer => return Err(Unfit::Traced),
            other => other?,
        };
        tracers.extend(status.tracer);
    }
    Ok(())
}

fn check_one(
    process: Pid,
    broker: Pid,
    own: &Status,
    look: &dyn Fn(Pid) -> Option<Status>,
) -> Result<Status, Unfit> {
    let status = look(process).ok_or(Unfit::Unknown)?;
    if status.user != own.user && !status.user.is_root() {
        return Err(Unfit::Stranger);
    }
    if status.filters > own.filters {
        return Err(Unfit::Filtered);
    }
    let mut ancestor = status.parent;
    for _ in 0..MOST_ANCESTORS {
        // Everything that descends from the broker is the jail's.
        if ancestor == broker {
            return Err(Unfit::Jailed);
        }
        if ancestor.as_raw() <= 1 {
            return Ok(status);
        }
        ancestor = look(ancestor).ok_or(Unfit::Unknown)?.parent;
    }
    Err(Unfit::Unknown)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// The broker is 100, with the jail 101 and 102 beneath it; 50 is a shell, 51
    /// and 52 run in it.
    fn check_of(peer: i32, change: impl FnOnce(&mut HashMap<i32, Status>)) -> Result<(), Unfit> {
        let user = Uid::from_raw(1000);
        let plain = |parent| Status { user, parent: Pid::from_raw(parent), filters: 1, tracer: None };
        let mut processes: HashMap<i32, Status> =
            [(50, 1), (51, 50), (52, 50), (100, 50), (101, 100), (102, 101)]
                .map(|(pid, parent)| (pid, plain(parent)))
                .into();
        change(&mut processes);
        check(Pid::from_raw(peer), Pid::from_raw(100), &|pid| processes.get(&pid.as_raw()).copied())
    }

    #[test]
    fn who_is_beside_the_jail_may_answer() {
        assert_eq!(check_of(51, |_| {}), Ok(()));
        let root = |all: &mut HashMap<i32, Status>| all.get_mut(&51).unwrap().user = Uid::from_raw(0);
        assert_eq!(check_of(51, root), Ok(()), "root can do everything anyway");
    }

    #[test]
    fn the_jail_and_whom_it_controls_may_not() {
        assert_eq!(check_of(101, |_| {}), Err(Unfit::Jailed));
        assert_eq!(check_of(102, |_| {}), Err(Unfit::Jailed));
        assert_eq!(check_of(7, |_| {}), Err(Unfit::Unknown));
        let more = |all: &mut HashMap<i32, Status>| all.get_mut(&51).unwrap().filters = 2;
        assert_eq!(check_of(51, more), Err(Unfit::Filtered));
        let other = |all: &mut HashMap<i32, Status>| all.get_mut(&51).unwrap().user = Uid::from_raw(1001);
        assert_eq!(check_of(51, other), Err(Unfit::Stranger));
        let traced = |by: i32| {
            move |all: &mut HashMap<i32, Status>| all.get_mut(&51).unwrap().tracer = Some(Pid::from_raw(by))
        };
        assert_eq!(check_of(51, traced(52)), Ok(()), "by a debugger of the user");
        assert_eq!(check_of(51, traced(102)), Err(Unfit::Traced));
        let at_last = |all: &mut HashMap<i32, Status>| {
            all.get_mut(&51).unwrap().tracer = Some(Pid::from_raw(52));
            all.get_mut(&52).unwrap().tracer = Some(Pid::from_raw(101));
        };
        assert_eq!(check_of(51, at_last), Err(Unfit::Traced));
        let in_circles = |all: &mut HashMap<i32, Status>| {
            all.get_mut(&51).unwrap().tracer = Some(Pid::from_raw(52));
            all.get_mut(&52).unwrap().tracer = Some(Pid::from_raw(51));
        };
        assert_eq!(check_of(51, in_circles), Ok(()));
    }

    #[test]
    fn procfs_is_understood() {
        let status = Status::of(nix::unistd::getpid()).expect("this process");
        assert_eq!((status.user, status.parent), (Uid::effective(), nix::unistd::getppid()));
        let text = "Name:\tx\nPPid:\t7\nTracerPid:\t9\nUid:\t1\t2\t3\t4\nSeccomp:\t2\n";
        let expected = Status {
            user: Uid::from_raw(2),
            parent: Pid::from_raw(7),
            filters: 1,
            tracer: Some(Pid::from_raw(9)),
        };
        assert_eq!(Status::parse(&procfs::Status::new(text)), Some(expected));
        assert_eq!(Status::parse(&procfs::Status::new("Name:\tx\n")), None);
    }
}
