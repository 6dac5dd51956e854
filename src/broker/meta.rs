//! Mode, owner, times and attributes: decided on the pinned file, performed on it.

use std::os::fd::AsFd;

use nix::unistd::Pid;

use super::decode::{Change, Request};
use crate::audit::{Event, Log, Verdict};
use crate::path::{self, Name, Pinned};
use crate::policy::{Effect, Policy, Verb, hint, printable};
use crate::sys::seccomp::Outcome;
use crate::sys::{Errno, file};

/// Serves one call. `is_waiting` tells whether its caller still is the one
/// that made it.
pub(super) fn perform(
    request: &Request,
    policy: &Policy,
    log: &Log,
    is_waiting: &dyn Fn() -> bool,
) -> Outcome {
    if matches!(request.change, Change::Nothing) {
        return Ok(0);
    }
    let pinned = match path::pin(request.caller, request.subject.target()) {
        Ok(pinned) => pinned,
        Err(errno) => {
            if errno == Errno::EACCES {
                let path = format!("{:?}", request.subject);
                log.record(&event(request, path, Verdict::Undecided));
            }
            return Err(errno);
        }
    };
    // What was read until now was read from the caller, and not from a later
    // process that got its number.
    if !is_waiting() {
        return Err(Errno::EINTR);
    }
    if !allowed(request, &pinned, policy, log) {
        return Err(Errno::EACCES);
    }
    act(&pinned, &request.change).map(|()| 0)
}

fn allowed(request: &Request, pinned: &Pinned, policy: &Policy, log: &Log) -> bool {
    // Nobody but those who hold it open can reach a nameless file, and the
    // caller held or opened it under Landlock's rules.
    let Name::Path(path) = pinned.name() else {
        return true;
    };
    let decision = policy.decide(path, Verb::Modify);
    // What must be kept or asked about is not served yet.
    if decision.effect == Effect::Allow {
        return true;
    }
    let rule = decision.rule.map(|id| policy.rule(id));
    let rule = rule.map(|rule| format!("{} {} ({})", rule.access, rule.pattern, rule.origin));
    let hint = hint::hint(policy, path, Verb::Modify);
    log.record(&Event { rule, hint, ..event(request, printable(path), Verdict::Refused) });
    false
}

/// What is known of a refusal without a rule.
fn event(request: &Request, path: String, verdict: Verdict) -> Event {
    let Request { caller, call, .. } = *request;
    Event {
        pid: caller.as_raw(),
        command: command(caller),
        call,
        verb: Some(Verb::Modify.name()),
        path,
        to: None,
        verdict,
        rule: None,
        hint: None,
    }
}

/// What the caller calls itself; empty where it is gone.
fn command(caller: Pid) -> String {
    let name = std::fs::read(format!("/proc/{caller}/comm")).unwrap_or_default();
    name.trim_ascii_end().escape_ascii().to_string()
}

fn act(pinned: &Pinned, change: &Change) -> Result<(), Errno> {
    let fd = pinned.as_fd();
    match change {
        Change::Mode(mode) => file::chmod(fd, *mode),
        Change::Owner(owner, group) => file::chown(fd, *owner, *group),
        Change::Times(times) => file::set_times(fd, times.as_ref()),
        Change::SetAttr { name, value, flags } => file::set_xattr(fd, name, value, *flags),
        Change::RemoveAttr(name) => file::remove_xattr(fd, name),
        Change::FileAttr(attributes) => file::set_file_attributes(fd, attributes),
        Change::Nothing => Ok(()),
    }
}
