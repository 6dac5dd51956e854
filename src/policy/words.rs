//! Paths in messages.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path for messages: as it is, unless it holds what a terminal or JSON
/// cannot show; then with escapes.
pub fn printable(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_string(),
        _ => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}

/// Serializes a path as [`printable`] shows it.
pub(super) fn serialize_path<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&printable(path))
}

/// Serializes paths or names as [`printable`] shows them.
pub(super) fn serialize_paths<P: AsRef<Path>, S: serde::Serializer>(
    paths: &[P],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| printable(path.as_ref())))
}
