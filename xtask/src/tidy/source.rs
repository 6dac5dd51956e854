//! A Rust file, and the paths that it names.
//!
//! Paths are read from tokens, not from the syntax tree, because the tree
//! does not look into the arguments of macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Violation;

/// A parsed Rust file.
pub(super) struct Source {
    /// The file, from the repository's root, with `/` between names.
    pub(super) file: String,
    /// How many lines it has.
    pub(super) lines: usize,
    /// Its syntax tree.
    pub(super) syntax: syn::File,
    /// Every path in it, those of one name included.
    pub(super) paths: Vec<Named>,
}

/// A path that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Its parts; the braces of a `use` are resolved, and so are `crate`,
    /// `self` and `super` where they come to the crate's root: then the
    /// first part is `crate`.
    pub(super) parts: Vec<String>,
    /// Line from 1.
    pub(super) line: usize,
}

impl Source {
    /// Parses a file.
    pub(super) fn parse(file: &str, text: &str) -> Result<Source, Violation> {
        let broken = |line, error: &dyn std::fmt::Display| {
            Violation::new(file, line, format!("this is not Rust: {error}"))
        };
        let tokens: TokenStream = text.parse().map_err(|error| broken(1, &error))?;
        let syntax =
            syn::parse2(tokens.clone()).map_err(|error| broken(error.span().start().line, &error))?;
        let mut walk = Walk { module: module_of(file), paths: Vec::new() };
        walk.stream(tokens, &[]);
        Ok(Source { file: file.to_owned(), lines: text.lines().count(), syntax, paths: walk.paths })
    }
}

/// The module that a file is, as parts after `crate`.
fn module_of(file: &str) -> Vec<String> {
    let inner = file.strip_prefix("src/").unwrap_or(file);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// Goes through tokens and collects paths.
struct Walk {
    /// The module that the walk is in.
    module: Vec<String>,
    /// What it found.
    paths: Vec<Named>,
}

impl Walk {
    /// Collects the paths of a token stream, each behind `prefix`.
    fn stream(&mut self, stream: TokenStream, prefix: &[String]) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(word) if word == "mod" && is_braced_module(&tokens[at..]) => {
                    self.module.push(tokens[at + 1].to_string());
                    if let TokenTree::Group(body) = &tokens[at + 2] {
                        self.stream(body.stream(), &[]);
                    }
                    self.module.pop();
                    at += 3;
                }
                TokenTree::Ident(_) => at = self.path(&tokens, at, prefix),
                TokenTree::Group(group) => {
                    self.stream(group.stream(), prefix);
                    at += 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// Collects the path that starts at a token; gives the index after it.
    fn path(&mut self, tokens: &[TokenTree], start: usize, prefix: &[String]) -> usize {
        let line = tokens[start].span().start().line;
        let mut parts = prefix.to_vec();
        parts.push(word(&tokens[start]));
        let mut at = start + 1;
        while is_separator(&tokens[at..]) {
            match tokens.get(at + 2) {
                Some(next @ TokenTree::Ident(_)) => parts.push(word(next)),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.stream(group.stream(), &parts);
                    return at + 3;
                }
                _ => break,
            }
            at += 3;
        }
        self.paths.push(Named { parts: self.resolve(parts), line });
        at
    }

    /// Replaces a start of `self` and `super` by the module it means.
    fn resolve(&self, mut parts: Vec<String>) -> Vec<String> {
        if !["self", "super"].contains(&parts[0].as_str()) || parts.len() == 1 {
            return parts;
        }
        let relative = parts.iter().take_while(|part| *part == "self" || *part == "super").count();
        let up = parts[..relative].iter().filter(|part| *part == "super").count();
        let rest = parts.split_off(relative);
        let above = &self.module[..self.module.len().saturating_sub(up)];
        ["crate".to_owned()].into_iter().chain(above.iter().cloned()).chain(rest).collect()
    }
}

/// An identifier without the mark of a raw one.
fn word(token: &TokenTree) -> String {
    token.to_string().trim_start_matches("r#").to_owned()
}

/// Whether tokens start with `mod name { … }`.
fn is_braced_module(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [_, TokenTree::Ident(_), TokenTree::Group(body), ..] if body.delimiter() == Delimiter::Brace)
}

/// Whether tokens start with `::`.
fn is_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(first), TokenTree::Punct(second), ..]
        if first.as_char() == ':' && second.as_char() == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths of more than one part in a text, written with `::`.
    fn paths(file: &str, text: &str) -> Vec<String> {
        let source = Source::parse(file, text).ok().unwrap();
        source.paths.iter().filter(|path| path.parts.len() > 1).map(|path| path.parts.join("::")).collect()
    }

    #[test]
    fn braces_are_resolved() {
        assert_eq!(
            paths("src/a.rs", "use std::{fs::{self, File}, io}; use x::*;"),
            ["std::fs::self", "std::fs::File", "std::io"]
        );
    }

    #[test]
    fn paths_in_macros_and_types_are_found() {
        assert_eq!(
            paths("src/a.rs", "fn f(x: Vec<nix::Error>) { println!(\"{}\", crate::b::c::<u8>(x)); }"),
            ["nix::Error", "crate::b::c"]
        );
    }

    #[test]
    fn self_and_super_are_resolved() {
        assert_eq!(
            paths(
                "src/policy/plan.rs",
                "use super::rules::Rule; mod tests { use super::super::super::cli::X; }"
            ),
            ["crate::policy::rules::Rule", "crate::cli::X"]
        );
        assert_eq!(paths("src/policy/mod.rs", "use self::plan::Plan;"), ["crate::policy::plan::Plan"]);
    }

    #[test]
    fn lines_count_from_one() {
        let source = Source::parse("src/a.rs", "\nuse std::fs;\n").ok().unwrap();
        assert_eq!(source.lines, 2);
        assert_eq!(source.paths.last().unwrap().line, 2);
    }

    #[test]
    fn what_is_not_rust_is_a_violation() {
        assert!(Source::parse("src/a.rs", "fn f( {").is_err());
        assert!(Source::parse("src/a.rs", "fn f;").is_err());
    }
}
