//! The few verbs in which the kernel, and systemd, are told something.

use super::Command;
use std::fmt;

/// One verb on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Adds `delta` to the number in a file and reads back whether the kernel took all of it.
    Add {
        /// Absolute path below sysfs or procfs.
        path: String,
        /// Amount to add; negative to take away.
        delta: i64,
    },
    /// Runs a command to its end; a status other than 0 is a failure.
    Run(Command),
    /// Runs a command if something stands at a path; if not, there is nothing left to do.
    RunIf {
        /// Absolute path.
        there: String,
        /// What is run then.
        run: Command,
    },
}

/// As the line that a person would type at a root shell.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { path, delta } => {
                let (sign, amount) = if *delta < 0 { ('-', delta.unsigned_abs()) } else { ('+', delta.unsigned_abs()) };
                write!(f, "echo $(( $(cat {path}) {sign} {amount} )) > {path}")
            }
            Self::RunIf { there, run } => write!(f, "[ ! -e {there} ] || {}", Self::Run(run.clone())),
            Self::Run(Command { argv, user, .. }) => {
                if let Some(user) = user {
                    write!(f, "sudo -u {user} ")?;
                }
                f.write_str(&shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_else(|_| format!("{argv:?}")))
            }
        }
    }
}
