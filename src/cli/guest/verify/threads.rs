//! Threads against the plan's pins.

use super::{Finding, Mark};
use crate::host::ThreadFact;
use crate::plan::{Pins, Placement, Sched};
use crate::unit::CpuSet;
use serde_json::Value;
use std::collections::BTreeMap;

/// The part of each thread that QEMU names, by its id.
pub(in crate::cli::guest) struct Roles(BTreeMap<u32, Role>);

/// The part of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::guest) enum Role {
    Vcpu(usize),
    Iothread(String),
}

impl Roles {
    /// From QEMU's answers to `query-cpus-fast` and `query-iothreads`.
    pub(in crate::cli::guest) fn of(vcpus: &Value, iothreads: &Value) -> Self {
        let tid = |thread: &Value| thread["thread-id"].as_u64().and_then(|tid| u32::try_from(tid).ok());
        let list = |answer: &Value| answer.as_array().cloned().unwrap_or_default();
        let vcpus = list(vcpus).into_iter().filter_map(|vcpu| {
            let index = usize::try_from(vcpu["cpu-index"].as_u64()?).ok()?;
            Some((tid(&vcpu)?, Role::Vcpu(index)))
        });
        let iothreads = list(iothreads)
            .into_iter()
            .filter_map(|thread| Some((tid(&thread)?, Role::Iothread(thread["id"].as_str()?.to_owned()))));
        Self(vcpus.chain(iothreads).collect())
    }

    /// The threads of the vCPUs.
    pub(super) fn vcpus(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().filter(|(_, role)| matches!(role, Role::Vcpu(_))).map(|(tid, _)| *tid)
    }

    /// The part of thread `tid`; `None` for a thread that is QEMU's own affair.
    pub(in crate::cli::guest) fn role(&self, tid: u32) -> Option<&Role> {
        self.0.get(&tid)
    }
}

/// Each thread of `after`: where it may run, where it ran last, and whether it was moved since `before`.
pub(super) fn judge(pins: &Pins, roles: &Roles, before: &[ThreadFact], after: &[ThreadFact]) -> Vec<Finding> {
    let order = |thread: &&ThreadFact| match roles.role(thread.tid) {
        Some(Role::Vcpu(index)) => (0, *index, String::new()),
        Some(Role::Iothread(id)) => (1, 0, id.clone()),
        None => (2, 0, String::new()),
    };
    let mut sorted: Vec<_> = after.iter().collect();
    sorted.sort_by_key(order);
    let (named, rest): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|thread| roles.role(thread.tid).is_some());
    let mut findings: Vec<_> = named
        .into_iter()
        .filter_map(|thread| {
            let (about, place) = match roles.role(thread.tid)? {
                Role::Vcpu(index) => (format!("vCPU {index}"), pins.vcpus.get(*index)),
                Role::Iothread(id) => (format!("iothread {id}"), pins.iothreads.get(id)),
            };
            Some(judge_one(&about, place, moves(thread, before), thread))
        })
        .collect();
    findings.extend(judge_rest(pins, &rest));
    findings
}

fn judge_one(about: &str, place: Option<&Placement>, moves: Option<u64>, thread: &ThreadFact) -> Finding {
    let Some(Placement { cpus, sched }) = place else {
        return Finding::new(Mark::Ok, about, format!("is not pinned; {}", ran(thread, moves)));
    };
    let fix = |cpus: &CpuSet| format!("taskset -cp {cpus} {}", thread.tid);
    if let Some(cpus) = cpus.as_ref().filter(|cpus| **cpus != thread.cpus) {
        let what = format!("may run on {}, and was pinned to {cpus} (thread {})", thread.cpus, thread.tid);
        return Finding::new(Mark::Wrong, about, what).fix(fix(cpus));
    }
    let class = match (*sched, thread.priority, thread.nice) {
        (Sched::Fifo(wanted), found, _) if wanted != found => {
            Some(format!("has real-time priority {found}, not {wanted}"))
        }
        (Sched::Nice(wanted), _, found) if wanted != found => Some(format!("has nice value {found}, not {wanted}")),
        _ => None,
    };
    if let Some(what) = class {
        return Finding::new(Mark::Wrong, about, format!("{what} (thread {})", thread.tid));
    }
    let alone = cpus.as_ref().is_some_and(|cpus| cpus.len() == 1);
    if alone && moves.is_some_and(|moves| moves > 0) {
        return Finding::new(
            Mark::Wrong,
            about,
            format!("was moved within the second that it was watched (thread {})", thread.tid),
        );
    }
    Finding::new(Mark::Ok, about, format!("on {}; {}", thread.cpus, ran(thread, moves)))
}

