//! What happened between two moments.

use super::super::verify::{Role, Roles};
use super::sample::Sample;
use crate::host::{Interrupt, Ran, ThreadFact};
use crate::plan::Pins;
use crate::unit::CpuSet;
use serde::Serialize;
use std::cmp::Reverse;

/// What happened.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Look {
    pub(super) vcpus: Vec<Vcpu>,
    /// QEMU's other threads together.
    pub(super) rest: Rest,
    /// Interrupts of passed devices.
    pub(super) vfio: Vec<Source>,
}

/// A vCPU.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Vcpu {
    pub(super) vcpu: usize,
    /// Host CPU that it ran on last.
    pub(super) cpu: u32,
    /// Whether that is where the plan puts it.
    pub(super) in_place: bool,
    pub(super) mhz: Option<u32>,
    /// Share of the time that it ran, in percent.
    pub(super) busy: f64,
    /// Milliseconds of each second that it was ready and waited for its host CPU.
    pub(super) wait_ms: f64,
    /// Moves to another host CPU.
    pub(super) moved: Option<u64>,
    /// Exits to KVM in a second.
    pub(super) exits: Option<u64>,
    /// Who else was on its host CPU, the longest first.
    pub(super) disturbers: Vec<Disturber>,
    /// Interrupts of the host on its host CPU, the most frequent first.
    pub(super) interrupts: Vec<Source>,
}

/// A thread that ran on a vCPU's host CPU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Disturber {
    pub(super) name: String,
    pub(super) tid: u32,
    /// Milliseconds of each second.
    pub(super) ms: f64,
}

/// Where interrupts come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Source {
    pub(super) name: String,
    /// Interrupts in a second.
    pub(super) rate: u64,
    /// Host CPUs that they came to.
    pub(super) cpus: CpuSet,
}

/// Threads that are no vCPU.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rest {
    pub(super) threads: usize,
    /// Host CPUs that they ran on last.
    pub(super) cpus: CpuSet,
    pub(super) busy: f64,
}

/// From `before` to `after`.
///
/// Who only runs because somebody watches, the processes that `watches` knows by their ids, is no disturber.
pub(super) fn rate(before: &Sample, after: &Sample, pins: &Pins, roles: &Roles, watches: impl Fn(u32) -> bool) -> Look {
    let seconds = after.at.duration_since(before.at).as_secs_f64().max(0.001);
    let of_watchers = |tid: &u32| after.ran.get(tid).is_some_and(|ran| watches(ran.pid));
    let others = after.with_others(before).into_iter().filter(|(tid, _)| !of_watchers(tid)).map(|(_, other)| other);
    let span = Span { before, after, seconds, others: others.collect() };
    let index = |thread: &ThreadFact| match roles.role(thread.tid) {
        Some(Role::Vcpu(index)) => Some(*index),
        Some(Role::Iothread(_)) | None => None,
    };
    let mut vcpus: Vec<_> =
        after.threads.iter().filter_map(|thread| Some(span.vcpu(index(thread)?, thread, pins))).collect();
    vcpus.sort_by_key(|vcpu| vcpu.vcpu);
    let rest: Vec<_> = after.threads.iter().filter(|thread| index(thread).is_none()).collect();
    let rest = Rest {
        threads: rest.len(),
        cpus: rest.iter().map(|thread| thread.last).collect(),
        busy: rest.iter().map(|thread| span.share(thread)).sum(),
    };
    Look { vcpus, rest, vfio: span.sources(|it| it.handler.starts_with("vfio-"), None) }
}

/// The time between two samples.
struct Span<'a> {
    before: &'a Sample,
    after: &'a Sample,
    seconds: f64,
    others: Vec<ThreadFact>,
}

