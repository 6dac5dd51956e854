//! Other processes of the same user: signals, memory, environment, limits.

use std::ffi::OsString;
use std::fs;

use crate::support::attack::{Attack, report, report_io, say};
use crate::support::os::{self, addr, at, c, call};
use crate::support::process::eventually;
use crate::support::{Jail, Outsider, REFUSALS, both_modes};

pub const ATTACKS: &[Attack] = &[
    ("signals", send_signals),
    ("one-signal", send_one_signal),
    ("sigio", signal_through_owner),
    ("peek", look_inside),
    ("limits", change_limits),
    ("parent", harm_parent),
];

fn pid(args: &[OsString]) -> i64 {
    args[0].to_str().and_then(|s| s.parse().ok()).expect("a process id")
}

/// `siginfo_t` as `rt_sigqueueinfo` takes it: number, errno, code `SI_QUEUE`.
fn siginfo(signal: i32) -> [i32; 32] {
    let mut info = [0; 32];
    info[0] = signal;
    info[2] = -1;
    info
}

fn signals_to(pid: i64, signal: i32) {
    let info = siginfo(signal);
    let signal = i64::from(signal);
    report("kill", call(libc::SYS_kill, &[pid, signal]));
    report("kill group", call(libc::SYS_kill, &[-pid, signal]));
    report("tkill", call(libc::SYS_tkill, &[pid, signal]));
    report("tgkill", call(libc::SYS_tgkill, &[pid, pid, signal]));
    report("rt_sigqueueinfo", call(libc::SYS_rt_sigqueueinfo, &[pid, signal, addr(&info)]));
    report("rt_tgsigqueueinfo", call(libc::SYS_rt_tgsigqueueinfo, &[pid, pid, signal, addr(&info)]));
    let pidfd = call(libc::SYS_pidfd_open, &[pid, 0]);
    if pidfd >= 0 {
        report("pidfd_send_signal", call(libc::SYS_pidfd_send_signal, &[pidfd, signal, 0, 0]));
        report("pidfd_send_signal group", call(libc::SYS_pidfd_send_signal, &[pidfd, signal, 0, 4]));
    }
    let proc_fd = os::open(format!("/proc/{pid}"), libc::O_DIRECTORY);
    if proc_fd >= 0 {
        report("pidfd of /proc", call(libc::SYS_pidfd_send_signal, &[proc_fd, signal, 0, 0]));
    }
}

fn send_signals(args: &[OsString]) {
    for signal in [0, libc::SIGCONT, libc::SIGUSR1, libc::SIGTERM, libc::SIGKILL] {
        signals_to(pid(args), signal);
    }
}

fn send_one_signal(args: &[OsString]) {
    report("kill", call(libc::SYS_kill, &[pid(args), i64::from(libc::SIGTERM)]));
}

