//! `stockade doctor`: what this machine's kernel supports, tried out rather
//! than guessed, and what to do about the rest.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::args::{AgentFlags, DoctorArgs, JailArgs, TriedMode};
use super::error::CliError;
use super::{print, print_json, run, setup};
use crate::landlock;
use crate::launch::{self, Request};
use crate::sys::{socket, with_causes};

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// As it should be.
    Good,
    /// Works, with less.
    Limited,
    /// Does not work.
    Bad,
}

/// One line of the report.
#[derive(Debug, Serialize, Deserialize)]
struct Check {
    name: String,
    status: Status,
    /// What was found.
    found: String,
    /// What follows from it, or what to do; empty where nothing does.
    advice: String,
}

impl Check {
    fn new(name: &str, status: Status, found: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name: name.into(), status, found: found.into(), advice: advice.into() }
    }
}

/// Prints the report. Status 0 where at least one mode works, else 1.
pub(super) fn main(args: &DoctorArgs) -> Result<u8, CliError> {
    if args.inside {
        return Ok(0);
    }
    if let Some(mode) = args.try_mode {
        return print_json(&tried(mode)).map(|()| 0);
    }
    let checks = [
        kernel(),
        landlock_abi(),
        user_notification(),
        sockets(),
        yama(),
        outer_seccomp(),
        container(),
        apart(TriedMode::Brokered),
        apart(TriedMode::Static),
    ];
    if args.json {
        print_json(&checks)?;
    } else {
        print(&text(&checks))?;
    }
    let works = checks.iter().rev().take(2).any(|check| check.status != Status::Bad);
    Ok(if works { 0 } else { 1 })
}

fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let mark = match check.status {
            Status::Good => "good   ",
            Status::Limited => "limited",
            Status::Bad => "BAD    ",
        };
        text.push_str(&format!("{mark}  {:width$}  {}\n", check.name, check.found));
        for line in check.advice.lines() {
            text.push_str(&format!("{:9}{:width$}  {line}\n", "", ""));
        }
    }
    text
}

fn kernel() -> Check {
    let release = read("/proc/sys/kernel/osrelease");
    Check::new("kernel", Status::Good, format!("Linux {release} on {}", std::env::consts::ARCH), "")
}

fn landlock_abi() -> Check {
    let abi = landlock::abi();
    if abi == 0 {
        let advice = "Without Landlock nothing can be enforced. It needs Linux 5.13 or later, built with it, \
                      and `landlock` in the list of the kernel parameter lsm=.";
        return Check::new("Landlock", Status::Bad, "not supported", advice);
    }
    let lost: Vec<String> = landlock::rights::shortfalls(abi).map(|loss| loss.to_string()).collect();
    let status = if lost.is_empty() { Status::Good } else { Status::Limited };
    Check::new("Landlock", status, format!("ABI {abi}"), lost.join("\n"))
}

fn user_notification() -> Check {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail");
    if actions.split_whitespace().any(|action| action == "user_notif") {
        Check::new("seccomp", Status::Good, "filters and user notification", "")
    } else if actions.is_empty() {
        Check::new("seccomp", Status::Bad, "not supported", "The kernel needs CONFIG_SECCOMP_FILTER.")
    } else {
        Check::new(
            "seccomp",
            Status::Limited,
            "filters only",
            "Use --static: a broker needs Linux 5.0 or later.",
        )
    }
}

/// What the broker needs to decide about sockets.
fn sockets() -> Check {
    let limited = |found: &str, advice: &str| Check::new("sockets", Status::Limited, found, advice);
    if !socket::can_take_descriptors() {
        return limited(
            "pidfd_getfd is forbidden",
            "Below Landlock ABI 9 all Unix sockets but pairs are refused, and network: loopback acts as none. \
             Docker allows it with --cap-add SYS_PTRACE.",
        );
    }
    if !socket::can_tell_files() {
        return limited(
            "the kernel does not tell which file a Unix socket is bound to",
            "The jail may bind sockets below Landlock ABI 9 and not connect to them. The kernel needs \
             CONFIG_UNIX_DIAG.",
        );
    }
    Check::new("sockets", Status::Good, "can be served", "")
}

fn yama() -> Check {
    let scope = read("/proc/sys/kernel/yama/ptrace_scope");
    match scope.as_str() {
        "" => Check::new("Yama", Status::Good, "not in use", ""),
        "0" | "1" => Check::new("Yama", Status::Good, format!("ptrace_scope {scope}"), ""),
        _ => Check::new(
            "Yama",
            Status::Limited,
            format!("ptrace_scope {scope}"),
            "The broker may not look into the jail. Use --static, or set kernel.yama.ptrace_scope to 1.",
        ),
    }
}

/// Whether Stockade itself runs under somebody's seccomp filter.
fn outer_seccomp() -> Check {
    let status = read("/proc/self/status");
    let filtered = status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]));
    if filtered {
        let advice = "A filter of this container or session is in force as well; whether it leaves room for a \
                      jail is shown below.";
        Check::new("outer filter", Status::Good, "present", advice)
    } else {
        Check::new("outer filter", Status::Good, "none", "")
    }
}

fn container() -> Check {
    let marks = ["/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"];
    let found = marks.iter().find(|mark| Path::new(mark).exists());
    Check::new(
        "container",
        Status::Good,
        found.map_or("none seen".into(), |mark| format!("{mark} exists")),
        "",
    )
}

/// Tries a mode in a process of its own, for starting a jail takes the
/// capabilities that the next one needs.
fn apart(mode: TriedMode) -> Check {
    let failed = |found: String| Check::new(name_of(mode), Status::Bad, found, "");
    let output = std::env::current_exe().and_then(|program| {
        let mode = if mode == TriedMode::Static { "static" } else { "brokered" };
        Command::new(program)
            .args(["doctor", "--try", mode])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
    });
    match output {
        Ok(output) => serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| failed(format!("trying it ended with {}", output.status))),
        Err(error) => failed(format!("cannot be tried: {error}")),
    }
}

fn name_of(mode: TriedMode) -> &'static str {
    match mode {
        TriedMode::Brokered => "brokered mode",
        TriedMode::Static => "static mode",
    }
}

/// Builds a jail that can change nothing and runs this very program in it.
fn tried(mode: TriedMode) -> Check {
    let name = name_of(mode);
    match try_mode(mode == TriedMode::Static) {
        Ok(0) => Check::new(name, Status::Good, "works", ""),
        Ok(status) => Check::new(name, Status::Bad, format!("the jailed command ended with {status}"), ""),
        Err(error) => Check::new(name, Status::Bad, with_causes(&error), error.hint().unwrap_or("")),
    }
}

fn try_mode(static_mode: bool) -> Result<u8, CliError> {
    let program = std::env::current_exe().map_err(CliError::CurrentDirectory)?;
    let mut read_itself = OsString::from("read=");
    read_itself.push(&program);
    let jail = JailArgs {
        profile: Some("readonly".into()),
        workspace: Some(Path::new("/usr").into()),
        allow: vec![read_itself],
        static_mode,
        agent: Some("none".into()),
        agent_flags: AgentFlags::Keep,
        only_reads: false,
    };
    let plan = setup::plan(&jail, &[], None)?.plan;
    let argv = [program.into_os_string(), "doctor".into(), "--inside".into()];
    let records = run::records(&plan, &argv, None)?;
    Ok(launch::run(Request { plan: &plan, argv: &argv, best_effort: true, records })?.status)
}

/// A small file of the kernel's, trimmed; empty where there is none.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_string()
}
