//! Tables of the README that say what is in profiles.

use super::builtin::get;
use crate::policy::Effect;
use crate::policy::agent::{AGENTS, Agent};

const README: &str = include_str!("../../../README.md");

/// Patterns as a shell would write them: what has the same directory in braces.
fn in_braces(patterns: &[&String]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for pattern in patterns {
        let (dir, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        match groups.iter_mut().find(|(known, _)| *known == dir) {
            Some((_, names)) => names.push(name),
            None => groups.push((dir, vec![name])),
        }
    }
    let written = groups.iter().map(|(dir, names)| match (*dir, &names[..]) {
        ("", [name]) => format!("`{name}`"),
        (dir, [name]) => format!("`{dir}/{name}`"),
        (dir, names) => format!("`{dir}/{{{}}}`", names.join(",")),
    });
    written.collect::<Vec<_>>().join(", ")
}

fn row(agent: &Agent) -> String {
    let profile = get(&agent.profile());
    let those = |wanted: &dyn Fn(Effect) -> bool| {
        let rules = profile.rules.iter().filter(|rule| wanted(rule.access.modify));
        in_braces(&rules.flat_map(|rule| &rule.paths).collect::<Vec<_>>())
    };
    let kept = those(&|effect| effect == Effect::Keep);
    let kept = if kept.is_empty() { kept } else { format!("; kept for undo: {kept}") };
    let flags = agent.flags.iter().map(|flags| format!("`{}`", flags.add.join(" ")));
    format!(
        "| `{}` | {}{kept} | {} |",
        agent.name,
        those(&|effect| effect == Effect::Allow),
        flags.collect::<Vec<_>>().join(", ")
    )
}

#[test]
fn the_readme_says_what_agents_may_change() {
    let rows: Vec<String> = AGENTS.iter().map(row).collect();
    let table =
        format!("| agent | may change | flags that are added |\n|---|---|---|\n{}\n", rows.join("\n"));
    let found =
        README.split("<!-- agents -->\n").nth(1).and_then(|rest| rest.split("<!-- /agents -->").next());
    assert_eq!(found, Some(&*table), "README.md must have between its marks for agents:\n{table}");
}
