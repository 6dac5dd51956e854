//! Policy and facts compiled into plain data: what each kernel layer and the
//! broker are to do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::facts::{Facts, Kind};
use super::report::{self, Report};
pub use super::rights::Rights;
use super::rules::{Policy, Rule};
use super::words::{serialize_path, serialize_paths};
use super::{Access, Effect, LayerKind, Network, Note, Origin, RuleId, Verb, split};

/// Who stays behind to serve what Landlock cannot decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A broker outside the jail serves the calls that the kernel's rules do not cover.
    Brokered,
    /// Nobody: what would have been brokered is refused by the kernel.
    Static,
}

/// What Landlock is told to grant beneath one path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Grant {
    /// Real path; the grant covers its whole subtree.
    #[serde(serialize_with = "serialize_path")]
    pub path: PathBuf,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// What is granted.
    pub rights: Rights,
}

/// A directory whose grant was split because something stricter lies beneath it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The directory.
    #[serde(serialize_with = "serialize_path")]
    pub path: PathBuf,
    /// What the policy gives here, and nobody grants at the directory itself.
    pub lost: Rights,
    /// Some of the entries that forced it.
    #[serde(serialize_with = "serialize_paths")]
    pub holes: Vec<OsString>,
}

/// Who enforces a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcer {
    /// Landlock and seccomp, in full.
    Kernel,
    /// Landlock for what exists at the start; new names of this kind inside
    /// scratch are decided by the broker, and not seen without one.
    KernelExisting,
    /// Landlock, and the broker for metadata calls.
    KernelAndBroker,
    /// Landlock lets it be read; every change is decided and performed by the broker.
    Broker,
    /// Refused by the kernel, since nobody is there to serve it.
    Refused,
    /// Nothing to enforce for Landlock: the path does not exist. Without a
    /// broker, making it stays refused.
    Absent,
}

/// Who enforces one rule, and why so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforcement {
    /// The rule.
    pub rule: RuleId,
    /// Who.
    pub by: Enforcer,
}

/// What a jail is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whether a broker stays behind.
    pub mode: Mode,
    /// The rules that the broker decides by.
    pub policy: Arc<Policy>,
    /// What Landlock grants, sorted by path.
    pub grants: Vec<Grant>,
    /// Sockets of others, and directories of them, that Landlock lets be
    /// connected to where it governs that (ABI 9).
    pub sockets: Vec<PathBuf>,
    /// Where grants had to be split.
    pub splits: Vec<Split>,
    /// Whether opening for reading visits the broker: somewhere a new name may
    /// be made that the policy lets be read, and Landlock does not.
    pub mediates_reads: bool,
    /// Whether the broker is also told of what the kernel refuses by itself, so
    /// that it is recorded. Nothing is allowed by it.
    pub learning: bool,
    /// Scratch directories that do not exist yet: made before the start and
    /// removed at the end if empty.
    pub make_dirs: Vec<PathBuf>,
    /// What the jail is told of refusals; none where nobody records them.
    pub report: Option<Report>,
    /// What a person should know about how it came out.
    pub notes: Vec<Note>,
}

/// Compiles a policy.
pub fn compile(mut policy: Policy, mode: Mode, facts: &dyn Facts) -> Plan {
    let mut report = report::place(&mut policy, mode);
    let make_dirs = make_dirs(&policy, facts);
    let mut facts = WithMade::new(facts, &policy, &make_dirs, None);
    let mut found = split::grants(&policy, &facts);
    if let Some(report) = &mut report {
        report.early = !report::is_granted(&report.path, &found.grants);
        if report.early {
            facts.add_file(&report.path);
            found = split::grants(&policy, &facts);
        }
    }
    let split::Grants { mut grants, splits, notes } = found;
    if mode == Mode::Brokered {
        leave_making_to_broker(&mut grants, &policy);
    }
    let unserved = if mode == Mode::Static { without_broker(&policy) } else { Vec::new() };
    let notes = policy.notes.iter().cloned().chain(notes).chain(unserved).collect();
    let sockets = policy.sockets_at_start(&facts);
    let mediates_reads = mode == Mode::Brokered && splits.iter().any(|split| hides_new_names(split, &policy));
    Plan {
        mode,
        policy: Arc::new(policy),
        grants,
        sockets,
        splits,
        mediates_reads,
        learning: false,
        make_dirs,
        report,
        notes,
    }
}

