//! Agents: the table, what is recognised, and what their profiles open.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::builtin::{chain, get};
use super::tree::Tree;
use super::{compile, places, profile};
use crate::policy::agent::{AGENTS, Agent, By, moved, named};
use crate::policy::merge::{LayerSource, resolve};
use crate::policy::{Effect, LayerKind, Network, Policy, Verb};

fn argv(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// A machine with some programs, by what the command line calls them.
fn real(name: &OsStr) -> Option<PathBuf> {
    let known = [
        ("claude", "/opt/lib/node_modules/@anthropic-ai/claude-code/bin/claude.exe"),
        ("cc", "/opt/lib/node_modules/@anthropic-ai/claude-code/cli.js"),
        ("./lib/@openai/codex/bin/codex.js", "/opt/lib/@openai/codex/bin/codex.js"),
        ("agent", "/home/u/.local/share/cursor-agent/versions/1/cursor-agent"),
        ("pi", "/usr/bin/pi"),
    ];
    known.into_iter().find(|(known, _)| name == *known).map(|(_, real)| real.into())
}

/// The agent of a line, where its arguments begin, and whether files prove it.
fn found(line: &str) -> Option<(&'static str, usize, bool)> {
    let found = named(&argv(line), &real)?;
    Some((found.agent.name, found.at, matches!(found.by, By::Files(_))))
}

#[test]
fn names_paths_and_packages_are_recognised() {
    for (line, expected) in [
        ("claude -p hi", ("claude", 1, true)),
        ("/usr/local/bin/claude", ("claude", 1, true)),
        ("cc -p hi", ("claude", 1, true)),
        ("codex exec hi", ("codex", 1, true)),
        ("node --no-warnings lib/@openai/codex/bin/codex.js exec hi", ("codex", 3, true)),
        ("npx @openai/codex exec hi", ("codex", 2, false)),
        ("npx -y @openai/codex@0.169.0 exec hi", ("codex", 3, false)),
        ("npm exec @google/gemini-cli -- -p hi", ("gemini", 3, false)),
        ("pnpm dlx opencode-ai run hi", ("opencode", 3, false)),
        ("uvx aider-chat[help]==1.0 --message hi", ("aider", 2, false)),
        ("python3.11 -m aider --message hi", ("aider", 3, false)),
        ("agent -p hi", ("cursor", 1, true)),
        ("goose run", ("goose", 1, true)),
    ] {
        assert_eq!(found(line), Some(expected), "{line}");
    }
    for line in [
        "",
        "sh -c claude",
        "make claude",
        "pi",
        "cursor-agents",
        "npx @openai/codexx",
        "npx cowsay @openai/codex",
        "python script.py -m aider",
        "node server.js",
        "npm install @openai/codex",
    ] {
        assert_eq!(found(line), None, "{line}");
    }
}

#[test]
fn flags_are_added_unless_there_are_some() {
    let added = |line: &str| {
        let argv = argv(line);
        let found = named(&argv, &real).unwrap_or_else(|| panic!("{line}"));
        let (place, added) = found.agent.added(&argv[found.at..]);
        assert_eq!(place == 1, line.starts_with("opencode run"), "{line}");
        added.join(" ")
    };
    const CODEX: &str = "-c check_for_update_on_startup=false -c analytics.enabled=false";
    assert!(added("claude -p hi").starts_with("--permission-mode bypassPermissions --settings {"));
    assert!(added("claude --permission-mode=plan").starts_with("--settings"));
    assert_eq!(added("claude --dangerously-skip-permissions --settings x.json"), "");
    // what follows `--` is text
    assert!(added("claude -- --permission-mode").starts_with("--permission-mode bypass"));
    for line in ["claude mcp list", "claude --help", "codex login", "codex exec -h", "crush run hi"] {
        assert_eq!(added(line), "", "{line}");
    }
    let all = format!("--dangerously-bypass-approvals-and-sandbox {CODEX}");
    for line in ["codex", "codex exec hi", "npx @openai/codex exec hi", "codex resume --last"] {
        assert_eq!(added(line), all, "{line}");
    }
    for own in ["-s read-only", "-sread-only", "--sandbox=read-only", "-a never", "-c sandbox_mode=\"x\""] {
        assert_eq!(added(&format!("codex exec {own} hi")), CODEX, "{own}");
    }
    assert_eq!(added("gemini -y -p hi"), "");
    assert_eq!(added("opencode run hi"), "--auto");
    assert_eq!(added("opencode"), "--auto");
    assert_eq!(added("agent -p hi --sandbox enabled"), "--force");
}

#[test]
fn every_agent_has_a_profile_and_a_place_of_its_own() {
    for agent in &AGENTS {
        let profile = get(&agent.profile());
        assert!(profile.extends.iter().any(|parent| parent == "agents/common"), "{}", agent.name);
        assert_eq!(Agent::by_name(agent.name), Some(agent));
        assert!(agent.commands.contains(&agent.name) || agent.name == "cursor", "{}", agent.name);
        for moved in agent.moved {
            let patterns: Vec<&String> = profile.rules.iter().flat_map(|rule| &rule.paths).collect();
            let pass = &profile.settings.env.pass;
            let prefix = moved.by.split('_').next().unwrap_or_default();
            let is_passed = pass.iter().any(|name| name == moved.by || name.trim_end_matches("_*") == prefix);
            assert!(is_passed, "{} reaches the jail", moved.by);
            for (from, _) in moved.parts {
                let is_used = patterns.iter().any(|pattern| pattern.starts_with(from));
                assert!(is_used, "{}: {from} is in no rule", agent.name);
            }
        }
        // a rule opens nothing but the agent's own places
        for rule in &profile.rules {
            for pattern in &rule.paths {
                let is_own = pattern.starts_with("~/.") || pattern.starts_with(".crush");
                assert!(is_own && *pattern != "~/.config" && *pattern != "~/.cache", "{pattern}");
            }
        }
    }
}

/// A level with an agent over it, and the user's own rules over that.
fn policy(level: &str, agent: &str, own: &str) -> Policy {
    let mut profiles = chain(get(level));
    let agents = chain(get(&format!("agents/{agent}")));
    profiles.extend(agents);
    if !own.is_empty() {
        profiles.push(profile(own));
    }
    let source = LayerSource { kind: LayerKind::User, profiles, extra: Vec::new() };
    let tree = Tree::of("/home/u/.claude/settings.json\n/home/u/.codex/config.toml\n/home/u/work/a");
    resolve(&[source], &places(), &tree).unwrap_or_else(|error| panic!("{error}"))
}

fn changes(policy: &Policy, path: &str) -> bool {
    let access = policy.access(&Path::new("/home/u").join(path));
    access.create.min(access.modify).min(access.remove) < Effect::Ask
}

/// What an agent changes.
const STATE: [(&str, &str); 14] = [
    ("claude", ".claude/projects/x/1.jsonl"),
    ("claude", ".claude/.credentials.json"),
    ("codex", ".codex/state_5.sqlite-wal"),
    ("codex", ".codex/auth.json"),
    ("codex", ".codex/sessions/2026/x"),
    ("gemini", ".gemini/tmp/x"),
    ("gemini", ".gemini/oauth_creds.json"),
    ("opencode", ".local/share/opencode/opencode.db"),
    ("copilot", ".copilot/session-state/x"),
    ("goose", ".local/share/goose/sessions/x"),
    ("cursor", ".cursor/chats/x"),
    ("crush", "work/.crush/crush.db"),
    ("amp", ".local/share/amp/threads/x"),
    ("pi", ".pi/agent/sessions/x"),
];

/// What runs outside the jail later.
const LASTING: [(&str, &[&str]); 11] = [
    (
        "claude",
        &[
            ".claude.json",
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".claude/CLAUDE.md",
            ".claude/hooks/x",
            ".claude/plugins/x/y",
            ".claude/skills/x",
            ".claude/commands/x",
            ".claude/agents/x",
            ".claude/statusline.sh",
            ".claude/local/claude",
            ".claude/backups/x",
            ".claude/session-env/x/hook-1.sh",
            ".local/share/claude/versions/2",
        ],
    ),
    (
        "codex",
        &[
            ".codex/config.toml",
            ".codex/x.config.toml",
            ".codex/AGENTS.md",
            ".codex/prompts/x",
            ".codex/rules/default.rules",
            ".codex/hooks.json",
            ".codex/plugins/x",
            ".codex/skills/.system/x/SKILL.md",
            ".codex/tmp/arg0/x/git",
        ],
    ),
    (
        "gemini",
        &[
            ".gemini/settings.json",
            ".gemini/GEMINI.md",
            ".gemini/extensions/x",
            ".gemini/.env",
            ".gemini/history/x/.git/config",
            ".gemini/tmp/bin/rg",
        ],
    ),
    (
        "opencode",
        &[
            ".config/opencode/opencode.json",
            ".config/opencode/plugin/x.js",
            ".opencode/bin/x",
            ".local/share/opencode/snapshot/x/config",
            ".local/share/opencode/bin/x",
            ".cache/opencode/bin/rg",
        ],
    ),
    (
        "copilot",
        &[".copilot/mcp-config.json", ".copilot/config.json", ".copilot/hooks/x", ".cache/copilot/pkg/x"],
    ),
    ("aider", &[".aider.conf.yml", ".aider.model.settings.yml"]),
    (
        "goose",
        &[".config/goose/config.yaml", ".config/goose/.goosehints", ".local/share/goose/schedule.json"],
    ),
    (
        "cursor",
        &[
            ".cursor/mcp.json",
            ".cursor/hooks.json",
            ".cursor/cli-config.json",
            ".cursor/rules/x",
            ".cursor/projects/p/mcp-approvals.json",
            ".cache/cursor-compile-cache/x",
        ],
    ),
    (
        "crush",
        &[
            ".config/crush/crush.json",
            ".local/share/crush/crush.json",
            ".local/share/crush/providers.json",
            "work/.crush/skills/x",
        ],
    ),
    ("amp", &[".config/amp/settings.json", ".config/agents/skills/x", ".amp/bin/amp", ".cache/amp/bin/rg"]),
    ("pi", &[".pi/agent/settings.json", ".pi/agent/extensions/x", ".pi/x", ".agents/skills/x"]),
];

#[test]
fn what_runs_outside_later_stays_and_state_may_change() {
    for level in ["ci", "relaxed", "standard", "strict", "readonly"] {
        for (agent, path) in STATE {
            let is_level = level != "readonly" || !path.starts_with("work/");
            assert_eq!(changes(&policy(level, agent, ""), path), is_level, "{level}, {agent}: {path}");
        }
        for (agent, paths) in LASTING {
            let policy = policy(level, agent, "");
            for path in paths.iter().chain(&[".bashrc", ".profile", "work/.claude/settings.json"]) {
                assert!(!changes(&policy, path), "{level}, {agent}: {path}");
            }
        }
    }
}

#[test]
fn an_agent_reads_its_own_login_and_no_other_secret() {
    for agent in &AGENTS {
        let policy = policy("standard", agent.name, "");
        let reads = |path: &str| policy.decide(&Path::new("/home/u").join(path), Verb::Read).effect;
        for (owner, path) in [
            ("claude", ".claude/.credentials.json"),
            ("codex", ".codex/auth.json"),
            ("gemini", ".gemini/oauth_creds.json"),
            ("opencode", ".local/share/opencode/auth.json"),
            ("cursor", ".config/cursor/auth.json"),
            ("amp", ".local/share/amp/secrets.json"),
            ("pi", ".pi/agent/auth.json"),
            ("nobody", ".config/gh/hosts.yml"),
            ("nobody", ".ssh/id_ed25519"),
            ("nobody", ".netrc"),
        ] {
            let expected = if owner == agent.name { Effect::Allow } else { Effect::Deny };
            assert_eq!(reads(path), expected, "{}: {path}", agent.name);
        }
        let passed = |name: &str| policy.settings.env.pass.iter().any(|known| known == name);
        assert!(!passed("GH_TOKEN") && !passed("GITHUB_TOKEN") && !passed("AWS_*"), "{}", agent.name);
    }
}

#[test]
fn the_network_is_the_agents_unless_the_user_says_otherwise() {
    for level in ["strict", "readonly", "standard"] {
        assert_eq!(policy(level, "codex", "").settings.network, Network::Open, "{level}");
    }
    let own = policy("strict", "codex", "network: loopback\n");
    assert_eq!(own.settings.network, Network::Loopback);
    let own = policy("standard", "codex", "rules: [{access: hidden, paths: [~/.codex/auth.json], why: x}]\n");
    assert_eq!(own.decide("/home/u/.codex/auth.json".as_ref(), Verb::Read).effect, Effect::Deny);
}

#[test]
fn a_floor_stays_a_floor() {
    let rules = "rules: [{access: hidden, final: true, paths: [~/.claude], why: x}]\n";
    let policy = policy("standard", "claude", rules);
    assert!(!changes(&policy, ".claude/projects/x"));
}

#[test]
fn a_variable_moves_the_rules() {
    let agent = Agent::by_name("claude").unwrap_or_else(|| panic!("claude"));
    let place = |name: &str| (name == "CLAUDE_CONFIG_DIR").then(|| PathBuf::from("/home/u/cc*"));
    let profiles = moved(agent, chain(get("agents/claude")), &place);
    let patterns: Vec<&str> = profiles
        .iter()
        .flat_map(|profile| &profile.rules)
        .flat_map(|rule| &rule.paths)
        .map(String::as_str)
        .collect();
    for expected in
        ["/home/u/cc[*]", "/home/u/cc[*]/*", "/home/u/cc[*]/.claude.json*", "/home/u/cc[*]/projects"]
    {
        assert!(patterns.contains(&expected), "{expected} in {patterns:?}");
    }
    assert!(!patterns.iter().any(|pattern| pattern.starts_with("~/.claude")), "{patterns:?}");
    assert!(patterns.contains(&"~/.local/share/claude"), "{patterns:?}");
}

#[test]
fn plans_with_agents_leave_no_way_to_settings() {
    for agent in ["claude", "codex"] {
        let policy = policy("standard", agent, "");
        let tree = Tree::of("/home/u/.claude/settings.json\n/home/u/.codex/config.toml\n/home/u/work/a");
        let plan = compile(policy, &tree);
        let above = ["/home/u", "/home/u/.claude", "/home/u/.codex"];
        for grant in plan.grants.iter().filter(|grant| above.iter().any(|path| grant.path == Path::new(path)))
        {
            assert!(!grant.rights.make && !grant.rights.write && !grant.rights.remove, "{grant:?}");
        }
    }
}

#[test]
fn state_directories_are_there_from_the_start() {
    let made = |agent: &str, tree: &str| {
        let plan = compile(policy("standard", agent, ""), &Tree::of(tree));
        let granted = |dir: &PathBuf| plan.grants.iter().any(|grant| grant.path == *dir && grant.rights.read);
        let dirs =
            plan.make_dirs.iter().filter(|dir| !dir.starts_with("/home/u/work") && !dir.ends_with(".npm"));
        dirs.map(|dir| (dir.display().to_string(), granted(dir))).collect::<Vec<_>>()
    };
    let own = |dir: &str, granted| (format!("/home/u/{dir}"), granted);
    assert_eq!(made("codex", "/home/u/work/a"), [own(".codex", true), own(".codex/shell_snapshots", false)]);
    assert_eq!(
        made("amp", "/home/u/work/a\n/home/u/.local/state/x"),
        [
            own(".cache", false),
            own(".cache/amp", true),
            own(".local/share", false),
            own(".local/share/amp", true),
            own(".local/state/amp", true)
        ]
    );
    assert_eq!(made("codex", "/home/u/work/a\n/home/u/.codex -> elsewhere"), []);
}
