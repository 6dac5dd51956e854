//! Why: decisions and plans in words, and as JSON.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::facts::Facts;
use super::plan::{Enforcement, Enforcer, Grant, Mode, Plan, Split, enforcement};
use super::rules::{Policy, Rule};
use super::words::{printable, serialize_path, serialize_paths};
use super::{Effect, LayerKind, Note, Origin, Places, RuleId, Settings, Verb};

/// A decision and what led to it.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The path, made printable.
    pub path: String,
    /// The verb.
    pub verb: &'static str,
    /// What happens.
    pub effect: &'static str,
    /// The rule, or none where no rule matches and the default holds.
    pub rule: Option<RuleInWords>,
    /// What follows from the effect at present, where that is not plain.
    pub remark: Option<&'static str>,
}

/// A rule as people read it.
#[derive(Debug, Clone, Serialize)]
pub struct RuleInWords {
    /// Its pattern, expanded.
    pub pattern: String,
    /// Its access.
    pub access: String,
    /// Why it is there.
    pub why: Arc<str>,
    /// Where it was written.
    pub origin: Origin,
    /// Whose layer it is in.
    pub layer: LayerKind,
}

impl RuleInWords {
    fn new(policy: &Policy, id: RuleId) -> RuleInWords {
        let Rule { pattern, access, why, origin, .. } = policy.rule(id);
        RuleInWords {
            pattern: pattern.to_string(),
            access: access.to_string(),
            why: why.clone(),
            origin: origin.clone(),
            layer: policy.layers[id.layer].kind,
        }
    }
}

/// Explains the decision about a path, which must be absolute and real, and a verb.
pub fn why(policy: &Policy, path: &Path, verb: Verb) -> Explanation {
    let decision = policy.decide(path, verb);
    Explanation {
        path: printable(path),
        verb: verb.name(),
        effect: decision.effect.name(),
        rule: decision.rule.map(|id| RuleInWords::new(policy, id)),
        remark: match decision.effect {
            Effect::Keep => Some("what is lost by it is saved first, and `stockade undo` brings it back"),
            Effect::Ask => Some("refused, unless a person says yes"),
            Effect::Allow | Effect::Deny => None,
        },
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}: {}", self.verb, self.path, self.effect)?;
        if let Some(remark) = self.remark {
            writeln!(f, "  note  {remark}")?;
        }
        match &self.rule {
            None => writeln!(f, "  rule  none matches, and what no rule names is hidden"),
            Some(rule) => {
                writeln!(f, "  rule  {} {}", rule.access, rule.pattern)?;
                writeln!(f, "  from  {}", rule.origin)?;
                if !rule.why.is_empty() {
                    writeln!(f, "  why   {}", rule.why)?;
                }
                Ok(())
            }
        }
    }
}

/// A plan as JSON.
#[derive(Debug, Serialize)]
pub struct PlanDocument<'a> {
    mode: Mode,
    #[serde(serialize_with = "serialize_path")]
    workspace: &'a Path,
    #[serde(serialize_with = "serialize_path")]
    home: &'a Path,
    rules: Vec<EnforcedRule>,
    grants: &'a [Grant],
    splits: &'a [Split],
    mediates_reads: bool,
    #[serde(serialize_with = "serialize_paths")]
    make_dirs: &'a [PathBuf],
    settings: &'a Settings,
    unix_socket_rules: Vec<SocketRule>,
    notes: &'a [Note],
}

/// A rule about sockets of others.
#[derive(Debug, Serialize)]
struct SocketRule {
    pattern: String,
    origin: Origin,
}

/// A rule and who enforces it.
#[derive(Debug, Serialize)]
struct EnforcedRule {
    #[serde(flatten)]
    rule: RuleInWords,
    enforced_by: Enforcer,
    means: &'static str,
}

/// The plan as a value that can be written as JSON.
pub fn plan_json<'a>(plan: &'a Plan, facts: &dyn Facts) -> PlanDocument<'a> {
    let enforcement = enforcement(plan, facts);
    let rules = enforcement.iter().map(|enforcement| EnforcedRule {
        rule: RuleInWords::new(&plan.policy, enforcement.rule),
        enforced_by: enforcement.by,
        means: meaning(enforcement.by, plan.mode),
    });
    let socket_rules = plan.policy.socket_rules().map(|Rule { pattern, origin, .. }| SocketRule {
        pattern: pattern.to_string(),
        origin: origin.clone(),
    });
    let Places { workspace, home, .. } = &plan.policy.places;
    PlanDocument {
        mode: plan.mode,
        workspace,
        home,
        rules: rules.collect(),
        grants: &plan.grants,
        splits: &plan.splits,
        mediates_reads: plan.mediates_reads,
        make_dirs: &plan.make_dirs,
        settings: &plan.policy.settings,
        unix_socket_rules: socket_rules.collect(),
        notes: &plan.notes,
    }
}

