//! Where the report for the jail lies, so that the jail can read it and do
//! nothing else with it.

use std::path::{Path, PathBuf};

use super::plan::{Grant, Mode, Rights};
use super::rules::Policy;
use super::{Access, Rule};

/// The variable that tells the jail where its report lies.
pub const VARIABLE: &str = "STOCKADE_REPORT";

/// What the names of reports end with.
pub const REPORT_END: &str = ".report.jsonl";

/// Where the report may lie. Nobody can guess the name, so that nobody can
/// make a file there first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPlaces {
    /// Beside the private temporary directory.
    pub beside: PathBuf,
    /// Among Stockade's own files, for jails that may change names beside
    /// their temporary directory: there one file that they must leave alone
    /// would cost them the making of any other.
    pub apart: PathBuf,
}

/// The report of one jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where it lies.
    pub path: PathBuf,
    /// Whether it must be there before the start, since it needs a grant of
    /// its own. Else it is made when there is something to report.
    pub early: bool,
}

/// Decides where the report lies, protects it in every layer, and tells the
/// jail. Without a broker nobody reports, and the variable is taken away.
pub(super) fn place(policy: &mut Policy, mode: Mode) -> Option<Report> {
    if mode == Mode::Static {
        policy.settings.env.set.remove(VARIABLE);
        policy.settings.env.drop_always.push(VARIABLE.into());
        return None;
    }
    let ReportPlaces { beside, apart } = policy.places.report.clone()?;
    let dir = beside.parent().unwrap_or(&beside);
    let rights = Rights::native(policy.access(dir)).or(Rights::native(policy.access(&beside)));
    let path = if rights.write || rights.make { apart } else { beside };
    let rule = Rule::for_path(Access::READ, &path, "what the jail is told of refusals", Rule::STOCKADE);
    policy.put(&rule);
    policy.settings.env.set.insert(VARIABLE.into(), path.clone().into());
    Some(Report { path, early: false })
}

/// Whether a file that is made later can be read where it lies.
pub(super) fn is_granted(path: &Path, grants: &[Grant]) -> bool {
    grants.iter().any(|grant| grant.rights.read && path.starts_with(&grant.path))
}
