//! Which rule holds for a path.

use crate::policy::Access;
use std::path::Path;

use super::tree::Tree;
use super::{check, layer, named, places, policy, policy_of, rule_specs, user};
use crate::policy::pattern::stars_match;
use crate::policy::vars::{VarError, expand_pattern, expand_value};
use crate::policy::{Effect, LayerKind, Places, Verb, explain};

#[test]
fn what_no_rule_names_is_hidden() {
    check(&policy("read ~/a"), &[("/", "hidden"), ("~", "hidden"), ("~/b", "hidden"), ("~/ab", "hidden")]);
    check(&policy(""), &[("/", "hidden"), ("/etc/shadow", "hidden")]);
}

#[test]
fn a_policy_without_layers_allows_nothing() {
    check(&policy_of(&[], &Tree::default()), &[("/", "hidden"), ("/usr/bin/true", "hidden")]);
}

#[test]
fn a_rule_covers_everything_beneath() {
    check(&policy("read ~/a"), &[("~/a", "read"), ("~/a/b/c", "read"), ("~/a.txt", "hidden")]);
}

#[test]
fn the_last_match_wins_at_any_depth() {
    let rules = "
        scratch ~/a
        read ~/a/b
        hidden ~/a/b/c
        read ~/d/e
        scratch ~/d";
    check(&policy(rules), &[("~/a/x", "scratch"), ("~/a/b/x", "read"), ("~/a/b/c/x", "hidden")]);
    // The later rule is the wider one, so it takes the narrow one's place.
    check(&policy(rules), &[("~/d/e", "scratch"), ("~/d/e/f", "scratch")]);
    check(&policy("read ~/a\nscratch ~/a"), &[("~/a", "scratch")]);
}

#[test]
fn one_star_stays_in_its_component() {
    let rules = policy("read ~/*.txt\nscratch ~/a/*/c");
    check(&rules, &[("~/x.txt", "read"), ("~/.txt", "read"), ("~/a/x.txt", "hidden"), ("~/x.txt/y", "read")]);
    check(
        &rules,
        &[("~/a/b/c", "scratch"), ("~/a/c", "hidden"), ("~/a/b/b/c", "hidden"), ("~/a/b", "hidden")],
    );
}

#[test]
fn two_stars_are_any_number_of_components() {
    let rules = policy("scratch ~/a\nread ~/a/**/.git");
    check(&rules, &[("~/a/.git", "read"), ("~/a/b/.git", "read"), ("~/a/b/c/.git/d", "read")]);
    check(&rules, &[("~/a/x.git", "scratch"), ("~/a/.github", "scratch"), ("~/.git", "hidden")]);
}

#[test]
fn two_stars_at_the_end_are_everything_beneath() {
    let rules = policy("scratch ~/a\nread ~/a/**");
    check(&rules, &[("~/a", "scratch"), ("~/a/b", "read"), ("~/a/b/c", "read")]);
    check(&policy("read /**"), &[("/", "hidden"), ("/a", "read"), ("/a/b", "read")]);
    check(&policy("read ~/a/**/**/b"), &[("~/a/b", "read"), ("~/a/x/y/b", "read")]);
}

#[test]
fn question_marks_and_classes_match_one_character() {
    let rules = policy("read ~/a?\nscratch ~/[xy]z\nhidden ~/a[!b]");
    check(&rules, &[("~/ab", "read"), ("~/a", "hidden"), ("~/abc", "hidden"), ("~/ac", "hidden")]);
    check(&rules, &[("~/xz", "scratch"), ("~/yz", "scratch"), ("~/zz", "hidden")]);
}

#[test]
fn alternatives_are_either_of_them() {
    check(&policy("read ~/{a,b}.c"), &[("~/a.c", "read"), ("~/b.c", "read"), ("~/c.c", "hidden")]);
}

#[test]
fn a_wildcard_in_brackets_is_itself() {
    let rules = policy("read ~/[*]\nscratch ~/a[[]b[]]\nread ~/[?]x");
    check(&rules, &[("~/*", "read"), ("~/x", "hidden"), ("~/a[b]", "scratch"), ("~/ab", "hidden")]);
    check(&rules, &[("~/?x", "read"), ("~/yx", "hidden")]);
}

#[test]
fn a_backslash_is_an_ordinary_character() {
    check(&policy(r"read ~/a\b"), &[(r"~/a\b", "read"), ("~/ab", "hidden")]);
}

#[test]
fn dots_and_doubled_slashes_mean_nothing() {
    let rules = policy("read ./a/./b\nscratch ~//c/\nread .");
    check(&rules, &[("~/work/a/b", "read"), ("~/c", "scratch"), ("~/work", "read")]);
}

