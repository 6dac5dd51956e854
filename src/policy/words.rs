//! Paths and other words in messages.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path for messages: as it is, unless it holds what a terminal or JSON
/// cannot show, or what would make it look like another; then with escapes.
pub fn printable(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(is_unseen) => text.to_string(),
        _ => path.as_os_str().as_bytes().escape_ascii().to_string(),
    }
}

/// A text for a terminal: what cannot be seen, or would change how the rest is
/// seen, as `\u{…}`.
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unseen(char) { visible.extend(char.escape_unicode()) } else { visible.push(char) }
    }
    visible
}

/// Control characters, line separators, characters of no width, and those that
/// turn the direction of the text around them.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A number of bytes as people read it.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A text that is not longer than so many characters: cut in the middle where it is.
pub fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    let kept = most.saturating_sub(3);
    let head: String = text.chars().take(kept - kept / 2).collect();
    let tail: String = text.chars().skip(count - kept / 2).collect();
    format!("{head} … {tail}")
}

/// Text as one word of a shell's command line.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+=:,@%".contains(char);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_unseen_is_left() {
        assert_eq!(printable("/a b/é".as_ref()), "/a b/é");
        assert_eq!(printable("/a\nb".as_ref()), "/a\\nb");
        assert_eq!(printable("/gpj\u{202e}exe".as_ref()), r"/gpj\xe2\x80\xaeexe");
        assert_eq!(visible("a\u{1b}[1m\u{2066}é\u{9b}"), r"a\u{1b}[1m\u{2066}é\u{9b}");
        assert_eq!(visible("plain text"), "plain text");
    }

    #[test]
    fn a_shell_takes_a_quoted_text_for_one_word() {
        assert_eq!(quoted("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(quoted("/a b/$(c)"), "'/a b/$(c)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("~"), "'~'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (1 << 50, "1024.0 TiB")]
        {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn long_texts_are_cut_in_the_middle() {
        assert_eq!(shortened("abcdefgh", 8), "abcdefgh");
        assert_eq!(shortened("abcdefghi", 8), "abc … hi");
        assert_eq!(shortened("äöüßabcde", 8).chars().count(), 8);
    }
}
