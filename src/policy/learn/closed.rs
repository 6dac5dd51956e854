//! What is never suggested, and why; and what is known of toolchains.

use std::path::{Path, PathBuf};

use crate::policy::facts::{Facts, Kind};
use crate::policy::rules::{Force, Layer, Policy, Rule};
use crate::policy::walk::LayerWalk;
use crate::policy::{Access, Effect, LayerKind, Places, Verb, builtin, merge, printable};

/// Built-in profiles that say what is secret, or runs outside later, by name.
const GUARDS: [&str; 3] = ["base", "workspace/guards", "workspace/secrets"];
/// Those that say what toolchains need.
const TOOLCHAINS: [&str; 7] = [
    "toolchains/rust",
    "toolchains/node",
    "toolchains/python",
    "toolchains/go",
    "toolchains/java",
    "toolchains/ruby",
    "toolchains/c",
];

/// In the home: runs outside the jail later, or says what runs.
const RUN_LATER: [&str; 39] = [
    ".bash_aliases",
    ".bash_login",
    ".bash_logout",
    ".bash_profile",
    ".bashrc",
    ".bin",
    ".config/autostart",
    ".config/environment.d",
    ".config/fish",
    ".config/git",
    ".config/nvim",
    ".config/stockade",
    ".config/systemd",
    ".config/user-dirs.dirs",
    ".direnvrc",
    ".emacs",
    ".emacs.d",
    ".gdbinit",
    ".gitconfig",
    ".inputrc",
    ".local/bin",
    ".local/share/applications",
    ".local/share/systemd",
    ".login",
    ".pam_environment",
    ".profile",
    ".pythonrc",
    ".tmux.conf",
    ".vim",
    ".vimrc",
    ".xinitrc",
    ".xprofile",
    ".xsession",
    ".zlogin",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    "bin",
    "go/bin",
];
/// Where a program of the user has nothing to change.
const SYSTEM: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/nix", "/opt", "/proc", "/run", "/sbin", "/sys",
    "/usr", "/var",
];
/// What is somebody else's, or full of secrets, to read as well.
const NOT_READ: [&str; 14] = [
    "/boot",
    "/dev",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/home",
    "/proc",
    "/root",
    "/run",
];
/// Words in the names of secrets.
const SECRET_WORDS: [&str; 7] =
    ["secret", "token", "password", "passwd", "passphrase", "credential", "apikey"];

/// What is kept closed whatever a profile leaves open.
pub(super) struct Closed {
    guards: Layer,
    toolchains: Layer,
    /// Where rules were written that were learnt before.
    learnt: String,
}

impl Closed {
    pub(super) fn new(places: &Places, learnt: &str) -> Closed {
        let mut guards = Vec::new();
        for name in GUARDS {
            // The base's other rules open what every program needs.
            guards.extend(rules(name, places, name == "base"));
        }
        let toolchains = TOOLCHAINS.into_iter().flat_map(|name| rules(name, places, false)).collect();
        let layer = |rules| Layer::new(LayerKind::User, Access::SCRATCH, rules);
        Closed { guards: layer(guards), toolchains: layer(toolchains), learnt: learnt.to_string() }
    }

    /// Why a verb at a path is not suggested; none where it may be.
    pub(super) fn why(&self, policy: &Policy, path: &Path, verb: Verb, facts: &dyn Facts) -> Option<String> {
        let decision = policy.decide(path, verb);
        if decision.effect == Effect::Ask {
            return Some("a person is asked about it: `stockade approve` answers".into());
        }
        // A floor may name the path although it is another verb that it refuses.
        let decisions = Verb::ALL.into_iter().map(|other| policy.decide(path, other));
        let mut rules = [decision].into_iter().chain(decisions).filter_map(|decision| decision.rule);
        if let Some(id) = rules.find(|id| !self.is_learnt(policy.rule(*id))) {
            return Some(by_rule(policy.layers[id.layer].kind, policy.rule(id)));
        }
        self.by_name(&policy.places, path, verb).or_else(|| self.beneath(policy, path, verb, facts))
    }

    /// The same by the path alone, whatever the profile in force says.
    pub(super) fn by_name(&self, places: &Places, path: &Path, verb: Verb) -> Option<String> {
        if let Some(why) = refusal(&self.guards, path, verb) {
            return Some(format!("the built-in profiles keep it closed: {why}"));
        }
        if let Some(why) = refusal(&self.toolchains, path, verb) {
            return Some(format!("it is only for reading: {why}"));
        }
        by_place(places, path, verb).map(Into::into)
    }

    /// Whether the toolchains' profiles name this very path.
    pub(super) fn is_known(&self, path: &Path) -> bool {
        self.toolchains.rules.iter().any(|rule| rule.pattern.literal().as_deref() == Some(path))
    }

    fn is_learnt(&self, rule: &Rule) -> bool {
        *rule.origin.source == *self.learnt
    }

