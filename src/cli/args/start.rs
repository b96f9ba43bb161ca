//! The command of every start, read without the other forty.

use super::{Cli, Command, Global, Run};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// The command line of a start alone. It takes what [`Cli`] takes for it; what else there may be, help and mistakes among
/// it, [`Cli`] knows.
#[derive(Parser)]
#[command(name = "vmrun", disable_help_subcommand = true)]
struct Start {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Only,
}

#[derive(Subcommand)]
enum Only {
    Run(Run),
}

/// What `words` say, when they say `vmrun run` and nothing is wrong with them. To lay out all commands for clap takes a tenth
/// of a start.
#[must_use]
pub fn start(words: &[OsString]) -> Option<Cli> {
    let Start { global, command: Only::Run(run) } = Start::try_parse_from(words).ok()?;
    Some(Cli { global, command: Command::Run(run) })
}

#[cfg(test)]
mod test {
    use super::start;
    use crate::cli::args::Cli;
    use clap::Parser;
    use std::ffi::OsString;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_start_says_what_it_says_among_all_commands() {
        for line in [
            "vmrun run a.toml",
            "vmrun -q run a.toml",
            "vmrun run a -vv --json",
            "vmrun run --variant install --set memory.size=4G --color=never -- a.toml",
        ] {
            let whole = Cli::try_parse_from(words(line)).unwrap();
            assert_eq!(format!("{:?}", start(&words(line)).unwrap()), format!("{whole:?}"), "{line}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_whole_command_line() {
        for line in ["vmrun", "vmrun plan a.toml", "vmrun a.toml", "vmrun run", "vmrun run --help", "vmrun run a --no"]
        {
            assert!(start(&words(line)).is_none(), "{line}");
        }
    }
}