/// Makes the victim the owner of a pipe's events, to be told by SIGKILL.
fn signal_through_owner(args: &[OsString]) {
    let mut ends = [0_i32; 2];
    let made = call(libc::SYS_socketpair, &[1, 1, 0, std::ptr::from_mut(&mut ends) as i64]);
    assert_eq!(made, 0, "a socket pair");
    let fd = i64::from(ends[0]);
    say("F_SETOWN", &call(libc::SYS_fcntl, &[fd, libc::F_SETOWN as i64, pid(args)]).to_string());
    call(libc::SYS_fcntl, &[fd, 10, i64::from(libc::SIGKILL)]);
    call(libc::SYS_fcntl, &[fd, libc::F_SETFL as i64, i64::from(libc::O_ASYNC)]);
    let byte = c("x");
    for _ in 0..3 {
        call(libc::SYS_write, &[i64::from(ends[1]), at(&byte), 1]);
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    say("end", "of attack");
}

fn look_inside(args: &[OsString]) {
    let pid = pid(args);
    let path = |name: &str| format!("/proc/{pid}/{name}");
    report_io("environ", fs::read(path("environ")));
    report_io("mem", fs::File::open(path("mem")));
    report_io("mem write", fs::File::options().write(true).open(path("mem")));
    report_io("maps", fs::read(path("maps")));
    report_io("auxv", fs::read(path("auxv")));
    report_io("cwd", fs::read_link(path("cwd")));
    report_io("root", fs::read_dir(path("root/")));
    report_io("exe", fs::read_link(path("exe")));
    report_io("fd", fs::read_link(path("fd/0")));
    report_io("task environ", fs::read(path(&format!("task/{pid}/environ"))));
    report_io("oom_score_adj", fs::write(path("oom_score_adj"), "500"));
    report_io("coredump_filter", fs::write(path("coredump_filter"), "0"));
    report_io("comm", fs::write(path("comm"), "changed"));
    report("ptrace attach", call(libc::SYS_ptrace, &[16, pid, 0, 0]));
    report("ptrace seize", call(libc::SYS_ptrace, &[0x4206, pid, 0, 0]));
    let remote = [0x40_0000_u64, 8];
    let buffer = [0_u64; 1];
    let local = [addr(&buffer) as u64, 8];
    report(
        "process_vm_readv",
        call(libc::SYS_process_vm_readv, &[pid, addr(&local), 1, addr(&remote), 1, 0]),
    );
    report(
        "process_vm_writev",
        call(libc::SYS_process_vm_writev, &[pid, addr(&local), 1, addr(&remote), 1, 0]),
    );
    let pidfd = call(libc::SYS_pidfd_open, &[pid, 0]);
    if pidfd >= 0 {
        report("pidfd_getfd", call(libc::SYS_pidfd_getfd, &[pidfd, 0, 0]));
        report("process_madvise", call(libc::SYS_process_madvise, &[pidfd, addr(&remote), 1, 21, 0]));
        report("setns pidfd", call(libc::SYS_setns, &[pidfd, 0x2000_0000]));
    }
    let own = i64::from(std::process::id());
    report("kcmp", call(libc::SYS_kcmp, &[own, pid, 0, 0, 0]));
}

fn change_limits(args: &[OsString]) {
    let pid = pid(args);
    let limit = [64_u64, 64];
    let mask = [1_u64; 16];
    let param = [0_i32; 1];
    // struct sched_attr, SCHED_BATCH
    let attr = [48_u32, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    report("prlimit64", call(libc::SYS_prlimit64, &[pid, libc::RLIMIT_NOFILE as i64, addr(&limit), 0]));
    report("setpriority", call(libc::SYS_setpriority, &[0, pid, 19]));
    // all processes of the user: one step, for it would be everything
    let user = i64::from(nix::unistd::geteuid().as_raw());
    report("setpriority user", call(libc::SYS_setpriority, &[2, user, 1]));
    report("ioprio_set user", call(libc::SYS_ioprio_set, &[3, user, (2 << 13) | 4]));
    report("setpriority group", call(libc::SYS_setpriority, &[1, pid, 19]));
    report("sched_setaffinity", call(libc::SYS_sched_setaffinity, &[pid, 128, addr(&mask)]));
    report("sched_setscheduler", call(libc::SYS_sched_setscheduler, &[pid, 3, addr(&param)]));
    report("sched_setparam", call(libc::SYS_sched_setparam, &[pid, addr(&param)]));
    report("sched_setattr", call(libc::SYS_sched_setattr, &[pid, addr(&attr), 0]));
    report("ioprio_set", call(libc::SYS_ioprio_set, &[1, pid, (3 << 13) | 7]));
    #[cfg(target_arch = "x86_64")]
    report("migrate_pages", call(libc::SYS_migrate_pages, &[pid, 64, addr(&mask), addr(&mask)]));
}

/// The process that started this one: where a broker stays behind, the broker.
fn harm_parent(_: &[OsString]) {
    let parent = call(libc::SYS_getppid, &[]);
    for name in ["mem", "environ", "fd/0", "cwd"] {
        report_io(name, fs::File::open(format!("/proc/{parent}/{name}")));
    }
    report("ptrace", call(libc::SYS_ptrace, &[16, parent, 0, 0]));
    for signal in [libc::SIGSTOP, libc::SIGTERM, libc::SIGKILL] {
        report("kill", call(libc::SYS_kill, &[parent, i64::from(signal)]));
    }
    let limit = [3_u64, 3];
    report("prlimit64", call(libc::SYS_prlimit64, &[parent, libc::RLIMIT_NOFILE as i64, addr(&limit), 0]));
}

#[test]
fn outsiders_get_no_signal() {
    both_modes(|jail| {
        let mut outsider = Outsider::start();
        jail.attack("signals", &[outsider.pid()])
            .all_refused(&["EPERM", "ESRCH", "EACCES", "EBADF", "EINVAL"]);
        assert!(outsider.is_alive());
        jail.attack("sigio", &[outsider.pid()]).expect(0);
        assert!(outsider.is_alive());
    });
}

#[test]
fn outside_the_jail_signals_arrive() {
    let jail = Jail::new("ci");
    for attack in ["one-signal", "sigio"] {
        let mut outsider = Outsider::start();
        jail.control(attack, &[outsider.pid()]).expect(0);
        let ended = eventually(std::time::Duration::from_secs(5), || !outsider.is_alive());
        assert!(ended, "{attack} ends a process outside the jail");
    }
}

#[test]
fn outsiders_are_not_looked_into() {
    both_modes(|jail| {
        let mut outsider = Outsider::start();
        let read = |name: &str| fs::read(format!("/proc/{}/{name}", outsider.pid())).expect("read /proc");
        let names = ["comm", "oom_score_adj", "coredump_filter"];
        let before = names.map(read);
        let out = jail.attack("peek", &[outsider.pid()]);
        out.all_refused(&[REFUSALS, &["ESRCH", "EBADF"]].concat());
        assert_eq!(before, names.map(read));
        assert!(outsider.is_alive());
    });
}

#[test]
fn limits_of_outsiders_stay() {
    both_modes(|jail| {
        let outsider = Outsider::start();
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", outsider.pid())).expect("read");
        let affinity =
            |status: String| status.lines().find(|l| l.starts_with("Cpus_allowed:")).map(str::to_owned);
        // field 18 and later: priority, nice value
        let nice = |stat: String| stat.split(' ').skip(17).take(2).map(str::to_owned).collect::<Vec<_>>();
        let before = (read("limits"), affinity(read("status")), nice(read("stat")));
        jail.attack("limits", &[outsider.pid()]).all_refused(REFUSALS);
        assert_eq!(before, (read("limits"), affinity(read("status")), nice(read("stat"))));
    });
}

#[test]
fn the_launcher_is_out_of_reach() {
    both_modes(|jail| {
        let out = jail.attack::<&str>("parent", &[]);
        out.all_refused(&[REFUSALS, &["ESRCH"]].concat());
    });
}

#[test]
fn own_processes_can_be_signalled() {
    both_modes(|jail| {
        let script = "sleep 50 & kill $!; wait $!; echo $?; sleep 50 & kill -9 $!; wait $!; echo $?";
        assert_eq!(jail.run(&["bash", "-c", script]).expect(0), "143\n137\n");
    });
}
