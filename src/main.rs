//! The `vitrine` binary: parses arguments and runs one command.

fn main() -> std::process::ExitCode {
    vitrine::cli::run()
}
