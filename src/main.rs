//! Parse, run, print the error chain once, exit.

fn main() -> std::process::ExitCode {
    stockade::cli::main()
}
