//! From a guest that is gone to a host as it was.

use super::patience::awaited;
use super::prepare::Hands;
use super::{Companions, Ended, Notice, Scene};
use crate::apply::{Lease, Unrestored};
use crate::plan::{Point, Start};
use std::time::Instant;

/// Runs the hooks at `stopped`, ends the companions in reverse order, takes every change back, runs the hooks at
/// `post` if those at `pre` had their turn. Nothing that fails keeps the rest from being done. Returns what could not be put back.
pub(super) async fn put_back(
    hands: Hands<'_>,
    companions: &mut Companions<'_>,
    scene: &mut Scene,
    ended: &Ended,
) -> Vec<Unrestored> {
    scene.reason = Some(ended.word().to_owned());
    if scene.pid.is_some() {
        hooks_after(Point::Stopped, hands, scene).await;
    }
    for start in [Start::After, Start::Before] {
        companions.stop(start).await;
    }
    let began = Instant::now();
    let owed = hands.lease.owes();
    let unrestored = awaited(hands.tell, || being_put_back(hands.lease), hands.lease.undo()).await;
    if owed {
        (hands.tell)(&Notice::stage("host put back", began.elapsed()));
    }
    if hands.lease.has_begun() {
        hooks_after(Point::Post, hands, scene).await;
    }
    unrestored
}

fn being_put_back(lease: &Lease) -> String {
    match lease.under_way() {
        steps if steps.is_empty() => "the host to be put back".into(),
        steps => format!("`{}`", steps.join("` and `")),
    }
}

async fn hooks_after(at: Point, hands: Hands<'_>, scene: &Scene) {
    for hook in hands.plan.hooks.iter().filter(|hook| hook.at == at) {
        if let Err(failure) = hands.run_hook(hook, scene).await {
            hands.failed(hook, &failure);
        }
    }
}