impl Plan {
    /// Lets the broker see what programs ask for and do not get: every opening, what is
    /// executed, internet sockets and connections.
    pub fn learn(&mut self) {
        self.learning = self.mode == Mode::Brokered;
        self.mediates_reads |= self.learning;
    }
}

/// Settings that mean less where nobody stays behind.
fn without_broker(policy: &Policy) -> Vec<Note> {
    let loopback = (policy.settings.network == Network::Loopback)
        .then_some("network: loopback needs the broker, so with --static it acts as none");
    let sockets = policy.names_sockets().then_some(
        "unix_sockets: without the broker only what Landlock can be told at the start may be connected to, \
         and before ABI 9 nothing",
    );
    let texts = loopback.into_iter().chain(sockets);
    texts.map(|text| Note { origin: Origin::default(), text: text.into() }).collect()
}

/// Landlock knows no names: where a rule binds names that do not exist yet
/// (`**/.git`), it must not let any be made.
fn leave_making_to_broker(grants: &mut [Grant], policy: &Policy) {
    for grant in grants.iter_mut().filter(|grant| grant.rights.make) {
        grant.rights.make = !policy.guards_below(&grant.path);
    }
}

/// Whether what is made in a split directory can be read by nobody but the broker.
fn hides_new_names(split: &Split, policy: &Policy) -> bool {
    (split.lost.read || split.lost.list) && policy.access(&split.path).create < Effect::Ask
}

/// Scratch directories that a rule of the user names and that could exist: the
/// directory above is there, no symbolic link leads to it, and it lies in the
/// workspace or the home.
fn make_dirs(policy: &Policy, facts: &dyn Facts) -> Vec<PathBuf> {
    let users = policy.layers.iter().filter(|layer| layer.kind == LayerKind::User);
    let literals = users
        .flat_map(|layer| &layer.rules)
        .filter_map(|rule| if rule.access == Access::SCRATCH { rule.pattern.literal() } else { None });
    let mut dirs: Vec<PathBuf> = literals
        .filter(|path| {
            // Most fail here, and it costs least.
            let parent = path.parent().filter(|parent| facts.kind(parent) == Some(Kind::Dir));
            let Some(parent) = parent.filter(|_| facts.kind(path).is_none()) else { return false };
            let places = &policy.places;
            let inside = [&places.workspace, &places.home].into_iter().find(|root| path.starts_with(root));
            let Some(root) = inside else { return false };
            path != root && is_plain_dir(parent, root, facts) && Rights::native(policy.access(path)).make
        })
        .collect();
    dirs.extend(growing_dirs(policy, facts));
    dirs.sort();
    dirs.dedup();
    dirs
}

/// Directories of the home that grow, with those above them that are not there either: what
/// is made in a directory that is no older than the run cannot be read again, since nobody
/// granted that.
fn growing_dirs(policy: &Policy, facts: &dyn Facts) -> Vec<PathBuf> {
    let home = &policy.places.home;
    let users = policy.layers.iter().filter(|layer| layer.kind == LayerKind::User);
    let growing = users.flat_map(|layer| &layer.rules).filter(|rule| rule.access == Access::GROWING);
    let mut dirs = Vec::new();
    for path in growing.filter_map(|rule| rule.pattern.literal()) {
        let access = policy.access(&path);
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| facts.kind(dir).is_none()).collect();
        let above = missing.last().and_then(|dir| dir.parent());
        let is_wanted = access.read == Effect::Allow && access.create == Effect::Allow;
        if is_wanted && above.is_some_and(|above| above.starts_with(home) && is_plain_dir(above, home, facts))
        {
            dirs.extend(missing.into_iter().map(Path::to_path_buf));
        }
    }
    dirs
}

