//! The only place where `~` and `${NAME}` are expanded.

use std::path::{Component, Path, PathBuf};

use super::Places;

/// What cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VarError {
    /// A variable that does not exist.
    #[error("unknown variable `${{{0}}}`: expected ${{WORKSPACE}}, ${{HOME}} or ${{TMPDIR}}")]
    Unknown(String),
    /// `${` without `}`.
    #[error("`${{` is never closed")]
    Unclosed,
    /// `~name`.
    #[error("`~` must stand alone or before a `/`: other users' homes cannot be named")]
    OtherHome,
    /// `..` would make a pattern mean something other than it says.
    #[error("`..` is not allowed in a pattern")]
    DotDot,
    /// An empty pattern.
    #[error("the pattern is empty")]
    Empty,
}

/// Checks that a pattern can be expanded, wherever the jail will stand.
pub fn check(pattern: &str) -> Result<(), VarError> {
    let nowhere = Places { workspace: "/".into(), home: "/".into(), tmpdir: "/".into() };
    expand_pattern(pattern, &nowhere).map(drop)
}

/// A pattern as written → an absolute pattern. A relative one starts at the workspace.
pub fn expand_pattern(pattern: &str, places: &Places) -> Result<String, VarError> {
    if pattern.is_empty() {
        return Err(VarError::Empty);
    }
    let expanded = match pattern.strip_prefix('~') {
        Some("") => escape(&places.home),
        Some(rest) if rest.starts_with('/') => format!("{}{}", escape(&places.home), expand(rest, places)?),
        Some(_) => return Err(VarError::OtherHome),
        None => expand(pattern, places)?,
    };
    let absolute = if expanded.starts_with('/') {
        expanded
    } else {
        format!("{}/{expanded}", escape(&places.workspace))
    };
    if absolute.split('/').any(|component| component == "..") {
        return Err(VarError::DotDot);
    }
    Ok(absolute)
}

/// A value of the environment with its variables replaced.
pub fn expand_value(value: &str, places: &Places) -> Result<String, VarError> {
    substitute(value, &|name| place(name, places).map(|path| path.to_string_lossy().into_owned()))
}

/// A path as a pattern that matches just itself. Bytes that are not UTF-8
/// become `?`, which matches any one character.
pub fn escape(path: &Path) -> String {
    let mut pattern = String::new();
    for component in path.components() {
        if let Component::Normal(name) = component {
            pattern.push('/');
            for character in name.to_string_lossy().chars() {
                match character {
                    '*' | '?' | '[' | ']' | '{' | '}' | '$' | '\\' | '~' => {
                        pattern.extend(['[', character, ']']);
                    }
                    char::REPLACEMENT_CHARACTER => pattern.push('?'),
                    other => pattern.push(other),
                }
            }
        }
    }
    if pattern.is_empty() { "/".into() } else { pattern }
}

fn expand(text: &str, places: &Places) -> Result<String, VarError> {
    substitute(text, &|name| place(name, places).map(|path| escape(path)))
}

fn place<'a>(name: &str, places: &'a Places) -> Option<&'a PathBuf> {
    match name {
        "WORKSPACE" => Some(&places.workspace),
        "HOME" => Some(&places.home),
        "TMPDIR" => Some(&places.tmpdir),
        _ => None,
    }
}

fn substitute(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, VarError> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').ok_or(VarError::Unclosed)? + start;
        let name = &rest[start + 2..end];
        result.push_str(&rest[..start]);
        result.push_str(&value(name).ok_or_else(|| VarError::Unknown(name.into()))?);
        rest = &rest[end + 1..];
    }
    result.push_str(rest);
    Ok(result)
}
