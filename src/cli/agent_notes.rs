//! `stockade agent-notes`: what an agent should know about its jail, for the files
//! that agents read first.

use super::error::CliError;
use super::print;

const NOTES: &str = include_str!("../../docs/agent-notes.md");

/// Prints the notes.
pub(super) fn main() -> Result<(), CliError> {
    print(NOTES)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args::CommandLine;
    use super::*;

    #[test]
    fn every_command_in_the_notes_exists() {
        let notes = NOTES.replace('\n', " ");
        let spans = notes.split('`').skip(1).step_by(2);
        let commands: Vec<&str> = spans.filter_map(|span| span.strip_prefix("stockade ")).collect();
        assert!(commands.len() > 4, "{commands:?}");
        for command in commands {
            let name = command.split(' ').next().unwrap_or_default();
            assert!(CommandLine::command().find_subcommand(name).is_some(), "{command}");
            let words = ["stockade"].into_iter().chain(command.split_whitespace());
            assert!(CommandLine::command().try_get_matches_from(words).is_ok(), "{command}");
        }
    }

    #[test]
    fn the_notes_are_short() {
        assert!(NOTES.lines().count() < 50 && NOTES.lines().all(|line| line.len() < 92));
        assert!(NOTES.contains(crate::policy::report::VARIABLE));
    }
}