    /// What is named beneath a directory and stays closed.
    fn beneath(&self, policy: &Policy, dir: &Path, verb: Verb, facts: &dyn Facts) -> Option<String> {
        if !matches!(facts.kind(dir), Some(Kind::Dir) | None) {
            return None;
        }
        let user = policy.layers.iter().flat_map(|layer| &layer.rules);
        let user = user.filter(|rule| !self.is_learnt(rule));
        let rules = self.guards.rules.iter().chain(user);
        let is_closed = |rule: &&Rule| rule.force == Force::Final || rule.access.effect(verb) > Effect::Keep;
        let stricter = rules.filter(is_closed);
        let mut named = stricter.map(|rule| rule.pattern.literal_prefix().0).chain(run_later(&policy.places));
        let held = named.find(|named| named != dir && named.starts_with(dir))?;
        Some(format!("it holds {}, which stays closed: name what is needed in it", printable(&held)))
    }

    /// The place that the toolchains' profiles name for this, with what they give.
    pub(super) fn known(&self, path: &Path, verb: Verb) -> Option<(PathBuf, Access)> {
        let (effect, rule) = LayerWalk::to(&self.toolchains, path).decide(verb);
        let rule = &self.toolchains.rules[rule?];
        Some((rule.pattern.literal().filter(|_| effect <= Effect::Keep)?, rule.access))
    }
}

/// The rules of a built-in profile; names at any depth hold everywhere.
fn rules(name: &str, places: &Places, only_final: bool) -> Vec<Rule> {
    let Some(Ok(profile)) = builtin::builtin(name) else { return Vec::new() };
    let mut rules = Vec::new();
    for spec in profile.rules.iter().filter(|spec| spec.is_final || !only_final) {
        for text in &spec.paths {
            let anywhere = if text.starts_with("**/") { format!("/{text}") } else { text.clone() };
            rules.extend(merge::rule(spec, &anywhere, places));
        }
    }
    rules
}

/// Why a layer's own rules refuse a verb.
fn refusal(layer: &Layer, path: &Path, verb: Verb) -> Option<String> {
    let (effect, rule) = LayerWalk::to(layer, path).decide(verb);
    rule.filter(|_| effect > Effect::Keep).map(|index| layer.rules[index].why.to_string())
}

fn by_rule(kind: LayerKind, rule: &Rule) -> String {
    match kind {
        _ if &*rule.origin.source == Rule::STOCKADE => "Stockade keeps this from every jail".into(),
        LayerKind::Machine => format!("the machine's policy says {rule}"),
        LayerKind::Repository => format!("the repository's own file says {rule}"),
        LayerKind::User if rule.force == Force::Final => format!("a floor of the profile: {rule}"),
        LayerKind::User => format!("a rule says {rule}; change that one if it is wrong"),
    }
}

fn by_place(places: &Places, path: &Path, verb: Verb) -> Option<&'static str> {
    let changes = matches!(verb, Verb::Create | Verb::Modify | Verb::Remove);
    let is_in = |dirs: &[&str]| dirs.iter().any(|dir| path.starts_with(dir));
    let is_above = |place: &Path| place.starts_with(path);
    let is_mine = path.starts_with(&places.home) || path.starts_with(&places.workspace);
    if path.components().count() <= 2 || is_above(&places.home) || is_above(&places.workspace) {
        return Some("it is too much to open for a program");
    }
    if has_secret_name(path) {
        return Some("by its name it is a secret");
    }
    if path.components().any(|part| part.as_os_str() == ".git") && changes {
        return Some("it belongs to a repository's history");
    }
    if changes && run_later(places).iter().any(|place| path.starts_with(place)) {
        return Some("what lies there runs outside the jail later");
    }
    if !is_mine && is_in(&NOT_READ) || path.starts_with("/var/run") {
        return Some("it belongs to the system, or to somebody else");
    }
    (changes && !is_mine && is_in(&SYSTEM)).then_some("it belongs to the system")
}

fn run_later(places: &Places) -> Vec<PathBuf> {
    RUN_LATER.iter().map(|name| places.home.join(name)).collect()
}

fn has_secret_name(path: &Path) -> bool {
    let names = path.components().map(|part| part.as_os_str().to_string_lossy().to_lowercase());
    names.into_iter().any(|name| SECRET_WORDS.iter().any(|word| name.contains(word)))
}

/// What is said of a setting that refused something.
pub(super) fn setting(setting: Option<&str>) -> String {
    match setting {
        Some(text) if text.starts_with("network") => {
            format!(
                "{text}: where the program needs it, say `network: loopback` or `network: open` in the profile"
            )
        }
        Some(text) if text.starts_with("unix_sockets") => {
            format!("{text}: a socket leads to a service outside; `unix_sockets: {{allow: […]}}` names it")
        }
        Some(text) => text.to_string(),
        None => "it could not be decided".into(),
    }
}
