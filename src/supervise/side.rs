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
    /// With the point of a hook.
    jobs: VecDeque<(Option<Point>, Job<'a>)>,
}

impl<'a> Side<'a> {
    pub(super) fn new(hands: Hands<'a>, scene: &'a Scene) -> Self {
        Self { hands, scene, jobs: VecDeque::new() }
    }

    /// Lines up something else.
    pub(super) fn add(&mut self, job: impl Future<Output = ()> + 'a) {
        self.jobs.push_back((None, Box::pin(job)));
    }

    /// Lines up the hooks at `at`, unless as many of them wait already: a guest may reboot faster than its hooks run.
    pub(super) fn hooks_at(&mut self, at: Point) {
        let Self { hands, scene, .. } = *self;
        let hooks: Vec<_> = hands.plan.hooks.iter().filter(|hook| hook.at == at).collect();
        // The first of all may have begun before what these are about.
        let waiting = self.jobs.iter().skip(1).filter(|(point, _)| *point == Some(at)).count();
        if waiting < hooks.len() {
            self.jobs.extend(hooks.into_iter().map(|hook| (Some(at), job(hook, scene, hands))));
        }
    }

    /// Works on all that wait, to their end; but what was about a reboot is over with its guest. Cancel-safe.
    pub(super) async fn finish(&mut self) {
        let first = self.jobs.pop_front();
        self.jobs.retain(|(point, _)| *point != Some(Point::Reset));
        first.into_iter().for_each(|first| self.jobs.push_front(first));
        while !self.jobs.is_empty() {
            self.next().await;
        }
    }

    /// Works on the first one until it is done; for ever when there is none. Cancel-safe.
    pub(super) async fn next(&mut self) {
        match self.jobs.front_mut() {
            Some((_, job)) => {
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
