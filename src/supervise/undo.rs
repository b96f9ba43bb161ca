//! From a guest that is gone to a host as it was.

use super::prepare::Prepared;
use super::run::Order;
use super::{Ended, Notice, Scene, Tell, run_hook};
use crate::apply::Unrestored;
use crate::plan::{OnError, Point, Start};
use std::time::Instant;

/// Runs the hooks at `stopped`, ends the companions in reverse order, takes every change back, runs the hooks at
/// `post`. Nothing that fails keeps the rest from being done. Returns what could not be put back, and the names of the
/// hooks that failed.
pub(super) async fn put_back(
    held: Prepared,
    order: &Order,
    scene: &mut Scene,
    ended: &Ended,
    tell: Tell<'_>,
) -> (Vec<Unrestored>, Vec<String>) {
    scene.reason = Some(ended.word().to_owned());
    let Prepared { mut lease, mut companions } = held;
    // The journal is on disk; that QEMU is gone is what its lock says.
    let mut failed = Vec::new();
    if scene.pid.is_some() {
        failed.extend(hooks_after(Point::Stopped, order, scene, tell).await);
    }
    for start in [Start::After, Start::Before] {
        companions.stop(start, &mut lease, tell).await;
    }
    let began = Instant::now();
    let unrestored = lease.undo().await;
    if !order.plan.changes.is_empty() {
        tell(&Notice::stage("host put back", began.elapsed()));
    }
    failed.extend(hooks_after(Point::Post, order, scene, tell).await);
    (unrestored, failed)
}

async fn hooks_after(at: Point, order: &Order, scene: &Scene, tell: Tell<'_>) -> Vec<String> {
    let scene = scene.at(at);
    let mut failed = Vec::new();
    for hook in order.plan.hooks.iter().filter(|hook| hook.at == at) {
        if let Err(failure) = run_hook(hook, &scene, tell).await {
            tell(&Notice::Warning(failure.to_string()));
            if hook.on_error == OnError::Abort {
                failed.push(hook.name.clone());
            }
        }
    }
    failed
}