/// The plan as a person reads it.
pub fn plan_text(plan: &Plan, facts: &dyn Facts) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_plan(&mut text, plan, &enforcement(plan, facts));
    text
}

fn write_plan(out: &mut String, plan: &Plan, enforcement: &[Enforcement]) -> fmt::Result {
    let Places { workspace, home, .. } = &plan.policy.places;
    let mode = match plan.mode {
        Mode::Brokered => "brokered",
        Mode::Static => "static",
    };
    writeln!(out, "workspace  {}\nhome       {}\nmode       {mode}", printable(workspace), printable(home))?;
    write_settings(out, &plan.policy)?;
    for (by, title) in SECTIONS {
        write_section(out, plan, enforcement, by, title)?;
    }
    let absent = enforcement.iter().filter(|enforcement| enforcement.by == Enforcer::Absent).count();
    let making = match plan.mode {
        Mode::Brokered => "making it is decided by the broker",
        Mode::Static => "making it stays refused",
    };
    writeln!(out, "\n{absent} more rules name what does not exist; {making}.")?;
    if !plan.splits.is_empty() {
        writeln!(out, "\nSomething stricter lies in these directories, so they are granted entry by entry:")?;
    }
    for Split { path, lost, holes } in &plan.splits {
        let names: Vec<String> = holes.iter().map(|name| printable(Path::new(name))).collect();
        let rights: Vec<&str> = lost.names().collect();
        writeln!(out, "  {}  not itself: {} (for {})", printable(path), rights.join(", "), names.join(", "))?;
    }
    if plan.mediates_reads {
        writeln!(
            out,
            "\nOpening for reading visits the broker too, for what is made beside something hidden."
        )?;
    }
    for dir in &plan.make_dirs {
        writeln!(out, "\nmade for the run, removed if empty: {}", printable(dir))?;
    }
    for note in &plan.notes {
        writeln!(out, "\nnote: {}", note.text)?;
    }
    Ok(())
}

const SECTIONS: [(Enforcer, &str); 5] = [
    (Enforcer::Kernel, "Enforced by the kernel:"),
    (
        Enforcer::KernelAndBroker,
        "Changed natively; chmod, chown, utime and xattr are performed by the broker:",
    ),
    (Enforcer::KernelExisting, "Enforced by the kernel for what exists, by the broker for new names:"),
    (Enforcer::Broker, "Read natively; every change is decided and performed by the broker:"),
    (Enforcer::Refused, "Changes are refused, since without a broker nobody serves them:"),
];

fn meaning(by: Enforcer, mode: Mode) -> &'static str {
    match (by, mode) {
        (Enforcer::Kernel, Mode::Static) => "enforced by Landlock and seccomp; metadata calls are refused",
        (Enforcer::Kernel, Mode::Brokered) => "enforced by Landlock and seccomp",
        (Enforcer::KernelExisting, Mode::Static) => {
            "enforced by Landlock for what exists at the start; a new name inside scratch is not seen"
        }
        (Enforcer::KernelExisting, Mode::Brokered) => {
            "enforced by Landlock for what exists at the start, and by the broker for new names"
        }
        (Enforcer::KernelAndBroker, _) => {
            "enforced by Landlock; metadata calls are decided and performed by the broker"
        }
        (Enforcer::Broker, _) => {
            "reading is granted by Landlock; every change is decided and performed by the broker"
        }
        (Enforcer::Refused, _) => {
            "reading is granted by Landlock; changes are refused, since without a broker nobody serves them"
        }
        (Enforcer::Absent, Mode::Static) => "does not exist, so nothing is granted; making it stays refused",
        (Enforcer::Absent, Mode::Brokered) => "does not exist; making it is decided by the broker",
    }
}

fn write_settings(out: &mut String, policy: &Policy) -> fmt::Result {
    let settings = &policy.settings;
    let name = |value: &dyn fmt::Debug| format!("{value:?}").to_lowercase();
    writeln!(out, "network    {}", name(&settings.network))?;
    let named: String = policy.socket_rules().map(|rule| format!(", {}", rule.pattern)).collect();
    writeln!(out, "sockets    {}{named}", name(&settings.unix_sockets))?;
    writeln!(out, "git        {}", name(&settings.git))
}

fn write_section(
    out: &mut String,
    plan: &Plan,
    enforcement: &[Enforcement],
    by: Enforcer,
    title: &str,
) -> fmt::Result {
    let ids: Vec<RuleId> =
        enforcement.iter().filter(|enforcement| enforcement.by == by).map(|found| found.rule).collect();
    if ids.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    let mut last_why = "";
    for id in ids {
        let rule = plan.policy.rule(id);
        let access = rule.access.to_string();
        let why = if *rule.why == *last_why { "" } else { &*rule.why };
        last_why = &rule.why;
        let line = format!("  {access:8} {:38} {why}", rule.pattern.to_string());
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
