//! The only place where `~` and `${NAME}` are expanded.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

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
pub fn check_pattern(pattern: &str) -> Result<(), VarError> {
    expand_pattern(pattern, &nowhere()).map(drop)
}

/// Checks that a value can be expanded, wherever the jail will stand.
pub fn check_value(value: &str) -> Result<(), VarError> {
    expand_value(value, &nowhere()).map(drop)
}

fn nowhere() -> Places {
    Places { workspace: "/".into(), home: "/".into(), tmpdir: "/".into(), report: None }
}

/// A pattern as written → an absolute pattern. A relative one starts at the workspace.
pub fn expand_pattern(pattern: &str, places: &Places) -> Result<OsString, VarError> {
    let absolute = match pattern.strip_prefix('~') {
        Some("") => escape(&places.home),
        Some(rest) if rest.starts_with('/') => {
            let mut absolute = escape(&places.home);
            absolute.push(expand(rest, places)?);
            absolute
        }
        Some(_) => return Err(VarError::OtherHome),
        None if pattern.is_empty() => return Err(VarError::Empty),
        None if pattern == "." => escape(&places.workspace),
        None => {
            let expanded = expand(pattern, places)?;
            if expanded.as_bytes().starts_with(b"/") {
                expanded
            } else {
                let mut absolute = escape(&places.workspace);
                absolute.push("/");
                absolute.push(expanded);
                absolute
            }
        }
    };
    if absolute.as_bytes().split(|byte| *byte == b'/').any(|component| component == b"..") {
        return Err(VarError::DotDot);
    }
    Ok(absolute)
}

/// A value of the environment with its variables replaced.
pub fn expand_value(value: &str, places: &Places) -> Result<OsString, VarError> {
    substitute(value, &|name| place(name, places).map(|path| path.as_os_str().to_os_string()))
}

/// A path as a pattern that matches just itself.
pub fn escape(path: &Path) -> OsString {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b']' | b'{' | b'}' | b'$' | b'~');
    let bytes = path.as_os_str().as_bytes();
    if !bytes.iter().any(is_special) {
        return path.as_os_str().to_os_string();
    }
    let mut pattern = Vec::with_capacity(bytes.len() + 8);
    for byte in bytes {
        if is_special(byte) { pattern.extend([b'[', *byte, b']']) } else { pattern.push(*byte) }
    }
    OsString::from_vec(pattern)
}

fn expand(text: &str, places: &Places) -> Result<OsString, VarError> {
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

fn substitute(text: &str, value: &dyn Fn(&str) -> Option<OsString>) -> Result<OsString, VarError> {
    if !text.contains('$') {
        return Ok(text.into());
    }
    let mut result = OsString::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = rest[start..].find('}').ok_or(VarError::Unclosed)? + start;
        let name = &rest[start + 2..end];
        result.push(&rest[..start]);
        result.push(value(name).ok_or_else(|| VarError::Unknown(name.into()))?);
        rest = &rest[end + 1..];
    }
    result.push(rest);
    Ok(result)
}