impl Span<'_> {
    fn vcpu(&self, vcpu: usize, thread: &ThreadFact, pins: &Pins) -> Vcpu {
        let place = pins.vcpus.get(vcpu).and_then(|place| place.cpus.as_ref());
        let earlier = self.earlier(thread.tid);
        let count = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        let exits = count(self.after.exits.get(&vcpu).copied(), self.before.exits.get(&vcpu).copied());
        Vcpu {
            vcpu,
            cpu: thread.last,
            in_place: place.is_none_or(|cpus| *cpus == thread.cpus && cpus.contains(thread.last)),
            mhz: self.after.mhz.get(&thread.last).copied(),
            busy: self.share(thread),
            wait_ms: self.millis(thread.tid, |ran| ran.waited_ns).unwrap_or_default(),
            moved: count(thread.migrations, earlier.and_then(|earlier| earlier.migrations)),
            exits: exits.map(|exits| self.per_second(exits)),
            disturbers: self.disturbers(thread),
            // Those of a CPU itself, like its timer, have no number.
            interrupts: self.sources(
                |it| it.id.bytes().all(|byte| byte.is_ascii_digit()) && !it.handler.starts_with("vfio-"),
                Some(thread.last),
            ),
        }
    }

    fn earlier(&self, tid: u32) -> Option<&ThreadFact> {
        self.before.threads.iter().find(|thread| thread.tid == tid)
    }

    /// Percent of the time that a thread of QEMU ran. No thread runs for more than all of it: what is over that comes from
    /// the moment between a counter and the clock, in which a reader may have to wait for its own host CPU.
    fn share(&self, thread: &ThreadFact) -> f64 {
        (self.millis(thread.tid, |ran| ran.ns).unwrap_or_default() / 10.0).min(100.0)
    }

    /// Milliseconds of each second that thread `tid` has gained by `counter`; `None` for one that was not there before.
    ///
    /// Between the two times at which this very counter was read: a look at a whole machine that is busy takes long, the
    /// first one longer than the second, and threads would seem to run for more than the time there is.
    fn millis(&self, tid: u32, counter: impl Fn(&Ran) -> u64) -> Option<f64> {
        let (then, now) = (self.before.ran.get(&tid)?, self.after.ran.get(&tid)?);
        let seconds = now.at.duration_since(then.at).as_secs_f64().max(0.001);
        Some(millis(counter(now).saturating_sub(counter(then))) / seconds)
    }

    /// Threads other than `vcpu` that ran on its host CPU last.
    fn disturbers(&self, vcpu: &ThreadFact) -> Vec<Disturber> {
        let qemu = self.after.threads.iter().filter(|thread| thread.tid != vcpu.tid);
        let there = qemu.chain(&self.others).filter(|thread| thread.last == vcpu.last);
        let mut disturbers: Vec<_> = there
            .filter_map(|thread| {
                let ms = self.millis(thread.tid, |ran| ran.ns)?;
                (ms > 0.0).then(|| Disturber { name: thread.name.clone(), tid: thread.tid, ms })
            })
            .collect();
        disturbers.sort_by(|one, other| other.ms.total_cmp(&one.ms));
        disturbers
    }

    /// Interrupts that `wanted` takes, those on `cpu` when it is given.
    fn sources(&self, wanted: impl Fn(&Interrupt) -> bool, cpu: Option<u32>) -> Vec<Source> {
        let mut sources: Vec<_> = self
            .after
            .interrupts
            .iter()
            .filter(|it| wanted(it))
            .filter_map(|it| {
                let then = self.before.interrupts.iter().find(|then| then.id == it.id);
                let came = |at: &u32, count: &u64| {
                    count.saturating_sub(then.map_or(0, |then| then.counts.get(at).copied().unwrap_or_default()))
                };
                let counts: Vec<_> = it
                    .counts
                    .iter()
                    .filter(|(at, _)| cpu.is_none_or(|cpu| cpu == **at))
                    .map(|(at, count)| (*at, came(at, count)))
                    .filter(|(_, came)| *came > 0)
                    .collect();
                let rate = self.per_second(counts.iter().map(|(_, came)| came).sum());
                let cpus = counts.iter().map(|(at, _)| *at).collect();
                let name = if it.handler.is_empty() { format!("IRQ {}", it.id) } else { it.handler.clone() };
                (!counts.is_empty()).then_some(Source { name, rate, cpus })
            })
            .collect();
        sources.sort_by_key(|source| Reverse(source.rate));
        sources
    }

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of a second"
    )]
    fn per_second(&self, count: u64) -> u64 {
        (count as f64 / self.seconds).ceil() as u64
    }
}

#[allow(clippy::cast_precision_loss, reason = "the time between two looks is short")]
fn millis(ns: u64) -> f64 {
    ns as f64 / 1e6
}

#[cfg(test)]
mod test {
    use super::super::sample::Sample;
    use super::{Look, rate};
    use crate::cli::guest::verify::Roles;
    use crate::host::{Ran, Root, ThreadFact};
    use crate::plan::Pins;
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    /// A look at thread 10 at `ms`, which took `late` more; it has run and waited for so many milliseconds.
    fn sample(start: Instant, (ms, late): (u64, u64), (ran, waited): (u64, u64)) -> Sample {
        let at = start + Duration::from_millis(ms);
        let ran = Ran { pid: 9, ns: ran * 1_000_000, waited_ns: waited * 1_000_000, at };
        Sample {
            at: at + Duration::from_millis(late),
            threads: vec![ThreadFact { tid: 10, last: 2, cpus: "2".parse().unwrap(), ..ThreadFact::default() }],
            interrupts: Vec::new(),
            ran: BTreeMap::from([(10, ran)]),
            others: BTreeMap::new(),
            exits: BTreeMap::new(),
            mhz: BTreeMap::new(),
            root: Root::at("/nowhere"),
        }
    }

    #[test]
    fn a_look_that_takes_long_makes_no_vcpu_busier_than_it_is() {
        let start = Instant::now();
        let (before, after) = (sample(start, (0, 900), (100, 5)), sample(start, (2000, 0), (2000, 25)));
        let roles = Roles::of(&json!([{"cpu-index": 0, "thread-id": 10}]), &json!([]));
        let Look { vcpus, .. } = rate(&before, &after, &Pins::default(), &roles, |_| false);
        assert!((vcpus[0].busy - 95.0).abs() < 1e-6 && (vcpus[0].wait_ms - 10.0).abs() < 1e-6, "{vcpus:?}");
    }

    #[test]
    fn who_watches_is_no_disturber_and_who_else_was_there_is() {
        let start = Instant::now();
        let with = |sample: Sample, ns: u64| {
            let ran = Ran { pid: 50, ns, waited_ns: 0, at: sample.at };
            let other = ThreadFact { tid: 51, name: "tokio".into(), last: 2, ..ThreadFact::default() };
            Sample {
                ran: sample.ran.into_iter().chain([(51, ran)]).collect(),
                others: BTreeMap::from([(51, other)]),
                ..sample
            }
        };
        let before = with(sample(start, (0, 0), (0, 0)), 0);
        let after = with(sample(start, (1000, 0), (900, 0)), 2_000_000);
        let roles = Roles::of(&json!([{"cpu-index": 0, "thread-id": 10}]), &json!([]));
        let disturbers = |watcher: u32| {
            let look = rate(&before, &after, &Pins::default(), &roles, |pid| pid == watcher);
            look.vcpus[0].disturbers.iter().map(|it| format!("{} {:.1}", it.name, it.ms)).collect::<Vec<_>>()
        };
        assert_eq!(disturbers(49), ["tokio 2.0"]);
        assert_eq!(disturbers(50), [""; 0]);
    }
}