fn is_plain_dir(dir: &Path, root: &Path, facts: &dyn Facts) -> bool {
    dir.ancestors().take_while(|path| path.starts_with(root)).all(|path| facts.kind(path) == Some(Kind::Dir))
}

/// The facts as they will be once the launcher has made what the plan needs.
struct WithMade<'a> {
    facts: &'a dyn Facts,
    /// Compared as text, for comparing paths is slow.
    made: BTreeMap<OsString, Kind>,
}

impl<'a> WithMade<'a> {
    fn new(
        facts: &'a dyn Facts,
        policy: &Policy,
        make_dirs: &[PathBuf],
        report: Option<&Report>,
    ) -> WithMade<'a> {
        let dirs = make_dirs.iter().cloned().chain([policy.places.tmpdir.clone()]);
        let mut with_made = WithMade { facts, made: dirs.map(|dir| (dir.into(), Kind::Dir)).collect() };
        if let Some(report) = report.filter(|report| report.early) {
            with_made.add_file(&report.path);
        }
        with_made
    }

    /// Adds a file, and the directories on the way to it.
    fn add_file(&mut self, path: &Path) {
        for dir in path.ancestors().skip(1).take_while(|dir| self.facts.kind(dir).is_none()) {
            self.made.insert(dir.into(), Kind::Dir);
        }
        self.made.insert(path.into(), Kind::File);
    }
}

impl Facts for WithMade<'_> {
    fn kind(&self, path: &Path) -> Option<Kind> {
        self.made.get(path.as_os_str()).copied().or_else(|| self.facts.kind(path))
    }

    fn list(&self, dir: &Path) -> Option<Vec<(OsString, Kind)>> {
        let mut entries =
            if self.made.contains_key(dir.as_os_str()) { Vec::new() } else { self.facts.list(dir)? };
        let made = self.made.iter().map(|(path, kind)| (Path::new(path), kind));
        for (path, kind) in made.filter(|(path, _)| path.parent() == Some(dir)) {
            if let Some(name) = path.file_name() {
                entries.push((name.to_os_string(), *kind));
            }
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Some(entries)
    }

    fn read_link(&self, path: &Path) -> Option<PathBuf> {
        self.facts.read_link(path)
    }

    fn read_small(&self, path: &Path) -> Option<Vec<u8>> {
        self.facts.read_small(path)
    }
}

/// Every rule with its enforcer, in the policy's order.
pub fn enforcement(plan: &Plan, facts: &dyn Facts) -> Vec<Enforcement> {
    let facts = WithMade::new(facts, &plan.policy, &plan.make_dirs, plan.report.as_ref());
    let mut all = Vec::new();
    for (layer, rules) in plan.policy.layers.iter().map(|layer| &layer.rules).enumerate() {
        for (index, rule) in rules.iter().enumerate() {
            all.push(Enforcement { rule: RuleId { layer, index }, by: enforcer(rule, plan.mode, &facts) });
        }
    }
    all
}

fn enforcer(rule: &Rule, mode: Mode, facts: &dyn Facts) -> Enforcer {
    let literal = rule.pattern.literal();
    if literal.as_ref().is_some_and(|path| facts.kind(path).is_none()) {
        return Enforcer::Absent;
    }
    let native = Rights::native(rule.access);
    let changes = [Verb::Create, Verb::Modify, Verb::Remove];
    let any_change = changes.iter().any(|verb| rule.access.effect(*verb) != Effect::Deny);
    if any_change && !native.make && !native.write {
        match mode {
            Mode::Brokered => Enforcer::Broker,
            Mode::Static => Enforcer::Refused,
        }
    } else if native.write {
        match mode {
            Mode::Brokered => Enforcer::KernelAndBroker,
            Mode::Static => Enforcer::Kernel,
        }
    } else if literal.is_none() {
        Enforcer::KernelExisting
    } else {
        Enforcer::Kernel
    }
}
