//! A command that is run to its end.

use super::{End, Kept, Launch, ProcessError, start};
use std::time::Duration;

/// How long a command gets to end after SIGTERM, when its time is over.
const GRACE: Duration = Duration::from_secs(5);

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// What is kept of its output.
    pub output: Kept,
}

/// Runs a command to its end and hands each line of its output to `each`.
///
/// Takes as long as the command, and up to a second more for output that a daemon of it may hold back; after
/// `launch.timeout`, its group gets SIGTERM, five seconds, SIGKILL. When the future is dropped, the group is killed.
///
/// # Errors
/// As [`start`]. A command that fails is not an error here: see [`Ran::end`].
pub async fn run(launch: &Launch, each: &mut dyn FnMut(&str)) -> Result<Ran, ProcessError> {
    let mut running = start(launch)?;
    let in_time = match launch.timeout {
        Some(limit) => tokio::time::timeout(limit, running.ended(each)).await.map_err(|_| limit),
        None => Ok(running.ended(each).await),
    };
    let end = match in_time {
        Ok(()) => {
            running.drain(each).await;
            running.reap()
        }
        Err(limit) => match running.stop(GRACE, each).await {
            End::Stuck => End::Stuck,
            _ => End::TimedOut(limit),
        },
    };
    Ok(Ran { end, output: running.kept().clone() })
}
