//! What a repository says about those who answer for its security.

use crate::policy::{shortened, visible};

/// Words in names of teams that look after security.
const TEAMS: [&str; 4] = ["security", "infosec", "appsec", "compliance"];

/// The longest name of a team that is shown.
const LONGEST: usize = 60;

/// The first team in a file of code owners that looks after security, as it may be shown.
pub(super) fn security_team(text: &str) -> Option<String> {
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(line, _)| line));
    // The first word of a line is a pattern.
    let owners = lines.flat_map(|line| line.split_whitespace().skip(1));
    let mut teams = owners.filter(|owner| owner.starts_with('@') && owner.contains('/'));
    let team = teams.find(|owner| {
        let name = owner.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        TEAMS.iter().any(|word| name.contains(word))
    });
    team.map(|team| shortened(&visible(team), LONGEST))
}

/// Whether a security policy keeps faults secret until a day that is agreed on: it
/// speaks of an embargo, or of coordinated disclosure with others who are told before.
pub(super) fn has_embargo(text: &str) -> bool {
    // Words, in the order they stand in: line ends mean nothing.
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text
        .split(|char: char| !char.is_alphanumeric() && char != '-')
        .filter(|word| !word.is_empty())
        .collect();
    let text = words.join(" ");
    let denied = ["no ", "not ", "without ", "never ", "without an ", "not an ", "no an ", "do not use "];
    let mut embargoes = text.match_indices("embargo");
    if embargoes.any(|(at, _)| !denied.iter().any(|word| text[..at].ends_with(word))) {
        return true;
    }
    let coordinated =
        ["coordinated disclosure", "coordinated vulnerability disclosure", "coordinated release"];
    let told_before = [
        "distros list",
        "linux-distros",
        "distros mailing list",
        "pre-disclosure",
        "predisclosure",
        "security team list",
        "security team s list",
        "vendor-sec",
    ];
    coordinated.iter().any(|phrase| text.contains(phrase))
        && told_before.iter().any(|phrase| text.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_are_owners_not_patterns_or_comments() {
        assert_eq!(
            security_team("* @acme/core\n/auth @acme/app-security\n").as_deref(),
            Some("@acme/app-security")
        );
        assert_eq!(security_team("* @acme/InfoSec").as_deref(), Some("@acme/InfoSec"));
        assert_eq!(
            security_team("/security @acme/core\n# @acme/security\n* @acme/core # @acme/appsec\n"),
            None
        );
        assert_eq!(security_team("* @security-fan\n* security@example.org"), None);
        assert_eq!(security_team("* @a/\u{1b}[31msecurity").as_deref(), Some("@a/\\u{1b}[31msecurity"));
    }

    #[test]
    fn a_policy_that_takes_reports_is_no_embargo() {
        assert!(has_embargo("Issues are under embargo until the release."));
        assert!(has_embargo("We practise coordinated\ndisclosure and tell the linux-distros list."));
        assert!(!has_embargo("Please report vulnerabilities to our security team at security@example.org."));
        assert!(!has_embargo("We follow coordinated disclosure."));
        assert!(!has_embargo("There is no embargo: issues are public."));
    }
}
