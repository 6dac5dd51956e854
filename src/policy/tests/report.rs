//! Where the jail's report lies, and who may do what with it.

use std::path::Path;

use super::tree::Tree;
use super::{granted, layer, user};
use crate::policy::merge::resolve;
use crate::policy::plan::{self, Mode, Plan, Rights};
use crate::policy::report::{Report, VARIABLE};
use crate::policy::{Access, LayerKind, LayerSource, Places, ReportPlaces, Rule};

const BESIDE: &str = "/tmp/session.report";
const APART: &str = "/home/u/.state/reports/session.report";

fn compile(sources: &[LayerSource], mode: Mode, tree: &Tree) -> Plan {
    let report = Some(ReportPlaces { beside: BESIDE.into(), apart: APART.into() });
    let places = Places { report, ..super::places() };
    plan::compile(resolve(sources, &places, tree).expect("resolves"), mode, tree)
}

/// Checks where the report lies, and that it can be read and not changed.
#[track_caller]
fn check(rules: &str, path: &str, early: bool) -> Plan {
    let mut own = layer(LayerKind::Machine, "");
    own.extra.push(Rule::for_path(Access::HIDDEN, Path::new("/home/u/.state"), "own", Rule::STOCKADE));
    let repository = layer(LayerKind::Repository, "final hidden ~/.state\nfinal hidden /tmp/*.report");
    let tree = Tree::of("/tmp/other/\n/tmp/file\n/home/u/work/");
    let plan =
        compile(&[own, user(&format!("{rules}\nscratch ${{TMPDIR}}")), repository], Mode::Brokered, &tree);
    assert_eq!(plan.report, Some(Report { path: path.into(), early }), "{rules}");
    let path = Path::new(path);
    assert_eq!(plan.policy.access(path), Access::READ, "{rules}");
    let rights = granted(&plan, path);
    assert!(rights.read && !rights.write && !rights.make && !rights.remove, "{rules}: {rights:?}");
    let set = &plan.policy.settings.env.set;
    assert_eq!(set.get(VARIABLE).map(|value| value.as_os_str()), Some(path.as_os_str()));
    plan
}

const CREATE_ONLY: &str = "{read: allow, execute: allow, create: allow, modify: deny, remove: deny} /tmp";

#[test]
fn it_lies_beside_the_temporary_directory_and_is_made_when_needed() {
    let plan = check(CREATE_ONLY, BESIDE, false);
    assert!(plan.splits.is_empty(), "{:?}", plan.splits);
    check("read /tmp", BESIDE, false);
    check("tracked /tmp", BESIDE, false);
}

#[test]
fn it_is_made_early_where_it_needs_a_grant() {
    let plan = check("", BESIDE, true);
    assert_eq!(granted(&plan, "/tmp/file".as_ref()), Rights::NONE);
    // A hole splits the directory, and then entries are granted one by one.
    check("read /tmp\nhidden /tmp/file", BESIDE, true);
}

#[test]
fn it_lies_apart_where_it_would_cost_scratch_its_names() {
    let plan = check("scratch /tmp\nfinal hidden ~/.state", APART, true);
    assert!(plan.splits.is_empty(), "{:?}", plan.splits);
    // The repository's rule for names in /tmp leaves making them to the broker.
    assert_eq!(granted(&plan, "/tmp/new".as_ref()), Rights { make: false, ..Rights::ALL });
    assert_eq!(granted(&plan, "/home/u/.state/sessions".as_ref()), Rights::NONE);
    check("{read: allow, execute: allow, create: deny, modify: allow, remove: deny} /tmp", APART, true);
}

#[test]
fn nobody_reports_in_static_mode() {
    let plan = compile(&[user(CREATE_ONLY)], Mode::Static, &Tree::default());
    assert_eq!(plan.report, None);
    let env = &plan.policy.settings.env;
    assert!(!env.set.contains_key(VARIABLE) && env.drop_always.iter().any(|name| name == VARIABLE));
}