fn ran(thread: &ThreadFact, moves: Option<u64>) -> String {
    let moves = match moves {
        None => String::new(),
        Some(0) => ", not moved for a second".to_owned(),
        Some(moves) => format!(", moved {moves} times in a second"),
    };
    // A vCPU of a guest that is paused since its start sleeps where it was made.
    let asleep = if thread.cpus.contains(thread.last) { "" } else { ", and has not run since it was pinned" };
    format!("last ran on {}{asleep}{moves}", thread.last)
}

/// Moves of `thread` since `before`.
fn moves(thread: &ThreadFact, before: &[ThreadFact]) -> Option<u64> {
    let earlier = before.iter().find(|earlier| earlier.tid == thread.tid)?;
    Some(thread.migrations?.saturating_sub(earlier.migrations?))
}

/// Those that QEMU does not name, together unless one is on a vCPU's host CPUs.
fn judge_rest(pins: &Pins, rest: &[&ThreadFact]) -> Vec<Finding> {
    let Some(home) = &pins.emulator else { return Vec::new() };
    let away: Vec<_> = rest.iter().filter(|thread| !thread.cpus.without(home).is_empty()).collect();
    if away.is_empty() {
        let threads = if rest.len() == 1 { "thread" } else { "threads" };
        return vec![Finding::new(Mark::Ok, "emulator", format!("{} {threads} on {home}", rest.len()))];
    }
    let finding = |thread: &&&ThreadFact| {
        let what = format!("{} may run on {}, outside of {home} (thread {})", thread.name, thread.cpus, thread.tid);
        Finding::new(Mark::Wrong, "emulator", what).fix(format!("taskset -cp {home} {}", thread.tid))
    };
    away.iter().map(finding).collect()
}

#[cfg(test)]
mod test {
    use super::{Mark, Roles, judge};
    use crate::host::ThreadFact;
    use crate::plan::{Pins, Placement, Sched};
    use serde_json::json;

    fn pins() -> Pins {
        let on = |cpus: &str| Placement { cpus: Some(cpus.parse().unwrap()), sched: Sched::Normal };
        Pins { vcpus: vec![on("2"), on("3")], emulator: Some("0-1".parse().unwrap()), ..Pins::default() }
    }

    fn thread(tid: u32, cpus: &str, migrations: u64) -> ThreadFact {
        let cpus: crate::unit::CpuSet = cpus.parse().unwrap();
        let last = cpus.iter().next().unwrap();
        ThreadFact { tid, name: "worker".into(), cpus, last, migrations: Some(migrations), ..ThreadFact::default() }
    }

    fn told(before: &[ThreadFact], after: &[ThreadFact]) -> Vec<(Mark, String)> {
        let vcpus = json!([{"cpu-index": 1, "thread-id": 11}, {"cpu-index": 0, "thread-id": 10}]);
        let findings = judge(&pins(), &Roles::of(&vcpus, &json!([])), before, after);
        findings.into_iter().map(|finding| (finding.mark, format!("{} {}", finding.about, finding.what))).collect()
    }

    #[test]
    fn threads_in_their_places_are_told_in_the_guests_order() {
        let threads = [thread(9, "0-1", 4), thread(11, "3", 1), thread(10, "2", 1)];
        assert_eq!(
            told(&threads, &threads),
            [
                (Mark::Ok, "vCPU 0 on 2; last ran on 2, not moved for a second".to_owned()),
                (Mark::Ok, "vCPU 1 on 3; last ran on 3, not moved for a second".to_owned()),
                (Mark::Ok, "emulator 1 thread on 0-1".to_owned()),
            ]
        );
    }

    #[test]
    fn a_mask_that_was_changed_a_move_and_a_stray_thread_are_wrong() {
        let before = [thread(9, "0-1", 4), thread(11, "3", 1), thread(10, "2", 1)];
        let after = [thread(9, "0-3", 4), thread(11, "3", 2), thread(10, "0-3", 1)];
        let marks: Vec<_> = told(&before, &after).into_iter().map(|(mark, _)| mark).collect();
        assert_eq!(marks, [Mark::Wrong; 3]);
        assert_eq!(told(&before, &after)[0].1, "vCPU 0 may run on 0-3, and was pinned to 2 (thread 10)");
    }
}
