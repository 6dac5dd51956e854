//! `stockade completions`: what a shell needs to complete commands, names of
//! profiles, and ids of sessions.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::args::CommandLine;
use super::error::CliError;
use super::print;

/// Runs the subcommand.
pub(super) fn main(shell: Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(shell, &mut CommandLine::command(), "stockade", &mut script);
    print(&format!("{}{}", String::from_utf8_lossy(&script), ids(shell)))
}

/// Commands that take a session's id first.
const TAKING_IDS: &str = "undo diff restore log";

/// What prints the names of profiles.
const PROFILES: &str = "stockade profile list 2>/dev/null | cut -d \\  -f 1";

/// Completes names of profiles and ids of sessions behind the generated script.
fn ids(shell: Shell) -> String {
    match shell {
        Shell::Bash => format!(
            r#"
_stockade_with_sessions() {{
    _stockade "$@"
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
        -p|--profile)
            COMPREPLY+=($(compgen -W "$({PROFILES})" -- "${{COMP_WORDS[COMP_CWORD]}}"))
            return ;;
    esac
    case " {TAKING_IDS} " in
        *" ${{COMP_WORDS[1]}} "*)
            COMPREPLY+=($(compgen -W "$(stockade sessions --ids 2>/dev/null)" -- "${{COMP_WORDS[COMP_CWORD]}}")) ;;
    esac
}}
complete -F _stockade_with_sessions -o nosort -o bashdefault -o default stockade
"#
        ),
        Shell::Zsh => format!(
            r#"
_stockade_with_sessions() {{
    case "${{words[CURRENT-1]}}" in
        -p|--profile) compadd -- $({PROFILES}) ;;
    esac
    case " {TAKING_IDS} " in
        *" ${{words[2]}} "*) compadd -- $(stockade sessions --ids 2>/dev/null) ;;
    esac
    _stockade "$@"
}}
compdef _stockade_with_sessions stockade
"#
        ),
        Shell::Fish => format!(
            "complete -c stockade -n '__fish_seen_subcommand_from {TAKING_IDS}' -f -a '(stockade sessions --ids \
             2>/dev/null)'\n\
             complete -c stockade -n '__fish_seen_subcommand_from run plan why' -s p -l profile -x -a '({PROFILES})'\n"
        ),
        _ => String::new(),
    }
}
