//! Hooks that run beside the loop, one after the other: at a reboot of the guest, and when it is asked to stop.

use super::{Notice, Scene, Tell, run_hook};
use crate::plan::{Hook, Plan, Point};
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;

type Job<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The hooks that wait for their turn.
pub(super) struct Side<'a> {
    plan: &'a Plan,
    scene: &'a Scene,
    tell: Tell<'a>,
    jobs: VecDeque<Job<'a>>,
}

impl<'a> Side<'a> {
    pub(super) fn new(plan: &'a Plan, scene: &'a Scene, tell: Tell<'a>) -> Self {
        Self { plan, scene, tell, jobs: VecDeque::new() }
    }

    /// Lines up the hooks at `at`.
    pub(super) fn hooks_at(&mut self, at: Point) {
        let Self { plan, scene, tell, .. } = *self;
        self.jobs.extend(plan.hooks.iter().filter(|hook| hook.at == at).map(|hook| job(hook, scene, tell)));
    }

    /// Works on the first one until it is done; for ever when there is none. Cancel-safe.
    pub(super) async fn next(&mut self) {
        match self.jobs.front_mut() {
            Some(job) => {
                job.await;
                self.jobs.pop_front();
            }
            None => pending().await,
        }
    }
}

fn job<'a>(hook: &'a Hook, scene: &'a Scene, tell: Tell<'a>) -> Job<'a> {
    Box::pin(async move {
        if let Err(failed) = run_hook(hook, scene, tell).await {
            tell(&Notice::Warning(failed.to_string()));
        }
    })
}
