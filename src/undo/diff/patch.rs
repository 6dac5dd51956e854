//! Changes as a unified diff with git's headers: pure.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::content::Body;
use super::hunks::{Hunk, Line, hunks};
use crate::policy::visible;

/// How a text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Paint {
    /// In git's colours.
    pub colours: bool,
    /// With nothing in it that a terminal obeys.
    pub escapes: bool,
}

/// One side of what is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// The name, relative to the workspace or without its leading slash.
    pub name: String,
    /// As git writes modes.
    pub mode: u32,
}

/// One file of a diff; an old or a new face at least is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// How it was.
    pub old: Option<Face>,
    /// How it is.
    pub new: Option<Face>,
    /// What became of the content.
    pub body: Body,
}

/// The mode of symbolic links.
const LINK: u32 = 0o120_000;

/// A comment on what no patch can say.
pub(super) fn comment(text: &str) -> String {
    format!("# {text}\n")
}

/// The mode that git gives a regular file or a symbolic link.
pub(super) fn git_mode(mode: u32) -> u32 {
    match mode & libc::S_IFMT {
        libc::S_IFLNK => LINK,
        _ if mode & 0o100 != 0 => 0o100_755,
        _ => 0o100_644,
    }
}

/// A name as git quotes it: C escapes where there is anything that cannot be
/// seen or would end the name.
pub fn quoted(prefix: &str, path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let is_plain = |text: &str| !text.contains(['"', '\\']) && visible(text) == text;
    if let Some(text) = path.to_str().filter(|text| is_plain(text)) {
        return format!("{prefix}{text}");
    }
    let mut name = format!("\"{prefix}");
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            let text = char.to_string();
            match char {
                '"' | '\\' => name.extend(['\\', char]),
                '\n' => name.push_str("\\n"),
                '\t' => name.push_str("\\t"),
                _ if visible(&text) == text => name.push(char),
                _ => octal(&mut name, text.as_bytes()),
            }
        }
        octal(&mut name, chunk.invalid());
    }
    name.push('"');
    name
}

fn octal(name: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(name, "\\{byte:03o}");
    }
}

impl Paint {
    fn header(self, line: &str) -> String {
        self.line("1", line)
    }

    fn line(self, colour: &str, line: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{line}\x1b[m\n") } else { format!("{line}\n") }
    }

    /// A file's line without its newline.
    fn content(self, line: &str) -> String {
        if !self.escapes {
            return line.into();
        }
        line.split('\t').map(visible).collect::<Vec<_>>().join("\t")
    }
}

impl Part {
    /// The part of the diff.
    pub fn text(&self, paint: Paint) -> String {
        let Some(face) = self.old.as_ref().or(self.new.as_ref()) else { return String::new() };
        if let Body::Unknown(why) = &self.body {
            return comment(&format!("{}: {why}", self.new.as_ref().unwrap_or(face).plain()));
        }
        let old = self.old.as_ref().unwrap_or(self.new.as_ref().unwrap_or(face));
        let new = self.new.as_ref().unwrap_or(face);
        let mut text = paint.header(&format!("diff --git {} {}", old.whole("a/"), new.whole("b/")));
        for line in self.extended() {
            text.push_str(&paint.header(&line));
        }
        let name = |face: &Option<Face>, prefix| match face {
            None => "/dev/null".to_string(),
            Some(face) => face.prefixed(prefix),
        };
        let (from, to) = (name(&self.old, "a/"), name(&self.new, "b/"));
        match &self.body {
            Body::Text { old, new } => {
                let hunks = hunks(old, new);
                if !hunks.is_empty() {
                    text.push_str(&paint.header(&format!("--- {}", ended(&from))));
                    text.push_str(&paint.header(&format!("+++ {}", ended(&to))));
                }
                hunks.iter().for_each(|hunk| show(hunk, paint, &mut text));
            }
            Body::Binary => text.push_str(&format!("Binary files {from} and {to} differ\n")),
            Body::Same | Body::Unknown(_) => {}
        }
        text
    }

    /// What git says beyond the names.
    fn extended(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let is_empty = matches!(&self.body, Body::Text { old, new } if old.is_empty() && new.is_empty());
        match (&self.old, &self.new) {
            (None, Some(new)) => {
                lines.push(format!("new file mode {:06o}", new.mode));
                if is_empty {
                    // What tells `patch` that there is a file without a line.
                    lines.push("index 0000000..e69de29".into());
                }
            }
            (Some(old), None) => {
                lines.push(format!("deleted file mode {:06o}", old.mode));
                if is_empty {
                    lines.push("index e69de29..0000000".into());
                }
            }
            (Some(old), Some(new)) => {
                // A link's mode is said as well, or `patch` takes it for a file.
                if old.mode != new.mode || (old.mode == LINK && self.body != Body::Same) {
                    lines.push(format!("old mode {:06o}", old.mode));
                    lines.push(format!("new mode {:06o}", new.mode));
                }
                if old.name != new.name {
                    if self.body == Body::Same {
                        lines.push("similarity index 100%".into());
                    }
                    lines.push(format!("rename from {}", old.plain()));
                    lines.push(format!("rename to {}", new.plain()));
                }
            }
            (None, None) => {}
        }
        lines
    }
}

impl Face {
    /// A name as it is shown, and the mode of what has it.
    pub(super) fn new(path: &Path, mode: u32) -> Face {
        Face { name: quoted("", path), mode: git_mode(mode) }
    }