#[test]
fn names_that_are_not_utf8_are_decided_too() {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"/home/u/a/\xff\xfe"));
    assert_eq!(policy("read ~/a").access(path).to_string(), "read");
    assert_eq!(policy("read ~/a\nhidden ~/a/*").access(path).to_string(), "hidden");
    assert_eq!(policy("read ~/a\nhidden ~/**/?*").access(path).to_string(), "hidden");
}

#[test]
fn layers_intersect_verb_by_verb() {
    let user = user("{read: allow, execute: deny, create: keep, modify: allow, remove: ask} ~/a");
    let repository = layer(
        LayerKind::Repository,
        "{read: ask, execute: allow, create: allow, modify: keep, remove: deny} ~/a",
    );
    let both = "{read: ask, execute: deny, create: keep, modify: keep, remove: deny}";
    check(&policy_of(&[user.clone(), repository.clone()], &Tree::default()), &[("~/a/b", both)]);
    check(&policy_of(&[repository, user], &Tree::default()), &[("~/a/b", both), ("~/b", "hidden")]);
}

#[test]
fn other_layers_say_nothing_about_what_they_do_not_name() {
    let sources =
        [layer(LayerKind::Machine, "hidden ~/x"), user("scratch ~"), layer(LayerKind::Repository, "")];
    check(
        &policy_of(&sources, &Tree::default()),
        &[("~/a", "scratch"), ("~/x", "hidden"), ("/etc", "hidden")],
    );
}

#[test]
fn a_repository_cannot_loosen() {
    let sources = [user("read ."), layer(LayerKind::Repository, "scratch .\nscratch ~/.ssh")];
    check(&policy_of(&sources, &Tree::default()), &[("~/work/a", "read"), ("~/.ssh/id", "hidden")]);
}

#[test]
fn later_rules_do_not_loosen_a_floor() {
    let rules =
        policy("final hidden ~/.ssh\nfinal read /**/.git\nscratch ~\nscratch ~/.ssh/config\nscratch .");
    check(&rules, &[("~/.ssh", "hidden"), ("~/.ssh/config", "hidden"), ("~/x", "scratch")]);
    check(&rules, &[("~/work/.git/config", "read"), ("~/work/a", "scratch")]);
}

#[test]
fn a_floor_is_no_grant_and_floors_add_up() {
    let rules = policy("final read ~/a\nfinal hidden ~/a/b\nhidden ~/a/c\nscratch ~/a/b\nscratch ~/d");
    check(&rules, &[("~/a", "hidden"), ("~/a/b", "hidden"), ("~/d", "scratch")]);
    let rules = policy("scratch ~/a\nfinal read ~/a\nfinal scratch ~/a/b");
    check(&rules, &[("~/a", "read"), ("~/a/b", "read")]);
}

fn with_extra(lines: &str, extra: &str) -> crate::policy::Policy {
    let mut source = user(lines);
    source.extra = named(rule_specs(extra));
    policy_of(&[source], &Tree::default())
}

#[test]
fn the_command_line_goes_below_a_floor_that_it_names() {
    let rules = "scratch ~\nfinal hidden ~/.ssh";
    check(
        &with_extra(rules, "read ~/.ssh"),
        &[("~/.ssh", "read"), ("~/.ssh/id", "read"), ("~/x", "scratch")],
    );
    check(&with_extra(rules, "read ~/.ssh/config"), &[("~/.ssh/config", "read"), ("~/.ssh/id", "hidden")]);
}

#[test]
fn the_command_line_does_not_go_below_a_floor_by_naming_what_is_above() {
    let rules = "final hidden ~/.ssh\nfinal read /**/.git\nscratch .";
    check(
        &with_extra(rules, "scratch ~"),
        &[("~/x", "scratch"), ("~/.ssh", "hidden"), ("~/.ssh/id", "hidden")],
    );
    check(&with_extra(rules, "scratch /"), &[("/x", "scratch"), ("~/.ssh/id", "hidden"), ("~/.git", "read")]);
    check(&with_extra(rules, "scratch ~/*"), &[("~/x/.git/hooks", "read")]);
}

#[test]
fn the_command_line_binds_only_its_own_layer() {
    let mut source = user("final hidden ~/.ssh");
    source.extra = named(rule_specs("read ~/.ssh"));
    let machine = layer(LayerKind::Machine, "hidden ~/.ssh");
    check(&policy_of(&[machine, source], &Tree::default()), &[("~/.ssh/id", "hidden")]);
}

