//! A repository, and a jailed program, that mean ill: nothing that an agent runs later
//! outside the jail can be planted.

use std::fs;

use crate::support::fixture::write;
use crate::support::{Jail, Tree, both_modes};

/// What would run outside later.
const PLANTED: [&str; 16] = [
    ".claude/settings.json",
    ".claude/settings.local.json",
    ".claude/hooks/x.sh",
    ".claude/CLAUDE.md",
    ".claude/agents/x.md",
    ".claude/plugins/x",
    ".claude.json",
    ".codex/config.toml",
    ".codex/AGENTS.md",
    ".codex/rules/default.rules",
    ".gemini/settings.json",
    ".config/opencode/opencode.json",
    ".cursor/mcp.json",
    ".bashrc",
    ".profile",
    ".local/bin/claude",
];

/// Ways to get something into a file that may be there.
const WAYS: &str = "
    plant() {
        mkdir -p \"$(dirname \"$1\")\"
        echo evil > \"$1\"; echo evil >> \"$1\"; cp tool \"$1\"; mv tool2 \"$1\"; ln -f tool \"$1\"; ln -sf \"$PWD/tool\" \"$1\"
        rm -f \"$1\"; echo evil > \"$1\"
        mv \"$(dirname \"$1\")\" \"$(dirname \"$1\").old\" && mkdir -p \"$(dirname \"$1\")\" && echo evil > \"$1\"
    }
    cp tool tool2";

fn plant(jail: &Jail, agent: &str) {
    let paths: Vec<String> = PLANTED.iter().map(|path| format!("plant ~/{path}")).collect();
    let script = format!("{WAYS}\n{}\ntrue", paths.join("\n"));
    let mut command = jail.run_command();
    command.args(["--agent", agent, "--", "sh", "-c", &script]);
    let out = crate::support::process::run(&mut command, crate::support::process::LIMIT);
    out.expect(0);
}

#[test]
fn nothing_is_planted_in_the_home() {
    for there in [true, false] {
        both_modes(|jail| {
            write(&jail.work.join("tool"), "evil\n");
            if there {
                PLANTED.iter().for_each(|path| write(&jail.home.join(path), "the user's own\n"));
            }
            for agent in ["claude", "codex", "gemini", "opencode", "cursor"] {
                let before =
                    Tree::exact(&jail.home).without(&[".local/state", ".local/share"]).without_dir_times();
                plant(jail, agent);
                for path in PLANTED {
                    let found = fs::read_to_string(jail.home.join(path)).ok();
                    let own = there.then(|| "the user's own\n".to_owned());
                    assert_eq!(found, own, "{agent}: {path}");
                }
                if there {
                    let after = Tree::exact(&jail.home)
                        .without(&[".local/state", ".local/share"])
                        .without_dir_times();
                    crate::support::tree::assert_same(&before, &after);
                }
            }
        });
    }
}

#[test]
fn nothing_is_planted_in_the_workspace() {
    let jail = Jail::new("standard");
    write(&jail.work.join("tool"), "evil\n");
    write(&jail.work.join(".claude/settings.json"), "{}\n");
    let paths = [
        ".claude/settings.json",
        ".mcp.json",
        ".codex/config.toml",
        ".gemini/settings.json",
        ".cursor/mcp.json",
    ];
    let lines: Vec<String> = paths.iter().map(|path| format!("plant {path}")).collect();
    let script = format!("{WAYS}\n{}\ntrue", lines.join("\n"));
    jail.stockade(&["run", "--agent", "claude", "--", "sh", "-c", &script]).expect(0);
    assert_eq!(fs::read_to_string(jail.work.join(paths[0])).expect("read"), "{}\n");
    for path in &paths[1..] {
        assert!(!jail.work.join(path).exists(), "{path}");
    }
}

#[test]
fn without_the_jail_all_of_it_would_work() {
    let jail = Jail::new("standard");
    write(&jail.work.join("tool"), "evil\n");
    let lines: Vec<String> = PLANTED.iter().map(|path| format!("plant ~/{path}")).collect();
    // the last way moves the directory away and back into its place, so each is looked at at once
    let looks: Vec<String> =
        lines.iter().zip(PLANTED).map(|(line, path)| format!("{line}; cat ~/{path}")).collect();
    let out = jail.bare(&["sh", "-c", &format!("{WAYS}\n{}", looks.join("\n"))]);
    assert_eq!(out.out(), "evil\n".repeat(PLANTED.len()), "{}", out.err());
}
