//! Runs hooks.

use super::patience::awaited;
use super::{Notice, Scene, Speaker, Tell};
use crate::plan::{Hook, Point};
use crate::process::{ProcessId, Stdin, finish, start};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// How long a hook may take whose profile says nothing; nothing waits for ever.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Lines of a failed hook's output that its error shows.
const TAIL: usize = 20;

/// When a hook runs; the word in `VMRUN_PHASE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// At a point of the guest's life.
    At(Point),
    /// When what it did is taken back.
    Undo,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(point) => point.fmt(f),
            Self::Undo => f.write_str("undo"),
        }
    }
}

/// What is written down of a hook, so that it does not outlive a vmrun that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookLife {
    /// It runs.
    Began(ProcessId),
    /// It ran, and has ended.
    Ended(ProcessId),
}

/// A hook that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("hook `{name}` ({at}) failed: {what}")]
pub struct HookFailure {
    /// Its name.
    pub name: String,
    /// When it ran.
    pub at: Point,
    /// What happened: its status, the signal that killed it, the time it did not keep, or why it could not be run.
    pub what: String,
    /// The last lines that it printed.
    pub tail: Vec<String>,
}

/// Runs `hook` to its end, with the plan on its standard input, and tells each line that it prints. `note` hears
/// when it began and ended. When the future is dropped, the hook and its children are killed.
///
/// # Errors
/// When it cannot be run, does not exit with status 0, or takes longer than its timeout, which is 30 s when it has
/// none. What that failure does is the caller's business.
pub async fn run_hook(hook: &Hook, scene: &Scene, note: &dyn Fn(HookLife), tell: Tell<'_>) -> Result<(), HookFailure> {
    let Hook { name, at, run: command, .. } = hook;
    let mut launch = scene.launch(command, "hook", name, Some(Phase::At(*at)));
    launch.stdin = Stdin::Bytes(scene.plan_json.clone());
    launch.timeout.get_or_insert(TIMEOUT);
    let mut each = |line: &str| tell(&Notice::Output { by: Speaker::Hook, from: name.clone(), line: line.to_owned() });
    let failure = |what, tail| HookFailure { name: name.clone(), at: *at, what, tail };
    let running = start(&launch).map_err(|error| failure(error.whole(), vec![]))?;
    let process = running.id();
    note(HookLife::Began(process));
    let ran = awaited(tell, || format!("hook {name} ({at})"), finish(running, launch.timeout, &mut each)).await;
    note(HookLife::Ended(process));
    if ran.end.is_success() {
        return Ok(());
    }
    Err(failure(ran.end.to_string(), ran.output.last_lines(TAIL)))
}