    fn plain(&self) -> &str {
        &self.name
    }

    /// The name where nothing else says where it ends: also quoted if it has spaces.
    fn whole(&self, prefix: &str) -> String {
        let name = self.prefixed(prefix);
        if name.contains(' ') && !name.starts_with('"') { format!("\"{name}\"") } else { name }
    }

    fn prefixed(&self, prefix: &str) -> String {
        match self.name.strip_prefix('"') {
            Some(rest) => format!("\"{prefix}{rest}"),
            None => format!("{prefix}{}", self.name),
        }
    }
}

/// A name with spaces ends with a tab, or it would end at the first of them.
fn ended(name: &str) -> String {
    if name.contains(' ') { format!("{name}\t") } else { name.into() }
}

fn show(hunk: &Hunk<'_>, paint: Paint, text: &mut String) {
    let (old, new) = (range(&hunk.old), range(&hunk.new));
    text.push_str(&paint.line("36", &format!("@@ -{old} +{new} @@")));
    for line in &hunk.lines {
        let (sign, colour, content) = match line {
            Line::Kept(content) => (' ', None, content),
            Line::Gone(content) => ('-', Some("31"), content),
            Line::Added(content) => ('+', Some("32"), content),
        };
        let (content, is_whole) = match content.strip_suffix('\n') {
            Some(content) => (content, true),
            None => (*content, false),
        };
        let line = format!("{sign}{}", paint.content(content));
        match colour {
            Some(colour) => text.push_str(&paint.line(colour, &line)),
            None => text.push_str(&format!("{line}\n")),
        }
        if !is_whole {
            text.push_str("\\ No newline at end of file\n");
        }
    }
}

/// Lines as a hunk's header numbers them: an empty range by the line before it.
fn range(lines: &std::ops::Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(name: &str) -> Option<Face> {
        Some(Face::new(name.as_ref(), 0o100_644))
    }

    fn text(old: &str, new: &str) -> Body {
        Body::Text { old: old.into(), new: new.into() }
    }

    const PLAIN: Paint = Paint { colours: false, escapes: false };

    #[test]
    fn a_modification() {
        let part = Part { old: face("x"), new: face("x"), body: text("a\nb\n", "a\nc") };
        assert_eq!(
            part.text(PLAIN),
            "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn what_is_made_or_gone_stands_against_dev_null() {
        let made = Part { old: None, new: face("d x"), body: text("", "a\n") };
        assert_eq!(
            made.text(PLAIN),
            "diff --git \"a/d x\" \"b/d x\"\nnew file mode 100644\n--- /dev/null\n+++ b/d x\t\n@@ -0,0 +1 @@\n+a\n"
        );
        let gone = Part { old: face("x"), new: None, body: text("a\nb\n", "") };
        assert_eq!(
            gone.text(PLAIN),
            "diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n"
        );
        let empty = Part { old: None, new: face("x"), body: text("", "") };
        assert_eq!(empty.text(PLAIN), "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n");
    }

    #[test]
    fn renames_modes_and_what_cannot_be_shown() {
        let new = Some(Face::new("y".as_ref(), 0o100_700));
        let part = Part { old: face("x"), new, body: Body::Same };
        assert_eq!(
            part.text(PLAIN),
            "diff --git a/x b/y\nold mode 100644\nnew mode 100755\nsimilarity index 100%\n\
             rename from x\nrename to y\n"
        );
        let part = Part { old: face("x"), new: face("x"), body: Body::Binary };
        assert_eq!(part.text(PLAIN), "diff --git a/x b/x\nBinary files a/x and b/x differ\n");
        let part = Part { old: face("x"), new: None, body: Body::Unknown("why".into()) };
        assert_eq!(part.text(PLAIN), "# x: why\n");
    }

    #[test]
    fn names_are_quoted_as_git_does() {
        assert_eq!(quoted("a/", "é x".as_ref()), "a/é x");
        assert_eq!(quoted("a/", "\"\n\u{1b}\u{202e}".as_ref()), r#""a/\"\n\033\342\200\256""#);
        let bytes = std::ffi::OsStr::from_bytes(b"x\xff");
        assert_eq!(quoted("", bytes.as_ref()), r#""x\377""#);
        assert_eq!(Face::new(bytes.as_ref(), 0).prefixed("b/"), r#""b/x\377""#);
    }

    #[test]
    fn colours_and_escapes() {
        let paint = Paint { colours: true, escapes: true };
        let part = Part { old: face("x"), new: face("x"), body: text("\ta\u{1b}[2J\n", "b\n") };
        assert_eq!(
            part.text(paint),
            "\x1b[1mdiff --git a/x b/x\x1b[m\n\x1b[1m--- a/x\x1b[m\n\x1b[1m+++ b/x\x1b[m\n\
             \x1b[36m@@ -1 +1 @@\x1b[m\n\x1b[31m-\ta\\u{1b}[2J\x1b[m\n\x1b[32m+b\x1b[m\n"
        );
    }
}
