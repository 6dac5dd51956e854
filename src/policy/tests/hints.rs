//! What is suggested works.

use std::path::{Path, PathBuf};

use super::tree::Tree;
use super::{layer, policy_of, user};
use crate::policy::hint::hint;
use crate::policy::{Access, Effect, LayerKind, LayerSource, Rule, Verb};

/// The access and path that a hint names, if it names a command.
fn suggested(hint: &str) -> Option<(Access, PathBuf)> {
    let (_, rest) = hint.split_once("`stockade run --allow ")?;
    let (access, path) = rest.strip_suffix('`')?.split_once('=')?;
    let unquoted = path.strip_prefix('\'').and_then(|path| path.strip_suffix('\''));
    let path = unquoted.map_or(path.to_string(), |path| path.replace(r"'\''", "'"));
    Some((Access::by_name(access)?, path.into()))
}

/// The hint about a path; what it suggests is tried.
#[track_caller]
fn tried(sources: &[LayerSource], tree: &Tree, path: &Path, verb: Verb) -> Option<String> {
    let policy = policy_of(sources, tree);
    let hint = hint(&policy, path, verb);
    assert_eq!(hint.is_none(), policy.decide(path, verb).effect <= Effect::Keep, "{verb} {path:?}: {hint:?}");
    if let Some((access, named)) = hint.as_deref().and_then(suggested) {
        let mut sources = sources.to_vec();
        for source in sources.iter_mut().filter(|source| source.kind == LayerKind::User) {
            source.extra.push(Rule::for_path(access, &named, "test", "command line"));
        }
        let effect = policy_of(&sources, tree).decide(path, verb).effect;
        assert!(effect <= Effect::Keep, "{verb} {path:?} after {hint:?}: {effect}");
    }
    hint
}

#[track_caller]
fn says(sources: &[LayerSource], verb: Verb, path: &str, expected: &str) {
    let hint = tried(sources, &Tree::default(), Path::new(path), verb);
    assert_eq!(hint.as_deref(), Some(expected), "{verb} {path}");
}

const WHO: &str = "a person can allow it for one run with";

#[test]
fn the_command_line_is_suggested_where_it_decides() {
    let rules = [user("scratch .\nfinal read **/.git\ntracked docs\nfinal hidden ~/.ssh")];
    let allow = |rest: &str| format!("{WHO} `stockade run --allow {rest}`");
    says(&rules, Verb::Modify, "/home/u/work/.git/config", &allow("scratch=/home/u/work/.git/config"));
    says(&rules, Verb::Read, "/home/u/.ssh/id", &allow("read=/home/u/.ssh/id"));
    says(&rules, Verb::Execute, "/opt/a b/it's", &allow(r"read='/opt/a b/it'\''s'"));
    let docs = "/home/u/work/docs/a";
    assert_eq!(tried(&rules, &Tree::default(), Path::new(docs), Verb::Modify), None);
    let ask = "a person has to agree: run `stockade approve` in another terminal; or ";
    says(&rules, Verb::Remove, docs, &format!("{ask}{}", allow(&format!("scratch={docs}"))));
    says(&rules, Verb::Create, "/opt/new", &allow("scratch=/opt"));
}

#[test]
fn nothing_is_suggested_that_opens_too_much_or_does_not_work() {
    let rules = [user("scratch .\nfinal read **/.git")];
    let wide = |path: &str| format!("no option: {path} is too much to open for one call");
    for path in ["/", "/home", "/home/u"] {
        says(&rules, Verb::Modify, path, &wide(path));
    }
    says(&rules, Verb::Create, "/home/u/new", &wide("/home/u"));
    says(&rules, Verb::Create, "/etc", &wide("/"));
    let weak = "no option: the rule is stronger than `--allow`";
    says(&rules, Verb::Create, "/home/u/work/pkg/.git", weak);
    let unseen = tried(&rules, &Tree::default(), Path::new("/opt/a\nb"), Verb::Modify);
    assert_eq!(unseen, Some(format!(r"{WHO} `stockade run --allow scratch=…`, which names /opt/a\nb")));
}

#[test]
fn other_layers_are_named_where_they_forbid() {
    let machine = layer(LayerKind::Machine, "hidden ~/x");
    let mut own = layer(LayerKind::Machine, "");
    own.extra.push(Rule::for_path(Access::HIDDEN, Path::new("/home/u/own"), "own", Rule::STOCKADE));
    let repository = layer(LayerKind::Repository, "read ~/work/a\ntracked ~/work/b");
    let rules = [own, machine, user("scratch ~\nread ~/work/a"), repository];
    let machine = "only a change of the machine's policy (test:4)";
    says(&rules, Verb::Read, "/home/u/x/y", machine);
    says(&rules, Verb::Read, "/home/u/own/y", "nothing: Stockade keeps this from every jail");
    says(&rules, Verb::Modify, "/home/u/work/a", "only a change of the repository's own file (test:4)");
    says(&rules, Verb::Remove, "/home/u/work/b", "only a change of the repository's own file (test:8)");
}

#[test]
fn whatever_is_suggested_works() {
    let worktree = Tree::of(
        "/home/u/work/.git = gitdir: /home/u/main/.git/worktrees/w
        /home/u/main/.git/worktrees/w/commondir = ../..
        /home/u/main/.git/worktrees/w/gitdir = /home/u/work/.git
        /home/u/main/.git/HEAD
        /home/u/main/.git/objects/",
    );
    let sources = [
        vec![user("scratch .\nread ~/**/a\nfinal read /**/.git\nhidden ~/b/**\nfinal hidden ~/b/*/c")],
        vec![user("final hidden ~/**\nscratch .\ntracked ~/a/*\nread ~/main")],
        vec![user("read ~"), layer(LayerKind::Repository, "final read a\ntracked ~/b")],
        vec![layer(LayerKind::Machine, "final read **/.git"), user("scratch /")],
    ];
    let names = ["a", "b", "c", ".git", "worktrees", "w"];
    let mut paths: Vec<PathBuf> = vec!["/".into(), "/home/u".into()];
    for base in ["/home/u", "/home/u/work", "/home/u/main/.git", "/home/u/main/.git/worktrees", "/opt"] {
        for first in names {
            paths.push(Path::new(base).join(first));
            paths.extend(names.map(|second| Path::new(base).join(first).join(second)));
        }
    }
    let mut count = 0;
    for (sources, tree) in
        sources.iter().flat_map(|sources| [(sources, Tree::default()), (sources, worktree.clone())])
    {
        for (path, verb) in paths.iter().flat_map(|path| Verb::ALL.map(|verb| (path, verb))) {
            let hint = tried(sources, &tree, path, verb);
            count += usize::from(hint.is_some_and(|hint| suggested(&hint).is_some()));
        }
    }
    assert!(count > 500, "{count} suggestions were tried");
}
