//! `[cpu.pinning]`: which thread of QEMU runs on which host CPUs.

mod auto;
mod choice;
mod class;
mod iothreads;
mod judge;
mod lint;
mod pool;
mod shape;
mod site;
mod vcpus;

pub(super) use auto::Given;
pub(super) use shape::Shape;
pub(super) use site::Site;
pub(super) use vcpus::{short_or_table, short_or_table_schema};

use super::scene::Scene;
use crate::plan::{Class, Draft, Placement, Problem, Sched};
use crate::unit::CpuSet;
use class::{Nice, SchedClass};
use iothreads::Iothreads;
use schemars::JsonSchema;
use serde::Deserialize;
use vcpus::Vcpus;

/// Which thread of QEMU runs on which host CPUs; everything is where the kernel likes it unless given. `pinning = "auto"`
/// or a list like `[2, 6, 3, 7]` in `[cpu]` is short for `vcpus` alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pinning {
    /// Host CPUs of each vCPU, in QEMU's order: threads of a core first, then cores, dies, sockets. `"auto:8"` takes whole
    /// cores for 8 vCPUs, with one L3 cache and on the NUMA node of the passed card, and leaves the host its first core;
    /// `"auto"` alone takes all such cores with one L3 cache. The topology follows the host's cores unless given.
    #[serde(default)]
    vcpus: Vcpus,
    /// Host CPUs of every other thread of QEMU. Those of cores without a vCPU unless given, if vCPUs are pinned.
    emulator: Option<CpuSet>,
    /// Host CPUs of the iothreads: one set for all, or a table by id.
    iothreads: Option<Iothreads>,
    /// Scheduling class of vCPUs and iothreads. With `fifo`, a busy vCPU shuts the host out of its CPU.
    #[schemars(extend("default" = "normal"))]
    sched: Option<SchedClass>,
    /// Priority of vCPUs and iothreads against other programs, from -20, the most favoured, to 19.
    nice: Option<Nice>,
    /// Keeps everybody else off a core while a thread of this guest runs on it: the kernel runs on sibling threads what
    /// belongs together, and otherwise lets one idle. Against programs that spy on a core's other thread, or slow it down,
    /// where a guest has no whole cores of its own. It costs throughput of the host, needs no rights, and has nothing to do
    /// where cores have one thread. False unless given.
    core_scheduling: Option<bool>,
}

/// The vCPUs that are placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    pub(super) vcpus: u32,
    /// Threads of each core.
    pub(super) threads: u32,
    /// Dies of all sockets.
    pub(super) dies: u32,
}

impl Pinning {
    /// A pinning made by vmrun itself.
    pub(super) fn of(vcpus: Vec<CpuSet>, emulator: Option<CpuSet>) -> Self {
        Self { vcpus: Vcpus::List(vcpus), emulator, ..Self::default() }
    }

    /// The same without pins of iothreads.
    pub(super) fn without_iothreads(self) -> Self {
        Self { iothreads: None, ..self }
    }

    /// Whether a host has to be looked at closely for it.
    pub(super) fn places(&self) -> bool {
        let Self { vcpus, emulator, iothreads, sched, nice: _, core_scheduling } = self;
        let vcpus = matches!(vcpus, Vcpus::Auto(_)) || !vcpus.list().is_empty();
        vcpus || emulator.is_some() || iothreads.is_some() || sched.is_some() || *core_scheduling == Some(true)
    }

    /// Host CPUs that vCPUs are pinned to.
    pub(super) fn pinned(&self) -> CpuSet {
        self.vcpus.list().iter().flat_map(CpuSet::iter).collect()
    }

    /// Host CPUs that the vCPUs in `vcpus` are pinned to.
    pub(super) fn pinned_of(&self, vcpus: &CpuSet) -> CpuSet {
        let those = (0..).zip(self.vcpus.list()).filter(|(vcpu, _)| vcpus.contains(*vcpu));
        those.flat_map(|(_, cpus)| cpus.iter()).collect()
    }

    /// Host CPUs of all threads; `None` when those that are no vCPU run wherever the kernel likes.
    pub(super) fn own_cpus(&self, scene: &Scene) -> Option<CpuSet> {
        let emulator = self.others(scene)?;
        let vcpus = Some(self.pinned()).filter(|cpus| !cpus.is_empty());
        let all = || scene.host.nodes.iter().flat_map(|node| node.cpus.iter()).collect();
        let iothreads = self.iothreads.iter().flat_map(Iothreads::sets).flat_map(|(_, cpus)| cpus.iter());
        Some(iothreads.collect::<CpuSet>().union(&vcpus.unwrap_or_else(all)).union(&emulator))
    }

    /// Drafts the places of the vCPUs of `guest`, of `iothreads` by id, and of the rest.
    pub(super) fn draft(&self, guest: Guest, iothreads: &[String], site: &Site, scene: &Scene, draft: &mut Draft) {
        let Self { vcpus, emulator: _, iothreads: iothread_pins, sched: _, nice: _, core_scheduling } = self;
        let sched = self.sched(draft);
        judge::judge(self, guest.vcpus, iothreads, scene, draft);
        judge::judge_fifo(self, sched, guest.vcpus as usize + iothreads.len(), scene, draft);
        let place = |cpus: Option<&CpuSet>| Placement { cpus: cpus.cloned(), sched };
        let pins = vcpus.list();
        if !pins.is_empty() {
            draft.contents.pins.vcpus = pins.iter().map(|cpus| place(Some(cpus))).collect();
        } else if sched != Sched::Normal {
            draft.contents.pins.vcpus = (0..guest.vcpus).map(|_| place(None)).collect();
        }
        for id in iothreads {
            let cpus = iothread_pins.as_ref().and_then(|pins| pins.of(id));
            if cpus.is_some() || sched != Sched::Normal {
                draft.contents.pins.iothreads.insert(id.clone(), place(cpus));
            }
        }
        draft.contents.pins.emulator = self.others(scene);
        draft.contents.pins.core_scheduling =
            *core_scheduling == Some(true) && judge::keeps_strangers_off(scene.host, draft);
        // What vmrun chose itself needs no other eye.
        let chosen = !draft.contents.pins.why.is_empty();
        for warning in lint::lint(self, guest, site, scene.host, chosen) {
            draft.warn(warning);
        }
    }

    fn sched(&self, draft: &mut Draft) -> Sched {
        match (self.sched, self.nice) {
            (Some(SchedClass(Sched::Fifo(_))), Some(_)) => {
                let at = "cpu.pinning.nice";
                draft.refuse(
                    Problem::new(Class::Invalid, at, "a real-time thread has no nice value")
                        .fix("leave out nice or sched"),
                );
                Sched::Normal
            }
            (_, Some(Nice(nice))) => Sched::Nice(nice),
            (Some(SchedClass(sched)), None) => sched,
            (None, None) => Sched::Normal,
        }
    }

    /// Where threads go that are no vCPU: those left over when vCPUs are pinned and nothing is said of the others.
    fn others(&self, scene: &Scene) -> Option<CpuSet> {
        if self.emulator.is_some() || self.vcpus.list().is_empty() {
            return self.emulator.clone();
        }
        let rest = lint::rest(&self.pinned(), scene.host);
        Some(rest).filter(|cpus| !cpus.is_empty())
    }
}
