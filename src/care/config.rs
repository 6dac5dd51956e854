//! git's settings, as far as they say where a repository is shared. No `include` is
//! followed: it could name any file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What a file of settings says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Config {
    /// Names and URLs of remotes, in order.
    pub(super) remotes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Beginnings of URLs, and what they are short for.
    short: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where a file with more patterns to ignore lies.
    pub(super) excludes: Option<Vec<u8>>,
    /// Whether objects have names of 32 bytes.
    pub(super) is_sha256: bool,
}

impl Config {
    /// Reads settings; what is no setting is left out.
    pub(super) fn parse(text: &[u8]) -> Config {
        let mut config = Config::default();
        let mut section = (Vec::new(), Vec::new());
        for line in joined(text) {
            let mut line = line.trim_ascii();
            if let Some(rest) = line.strip_prefix(b"[") {
                let Some((head, after)) = head(rest) else { continue };
                section = head;
                line = after.trim_ascii();
            }
            if let Some((key, value)) = setting(line) {
                config.add(&section, &key, value);
            }
        }
        config
    }

    /// Adds what another file says URLs are short for.
    pub(super) fn with_short(mut self, other: &Config) -> Config {
        self.short.extend(other.short.iter().cloned());
        self
    }

    /// The URLs of all remotes, written out.
    pub(super) fn urls(&self) -> Vec<OsString> {
        let mut urls: Vec<OsString> = self.remotes.iter().map(|(_, url)| self.long(url)).collect();
        urls.sort();
        urls.dedup();
        urls
    }

    fn long(&self, url: &[u8]) -> OsString {
        let fits = self.short.iter().filter(|(short, _)| url.starts_with(short));
        match fits.max_by_key(|(short, _)| short.len()) {
            Some((short, long)) => OsStr::from_bytes(&[long, &url[short.len()..]].concat()).into(),
            None => OsStr::from_bytes(url).into(),
        }
    }

    fn add(&mut self, section: &(Vec<u8>, Vec<u8>), key: &[u8], value: Vec<u8>) {
        let (name, sub) = section;
        match (name.as_slice(), key) {
            (b"remote", b"url" | b"pushurl") if !value.is_empty() => self.remotes.push((sub.clone(), value)),
            (b"url", b"insteadof" | b"pushinsteadof") if !value.is_empty() => {
                self.short.push((value, sub.clone()));
            }
            (b"core", b"excludesfile") => self.excludes = Some(value),
            (b"extensions", b"objectformat") => self.is_sha256 = value.eq_ignore_ascii_case(b"sha256"),
            _ => {}
        }
    }
}

/// The lines, those that go on after a backslash as one.
fn joined(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
        let (line, next) = if backslashes % 2 == 1 { (&line[..line.len() - 1], true) } else { (line, false) };
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => last.extend_from_slice(line),
            None => lines.push(line.to_vec()),
        }
        goes_on = next;
    }
    lines
}

type Head = (Vec<u8>, Vec<u8>);

/// `name "sub"]` and what follows; names are in lower case.
fn head(text: &[u8]) -> Option<(Head, &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b']' | b'"'))?;
    let name = text[..end].trim_ascii().to_ascii_lowercase();
    if text[end] == b']' {
        // The old form: `[name.sub]`.
        let (name, sub) = match name.iter().position(|byte| *byte == b'.') {
            Some(dot) => (name[..dot].to_vec(), name[dot + 1..].to_vec()),
            None => (name, Vec::new()),
        };
        return Some(((name, sub), &text[end + 1..]));
    }
    let mut sub = Vec::new();
    let mut bytes = text[end + 1..].iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let rest = text[end + 2 + at..].trim_ascii_start();
                return Some(((name, sub), rest.strip_prefix(b"]")?));
            }
            b'\\' => sub.push(*bytes.next()?.1),
            other => sub.push(*other),
        }
    }
    None
}

/// `key = value` with the value's quotes and escapes resolved.
fn setting(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let sign = line.iter().position(|byte| *byte == b'=')?;
    let key = line[..sign].trim_ascii().to_ascii_lowercase();
    if key.is_empty() || !key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
        return None;
    }
    let mut value = Vec::new();
    let mut is_quoted = false;
    let mut kept = 0;
    let mut bytes = line[sign + 1..].trim_ascii().iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\\' => value.push(match bytes.next()? {
                b'n' => b'\n',
                b't' => b'\t',
                other => *other,
            }),
            b'#' | b';' if !is_quoted => break,
            other => value.push(*other),
        }
        if is_quoted || !byte.is_ascii_whitespace() {
            kept = value.len();
        }
    }
    value.truncate(kept);
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_read_as_git_does() {
        let text = b"[core]\n\tbare = false\n[remote \"origin\"]\n\turl = git@example.org:acme/app.git ; here\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n[Remote \"a\\\"b\"] URL = \"x y\"\n[remote \"c\"]\n\turl = long\\\ner\n[remote.old]\nurl=z\n";
        let config = Config::parse(text);
        let found: Vec<(&[u8], &[u8])> =
            config.remotes.iter().map(|(name, url)| (name.as_slice(), url.as_slice())).collect();
        let expected: [(&[u8], &[u8]); 4] = [
            (b"origin", b"git@example.org:acme/app.git"),
            (b"a\"b", b"x y"),
            (b"c", b"longer"),
            (b"old", b"z"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_a_url_is_short_for_is_written_out() {
        let own = Config::parse(b"[remote \"o\"]\nurl = work:app\n[remote \"p\"]\nurl = work:x/app\n");
        let home = Config::parse(
            b"[url \"git@example.org:acme/\"]\n insteadOf = work:\n[url \"git@example.com:\"]\n insteadOf = work:x/\n",
        );
        assert_eq!(own.with_short(&home).urls(), ["git@example.com:app", "git@example.org:acme/app"]);
    }

    #[test]
    fn garbage_says_nothing() {
        for text in
            [&b"[remote \"o"[..], b"[remote \"o\"\nurl = x", b"\xff\0=[", b"url = x", b"[remote]\n= x\n[[["]
        {
            assert_eq!(Config::parse(text).urls().len(), 0, "{text:?}");
        }
        assert!(Config::parse(b"[extensions]\nobjectFormat = sha256\n").is_sha256);
    }
}
