//! What comes next in a review, and how it ends: pure.

use serde::Serialize;

use super::verdict::{Finding, Judgement, Verdict};

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Enough reviewers approved the tree as it is.
    Approved,
    /// Changes are wanted, and there is no round left.
    Changes,
    /// Too many reviewers gave no verdict.
    #[serde(rename = "reviewer failed")]
    ReviewerFailed,
    /// The author failed.
    #[serde(rename = "author failed")]
    AuthorFailed,
    /// Nothing moves any more.
    Stalled,
}

impl Outcome {
    /// The exit status.
    pub fn status(self) -> u8 {
        match self {
            Outcome::Approved => 0,
            Outcome::Changes => 10,
            Outcome::ReviewerFailed => 11,
            Outcome::AuthorFailed => 12,
            Outcome::Stalled => 13,
        }
    }

    /// In a word or two.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Approved => "approved",
            Outcome::Changes => "changes wanted",
            Outcome::ReviewerFailed => "the reviewer failed",
            Outcome::AuthorFailed => "the author failed",
            Outcome::Stalled => "stalled",
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The author's turn, about these findings.
    Author(Vec<Finding>),
    /// It is over: how, and why.
    Over(Outcome, String),
}

/// The rounds of a review.
#[derive(Debug)]
pub struct Rounds {
    /// How many there may be.
    most: u32,
    /// How many reviewers must approve.
    quorum: usize,
    /// How many of them, the last ones, must approve in any case.
    must: usize,
    /// Whether an author is there to go on.
    has_author: bool,
    done: u32,
    tree: Option<String>,
    findings: Vec<Finding>,
}

impl Rounds {
    /// None of `most` rounds is done yet. So many reviewers must approve, the last `must`
    /// of them in any case.
    pub fn new(most: u32, quorum: usize, must: usize, has_author: bool) -> Rounds {
        Rounds { most, quorum, must, has_author, done: 0, tree: None, findings: Vec::new() }
    }

    /// What the author left is to be reviewed, unless it is what was reviewed before.
    pub fn authored(&mut self, tree: &str) -> Option<Step> {
        let is_same = self.tree.replace(tree.into()).is_some_and(|before| before == tree);
        is_same.then(|| Step::Over(Outcome::Stalled, "the author changed nothing about the findings".into()))
    }

    /// What the reviewers said about it; none for one that gave no verdict.
    pub fn reviewed(&mut self, verdicts: &[Option<&Verdict>]) -> Step {
        self.done += 1;
        let given: Vec<&Verdict> = verdicts.iter().copied().flatten().collect();
        let approves = |verdict: &Verdict| verdict.verdict == Judgement::Approve;
        let approvals = given.iter().copied().filter(|verdict| approves(verdict)).count();
        let failures = verdicts.len() - given.len();
        let needed = &verdicts[verdicts.len().saturating_sub(self.must)..];
        if approvals >= self.quorum && needed.iter().all(|verdict| verdict.is_some_and(approves)) {
            return Step::Over(Outcome::Approved, counted(approvals, verdicts.len()));
        }
        // It would be approved if those had done so that said nothing.
        if approvals + failures >= self.quorum && needed.iter().all(|verdict| verdict.is_none_or(approves)) {
            let why = if verdicts.len() == 1 { "it gave no verdict" } else { "too few gave a verdict" };
            return Step::Over(Outcome::ReviewerFailed, why.into());
        }
        let wanted = given.iter().filter(|verdict| verdict.verdict == Judgement::Changes);
        let findings: Vec<Finding> = wanted.flat_map(|verdict| verdict.findings.clone()).collect();
        if said(&findings) == said(&self.findings) {
            return Step::Over(Outcome::Stalled, "the same was found twice".into());
        }
        if !self.has_author || self.done >= self.most {
            let rounds = if self.done == 1 { "1 round".into() } else { format!("{} rounds", self.done) };
            return Step::Over(Outcome::Changes, format!("after {rounds}"));
        }
        self.findings.clone_from(&findings);
        Step::Author(findings)
    }
}

fn counted(approvals: usize, all: usize) -> String {
    if all == 1 { "by the reviewer".into() } else { format!("by {approvals} of {all} reviewers") }
}

