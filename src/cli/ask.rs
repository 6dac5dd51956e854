//! Questions to whoever sits at the terminal.

use std::io::{BufRead, IsTerminal, Write};

use super::error::CliError;

/// Asks a question that only yes answers with yes.
pub(super) fn ask(question: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::NobodyToAsk);
    }
    let answer = answer(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.as_str(), "y" | "yes"))
}

/// Asks, and gives the answer in small letters.
pub(super) fn answer(question: &str) -> Result<String, CliError> {
    eprint!("{question}");
    std::io::stderr().flush().map_err(CliError::Output)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(CliError::Output)?;
    Ok(line.trim().to_lowercase())
}
