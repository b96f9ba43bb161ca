//! Hooks that run beside the loop, one after the other: at a reboot of the guest, and when it is asked to stop.

use super::Scene;
use super::prepare::Hands;
use crate::plan::{Hook, Point};
use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;

type Job<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The hooks that wait for their turn.
pub(super) struct Side<'a> {
    hands: Hands<'a>,
    scene: &'a Scene,
    jobs: VecDeque<Job<'a>>,
}

impl<'a> Side<'a> {
    pub(super) fn new(hands: Hands<'a>, scene: &'a Scene) -> Self {
        Self { hands, scene, jobs: VecDeque::new() }
    }

    /// Lines up something else.
    pub(super) fn add(&mut self, job: impl Future<Output = ()> + 'a) {
        self.jobs.push_back(Box::pin(job));
    }

    /// Lines up the hooks at `at`.
    pub(super) fn hooks_at(&mut self, at: Point) {
        let Self { hands, scene, .. } = *self;
        self.jobs.extend(hands.plan.hooks.iter().filter(|hook| hook.at == at).map(|hook| job(hook, scene, hands)));
    }

    /// Works on all that wait, to their end.
    pub(super) async fn finish(&mut self) {
        while let Some(job) = self.jobs.pop_front() {
            job.await;
        }
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

fn job<'a>(hook: &'a Hook, scene: &'a Scene, hands: Hands<'a>) -> Job<'a> {
    Box::pin(async move {
        if let Err(failed) = hands.run_hook(hook, scene).await {
            hands.failed(hook, &failed);
        }
    })
}
