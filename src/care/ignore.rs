//! `gitignore(5)`: which new files git does not call new.

use std::rc::Rc;

/// The patterns of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// Components; `**` stands for any number of them.
    components: Vec<Vec<u8>>,
    is_negative: bool,
    is_for_dirs: bool,
}

impl Patterns {
    /// Reads a file of patterns.
    pub(super) fn parse(text: &[u8]) -> Patterns {
        Patterns(text.split(|byte| *byte == b'\n').filter_map(pattern).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn pattern(line: &[u8]) -> Option<Pattern> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut line = match line.trim_ascii_end() {
        // A blank that is written as `\ ` counts.
        cut if cut.ends_with(b"\\") && cut.len() < line.len() => &line[..=cut.len()],
        cut => cut,
    };
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let is_negative = line.starts_with(b"!");
    line = line.strip_prefix(b"!").unwrap_or(line);
    let is_for_dirs = line.ends_with(b"/");
    line = line.strip_suffix(b"/").unwrap_or(line);
    let is_anchored = line.contains(&b'/');
    let names = line.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
    let mut components: Vec<Vec<u8>> = if is_anchored { Vec::new() } else { vec![b"**".to_vec()] };
    components.extend(names);
    // `a/**` is what lies beneath, not the directory itself.
    if components.last().is_some_and(|last| last == b"**") && components.len() > 1 {
        components.push(b"*".to_vec());
    }
    (!components.is_empty()).then_some(Pattern { components, is_negative, is_for_dirs })
}

/// Patterns that hold in a directory: its own and those of the directories around it.
#[derive(Debug, Clone)]
pub(super) struct Ignored {
    patterns: Patterns,
    /// How many components the path of the directory has that they are relative to.
    depth: usize,
    around: Option<Rc<Ignored>>,
}

impl Ignored {
    /// Adds the patterns of a directory so deep.
    pub(super) fn with(around: Option<Rc<Ignored>>, patterns: Patterns, depth: usize) -> Option<Rc<Ignored>> {
        if patterns.is_empty() { around } else { Some(Rc::new(Ignored { patterns, depth, around })) }
    }

    /// Whether the path of these components is left out. That one around it is must be
    /// known by itself.
    pub(super) fn has(&self, path: &[&[u8]], is_dir: bool) -> bool {
        let mut at = Some(self);
        while let Some(ignored) = at {
            let beneath = path.get(ignored.depth..).unwrap_or_default();
            let mut last_first = ignored.patterns.0.iter().rev();
            let decides = last_first
                .find(|pattern| (is_dir || !pattern.is_for_dirs) && path_fits(&pattern.components, beneath));
            if let Some(pattern) = decides {
                return !pattern.is_negative;
            }
            at = ignored.around.as_deref();
        }
        false
    }
}

/// What is left of components and names.
type Rest<'a> = (&'a [Vec<u8>], &'a [&'a [u8]]);

/// Whether names fit components, of which `**` stands for any number. Goes back only to
/// the last `**`, so its time is bounded by the product of the lengths.
fn path_fits(pattern: &[Vec<u8>], path: &[&[u8]]) -> bool {
    let (mut pattern, mut path) = (pattern, path);
    let mut retry: Option<Rest<'_>> = None;
    while let Some((name, tail)) = path.split_first() {
        match pattern.split_first() {
            Some((first, rest)) if first == b"**" => {
                pattern = rest;
                retry = Some((rest, tail));
            }
            Some((first, rest)) if name_fits(first, name) => (pattern, path) = (rest, tail),
            _ => {
                let Some((rest, later)) = retry else { return false };
                (pattern, path) = (rest, later);
                retry = later.split_first().map(|(_, tail)| (rest, tail));
            }
        }
    }
    pattern.iter().all(|component| component == b"**")
}

