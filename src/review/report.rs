//! What came of a review: as text, as Markdown, and as it is written down (JSON).

use std::fmt::Write as _;

use serde::Serialize;

use super::rounds::Outcome;
use super::verdict::{Finding, Judgement, Verdict};
use crate::policy::visible;

/// A review from its beginning to its end.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of the format.
    pub schema: u32,
    /// Its id.
    pub id: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// When it ended.
    pub ended: String,
    /// Where the work was done.
    pub workspace: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub why: String,
    /// The hash of the tree that was reviewed last.
    pub tree: Option<String>,
    /// The author's sessions that changed something, the oldest first.
    pub sessions: Vec<String>,
    /// What was changed, a line for each file.
    pub changed: Vec<String>,
    /// Files of which no reviewer was shown the content, since it is secret.
    pub withheld: Vec<String>,
    /// What takes all of it back; nothing where nothing was changed, or it was taken back.
    pub undo: Option<String>,
    /// Whether it was taken back.
    pub undone: bool,
    /// The rounds.
    pub rounds: Vec<Round>,
}

/// A round of a review.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// The author's turn; none where the work was done before.
    pub author: Option<Turn>,
    /// The hash of what the author left.
    pub tree: Option<String>,
    /// The reviewers' turns.
    pub reviewers: Vec<Reviewed>,
}

/// A turn of somebody.
#[derive(Debug, Clone, Serialize)]
pub struct Turn {
    /// The command, or the recipe's name.
    pub name: String,
    /// Its session.
    pub session: String,
    /// Its exit status.
    pub status: Option<i32>,
    /// How long it took.
    pub seconds: f64,
    /// What it printed.
    pub log: String,
    /// Why it failed.
    pub failure: Option<String>,
}

/// A reviewer's turn.
#[derive(Debug, Clone, Serialize)]
pub struct Reviewed {
    /// The turn.
    #[serde(flatten)]
    pub turn: Turn,
    /// What it said.
    pub verdict: Option<Verdict>,
}

impl Report {
    /// What the last round found, with who found it.
    pub fn last_findings(&self) -> Vec<(&str, &Finding)> {
        let last = self.rounds.iter().rev().find(|round| !round.reviewers.is_empty());
        let reviewers = last.into_iter().flat_map(|round| &round.reviewers);
        let verdicts = reviewers.filter_map(|who| Some((who.turn.name.as_str(), who.verdict.as_ref()?)));
        verdicts
            .flat_map(|(name, verdict)| verdict.findings.iter().map(move |finding| (name, finding)))
            .collect()
    }

    /// As a person reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (number, round) in (1..).zip(&self.rounds) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "round {number}");
            if let Some(turn) = &round.author {
                let _ = writeln!(text, "  author {}: {}", visible(&turn.name), turn.in_words());
            }
            for who in &round.reviewers {
                let _ = writeln!(text, "  reviewer {}: {}", visible(&who.turn.name), who.in_words());
                for finding in who.verdict.iter().flat_map(|verdict| &verdict.findings) {
                    let _ = writeln!(text, "    {}", visible(&finding.to_string()));
                    if let Some(suggestion) = &finding.suggestion {
                        let _ = writeln!(text, "      suggestion: {}", visible(suggestion));
                    }
                }
            }
        }
        let _ = writeln!(text, "{}: {}", self.outcome.name(), visible(&self.why));
        let _ = writeln!(text, "{}", self.what_became_of_it());
        for file in &self.withheld {
            let _ = writeln!(text, "no reviewer was shown what is in {}", visible(file));
        }
        text
    }

    fn what_became_of_it(&self) -> String {
        let files = match self.changed.len() {
            1 => "1 file".to_string(),
            count => format!("{count} files"),
        };
        match (&self.undo, self.undone) {
            (_, true) => format!("{files} were changed, and the changes were taken back"),
            (Some(undo), false) => format!("{files} changed; to take it back: {undo}"),
            (None, false) => "nothing was changed".into(),
        }
    }

    /// For a pull request.
    pub fn markdown(&self) -> String {
        let mut text = format!("## Review: {}\n\n{}.\n", self.outcome.name(), escaped(&sentence(&self.why)));
        let findings = self.last_findings();
        if !findings.is_empty() {
            text.push_str("\n| | where | what | who |\n|---|---|---|---|\n");
        }
        for (reviewer, finding) in findings {
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => code(&format!("{file}:{line}")),
                (Some(file), None) => code(file),
                (None, _) => String::new(),
            };
            let mut what = escaped(&finding.message);
            if let Some(suggestion) = &finding.suggestion {
                let _ = write!(what, "<br>*Suggestion:* {}", escaped(suggestion));
            }
            let severity = finding.severity.name();
            let _ = writeln!(text, "| {severity} | {place} | {what} | {} |", code(reviewer));
        }
        for file in &self.withheld {
            let _ = writeln!(text, "\nNo reviewer was shown what is in {}.", code(file));
        }
        text.push_str("\n<details><summary>Rounds</summary>\n\n");
        for (number, round) in (1..).zip(&self.rounds) {
            if let Some(turn) = &round.author {
                let _ = writeln!(text, "{number}. author {}: {}", code(&turn.name), turn.in_words());
            }
            for who in &round.reviewers {
                let _ = writeln!(
                    text,
                    "{number}. reviewer {}: {}",
                    code(&who.turn.name),
                    escaped(&who.in_words())
                );
            }
        }
        if let Some(tree) = &self.tree {
            let _ = writeln!(text, "\nTree: {}", code(tree));
        }
        text.push_str("\n</details>\n");
        text
    }
}

impl Turn {
    fn in_words(&self) -> String {
        let seconds = format!("{:.1} s", self.seconds);
        match &self.failure {
            Some(why) => format!("failed after {seconds}: {}", visible(why)),
            None => format!("done in {seconds}"),
        }
    }
}

impl Reviewed {
    fn in_words(&self) -> String {
        let Some(verdict) = &self.verdict else { return self.turn.in_words() };
        let said = match verdict.verdict {
            Judgement::Approve => "approves",
            Judgement::Changes => "wants changes",
        };
        format!("{said}, after {:.1} s", self.turn.seconds)
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// Text in which nothing is Markdown or HTML, on one line.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in visible(&text.split_whitespace().collect::<Vec<_>>().join(" ")).chars() {
        match char {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Nobody is called by name.
            '@' => out.push_str("@<!-- -->"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' => {
                out.extend(['\\', char]);
            }
            _ => out.push(char),
        }
    }
    out
}

/// Text between backticks.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_writes_no_markdown_of_its_own() {
        let text = escaped("![x](http://e) <img src=x> @someone | `code`\n# title \u{202e}");
        for part in ["![", "](", "<img", "@someone", " | ", " `", "\n"] {
            assert!(!text.contains(part), "{part:?} in {text}");
        }
    }
}
