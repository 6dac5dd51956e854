//! `extends`, layers, and symbolic links: from profiles to one [`Policy`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::facts::{Facts, Kind};
use super::pattern::Pattern;
use super::profile::{Profile, ProfileError, RuleSpec, SettingsSpec, UndoSpec};
use super::rules::{Force, Layer, Policy, Rule};
use super::vars::{self, VarError};
use super::words::printable;
use super::written::Size;
use super::{
    Access, Effect, EnvRules, GitMode, LayerKind, Limits, Note, Origin, Places, Settings, SyscallRules, care,
    git, sockets,
};

/// As the kernel (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// Keeps git from rewriting history behind the user's back (`git-config(1)`).
pub(super) const COMMIT_ENV: [(&str, &str); 5] = [
    ("GIT_CONFIG_COUNT", "2"),
    ("GIT_CONFIG_KEY_0", "gc.auto"),
    ("GIT_CONFIG_VALUE_0", "0"),
    ("GIT_CONFIG_KEY_1", "maintenance.auto"),
    ("GIT_CONFIG_VALUE_1", "false"),
];

/// Profiles that make no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A variable that cannot be expanded.
    #[error("{origin}: `{text}`: {source}")]
    Variable {
        /// Where.
        origin: Origin,
        /// The text as written.
        text: String,
        /// What is wrong with it.
        source: VarError,
    },
    /// A pattern that is no pattern.
    #[error("{origin}: bad pattern `{pattern}`: {source}")]
    Pattern {
        /// The rule.
        origin: Origin,
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
}

/// One source of authority, as written.
#[derive(Debug, Clone)]
pub struct LayerSource {
    /// Whose it is.
    pub kind: LayerKind,
    /// Its profiles, parents first (see [`linearise`]).
    pub profiles: Vec<Profile>,
    /// Rules that a person named for this run, or that Stockade brings itself.
    pub extra: Vec<Rule>,
}

/// A profile and everything it extends, parents first, each once.
pub fn linearise(
    root: Profile,
    lookup: &mut dyn FnMut(&str, &Origin) -> Result<Profile, ProfileError>,
) -> Result<Vec<Profile>, ProfileError> {
    let mut done = Vec::new();
    add_with_parents(root, lookup, &mut Vec::new(), &mut done)?;
    Ok(done)
}

fn add_with_parents(
    profile: Profile,
    lookup: &mut dyn FnMut(&str, &Origin) -> Result<Profile, ProfileError>,
    path: &mut Vec<String>,
    done: &mut Vec<Profile>,
) -> Result<(), ProfileError> {
    let source = profile.origin.source.to_string();
    if let Some(start) = path.iter().position(|seen| *seen == source) {
        let cycle = path[start..].iter().cloned().chain([source]).collect();
        return Err(ProfileError::Cycle { origin: profile.extended_at, cycle });
    }
    if done.iter().any(|known| *known.origin.source == *source) {
        return Ok(());
    }
    path.push(source);
    for parent in &profile.extends {
        add_with_parents(lookup(parent, &profile.extended_at)?, lookup, path, done)?;
    }
    path.pop();
    done.push(profile);
    Ok(())
}

/// Resolves the layers to a policy.
pub fn resolve(sources: &[LayerSource], places: &Places, facts: &dyn Facts) -> Result<Policy, PolicyError> {
    let mut notes = Vec::new();
    let settings = settings(sources, places, &mut notes)?;
    let mut layers = Vec::with_capacity(sources.len());
    let mut sockets = Vec::new();
    for source in sources {
        let mut rules = rules_of(source, places)?;
        let under_command_line = rules.len();
        if source.kind == LayerKind::User {
            let protected = git::protection(places, facts, &mut notes);
            let commits = match settings.git {
                GitMode::Commit => git::commits(places, facts, &protected),
                GitMode::Protected => Vec::new(),
            };
            rules.extend(protected.into_iter().chain(commits));
        }
        let default = match source.kind {
            LayerKind::User => Access::HIDDEN,
            LayerKind::Machine | LayerKind::Repository => Access::SCRATCH,
        };
        let mut layer = Layer::new(source.kind, default, rules);
        layer.under_command_line = under_command_line;
        let links = Links { facts, places };
        links.follow(&mut layer, None, &mut notes);
        for mut named in sockets::layers(source, places)? {
            links.follow(&mut named, Some(&layer), &mut notes);
            sockets.push(named);
        }
        layers.push(layer);
    }
    Ok(Policy { places: places.clone(), layers, sockets, settings, notes })
}

