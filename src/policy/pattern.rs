//! Patterns: paths with wildcards.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component as PathComponent, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::vars;

/// An absolute pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    components: Vec<Component>,
}

/// One component of a pattern.
#[derive(Debug, Clone)]
pub(super) enum Component {
    /// A name.
    Literal(OsString),
    /// Any name that matches.
    Wild(Wildcard),
    /// `**`: any number of components, none included.
    AnyDepth,
}

/// A component with wildcards.
#[derive(Debug, Clone)]
pub(super) enum Wildcard {
    /// Text and `*` alone, which needs no glob compiler.
    Stars(Box<str>),
    /// `?`, `[…]` and `{…}` as well.
    Glob(GlobMatcher),
}

impl Wildcard {
    /// Whether a name matches as a whole.
    pub(super) fn matches(&self, name: &OsStr) -> bool {
        match self {
            Wildcard::Stars(text) => stars_match(text.as_bytes(), name.as_bytes(), u8::eq),
            Wildcard::Glob(glob) => glob.is_match(Path::new(name)),
        }
    }

    /// As it is written.
    pub(super) fn text(&self) -> &str {
        match self {
            Wildcard::Stars(text) => text,
            Wildcard::Glob(glob) => glob.glob().glob(),
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any text, and other
/// bytes for those that are the same to `same`.
pub fn stars_match(pattern: &[u8], name: &[u8], same: fn(&u8, &u8) -> bool) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|start| stars_match(rest, &name[start..], same)),
        Some((first, rest)) => {
            name.split_first().is_some_and(|(head, tail)| same(head, first) && stars_match(rest, tail, same))
        }
    }
}

impl Pattern {
    /// Parses an absolute pattern (see [`super::vars::expand_pattern`]).
    pub fn parse(text: &str) -> Result<Pattern, globset::Error> {
        let names = text.split('/').filter(|name| !name.is_empty() && *name != ".");
        Ok(Pattern { text: text.into(), components: names.map(component).collect::<Result<_, _>>()? })
    }

    /// The path, where the pattern has no wildcard.
    pub fn literal(&self) -> Option<PathBuf> {
        let (prefix, rest) = self.literal_prefix();
        (rest == 0).then_some(prefix)
    }

    /// The path in front of the first wildcard, and how many components follow it.
    pub fn literal_prefix(&self) -> (PathBuf, usize) {
        let mut path = PathBuf::from("/");
        for (index, component) in self.components.iter().enumerate() {
            match component {
                Component::Literal(name) => path.push(name),
                Component::Wild(_) | Component::AnyDepth => return (path, self.components.len() - index),
            }
        }
        (path, 0)
    }

    /// The same pattern with its literal prefix replaced.
    #[must_use]
    pub fn with_prefix(&self, prefix: &Path) -> Pattern {
        let (_, rest) = self.literal_prefix();
        let names = prefix.components().filter_map(|component| match component {
            PathComponent::Normal(name) => Some(Component::Literal(name.to_os_string())),
            _ => None,
        });
        let kept = self.components[self.components.len() - rest..].iter();
        let components: Vec<Component> = names.chain(kept.cloned()).collect();
        let mut text = vars::escape(prefix);
        for component in &components[components.len() - rest..] {
            if !text.ends_with('/') {
                text.push('/');
            }
            match component {
                Component::Literal(name) => {
                    text.push_str(vars::escape(Path::new(name)).trim_start_matches('/'))
                }
                Component::Wild(wildcard) => text.push_str(wildcard.text()),
                Component::AnyDepth => text.push_str("**"),
            }
        }
        Pattern { text, components }
    }

    /// The components.
    pub(super) fn components(&self) -> &[Component] {
        &self.components
    }

    /// The pattern that matches one path.
    pub fn of_path(path: &Path) -> Pattern {
        let names = path.components().filter_map(|component| match component {
            PathComponent::Normal(name) => Some(Component::Literal(name.to_os_string())),
            _ => None,
        });
        Pattern { text: vars::escape(path), components: names.collect() }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Checks the wildcards of a pattern as written.
pub fn check_globs(pattern: &str) -> Result<(), globset::Error> {
    pattern.split('/').try_for_each(|name| component(name).map(drop))
}

fn component(name: &str) -> Result<Component, globset::Error> {
    if name == "**" {
        return Ok(Component::AnyDepth);
    }
    if let Some(literal) = unescape(name) {
        return Ok(Component::Literal(literal.into()));
    }
    if !name.contains(['?', '[', ']', '{', '}']) {
        return Ok(Component::Wild(Wildcard::Stars(name.into())));
    }
    let glob = GlobBuilder::new(name).literal_separator(true).backslash_escape(false).build()?;
    Ok(Component::Wild(Wildcard::Glob(glob.compile_matcher())))
}

/// The name that a component stands for, if it stands for just one: `[*]` is a `*`.
fn unescape(name: &str) -> Option<String> {
    let mut literal = String::new();
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '[' => {
                literal.push(characters.next()?);
                if characters.next() != Some(']') {
                    return None;
                }
            }
            '*' | '?' | ']' | '{' | '}' => return None,
            other => literal.push(other),
        }
    }
    Some(literal)
}