/// Whether a name fits a component: `*`, `?`, `[…]` and `\`.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut retry: Option<(&[u8], &[u8])> = None;
    while let Some((byte, tail)) = name.split_first() {
        if let Some(rest) = pattern.strip_prefix(b"*") {
            pattern = rest;
            retry = Some((rest, tail));
        } else if let Some(rest) = one_fits(pattern, *byte) {
            (pattern, name) = (rest, tail);
        } else {
            let Some((rest, later)) = retry else { return false };
            (pattern, name) = (rest, later);
            retry = later.split_first().map(|(_, tail)| (rest, tail));
        }
    }
    pattern.iter().all(|byte| *byte == b'*')
}

/// What is left of a pattern whose beginning fits a byte.
fn one_fits(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (first, rest) = pattern.split_first()?;
    match first {
        b'?' => Some(rest),
        b'\\' => rest.split_first().filter(|(escaped, _)| **escaped == byte).map(|(_, rest)| rest),
        b'[' => class_fits(rest, byte),
        other => (*other == byte).then_some(rest),
    }
}

/// The same for what follows `[`.
fn class_fits(class: &[u8], byte: u8) -> Option<&[u8]> {
    let is_negative = class.first().is_some_and(|first| matches!(first, b'!' | b'^'));
    let mut rest = if is_negative { &class[1..] } else { class };
    let mut fits = false;
    let mut is_first = true;
    loop {
        let (first, tail) = rest.split_first()?;
        match (first, tail) {
            (b']', _) if !is_first => return (fits != is_negative).then_some(tail),
            (low, [b'-', high, tail @ ..]) if *high != b']' => {
                fits |= (*low..=*high).contains(&byte);
                rest = tail;
            }
            (b'\\', [escaped, tail @ ..]) => {
                fits |= *escaped == byte;
                rest = tail;
            }
            (one, tail) => {
                fits |= *one == byte;
                rest = tail;
            }
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, path: &str) -> bool {
        let (path, is_dir) = (path.trim_end_matches('/'), path.ends_with('/'));
        let components: Vec<&[u8]> = path.split('/').map(str::as_bytes).collect();
        let ignored = Ignored::with(None, Patterns::parse(text.as_bytes()), 0);
        ignored.is_some_and(|ignored| ignored.has(&components, is_dir))
    }

    #[test]
    fn patterns_mean_what_git_says() {
        for (text, path) in [
            ("*.o", "a/b.o"),
            ("/build", "build/"),
            ("build/", "a/build/"),
            ("a/b", "a/b"),
            ("a/**", "a/b/c"),
            ("**/x/y", "q/x/y"),
            ("a/**/z", "a/z"),
            ("*.py[cod]", "m.pyc"),
            ("[!a]b", "cb"),
            ("a\\*b", "a*b"),
            ("!x\n*.log\n", "x.log"),
            ("x \n", "x"),
            ("x\\ ", "x "),
            ("#\n\n*~", "a~"),
            ("[]]x", "]x"),
        ] {
            assert!(has(text, path), "{text} {path}");
        }
        for (text, path) in [
            ("*.o", "a/b.c"),
            ("/build", "a/build/"),
            ("build/", "build"),
            ("a/b", "c/a/b"),
            ("a/**", "a/"),
            ("*.log\n!x.log", "x.log"),
            ("[a", "[a"),
            ("a*b", "a/b"),
            ("", "x"),
        ] {
            assert!(!has(text, path), "{text} {path}");
        }
    }

    #[test]
    fn the_nearest_directory_decides() {
        let outer = Ignored::with(None, Patterns::parse(b"*.log"), 0);
        let inner = Ignored::with(outer, Patterns::parse(b"!keep.log\n/only"), 1);
        let has = |path: &[&[u8]]| inner.as_ref().is_some_and(|inner| inner.has(path, false));
        assert!(has(&[b"a", b"x.log"]) && !has(&[b"a", b"keep.log"]));
        assert!(has(&[b"a", b"only"]) && !has(&[b"a", b"b", b"only"]));
    }

    #[test]
    fn hostile_patterns_end() {
        let stars = "a*".repeat(500) + "b";
        assert!(!has(&stars, &"a".repeat(4000)));
        let depths = "**/a/".repeat(200) + "b";
        assert!(!has(&depths, &"a/".repeat(500)));
    }
}
