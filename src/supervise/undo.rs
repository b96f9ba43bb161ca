//! From a guest that is gone to a host as it was.

use super::prepare::Hands;
use super::{Companions, Ended, Notice, Scene, run_hook};
use crate::apply::Unrestored;
use crate::plan::{OnError, Point, Start};
use std::time::Instant;

/// Runs the hooks at `stopped`, ends the companions in reverse order, takes every change back, runs the hooks at
/// `post`. Nothing that fails keeps the rest from being done. Returns what could not be put back, and the names of the
/// hooks that failed.
pub(super) async fn put_back(
    hands: Hands<'_>,
    companions: &mut Companions<'_>,
    scene: &mut Scene,
    ended: &Ended,
) -> (Vec<Unrestored>, Vec<String>) {
    scene.reason = Some(ended.word().to_owned());
    let mut failed = Vec::new();
    if scene.pid.is_some() {
        failed.extend(hooks_after(Point::Stopped, hands, scene).await);
    }
    for start in [Start::After, Start::Before] {
        companions.stop(start).await;
    }
    let began = Instant::now();
    let owed = hands.lease.owes();
    let unrestored = hands.lease.undo().await;
    if owed {
        (hands.tell)(&Notice::stage("host put back", began.elapsed()));
    }
    failed.extend(hooks_after(Point::Post, hands, scene).await);
    (unrestored, failed)
}

async fn hooks_after(at: Point, Hands { plan, tell, .. }: Hands<'_>, scene: &Scene) -> Vec<String> {
    let mut failed = Vec::new();
    for hook in plan.hooks.iter().filter(|hook| hook.at == at) {
        if let Err(failure) = run_hook(hook, scene, tell).await {
            tell(&Notice::Warning(failure.to_string()));
            if hook.on_error == OnError::Abort {
                failed.push(hook.name.clone());
            }
        }
    }
    failed
}
