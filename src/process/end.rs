//! How a process ended.

use nix::sys::signal::Signal;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// It ended, and as it was no child of ours nobody saw how.
    Unseen,
    /// It took longer than this, and was ended.
    TimedOut(Duration),
    /// It did not end after SIGKILL either: a thread of it is in uninterruptible sleep.
    Stuck,
}

impl End {
    /// Whether it exited with status 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Killed(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Killed(signal) => match Signal::try_from(signal) {
                Ok(name) => write!(f, "killed by {name}"),
                Err(_) => write!(f, "killed by signal {signal}"),
            },
            Self::Unseen => f.write_str("nobody saw how"),
            Self::TimedOut(limit) => write!(f, "not done after {}", humantime::format_duration(limit)),
            Self::Stuck => f.write_str("still there after SIGKILL, in uninterruptible sleep"),
        }
    }
}
