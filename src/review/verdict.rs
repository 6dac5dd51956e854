//! What a reviewer says, and whether that is a verdict: pure but for reading its file.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The version of what a reviewer writes.
const SCHEMA: u32 = 1;
/// Bytes of a verdict.
pub const LARGEST: u64 = 1 << 20;
/// Findings of a verdict.
const MOST_FINDINGS: usize = 500;
/// Bytes of a text in it.
const LONGEST: usize = 16 << 10;

/// What a reviewer says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The version of the format.
    pub schema: u32,
    /// The hash of the tree that was reviewed, as `$STOCKADE_TREE` says it.
    pub tree: String,
    /// Whether the work may stay.
    pub verdict: Judgement,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Whether the work may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// It may.
    Approve,
    /// Something has to change first.
    Changes,
}

/// Something that a reviewer found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, from the workspace; none where it is about the whole.
    #[serde(default)]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default)]
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What would be better.
    #[serde(default)]
    pub suggestion: Option<String>,
}

/// How bad a finding is, as SARIF names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It must change.
    Error,
    /// It should change.
    Warning,
    /// It is worth knowing.
    Note,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Why what a reviewer said is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It said nothing.
    #[error("it gave no verdict: neither verdict.json nor a JSON block at the end of its output")]
    Missing,
    /// It said too much.
    #[error("its verdict is larger than {} KiB", LARGEST >> 10)]
    TooLarge,
    /// It is no text.
    #[error("its verdict is not UTF-8")]
    Binary,
    /// Something else than a file has its name.
    #[error("verdict.json is not a regular file")]
    NotAFile,
    /// The file cannot be read.
    #[error("verdict.json cannot be read: {0}")]
    Unreadable(String),
    /// It is not as the schema says.
    #[error("its verdict is malformed: {0}")]
    Malformed(String),
    /// It is about another tree.
    #[error("its verdict is about another tree, {0}")]
    Foreign(String),
    /// It says two things.
    #[error("its verdict contradicts itself: {0}")]
    Contradiction(&'static str),
}

impl Verdict {
    /// Reads a verdict about a tree.
    fn parse(text: &[u8], tree: &str) -> Result<Verdict, Fault> {
        let text = std::str::from_utf8(text).map_err(|_| Fault::Binary)?;
        if text.trim().is_empty() {
            return Err(Fault::Missing);
        }
        let verdict: Verdict =
            serde_json::from_str(text).map_err(|error| Fault::Malformed(error.to_string()))?;
        verdict.check(tree).map(|()| verdict)
    }

    fn check(&self, tree: &str) -> Result<(), Fault> {
        if self.schema != SCHEMA {
            return Err(Fault::Malformed(format!("schema {}: expected {SCHEMA}", self.schema)));
        }
        if self.tree != tree {
            return Err(Fault::Foreign(self.tree.chars().take(80).collect()));
        }
        if self.findings.len() > MOST_FINDINGS {
            return Err(Fault::Malformed(format!("more than {MOST_FINDINGS} findings")));
        }
        for finding in &self.findings {
            let texts = [Some(&finding.message), finding.file.as_ref(), finding.suggestion.as_ref()];
            if texts.into_iter().flatten().any(|text| text.len() > LONGEST) {
                return Err(Fault::Malformed(format!("a text of more than {} KiB", LONGEST >> 10)));
            }
            if finding.message.trim().is_empty() {
                return Err(Fault::Malformed("a finding without a message".into()));
            }
            if finding.line == Some(0) {
                return Err(Fault::Malformed("line 0: lines are counted from 1".into()));
            }
        }
        let has_error = self.findings.iter().any(|finding| finding.severity == Severity::Error);
        match self.verdict {
            Judgement::Approve if has_error => Err(Fault::Contradiction("approved with an error")),
            Judgement::Changes if self.findings.is_empty() => {
                Err(Fault::Contradiction("changes are wanted, but none is named"))
            }
            _ => Ok(()),
        }
    }
}

/// The verdict in a file; none where there is no such file.
pub fn of_file(path: &Path, tree: &str) -> Option<Result<Verdict, Fault>> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        // O_NOFOLLOW says so of a symbolic link, and a socket cannot be opened.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => {
            return Some(Err(Fault::NotAFile));
        }
        Err(error) => return Some(Err(Fault::Unreadable(error.to_string()))),
    };
    let unreadable = |error: io::Error| Fault::Unreadable(error.to_string());
    let read = || {
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(Fault::NotAFile);
        }
        let mut text = Vec::new();
        (&file).take(LARGEST + 1).read_to_end(&mut text).map_err(unreadable)?;
        if text.len() as u64 > LARGEST { Err(Fault::TooLarge) } else { Verdict::parse(&text, tree) }
    };
    Some(read())
}

/// The verdict in what a reviewer printed: all of it, or the last fenced block of JSON.
/// A text that it quotes before that counts for nothing.
pub fn of_output(output: &[u8], tree: &str) -> Result<Verdict, Fault> {
    let text = std::str::from_utf8(output).map_err(|_| Fault::Binary)?;
    if text.trim_start().starts_with('{') {
        return Verdict::parse(output, tree);
    }
    Verdict::parse(last_block(text).ok_or(Fault::Missing)?.as_bytes(), tree)
}

/// The last block of JSON between fences, as Markdown has them.
fn last_block(text: &str) -> Option<&str> {
    let mut last = None;
    let mut open: Option<(&str, bool, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let trimmed = line.trim();
        let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
        match open {
            Some((fence, is_json, from)) if ticks >= fence.len() && ticks == trimmed.len() => {
                if is_json {
                    last = Some(&text[from..start]);
                }
                open = None;
            }
            None if ticks >= 3 => {
                let info = trimmed[ticks..].trim();
                let is_json = info.is_empty() || info.eq_ignore_ascii_case("json");
                open = Some((&trimmed[..ticks], is_json, at));
            }
            _ => {}
        }
    }
    last
}

/// The JSON schema of a verdict (draft 2020-12). Every field of a finding is required and
/// may be null, since some models only write what is.
pub fn schema() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    let optional = |kind: &str, about: &str| json!({"type": [kind, "null"], "description": about});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Verdict of a review",
        "type": "object",
        "additionalProperties": false,
        "required": ["schema", "tree", "verdict", "findings"],
        "properties": {
            "schema": {"type": "integer", "enum": [SCHEMA]},
            "tree": text("The hash of the reviewed tree, as $STOCKADE_TREE says it"),
            "verdict": {
                "type": "string",
                "enum": ["approve", "changes"],
                "description": "approve: the work may stay; changes: a finding at least has to be dealt with"
            },
            "findings": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["severity", "file", "line", "message", "suggestion"],
                    "properties": {
                        "severity": {"type": "string", "enum": ["error", "warning", "note"]},
                        "file": optional("string", "The file, from the workspace"),
                        "line": optional("integer", "The line, from 1"),
                        "message": text("What is wrong"),
                        "suggestion": optional("string", "What would be better")
                    }
                }
            }
        }
    })
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity.name())?;
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests;