/// What findings say, whichever lines they are about: those move with every change.
fn said(findings: &[Finding]) -> Vec<(Option<&str>, String)> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let mut said: Vec<_> =
        findings.iter().map(|finding| (finding.file.as_deref(), words(&finding.message))).collect();
    said.sort();
    said.dedup();
    said
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Severity;
    use super::*;

    fn verdict(verdict: Judgement, messages: &[&str]) -> Verdict {
        let finding = |message: &&str| Finding {
            severity: Severity::Error,
            file: Some("a".into()),
            line: Some(1),
            message: (*message).into(),
            suggestion: None,
        };
        Verdict { schema: 1, tree: "t".into(), verdict, findings: messages.iter().map(finding).collect() }
    }

    fn over(step: &Step) -> Option<Outcome> {
        match step {
            Step::Over(outcome, _) => Some(*outcome),
            Step::Author(_) => None,
        }
    }

    #[test]
    fn rounds_end_with_an_approval_or_at_the_cap() {
        let (yes, no) = (verdict(Judgement::Approve, &[]), |text| verdict(Judgement::Changes, &[text]));
        let mut rounds = Rounds::new(3, 1, 0, true);
        assert_eq!(rounds.authored("1"), None);
        assert_eq!(rounds.reviewed(&[Some(&no("x"))]), Step::Author(no("x").findings));
        assert_eq!(rounds.authored("2"), None);
        assert_eq!(rounds.reviewed(&[Some(&no("y"))]), Step::Author(no("y").findings));
        assert_eq!(rounds.authored("3"), None);
        assert_eq!(over(&rounds.reviewed(&[Some(&yes)])), Some(Outcome::Approved));
        let mut rounds = Rounds::new(2, 1, 0, true);
        assert_eq!(over(&rounds.reviewed(&[Some(&no("x"))])), None);
        assert_eq!(over(&rounds.reviewed(&[Some(&no("y"))])), Some(Outcome::Changes));
        let mut alone = Rounds::new(3, 1, 0, false);
        assert_eq!(over(&alone.reviewed(&[Some(&no("x"))])), Some(Outcome::Changes));
    }

    #[test]
    fn what_does_not_move_is_stalled() {
        let mut rounds = Rounds::new(9, 1, 0, true);
        assert_eq!(rounds.authored("1"), None);
        let mut wanted = verdict(Judgement::Changes, &["Too  long", "no test"]);
        assert_eq!(over(&rounds.reviewed(&[Some(&wanted)])), None);
        assert_eq!(rounds.authored("1").as_ref().and_then(over), Some(Outcome::Stalled));
        assert_eq!(rounds.authored("2"), None);
        wanted.findings.reverse();
        wanted.findings[1].line = Some(7);
        wanted.findings[1].message = "too long".into();
        assert_eq!(over(&rounds.reviewed(&[Some(&wanted)])), Some(Outcome::Stalled));
    }

    #[test]
    fn no_failure_is_an_approval() {
        let (yes, no) = (verdict(Judgement::Approve, &[]), verdict(Judgement::Changes, &["x"]));
        let end =
            |quorum, verdicts: &[Option<&Verdict>]| over(&Rounds::new(1, quorum, 0, true).reviewed(verdicts));
        assert_eq!(end(1, &[None]), Some(Outcome::ReviewerFailed));
        assert_eq!(end(2, &[Some(&yes), None]), Some(Outcome::ReviewerFailed));
        assert_eq!(end(2, &[Some(&no), None]), Some(Outcome::Changes), "it could not have been approved");
        assert_eq!(end(2, &[Some(&yes), Some(&no)]), Some(Outcome::Changes));
        assert_eq!(end(2, &[Some(&yes), Some(&no), Some(&yes)]), Some(Outcome::Approved));
        assert_eq!(end(2, &[Some(&yes), Some(&no), None]), Some(Outcome::ReviewerFailed));
        assert_eq!(end(3, &[Some(&yes), Some(&yes), Some(&yes)]), Some(Outcome::Approved));
        let end = |verdicts: &[Option<&Verdict>]| over(&Rounds::new(1, 1, 1, true).reviewed(verdicts));
        assert_eq!(end(&[Some(&no), Some(&yes)]), Some(Outcome::Approved));
        assert_eq!(end(&[Some(&yes), Some(&no)]), Some(Outcome::Changes), "the last one must approve");
        assert_eq!(end(&[Some(&yes), None]), Some(Outcome::ReviewerFailed));
    }
}