fn rules_of(source: &LayerSource, places: &Places) -> Result<Vec<Rule>, PolicyError> {
    let specs = || source.profiles.iter().flat_map(|profile| &profile.rules);
    // Those that git needs come behind.
    let most = specs().map(|spec| spec.paths.len()).sum::<usize>() + source.extra.len() + 16;
    let mut rules = Vec::with_capacity(most);
    for spec in specs() {
        for text in &spec.paths {
            rules.push(rule(spec, text, places)?);
        }
    }
    rules.extend(source.extra.iter().cloned());
    Ok(rules)
}

pub(super) fn rule(spec: &RuleSpec, text: &str, places: &Places) -> Result<Rule, PolicyError> {
    let expanded = vars::expand_pattern(text, places).map_err(|source| PolicyError::Variable {
        origin: spec.origin.clone(),
        text: text.into(),
        source,
    })?;
    let pattern = Pattern::parse(expanded).map_err(|source| PolicyError::Pattern {
        origin: spec.origin.clone(),
        pattern: text.into(),
        source,
    })?;
    let force = match (spec.is_answer, spec.is_final) {
        (true, _) => Force::Answer,
        (false, true) => Force::Final,
        (false, false) => Force::Normal,
    };
    Ok(Rule { pattern, access: spec.access, why: spec.why.clone(), force, origin: spec.origin.clone() })
}

/// Symbolic links on the way to a path.
struct Links<'a> {
    facts: &'a dyn Facts,
    places: &'a Places,
}

enum Resolved {
    /// There is no link in it.
    Same,
    /// The path that it means.
    Real(PathBuf),
    /// It goes through this link, which must not be followed.
    Refused(PathBuf),
}

impl Links<'_> {
    /// Rules whose literal prefix goes through a symbolic link hold for the
    /// real path as well, unless the link lies in the workspace or the jail
    /// could replace it, by the rules of `guard` or else the layer's own: then
    /// it could point the rule anywhere.
    fn follow(&self, layer: &mut Layer, guard: Option<&Layer>, notes: &mut Vec<Note>) {
        let mut aliases: Vec<(usize, Pattern)> = Vec::new();
        for index in layer.trie().behind_links(self.facts) {
            let rule = &layer.rules[index];
            match self.real(&rule.pattern.literal_prefix().0, guard.unwrap_or(layer)) {
                Resolved::Same => {}
                Resolved::Real(path) => aliases.push((index, rule.pattern.with_prefix(&path))),
                Resolved::Refused(link) => notes.push(Note {
                    origin: rule.origin.clone(),
                    text: format!(
                        "{}: the symbolic link {} is not followed, since it can be replaced from inside",
                        rule.pattern,
                        printable(&link)
                    ),
                }),
            }
        }
        aliases.iter().for_each(|(index, pattern)| layer.add_alias(*index, pattern));
    }

    fn real(&self, path: &Path, layer: &Layer) -> Resolved {
        let mut real = PathBuf::from("/");
        // Names still to go, the next one last.
        let mut rest = names_backwards(path);
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                real.pop();
                continue;
            }
            real.push(&name);
            match self.facts.kind(&real) {
                // Nothing exists beneath what does not exist: the rest stays as written.
                None => real.extend(rest.drain(..).rev()),
                Some(Kind::Dir | Kind::File) => {}
                Some(Kind::Symlink) => {
                    let target = self.facts.read_link(&real).filter(|_| links < MOST_LINKS);
                    let Some(target) = target.filter(|_| !self.replaceable(&real, layer)) else {
                        return Resolved::Refused(real);
                    };
                    if target.is_absolute() {
                        real = "/".into();
                    } else {
                        real.pop();
                    }
                    rest.extend(names_backwards(&target));
                    links += 1;
                }
            }
        }
        if links == 0 { Resolved::Same } else { Resolved::Real(real) }
    }

    /// Whether somebody in the jail may put another link in this one's place,
    /// now or in an earlier session.
    fn replaceable(&self, link: &Path, layer: &Layer) -> bool {
        if link.starts_with(&self.places.workspace) {
            return true;
        }
        let access = layer.access(link);
        layer.kind == LayerKind::User && access.create.min(access.modify).min(access.remove) < Effect::Deny
    }
}

