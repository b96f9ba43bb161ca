//! All counters of one moment.

use crate::host::{self, Interrupt, Ran, Root, ThreadFact};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;

/// Counters of one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// When the interrupts were read, and before them the exits.
    pub(super) at: Instant,
    /// QEMU's threads.
    pub(super) threads: Vec<ThreadFact>,
    pub(super) interrupts: Vec<Interrupt>,
    /// Running time of every thread of the machine, QEMU's too.
    pub(super) ran: BTreeMap<u32, Ran>,
    /// Name and last host CPU of those that are not QEMU's, asked for when they have run.
    pub(super) others: BTreeMap<u32, ThreadFact>,
    /// Exits to KVM of each vCPU; empty when nobody counts them.
    pub(super) exits: BTreeMap<usize, u64>,
    /// MHz of each host CPU that a thread of QEMU ran on last.
    pub(super) mhz: BTreeMap<u32, u32>,
    pub(super) root: Root,
}

impl Sample {
    /// Of the QEMU `pid`; `None` when it is gone.
    pub(super) fn take(root: &Root, pid: u32, exits: BTreeMap<usize, u64>) -> Option<Self> {
        let threads = host::threads(root, pid);
        if threads.is_empty() {
            return None;
        }
        let (at, interrupts) = (Instant::now(), host::interrupts(root));
        let ran = host::ran(root);
        let mhz = host::mhz(root, &threads.iter().map(|thread| thread.last).collect());
        let root = root.clone();
        Some(Self { at, threads, interrupts, ran, others: BTreeMap::new(), exits, mhz, root })
    }

    /// The same with what is known of the threads that have run since `before` and are not QEMU's.
    pub(super) fn with_others(&self, before: &Self) -> BTreeMap<u32, ThreadFact> {
        let own = |tid: &u32| self.threads.iter().any(|thread| thread.tid == *tid);
        let ran = self
            .ran
            .iter()
            .filter(|&(tid, ran)| !own(tid) && before.ran.get(tid).is_none_or(|before| before.ns < ran.ns));
        let known = ran.filter_map(|(tid, ran)| Some((*tid, host::thread(&self.root, ran.pid, *tid)?)));
        self.others.clone().into_iter().chain(known).collect()
    }
}

/// Exits by vCPU, from the answers to `query-stats` and `query-cpus-fast`. QEMU: `qapi/stats.json`.
pub(super) fn exits(stats: &Value, cpus: &Value) -> BTreeMap<usize, u64> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let index = |path: &Value| {
        let cpu = list(cpus).into_iter().find(|cpu| cpu["qom-path"] == *path)?;
        usize::try_from(cpu["cpu-index"].as_u64()?).ok()
    };
    let of_vcpu = |entry: Value| {
        let counted = list(&entry["stats"]).into_iter().find(|stat| stat["name"] == "exits")?;
        Some((index(&entry["qom-path"])?, counted["value"].as_u64()?))
    };
    list(stats).into_iter().filter_map(of_vcpu).collect()
}

#[cfg(test)]
mod test {
    use super::exits;
    use serde_json::json;

    #[test]
    fn exits_are_counted_by_the_index_of_the_vcpu() {
        let stats = json!([
            {"provider": "kvm", "qom-path": "/machine/b", "stats": [{"name": "exits", "value": 7}]},
            {"provider": "kvm", "qom-path": "/machine/a", "stats": [{"name": "exits", "value": 5}]},
        ]);
        let cpus = json!([{"cpu-index": 0, "qom-path": "/machine/a"}, {"cpu-index": 1, "qom-path": "/machine/b"}]);
        assert_eq!(exits(&stats, &cpus).into_iter().collect::<Vec<_>>(), [(0, 5), (1, 7)]);
        assert!(exits(&json!(null), &cpus).is_empty());
    }
}
