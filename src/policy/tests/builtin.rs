//! The profiles that come with Stockade.

use std::path::Path;

use super::tree::Tree;
use super::{compile, granted, places, profile};
use crate::policy::builtin::{builtin, builtin_names};
use crate::policy::facts::{Facts, Kind};
use crate::policy::merge::{LayerSource, linearise, resolve};
use crate::policy::plan::{Plan, Rights};
use crate::policy::profile::{Profile, ProfileError};
use crate::policy::{Effect, LayerKind, Verb};

pub(super) fn get(name: &str) -> Profile {
    let found = builtin(name).unwrap_or_else(|| panic!("{name} is not built in"));
    found.unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn chain(root: Profile) -> Vec<Profile> {
    let lookup = &mut |name: &str, _: &_| -> Result<Profile, ProfileError> { Ok(get(name)) };
    linearise(root, lookup).unwrap_or_else(|error| panic!("{error}"))
}

/// A home and a workspace as people have them.
fn tree() -> Tree {
    Tree::of(
        "/usr/bin/true
        /usr/lib/libc.so
        /bin -> usr/bin
        /etc/passwd
        /etc/shadow
        /etc/ssl/private/key
        /etc/ssl/certs/ca
        /etc/ssh/ssh_host_key
        /etc/hosts
        /proc/
        /dev/null
        /dev/tty
        /dev/sda
        /tmp/other
        /tmp/session/
        /run/docker.sock
        /root/x
        /home/other/x
        /home/u/.ssh/id
        /home/u/.aws/credentials
        /home/u/.gnupg/key
        /home/u/.config/gh/hosts.yml
        /home/u/.config/git/config
        /home/u/.config/git/credentials
        /home/u/.config/google-chrome/Cookies
        /home/u/.netrc
        /home/u/.git-credentials
        /home/u/.docker/config.json
        /home/u/.kube/config
        /home/u/.mozilla/firefox/x
        /home/u/.password-store/x
        /home/u/.bash_history
        /home/u/.bashrc
        /home/u/.profile
        /home/u/.gitconfig
        /home/u/.npmrc
        /home/u/Documents/letter
        /home/u/.cargo/bin/cargo
        /home/u/.cargo/config.toml
        /home/u/.cargo/credentials.toml
        /home/u/.cargo/registry/index/x
        /home/u/.local/bin/tool
        /home/u/.local/state/stockade/sessions/x
        /home/u/.local/share/keyrings/x
        /home/u/.cache/pip/x
        /home/u/go/bin/tool
        /home/u/go/pkg/mod/x
        /home/u/work/.git/config
        /home/u/work/.git/hooks/pre-commit
        /home/u/work/.github/workflows/ci.yml
        /home/u/work/.vscode/tasks.json
        /home/u/work/.envrc
        /home/u/work/src/main.rs
        /home/u/work/sub/.git/config
        /home/u/work/target/debug/x
        /home/u/work/node_modules/pkg/.git/config
        /home/u/work/node_modules/pkg/.vscode/settings.json
        /home/u/work/README.md",
    )
}

fn plan_of(root: Profile) -> Plan {
    let tree = tree();
    let source = LayerSource { kind: LayerKind::User, profiles: chain(root), extra: Vec::new() };
    let policy = resolve(&[source], &places(), &tree).unwrap_or_else(|error| panic!("{error}"));
    compile(policy, &tree)
}

const MAIN: [&str; 4] = ["ci", "relaxed", "standard", "readonly"];

/// What the grants of a plan give at a path, so far as its kind can use it.
fn given(plan: &Plan, path: &Path) -> Rights {
    let list = tree().kind(path) != Some(Kind::File);
    granted(plan, path).and(Rights { list, ..Rights::ALL })
}

/// Each main profile, and one of a user that opens the home on top of it.
fn plans() -> Vec<(String, Plan)> {
    let own = |parent: &str, rules: &str| profile(&format!("extends: [{parent}]\nrules:\n{rules}"));
    let mut plans: Vec<(String, Plan)> =
        MAIN.iter().map(|name| (name.to_string(), plan_of(get(name)))).collect();
    for parent in MAIN {
        let readable = own(parent, "  - {access: read, paths: ['~'], why: all of it}\n");
        plans.push((format!("{parent} with a readable home"), plan_of(readable)));
    }
    let open = own("ci", "  - {access: scratch, paths: [/, '~', ~/.ssh, ~/.config, .], why: all of it}\n");
    plans.push(("ci with everything open".into(), plan_of(open)));
    plans
}

#[test]
fn all_parse_and_every_rule_has_a_reason() {
    for (name, _) in builtin_names() {
        let profile = get(name);
        assert_eq!(profile.name, name);
        assert!(!profile.description.is_empty(), "{name}");
        for rule in &profile.rules {
            assert!(!rule.why.trim().is_empty(), "{name}: {:?}", rule.paths);
            assert!(!rule.paths.is_empty(), "{name}: {}", rule.why);
        }
        for parent in &profile.extends {
            assert!(builtin(parent).is_some(), "{name} extends {parent}");
        }
    }
    assert!(builtin("nope").is_none());
}

#[test]
fn every_main_profile_builds_on_base() {
    for name in MAIN {
        assert_eq!(chain(get(name))[0].name, "base", "{name}");
    }
}

#[test]
fn secrets_are_hidden_whatever_a_profile_says() {
    const SECRETS: [&str; 20] = [
        ".ssh",
        ".ssh/id",
        ".aws",
        ".aws/credentials",
        ".gnupg/key",
        ".config/gh/hosts.yml",
        ".config/git/credentials",
        ".config/google-chrome/Cookies",
        ".netrc",
        ".git-credentials",
        ".docker/config.json",
        ".kube/config",
        ".mozilla/firefox/x",
        ".password-store/x",
        ".bash_history",
        ".cargo/credentials.toml",
        ".local/state/stockade/sessions/x",
        ".local/share/keyrings/x",
        ".azure",
        ".pypirc",
    ];
    for (name, plan) in plans() {
        for secret in SECRETS {
            let path = Path::new("/home/u").join(secret);
            for verb in Verb::ALL {
                assert_eq!(plan.policy.decide(&path, verb).effect, Effect::Deny, "{name}: {verb} {secret}");
            }
            assert_eq!(given(&plan, &path), Rights::NONE, "{name}: {secret}");
        }
    }
}

#[test]
fn version_control_cannot_be_modified_anywhere() {
    for (name, plan) in plans() {
        for path in ["work/.git", "work/.git/config", "work/.git/hooks/pre-commit", "work/sub/.git/config"] {
            let path = Path::new("/home/u").join(path);
            for verb in [Verb::Create, Verb::Modify, Verb::Remove] {
                assert_eq!(plan.policy.decide(&path, verb).effect, Effect::Deny, "{name}: {verb} {path:?}");
            }
            let rights = given(&plan, &path);
            assert!(
                rights.read && !rights.write && !rights.make && !rights.remove,
                "{name}: {path:?} {rights:?}"
            );
        }
        // Whoever can rename a directory can swap what is in it.
        for above in ["/home/u/work", "/home/u/work/sub", "/home/u", "/"] {
            assert!(!given(&plan, above.as_ref()).make, "{name}: {above}");
        }
    }
}

/// Paths that the main profiles as they are must not grant, with the rights in question.
fn check_main(paths: &[&str], forbidden: Rights) {
    for name in MAIN {
        let plan = plan_of(get(name));
        for path in paths {
            let rights = given(&plan, path.as_ref()).and(forbidden);
            assert!(rights.is_empty(), "{name}: {path} {rights:?}");
        }
    }
}

const CHANGES: Rights = Rights { write: true, remove: true, make: true, ..Rights::NONE };

#[test]
fn what_nobody_named_is_hidden() {
    check_main(
        &[
            "/",
            "/etc",
            "/etc/shadow",
            "/etc/ssl/private/key",
            "/etc/ssh/ssh_host_key",
            "/dev",
            "/dev/sda",
            "/run/docker.sock",
            "/root/x",
            "/home",
            "/home/other/x",
            "/home/u",
            "/home/u/.bashrc",
            "/home/u/.profile",
            "/home/u/Documents/letter",
        ],
        Rights::ALL,
    );
}

#[test]
fn what_runs_outside_the_jail_is_never_writable() {
    check_main(
        &[
            "/usr/bin/true",
            "/bin",
            "/home/u/.cargo",
            "/home/u/.cargo/bin",
            "/home/u/.cargo/bin/cargo",
            "/home/u/.cargo/config.toml",
            "/home/u/.local/bin/tool",
            "/home/u/.gitconfig",
            "/home/u/.npmrc",
            "/home/u/go/bin/tool",
            "/home/u/work/.github/workflows/ci.yml",
            "/home/u/work/.vscode/tasks.json",
            "/home/u/work/.envrc",
            "/tmp/other",
        ],
        CHANGES,
    );
}

#[test]
fn a_build_has_what_it_needs() {
    for name in MAIN {
        let plan = plan_of(get(name));
        let rights = |path: &str| given(&plan, path.as_ref());
        for path in
            ["/usr/bin/true", "/usr/lib/libc.so", "/home/u/.cargo/bin/cargo", "/home/u/work/src/main.rs"]
        {
            assert!(rights(path).read && rights(path).execute, "{name}: {path}");
        }
        for path in ["/etc/passwd", "/etc/hosts", "/etc/ssl/certs/ca", "/home/u/.gitconfig", "/dev/null"] {
            assert!(rights(path).read, "{name}: {path}");
        }
        assert!(rights("/dev/null").write, "{name}");
        assert!(rights("/tmp/session").make, "{name}");
    }
}

#[test]
fn profiles_differ_in_what_may_be_changed() {
    let changes = |name: &str, path: &str| given(&plan_of(get(name)), path.as_ref()).and(CHANGES);
    // Where `**/.git` holds, names are made by the broker.
    let guarded = Rights { make: false, ..CHANGES };
    for (path, expected) in [
        ("/home/u/work/src", guarded),
        ("/home/u/work/target", guarded),
        ("/home/u/.cargo/registry/index", CHANGES),
        ("/home/u/.cache/pip", CHANGES),
        ("/tmp/session/x", CHANGES),
    ] {
        assert_eq!(changes("ci", path), expected, "{path}");
    }
    for path in ["/home/u/work/src", "/home/u/.cache/pip", "/home/u/work/target"] {
        assert!(changes("readonly", path).is_empty(), "{path}");
    }
    for (name, remove) in [("standard", Effect::Ask), ("relaxed", Effect::Keep)] {
        assert_eq!(changes(name, "/home/u/work/target"), guarded);
        assert!(changes(name, "/home/u/work/src/main.rs").is_empty());
        let plan = plan_of(get(name));
        let decision = plan.policy.decide("/home/u/work/src/main.rs".as_ref(), Verb::Remove);
        assert_eq!(decision.effect, remove, "{name}");
    }
}

#[test]
fn many_removals_are_asked_about_where_work_is_tracked() {
    for (name, bulk) in [("ci", None), ("relaxed", Some(200)), ("standard", Some(200)), ("readonly", None)] {
        assert_eq!(plan_of(get(name)).policy.settings.approvals.bulk, bulk, "{name}");
    }
}

#[test]
fn scratch_and_the_store_of_git_are_no_bulk() {
    let root = profile("extends: [relaxed]\ngit: commit\n");
    let policy = plan_of(root).policy;
    let counted = ["README.md", "src/main.rs", "sub/.git/x", "/tmp/other"];
    for path in counted {
        assert!(policy.counts_in_bulk(&policy.walk(&Path::new("/home/u/work").join(path))), "{path}");
    }
    for path in
        ["target/debug/x", "node_modules/x", ".git/objects/ab/c", ".git/refs/heads/x", "/tmp/session/x"]
    {
        assert!(!policy.counts_in_bulk(&policy.walk(&Path::new("/home/u/work").join(path))), "{path}");
    }
}

#[test]
fn settings_of_the_main_profiles_are_closed() {
    use crate::policy::{GitMode, Network, UnixSockets};
    for name in MAIN {
        let plan = plan_of(get(name));
        let settings = &plan.policy.settings;
        assert_eq!(settings.unix_sockets, UnixSockets::Own, "{name}");
        assert_eq!(settings.git, GitMode::Protected, "{name}");
        assert!(settings.syscalls.allow.is_empty(), "{name}");
        assert_eq!(settings.env.set["TMPDIR"], "/tmp/session", "{name}");
        assert_eq!(settings.network == Network::Open, name != "readonly", "{name}");
    }
}

#[test]
fn nothing_of_a_toolchain_changes_where_the_home_is_frozen() {
    for level in ["strict", "readonly"] {
        let policy = plan_of(get(level)).policy;
        for pattern in
            chain(get("toolchains")).iter().flat_map(|profile| &profile.rules).flat_map(|rule| &rule.paths)
        {
            let Some(path) = pattern.strip_prefix("~/") else { continue };
            let access = policy.access(&Path::new("/home/u").join(path.replace('*', "x")));
            assert_eq!(
                access.create.min(access.modify).min(access.remove),
                Effect::Deny,
                "{level}: {pattern}"
            );
        }
    }
}
