//! Performing one step.

mod allot;
mod bridge;
mod closed;
mod driver;
mod group;
mod hand;
mod mask;
mod own;
mod resize;
mod revive;
mod tell;
mod write;

#[cfg(test)]
pub(super) use hand::Told;
pub(super) use hand::{Fault, Hand, Helper, hanging};
pub(super) use own::owner;
pub(super) use write::chosen;

use super::ApplyError;
use crate::host::Root;
use crate::plan::{Command, Step, Test};
use crate::process::{Launch, run};
use std::rc::Rc;
use tokio::sync::Mutex;

/// The host that steps are performed on.
#[derive(Clone)]
pub(super) struct Ground {
    /// Below which it is.
    pub(super) root: Root,
    /// Who tells the kernel.
    pub(super) hand: Rc<dyn Hand>,
    /// Held by who takes a device out of the kernel's sight and looks for it again, for which a switch of all is set.
    pub(super) rescan: Rc<Mutex<()>>,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Ground {
    /// The host below `root`, told by a helper process.
    pub(super) fn real(root: Root) -> Self {
        Self { root, hand: Rc::new(Helper::default()), rescan: Rc::default() }
    }

    async fn tell(&self, path: &str, value: &str) -> Result<(), Fault> {
        self.hand.tell(&self.root, path, value).await
    }
}

/// Performs `step` on `ground`. A step that fails has changed nothing, unless it is [`ApplyError::Stuck`].
pub(super) async fn perform(ground: &Ground, step: &Step) -> Result<(), ApplyError> {
    match step {
        // Others have their share in what is added to, so that is not done in one step: see the pool.
        Step::Add { path, .. } => Err(ApplyError::Refused(format!("internal error: {path} is no file of one guest"))),
        Step::Run(command) => run_to_end(command).await,
        Step::RunIf { there, run } if ground.root.exists(there) => run_to_end(run).await,
        Step::RunUnless { there, run } if !ground.root.exists(there) => run_to_end(run).await,
        Step::RunIf { .. } | Step::RunUnless { .. } => Ok(()),
        Step::RemoveBridge { name, mac } => bridge::remove(ground, name, *mac).await,
        Step::Write { path, was, value } => write::write(ground, path, was, value).await,
        Step::Mask { path, was, value, cpus } => {
            mask::mask(ground, path, &mask::Told { was, value, cpus });
            Ok(())
        }
        Step::Confine { unit, was, value, cpus, all } => {
            mask::confine(ground, unit, all, &mask::Told { was, value, cpus }).await
        }
        Step::Allot { group, resource, domain, was, value, part } => {
            let allotted = allot::Allotted { resource, domain: *domain, was, value, part };
            allot::allot(ground, group, &allotted).await
        }
        Step::Tell { path, value, at, to } => tell::tell(ground, path, value, (at, *to)).await,
        Step::Gather { into } => group::gather(&ground.root, into),
        Step::Disperse { from, all, controller } => group::disperse(&ground.root, from, all, *controller),
        Step::Group { path, there: true } => group::make(&ground.root, path),
        Step::Group { path, there: false } => group::remove(&ground.root, path),
        Step::Unbind { bus, device, driver } => driver::unbind(ground, *bus, device, driver).await,
        Step::Bind { bus, device, driver } => driver::bind(ground, *bus, device, driver).await,
        Step::Own { path, was, uid } => own::own(ground, path, *was, *uid).await,
        Step::AwaitClosed(bdf) => closed::closed(ground, *bdf).await,
        Step::Revive(bdf) => revive::revive(ground, *bdf).await,
        Step::Resize { bdf, bar, was, size } => resize::resize(ground, *bdf, *bar, *was, *size).await,
    }
}

/// Whether `test` says that there is nothing to change; a command that cannot be run says nothing of the kind.
pub(super) async fn holds(test: &Test) -> bool {
    let Test { run: command, succeeds } = test;
    run(&Launch::from(command), &mut |_| {}).await.is_ok_and(|ran| ran.end.is_success() == *succeeds)
}

pub(super) async fn run_to_end(command: &Command) -> Result<(), ApplyError> {
    let line = Step::Run(command.clone()).to_string();
    let failed = |why: String| ApplyError::Refused(format!("`{line}` {why}"));
    let mut last = String::new();
    let ran = run(&Launch::from(command), &mut |text| text.clone_into(&mut last))
        .await
        .map_err(|error| failed(format!("could not be run: {error}")))?;
    if ran.end.is_success() {
        return Ok(());
    }
    let said = if last.is_empty() { String::new() } else { format!(", saying `{last}`") };
    Err(failed(format!("failed: {}{said}", ran.end)))
}
