//! Patterns: paths with wildcards.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::{vars, words};

/// An absolute pattern: its text, in which `[*]` is a `*` and so on. Names are
/// bytes, as for the kernel; those that are not UTF-8 come from real paths and
/// stand for themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: OsString,
}

/// One component of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Component<'a> {
    /// A name.
    Literal(Cow<'a, OsStr>),
    /// Any name that matches.
    Wild(&'a str),
    /// `**`: any number of components, none included.
    AnyDepth,
}

impl Pattern {
    /// Parses an absolute pattern (see [`super::vars::expand_pattern`]).
    pub fn parse(text: OsString) -> Result<Pattern, globset::Error> {
        let pattern = Pattern { text };
        if !pattern.text.as_bytes().iter().any(is_special) {
            return Ok(pattern);
        }
        for component in pattern.components() {
            if let Component::Wild(text) = component {
                Wildcard::parse(text)?;
            }
        }
        Ok(pattern)
    }

    /// The pattern that matches one path.
    pub fn of_path(path: &Path) -> Pattern {
        Pattern { text: vars::escape(path) }
    }

    /// The path, where the pattern has no wildcard.
    pub fn literal(&self) -> Option<PathBuf> {
        let (prefix, rest) = self.literal_prefix();
        (rest == 0).then_some(prefix)
    }

    /// The path in front of the first wildcard, and how many components follow it.
    pub fn literal_prefix(&self) -> (PathBuf, usize) {
        let mut path = Vec::with_capacity(self.text.len() + 1);
        let mut components = self.components();
        let mut rest = 0;
        while let Some(component) = components.next() {
            let Component::Literal(name) = component else {
                rest = components.count() + 1;
                break;
            };
            path.push(b'/');
            path.extend_from_slice(name.as_bytes());
        }
        if path.is_empty() {
            path.push(b'/');
        }
        (OsString::from_vec(path).into(), rest)
    }

    /// The same pattern with its literal prefix replaced.
    #[must_use]
    pub fn with_prefix(&self, prefix: &Path) -> Pattern {
        let (_, rest) = self.literal_prefix();
        let names: Vec<&[u8]> = names(&self.text).collect();
        let mut text = vars::escape(prefix).into_vec();
        for name in &names[names.len() - rest..] {
            if !text.ends_with(b"/") {
                text.push(b'/');
            }
            text.extend_from_slice(name);
        }
        Pattern { text: OsString::from_vec(text) }
    }

    /// Whether a path, or a directory around it, matches.
    pub fn covers(&self, path: &Path) -> bool {
        let components: Vec<Component<'_>> = self.components().collect();
        let names: Vec<&OsStr> = path.iter().filter(|name| *name != "/").collect();
        covers(&components, &names)
    }

    /// The components, in order.
    pub(super) fn components(&self) -> impl Iterator<Item = Component<'_>> {
        names(&self.text).map(component)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&words::printable(Path::new(&self.text)))
    }
}

fn covers(components: &[Component<'_>], names: &[&OsStr]) -> bool {
    let Some((component, rest)) = components.split_first() else { return true };
    match (component, names.split_first()) {
        (Component::AnyDepth, _) => (0..=names.len()).any(|from| covers(rest, &names[from..])),
        (_, None) => false,
        (Component::Literal(literal), Some((name, deeper))) => **literal == **name && covers(rest, deeper),
        (Component::Wild(text), Some((name, deeper))) => {
            Wildcard::parse(text).is_ok_and(|wildcard| wildcard.matches(name)) && covers(rest, deeper)
        }
    }
}

/// Checks the wildcards of a pattern as written.
pub fn check_globs(pattern: &str) -> Result<(), globset::Error> {
    Pattern::parse(pattern.into()).map(drop)
}

fn names(text: &OsStr) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

fn component(name: &[u8]) -> Component<'_> {
    if name == b"**" {
        return Component::AnyDepth;
    }
    if !name.iter().any(is_special) {
        return Component::Literal(Cow::Borrowed(OsStr::from_bytes(name)));
    }
    match (unescape(name), std::str::from_utf8(name)) {
        (Some(literal), _) => Component::Literal(Cow::Owned(OsString::from_vec(literal))),
        (None, Ok(text)) => Component::Wild(text),
        // Wildcards come from text; this has none that is meant as one.
        (None, Err(_)) => Component::Literal(Cow::Borrowed(OsStr::from_bytes(name))),
    }
}

fn is_special(byte: &u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b']' | b'{' | b'}')
}

/// The name that a component stands for, if it stands for just one: `[*]` is a `*`.
fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut literal = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' => {
                literal.push(*bytes.next()?);
                if bytes.next() != Some(&b']') {
                    return None;
                }
            }
            b'*' | b'?' | b']' | b'{' | b'}' => return None,
            other => literal.push(*other),
        }
    }
    Some(literal)
}

/// A component with wildcards, ready to match.
#[derive(Debug, Clone)]
pub(super) enum Wildcard {
    /// Text and `*` alone, which needs no glob compiler.
    Stars(Box<str>),
    /// `?`, `[…]` and `{…}` as well.
    Glob(GlobMatcher),
}

impl Wildcard {
    /// Parses one component.
    pub(super) fn parse(text: &str) -> Result<Wildcard, globset::Error> {
        if !text.contains(['?', '[', ']', '{', '}']) {
            return Ok(Wildcard::Stars(text.into()));
        }
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build()?;
        Ok(Wildcard::Glob(glob.compile_matcher()))
    }

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
pub fn stars_match(pattern: &[u8], name: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    // Most names are told apart by their ends.
    let differs = |known: Option<&u8>, byte: Option<&u8>| match (known, byte) {
        (Some(b'*') | None, _) => false,
        (Some(known), byte) => !byte.is_some_and(|byte| same(byte, known)),
    };
    if differs(pattern.first(), name.first()) || differs(pattern.last(), name.last()) {
        return false;
    }
    let equal = |a: &[u8], b: &[u8]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    let Some(first) = pattern.iter().position(|byte| *byte == b'*') else { return equal(name, pattern) };
    let last = pattern.iter().rposition(|byte| *byte == b'*').unwrap_or(first);
    let (head, tail) = (&pattern[..first], &pattern[last + 1..]);
    let Some(end) = name.len().checked_sub(tail.len()).filter(|end| *end >= head.len()) else { return false };
    let middle = &name[head.len()..end];
    // Each text between two stars where it comes first: that leaves the most.
    let mut texts = pattern[first..=last].split(|byte| *byte == b'*').filter(|text| !text.is_empty());
    let find = |rest: &[u8], text: &[u8]| rest.windows(text.len()).position(|part| equal(part, text));
    equal(&name[end..], tail)
        && equal(&name[..head.len()], head)
        && texts
            .try_fold(middle, |rest, text| find(rest, text).map(|place| &rest[place + text.len()..]))
            .is_some()
}
