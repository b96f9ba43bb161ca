//! The program: parses its arguments, does what they say, and ends with the exit code that says how it went.

use std::process::ExitCode;

fn main() -> ExitCode {
    vmrun::cli::run(std::env::args_os()).into()
}
