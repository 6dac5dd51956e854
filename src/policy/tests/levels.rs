//! The table of levels in the README is made from the profiles.

use std::fs;
use std::path::Path;

use super::*;
use crate::policy::{Access, Effect, Level, UnixSockets, builtin, merge};

/// Where the table begins and ends.
const MARKS: [&str; 2] = ["<!-- levels: cargo xtask levels -->\n", "<!-- end of levels -->\n"];
const TREE: &str = "/home/u/work/.git/\n/home/u/work/src/\n/home/u/work/.env\n/home/u/.ssh/\n/home/u/.npm/\n\
                    /home/u/.cargo/registry/\n/home/u/notes/";

fn level(name: &str) -> Policy {
    let find = |name: &str| builtin::builtin(name).expect("a built-in profile");
    let root = find(name).expect("a profile");
    let profiles = merge::linearise(root, &mut |name, _| find(name)).expect("profiles");
    let source = LayerSource { kind: LayerKind::User, profiles, extra: Vec::new() };
    resolve(&[source], &places(), &Tree::of(TREE)).expect("a policy")
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "yes",
        Effect::Keep => "yes, undoable",
        Effect::Ask => "asks",
        Effect::Deny => "no",
    }
}

/// What may be done at a path as a whole.
fn whole(access: Access) -> String {
    match access {
        Access::HIDDEN => "hidden".into(),
        Access { create: Effect::Deny, modify: Effect::Deny, remove: Effect::Deny, .. } => "read only".into(),
        Access::SCRATCH => "changes freely".into(),
        Access { create, modify, remove, .. } if create == modify && modify == remove => word(create).into(),
        Access { modify, remove, .. } => format!("edit: {}; delete: {}", word(modify), word(remove)),
    }
}

/// What a row tells of a policy.
type Row = (&'static str, fn(&Policy) -> String);

const ROWS: [Row; 13] = [
    ("create in the workspace", |policy| word(at(policy, "work/src/new").create).into()),
    ("edit, replace, change modes", |policy| word(at(policy, "work/src/x").modify).into()),
    ("delete what was there before", |policy| word(at(policy, "work/src/x").remove).into()),
    ("delete what the session made", |policy| word(at(policy, "work/src/x").of_own_things().remove).into()),
    ("many deletions in one deed", |policy| {
        let asks = |bulk| format!("more than {bulk} ask");
        let may = at(policy, "work/src/x").of_own_things().remove < Effect::Deny;
        policy.settings.approvals.bulk.filter(|_| may).map_or("as above".into(), asks)
    }),
    ("`.git`, CI, editor and agent settings", |policy| {
        let all = [".git/HEAD", ".github/x", ".vscode/x", ".claude/x"]
            .map(|name| at(policy, &format!("work/{name}")));
        assert!(all.iter().all(|access| *access == all[0]));
        whole(all[0])
    }),
    ("secrets in the workspace (`.env`, keys, state)", |policy| match at(policy, "work/.env").read {
        Effect::Deny => "hidden".into(),
        _ => "as other files".into(),
    }),
    ("home", |policy| {
        assert_eq!(at(policy, ".ssh/id"), Access::HIDDEN);
        let toolchains = at(policy, ".cargo/bin/x");
        assert_eq!((at(policy, "notes/x"), toolchains), (Access::HIDDEN, Access::READ));
        "hidden but for toolchains".into()
    }),
    ("caches (`~/.cargo/registry`, `~/.npm`)", |policy| {
        let access = at(policy, ".npm/x");
        assert_eq!(access, at(policy, ".cargo/registry/x"));
        let own = policy.settings.env.set.contains_key("XDG_CACHE_HOME");
        format!("{}{}", whole(access), if own { ", new ones private" } else { "" })
    }),
    ("network", |policy| format!("{:?}", policy.settings.network).to_lowercase()),
    ("Unix sockets", |policy| match policy.settings.unix_sockets {
        UnixSockets::Own => "the jail's own".into(),
        UnixSockets::Open => "all".into(),
    }),
    ("environment", |policy| match policy.settings.env.inherit {
        true => "without secrets and sockets".into(),
        false => "a short list".into(),
    }),
    ("a review (`stockade review`)", |policy| {
        if policy.settings.review.required { "required" } else { "if you like" }.into()
    }),
];

fn at(policy: &Policy, path: &str) -> Access {
    policy.access(&Path::new("/home/u").join(path))
}

fn table() -> String {
    let mut names: Vec<&str> = Level::ALL.iter().map(|level| level.name()).collect();
    names.push("ci");
    let policies: Vec<Policy> = names.iter().map(|name| level(name)).collect();
    let heads: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let mut text = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(names.len()));
    for (what, tell) in ROWS {
        let cells: Vec<String> = policies.iter().map(tell).collect();
        text.push_str(&format!("| {what} | {} |\n", cells.join(" | ")));
    }
    text
}

#[test]
fn the_readme_shows_what_the_profiles_say() {
    let text = include_str!("../../../README.md");
    let (before, rest) = text.split_once(MARKS[0]).expect("the table's beginning");
    let (_, after) = rest.split_once(MARKS[1]).expect("the table's end");
    let right = format!("{before}{}{}{}{after}", MARKS[0], table(), MARKS[1]);
    if std::env::var_os("STOCKADE_WRITE_LEVELS").is_some() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        fs::write(readme, &right).expect("write README.md");
    } else {
        assert!(text == right, "`cargo xtask levels` writes the table anew:\n{}", table());
    }
}

#[test]
fn a_higher_level_is_nowhere_more_lenient() {
    let policies = Level::ALL.map(|name| level(name.name()));
    let paths = [
        "work/src/x",
        "work/.env",
        "work/.git/HEAD",
        "work/.github/x",
        "notes/x",
        ".npm/x",
        ".cargo/registry/x",
    ];
    for pair in policies.windows(2) {
        for path in paths {
            for verb in Verb::ALL {
                let [lower, higher] = [&pair[0], &pair[1]].map(|policy| at(policy, path).effect(verb));
                assert!(lower <= higher, "{verb} {path}");
            }
        }
        let [lower, higher] = [&pair[0], &pair[1]].map(|policy| &policy.settings);
        assert!(lower.network >= higher.network && lower.unix_sockets >= higher.unix_sockets);
    }
}
