//! Where a person may be asked in a run.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::{always, setup};
use crate::approval::notify::Notice;
use crate::approval::server::Shown;
use crate::broker::Channels;
use crate::policy::plan::Plan;
use crate::policy::{Channel, Policy, Verb};
use crate::sys::with_causes;

/// What shows notifications on a desktop (Desktop Notifications Specification).
const NOTIFIER: &str = "/usr/bin/notify-send";

/// The channels of a run. A terminal that the command does not use is not its own.
pub(super) fn channels(plan: &Plan, session: &str) -> Result<Channels, CliError> {
    let approvals = &plan.policy.settings.approvals;
    let hooks = hook(&plan.policy, &approvals.notify)?;
    if !plan.policy.asks() || approvals.channels.is_empty() || std::env::var_os("CI").is_some() {
        return Ok(Channels::default());
    }
    let wants = |channel| approvals.channels.contains(&channel);
    let places = &plan.policy.places;
    let has_terminal = stdin().is_terminal() || stdout().is_terminal() || stderr().is_terminal();
    let desktop = wants(Channel::Desktop).then(desktop).flatten();
    let commands: Vec<Vec<OsString>> = hooks.into_iter().chain(desktop).collect();
    let notice = (!commands.is_empty() && wants(Channel::Approve)).then(|| Notice {
        commands,
        session: session.to_string(),
        workspace: places.workspace.clone(),
    });
    Ok(Channels {
        sockets: wants(Channel::Approve).then(|| setup::approvals_dir(&places.home)),
        terminal: (wants(Channel::Terminal) && has_terminal).then_some(remember),
        notice,
    })
}

fn remember(question: &Shown) -> Result<(), String> {
    always::remember(question).map_err(|error| with_causes(&error))
}

/// The user's own program that tells of questions. It runs outside the jail, so no
/// jail may be able to change it.
fn hook(policy: &Policy, words: &[String]) -> Result<Option<Vec<OsString>>, CliError> {
    let Some((program, args)) = words.split_first() else { return Ok(None) };
    let refused = |why: &'static str| CliError::Notify(program.clone(), why);
    let path = match program.strip_prefix("~/") {
        Some(rest) => policy.places.home.join(rest),
        None => PathBuf::from(program),
    };
    if !path.is_absolute() {
        return Err(refused("it needs an absolute path"));
    }
    let real = path.canonicalize().map_err(|_| refused("it cannot be found"))?;
    if !is_out_of_reach(policy, &path) || !is_out_of_reach(policy, &real) {
        return Err(refused("it could be changed in the jail"));
    }
    Ok(Some(std::iter::once(path.into_os_string()).chain(args.iter().map(OsString::from)).collect()))
}

/// Whether the jail can change neither a file nor a directory above it.
fn is_out_of_reach(policy: &Policy, path: &Path) -> bool {
    let is_refused = |path: &Path, verb| policy.access(path).effect(verb).is_refusal();
    path.ancestors().all(|path| [Verb::Modify, Verb::Remove].into_iter().all(|verb| is_refused(path, verb)))
}

/// Shows a notification, where there is a desktop.
fn desktop() -> Option<Vec<OsString>> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let bus = variable("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("bus"));
    let has_bus = variable("DBUS_SESSION_BUS_ADDRESS").is_some() || bus.is_some_and(|bus| bus.exists());
    let has_screen = variable("DISPLAY").is_some() || variable("WAYLAND_DISPLAY").is_some();
    let words = [
        NOTIFIER,
        "--app-name=Stockade",
        "--urgency=critical",
        "A jail waits for your yes",
        "Answer it with: stockade approve",
    ];
    (has_bus && has_screen && Path::new(NOTIFIER).exists()).then(|| words.map(OsString::from).to_vec())
}