#[test]
fn the_decision_names_the_rule_that_made_it() {
    let sources = [
        layer(LayerKind::Machine, "hidden ~/x"),
        user("scratch ~\nread ~/a\nfinal hidden ~/.ssh\nread ~/.ssh"),
    ];
    let policy = policy_of(&sources, &Tree::default());
    let rule = |path: &str, verb| {
        let decision = policy.decide(Path::new(path), verb);
        decision.rule.map(|id| (id.layer, policy.rule(id).pattern.to_string()))
    };
    assert_eq!(rule("/home/u/a/b", Verb::Modify), Some((1, "/home/u/a".into())));
    assert_eq!(rule("/home/u/x", Verb::Read), Some((0, "/home/u/x".into())));
    assert_eq!(rule("/home/u/.ssh/id", Verb::Read), Some((1, "/home/u/.ssh".into())));
    assert_eq!(rule("/etc/shadow", Verb::Read), None);
    let why = explain::why(&policy, Path::new("/home/u/a/b"), Verb::Modify);
    assert_eq!((why.effect, why.verb, why.path.as_str()), ("deny", "modify", "/home/u/a/b"));
    let why = explain::why(&policy, Path::new("/etc/shadow"), Verb::Read).to_string();
    assert!(why.contains("deny") && why.contains("none matches"), "{why}");
}

#[test]
fn variables_and_the_home_are_expanded() {
    let rules = policy("read ${WORKSPACE}/a\nscratch ${TMPDIR}\nread ${HOME}/b\nread ~\nscratch c");
    check(
        &rules,
        &[("~/work/c/d", "scratch"), ("/tmp/session/x", "scratch"), ("~/b", "read"), ("/tmp", "hidden")],
    );
}

#[test]
fn places_with_wildcards_in_their_names_are_taken_literally() {
    let places =
        Places { workspace: "/w/[*]?".into(), home: "/h/{a,b}".into(), tmpdir: "/t/~".into(), report: None };
    let expand = |pattern| expand_pattern(pattern, &places).expect("expands");
    for (pattern, path) in [("x", "/w/[*]?/x"), ("~/x", "/h/{a,b}/x"), ("${TMPDIR}/x", "/t/~/x")] {
        let parsed = crate::policy::Pattern::parse(expand(pattern)).expect("parses");
        assert_eq!(parsed.literal(), Some(path.into()), "{pattern}");
    }
    assert_eq!(expand_value("${WORKSPACE}:${HOME}/bin", &places).expect("expands"), "/w/[*]?:/h/{a,b}/bin");
}

#[test]
fn what_cannot_be_expanded_is_an_error() {
    for (pattern, error) in [
        ("", VarError::Empty),
        ("~root/x", VarError::OtherHome),
        ("a/../b", VarError::DotDot),
        ("..", VarError::DotDot),
        ("~/..", VarError::DotDot),
        ("/a/..", VarError::DotDot),
        ("${NOPE}/x", VarError::Unknown("NOPE".into())),
        ("${HOME", VarError::Unclosed),
    ] {
        assert_eq!(expand_pattern(pattern, &places()), Err(error), "{pattern}");
    }
    for fine in ["a..b", "...", "/a/..b"] {
        expand_pattern(fine, &places()).expect(fine);
    }
}

#[test]
fn effects_are_ordered_by_strictness() {
    assert!(Effect::Allow < Effect::Keep && Effect::Keep < Effect::Ask && Effect::Ask < Effect::Deny);
}

#[test]
fn own_things_are_free_where_creating_is() {
    for (rule, own) in [
        ("scratch", "scratch"),
        ("tracked", "{read: allow, execute: allow, create: keep, modify: allow, remove: allow}"),
        ("read", "read"),
        ("hidden", "hidden"),
    ] {
        let access = Access::by_name(rule).expect("a known name");
        assert_eq!(access.of_own_things().to_string(), own, "{rule}");
    }
}

/// All texts of these letters up to a length.
fn texts(letters: &[u8], longest: usize) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut start = 0;
    for _ in 0..longest {
        let longer: Vec<Vec<u8>> = all[start..]
            .iter()
            .flat_map(|text| letters.iter().map(|letter| [text, &[*letter][..]].concat()))
            .collect();
        start = all.len();
        all.extend(longer);
    }
    all
}

#[test]
fn a_star_stands_for_any_text() {
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|start| plainly(rest, &name[start..])),
            Some((first, rest)) => {
                name.split_first().is_some_and(|(head, tail)| head == first && plainly(rest, tail))
            }
        }
    }
    let names = texts(b"ab*", 5);
    for pattern in texts(b"ab*", 5) {
        for name in &names {
            assert_eq!(stars_match(&pattern, name, u8::eq), plainly(&pattern, name), "{pattern:?} {name:?}");
        }
    }
    // Trying every way to share the name out would take longer than anybody waits.
    assert!(!stars_match(&b"*a".repeat(40), &[b'a'; 200][..39], u8::eq));
    assert!(!stars_match(&[&b"*a".repeat(40)[..], b"b"].concat(), &[b'a'; 200], u8::eq));
}
