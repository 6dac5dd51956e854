//! What a review lays out for those who take part in it, each in a directory of its own
//! among Stockade's records, which no other jail can see.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::verdict::{Finding, schema};
use crate::policy::{Access, Effect, Policy, Rule};

/// The variable that names the directory.
const DIRECTORY: &str = "STOCKADE_REVIEW";
/// The variable that says which tree is reviewed.
const TREE: &str = "STOCKADE_TREE";
/// Where a reviewer's verdict stands.
const VERDICT: &str = "verdict.json";

/// What a run in a review is told beside its command line: a file that only the review
/// itself can write.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The id that its session gets.
    pub session: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Which part it has.
    pub role: Role,
}

/// A part in a review.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Role {
    /// Who does the work.
    Author,
    /// Who reads it.
    Reviewer {
        /// The hash of the tree.
        tree: String,
        /// A home to throw away.
        home: Option<PathBuf>,
        /// Variables that are set.
        set: BTreeMap<String, String>,
        /// Variables that are taken away.
        unset: Vec<String>,
    },
}

impl Assignment {
    /// Reads one that lies beneath the directory of all reviews.
    pub fn read(path: &Path, reviews: &Path) -> io::Result<Assignment> {
        let assignment: Assignment = serde_json::from_slice(&fs::read(path)?)?;
        let home = match &assignment.role {
            Role::Reviewer { home, .. } => home.as_ref(),
            Role::Author => None,
        };
        let dirs = [Some(&assignment.dir), home];
        let is_beneath = |dir: &PathBuf| {
            dir.canonicalize().is_ok_and(|real| real == *dir && real.starts_with(reviews) && real != reviews)
        };
        if dirs.into_iter().flatten().all(is_beneath) {
            Ok(assignment)
        } else {
            Err(io::Error::other("it names a directory of no review"))
        }
    }

    /// Opens to the jail what it needs for its part, over all other rules.
    pub fn open(&self, policy: &mut Policy) {
        let rule = |access, path: &Path, why: &str| Rule::for_path(access, path, why, Rule::STOCKADE);
        policy.put(&rule(Access::READ, &self.dir, "what is laid out for the review"));
        let set = &mut policy.settings.env.set;
        set.insert(DIRECTORY.into(), self.dir.clone().into());
        let Role::Reviewer { tree, home, set: more, unset } = &self.role else { return };
        set.insert(TREE.into(), tree.into());
        set.extend(more.iter().map(|(name, value)| (name.clone(), value.into())));
        if let Some(home) = home {
            set.insert("HOME".into(), home.into());
            policy.put(&rule(Access::SCRATCH, home, "a home that is thrown away"));
        }
        policy.settings.env.drop_always.extend(unset.iter().cloned());
        let verdict = Access {
            read: Effect::Allow,
            execute: Effect::Deny,
            create: Effect::Allow,
            modify: Effect::Allow,
            remove: Effect::Allow,
        };
        policy.put(&rule(verdict, &self.verdict(), "the verdict"));
    }

    /// Whether it is to change nothing.
    pub fn only_reads(&self) -> bool {
        matches!(self.role, Role::Reviewer { .. })
    }

    /// Where the verdict is written.
    pub fn verdict(&self) -> PathBuf {
        self.dir.join(VERDICT)
    }
}

/// What a directory of a review holds.
#[derive(Debug, Default)]
pub struct Material<'a> {
    /// What the author is to do.
    pub task: &'a str,
    /// What was found before.
    pub previous: &'a [Finding],
    /// For a reviewer: what was changed, and what the author was refused, a line each.
    pub work: Option<(&'a str, &'a [String])>,
}

impl Material<'_> {
    /// Makes the directory, which must not be there.
    pub fn lay_out(&self, dir: &Path) -> io::Result<()> {
        make_dir(dir)?;
        fs::write(dir.join("task.md"), self.task)?;
        let Some((diff, refusals)) = self.work else {
            return write_json(&dir.join("findings.json"), &json!({"schema": 1, "findings": self.previous}));
        };
        write_json(&dir.join("previous.json"), &json!({"schema": 1, "findings": self.previous}))?;
        write_json(&dir.join("schema.json"), &schema())?;
        fs::write(dir.join("diff.patch"), diff)?;
        let refusals: String = refusals.iter().map(|line| format!("{line}\n")).collect();
        fs::write(dir.join("refusals.jsonl"), refusals)
    }
}

/// Makes a directory that is the user's alone, with those above it.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    if let Some(above) = dir.parent() {
        DirBuilder::new().mode(0o700).recursive(true).create(above)?;
    }
    DirBuilder::new().mode(0o700).create(dir)
}

/// Writes indented JSON.
fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    fs::write(path, serde_json::to_vec_pretty(value)?)
}