/// The names of a path, `..` among them, the last one first.
fn names_backwards(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

fn settings(
    sources: &[LayerSource],
    places: &Places,
    notes: &mut Vec<Note>,
) -> Result<Settings, PolicyError> {
    let mut settings = Settings::default();
    let mut set = BTreeMap::new();
    for source in sources.iter().filter(|source| source.kind == LayerKind::User) {
        for profile in &source.profiles {
            extend(&mut settings, &profile.settings);
            set.extend(profile.settings.env.set.clone());
        }
    }
    for source in sources.iter().filter(|source| source.kind != LayerKind::User) {
        source.profiles.iter().for_each(|profile| tighten(&mut settings, profile, source.kind, notes));
    }
    care::ignored(sources, notes);
    for (name, value) in set {
        let expanded = vars::expand_value(&value, places).map_err(|source| PolicyError::Variable {
            origin: Origin { source: format!("env: set: {name}").into(), line: 0 },
            text: value.clone(),
            source,
        })?;
        settings.env.set.insert(name, expanded);
    }
    if settings.git == GitMode::Commit && !settings.env.set.contains_key("GIT_CONFIG_COUNT") {
        let variables = COMMIT_ENV.map(|(name, value)| (name.to_string(), value.into()));
        settings.env.set.extend(variables);
    }
    Ok(settings)
}

/// A child's settings over its parents': lists grow, single values are replaced.
fn extend(settings: &mut Settings, spec: &SettingsSpec) {
    let EnvRules { inherit, pass, drop, .. } = &mut settings.env;
    *inherit = spec.env.inherit.unwrap_or(*inherit);
    pass.extend(spec.env.pass.iter().cloned());
    drop.extend(spec.env.drop.iter().cloned());
    settings.network = spec.network.unwrap_or(settings.network);
    settings.unix_sockets = spec.unix_sockets.as_ref().map_or(settings.unix_sockets, |spec| spec.word);
    settings.git = spec.git.unwrap_or(settings.git);
    each_limit(&mut settings.limits, spec, |known, new| *known = new.or(*known));
    let approvals = &mut settings.approvals;
    approvals.timeout = spec.approvals.timeout.map_or(approvals.timeout, |span| span.seconds);
    if let Some(channels) = &spec.approvals.channels {
        approvals.channels.clone_from(channels);
    }
    if let Some(notify) = &spec.approvals.notify {
        approvals.notify.clone_from(notify);
    }
    approvals.bulk = spec.approvals.bulk.or(approvals.bulk);
    settings.review.required = spec.review.required.unwrap_or(settings.review.required);
    settings.review.reviewers.extend(spec.review.reviewer.iter().cloned());
    let UndoSpec { keep_days, max_size, min_free } = spec.undo;
    let undo = &mut settings.undo;
    undo.keep_days = keep_days.unwrap_or(undo.keep_days);
    undo.max_size = max_size.map_or(undo.max_size, |Size(bytes)| bytes);
    undo.min_free = min_free.map_or(undo.min_free, |Size(bytes)| bytes);
    settings.syscalls.allow.extend(spec.syscalls.allow.iter().cloned());
    settings.syscalls.deny.extend(spec.syscalls.deny.iter().cloned());
}

/// What a machine or a repository may say: only what is stricter counts.
fn tighten(settings: &mut Settings, profile: &Profile, kind: LayerKind, notes: &mut Vec<Note>) {
    let spec = &profile.settings;
    let is_machine = kind == LayerKind::Machine;
    settings.env.inherit &= spec.env.inherit.unwrap_or(true);
    settings.env.drop_always.extend(spec.env.drop.iter().cloned());
    settings.network = spec.network.map_or(settings.network, |network| network.min(settings.network));
    let sockets = spec.unix_sockets.as_ref().map(|spec| spec.word);
    settings.unix_sockets =
        sockets.map_or(settings.unix_sockets, |sockets| sockets.min(settings.unix_sockets));
    settings.git = spec.git.map_or(settings.git, |git| git.min(settings.git));
    each_limit(&mut settings.limits, spec, |known, new| *known = stricter(*known, new));
    let approvals = &mut settings.approvals;
    approvals.timeout =
        spec.approvals.timeout.map_or(approvals.timeout, |span| span.seconds.min(approvals.timeout));
    if let Some(channels) = &spec.approvals.channels {
        approvals.channels.retain(|channel| channels.contains(channel));
    }
    approvals.bulk = stricter(approvals.bulk, spec.approvals.bulk);
    settings.review.required |= spec.review.required.unwrap_or(false);
    settings.review.reviewers.extend(spec.review.reviewer.iter().filter(|_| is_machine).cloned());
    let UndoSpec { keep_days, max_size, min_free } = spec.undo;
    let undo = &mut settings.undo;
    undo.keep_days = keep_days.map_or(undo.keep_days, |days| days.max(undo.keep_days));
    undo.max_size = max_size.map_or(undo.max_size, |Size(bytes)| bytes.min(undo.max_size));
    undo.min_free = min_free.map_or(undo.min_free, |Size(bytes)| bytes.max(undo.min_free));
    let SyscallRules { deny, .. } = &mut settings.syscalls;
    deny.extend(spec.syscalls.deny.iter().cloned());
    let loosening = [
        ("env: pass", !spec.env.pass.is_empty()),
        ("env: set", !spec.env.set.is_empty()),
        ("syscalls: allow", !spec.syscalls.allow.is_empty()),
        ("approvals: notify", spec.approvals.notify.is_some()),
        ("review: reviewer", !is_machine && !spec.review.reviewer.is_empty()),
    ];
    for (key, _) in loosening.into_iter().filter(|(_, present)| *present) {
        let text = format!("{key} is ignored: this file can only tighten");
        notes.push(Note { origin: profile.origin.clone(), text });
    }
}

/// The smaller of two numbers that may not be given.
fn stricter<T: Ord>(known: Option<T>, new: Option<T>) -> Option<T> {
    match (known, new) {
        (Some(known), Some(new)) => Some(known.min(new)),
        (known, new) => known.or(new),
    }
}

fn each_limit(limits: &mut Limits, spec: &SettingsSpec, set: impl Fn(&mut Option<u64>, Option<u64>)) {
    let spec = &spec.limits;
    let value = |size: Option<Size>| size.map(|Size(number)| number);
    set(&mut limits.processes, value(spec.processes));
    set(&mut limits.open_files, value(spec.open_files));
    set(&mut limits.memory, value(spec.memory));
    set(&mut limits.file_size, value(spec.file_size));
    set(&mut limits.cpu_seconds, value(spec.cpu_seconds));
    set(&mut limits.core, value(spec.core));
}
