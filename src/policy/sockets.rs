//! Which Unix sockets of others may be connected to: the paths that
//! `unix_sockets: {allow: …}` names.

use std::path::{Path, PathBuf};

use super::facts::Facts;
use super::merge::{LayerSource, PolicyError, rule};
use super::profile::{Profile, RuleSpec};
use super::rules::{Layer, Policy, Rule};
use super::written::SocketsSpec;
use super::{Access, LayerKind, Places, UnixSockets};

/// The layers of a source: over a path all of them must allow. A source that
/// says nothing, or `open`, has none, but for a user's that says nothing.
pub(super) fn layers(source: &LayerSource, places: &Places) -> Result<Vec<Layer>, PolicyError> {
    if source.kind != LayerKind::User {
        let restricting = source.profiles.iter().filter(|profile| {
            profile.settings.unix_sockets.as_ref().is_some_and(|spec| spec.word == UnixSockets::Own)
        });
        return restricting.map(|profile| Ok(layer(source.kind, rules(profile, places)?))).collect();
    }
    let (mut word, mut all) = (UnixSockets::Own, Vec::new());
    for profile in &source.profiles {
        let Some(SocketsSpec { word: said, allow }) = &profile.settings.unix_sockets else { continue };
        word = *said;
        if allow.is_none() {
            all.clear();
        }
        all.extend(rules(profile, places)?);
    }
    Ok(if word == UnixSockets::Open { Vec::new() } else { vec![layer(source.kind, all)] })
}

fn layer(kind: LayerKind, rules: Vec<Rule>) -> Layer {
    Layer::new(kind, Access::HIDDEN, rules)
}

/// A profile's paths as rules, which say READ where connecting is allowed.
fn rules(profile: &Profile, places: &Places) -> Result<Vec<Rule>, PolicyError> {
    let paths = profile.settings.unix_sockets.iter().filter_map(|spec| spec.allow.clone()).flatten();
    let spec = RuleSpec {
        access: Access::READ,
        paths: paths.collect(),
        why: "unix_sockets".into(),
        is_final: false,
        is_answer: false,
        origin: profile.sockets_origin(),
    };
    spec.paths.iter().map(|text| rule(&spec, text, places)).collect()
}

impl Policy {
    /// Whether a socket that others bound to this real path may be connected to.
    pub fn allows_socket(&self, path: &Path) -> bool {
        self.settings.unix_sockets == UnixSockets::Open
            || (!self.sockets.is_empty()
                && self.sockets.iter().all(|layer| layer.access(path) == Access::READ))
    }

    /// Whether a rule names any socket.
    pub fn names_sockets(&self) -> bool {
        !self.sockets.is_empty() && self.sockets.iter().all(|layer| !layer.rules.is_empty())
    }

    /// The rules that name sockets.
    pub fn socket_rules(&self) -> impl Iterator<Item = &Rule> {
        self.sockets.iter().flat_map(|layer| &layer.rules)
    }

    /// The sockets, and directories of sockets, that rules name in full and
    /// that exist.
    pub(super) fn sockets_at_start(&self, facts: &dyn Facts) -> Vec<PathBuf> {
        let named = self.socket_rules().filter_map(|rule| rule.pattern.literal());
        let mut paths: Vec<PathBuf> =
            named.filter(|path| self.allows_socket(path) && facts.kind(path).is_some()).collect();
        paths.sort();
        paths.dedup();
        paths
    }
}
