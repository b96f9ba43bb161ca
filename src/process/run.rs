//! A command that is run to its end.

use super::{End, Kept, Launch, ProcessError, Running, start};
use std::time::Duration;
use tokio::time::timeout;

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

/// Runs a command to its end, within `launch.timeout`, and hands each line of its output to `each`: see [`finish`].
///
/// # Errors
/// As [`start`]. A command that fails is not an error here: see [`Ran::end`].
pub async fn run(launch: &Launch, each: &mut dyn FnMut(&str)) -> Result<Ran, ProcessError> {
    Ok(finish(start(launch)?, launch.timeout, each).await)
}

/// What becomes of a command that was started.
///
/// Takes as long as the command, and up to a second more for output that a daemon of it may hold back; after `limit`, its
/// group gets SIGTERM, five seconds, SIGKILL. When the future is dropped, the group is killed.
pub async fn finish(mut running: Running, limit: Option<Duration>, each: &mut dyn FnMut(&str)) -> Ran {
    let limit = limit.unwrap_or(Duration::MAX);
    let end = if timeout(limit, running.ended(each)).await.is_ok() {
        running.drain(each).await;
        running.reap()
    } else {
        match running.stop(GRACE, each).await {
            End::Stuck => End::Stuck,
            End::Exited(_) | End::Killed(_) | End::Unseen | End::TimedOut(_) => End::TimedOut(limit),
        }
    };
    Ran { end, output: running.kept().clone() }
}
