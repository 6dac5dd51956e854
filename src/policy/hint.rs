//! What would allow a refused call, in one short sentence. Only what works is
//! suggested.

use std::path::Path;

use super::rules::{Layer, Policy, Rule};
use super::walk::LayerWalk;
use super::words::quoted;
use super::{Effect, LayerKind, Origin, Verb, printable};

/// What would allow a verb on a path, which must be absolute and real; none
/// where it is allowed.
pub fn hint(policy: &Policy, path: &Path, verb: Verb) -> Option<String> {
    let effect = policy.decide(path, verb).effect;
    if effect <= Effect::Keep {
        return None;
    }
    // The command line speaks for the user's layer alone.
    let others = policy.layers.iter().filter(|layer| layer.kind != LayerKind::User);
    let foreign = others.filter_map(|layer| Some((layer, blocking(layer, path, verb)?)));
    if let Some((layer, rule)) = foreign.max_by_key(|(_, rule)| rule.access.effect(verb)) {
        return Some(foreign_rule(layer.kind, &rule.origin));
    }
    let wait = match effect {
        Effect::Ask => "a person has to agree: run `stockade approve` in another terminal; or ",
        Effect::Allow | Effect::Keep | Effect::Deny => "",
    };
    Some(format!("{wait}{}", command_line(policy, path, verb)))
}

/// The rule by which a layer does not let a verb happen.
fn blocking<'a>(layer: &'a Layer, path: &Path, verb: Verb) -> Option<&'a Rule> {
    let (effect, rule) = LayerWalk::to(layer, path).decide(verb);
    rule.filter(|_| effect > Effect::Keep).map(|index| &layer.rules[index])
}

fn foreign_rule(kind: LayerKind, origin: &Origin) -> String {
    match kind {
        _ if &*origin.source == Rule::STOCKADE => "nothing: Stockade keeps this from every jail".into(),
        LayerKind::Repository => format!("only a change of the repository's own file ({origin})"),
        LayerKind::Machine | LayerKind::User => format!("only a change of the machine's policy ({origin})"),
    }
}

/// The `--allow` that makes the user's layer allow it.
fn command_line(policy: &Policy, path: &Path, verb: Verb) -> String {
    // What does not exist would be made, as a directory, if it were named.
    let named = if verb == Verb::Create { path.parent().unwrap_or(path) } else { path };
    let places = &policy.places;
    let holds_too_much =
        places.home.starts_with(named) || (places.workspace.starts_with(named) && places.workspace != named);
    if holds_too_much {
        return format!("no option: {} is too much to open for one call", printable(named));
    }
    let mut users = policy.layers.iter().filter(|layer| layer.kind == LayerKind::User);
    if !users.any(|layer| LayerWalk::to(layer, path).yields_to_command_line(named == path)) {
        return "no option: the rule is stronger than `--allow`".into();
    }
    let access = match verb {
        Verb::Read | Verb::Execute => "read",
        Verb::Create | Verb::Modify | Verb::Remove => "scratch",
    };
    let who = "a person can allow it for one run with";
    let text = printable(named);
    if named.to_str() == Some(&text) {
        format!("{who} `stockade run --allow {access}={}`", quoted(&text))
    } else {
        format!("{who} `stockade run --allow {access}=…`, which names {text}")
    }
}
