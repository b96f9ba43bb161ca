//! `[tune]`: what of the host is set for the guest while it runs, and put back afterwards.

mod away;
mod frequency;
mod isolate;
mod kernel;
mod share;

use super::cpu::Cpu;
use super::scene::Scene;
use crate::host::Area;
use crate::plan::{Class, Draft, Problem};
use crate::unit::{CpuSet, Size};
use schemars::JsonSchema;
use serde::Deserialize;

/// What of the host is set for the guest while it runs, and put back afterwards. All of it needs root. Most of it is about
/// the guest's host CPUs: those that its vCPUs are pinned to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tune {
    /// Keeps the host's processes off the guest's host CPUs: systemd's slices are narrowed, and QEMU is moved into a scope
    /// beside them; without systemd the same is done with control groups of version 2. Where the kernel makes it, the
    /// vCPUs' host CPUs are a partition of their own. False unless given.
    isolate: Option<bool>,
    /// Moves interrupts off the guest's host CPUs. Those that the kernel does not let go of are named at the start. False
    /// unless given.
    irqs_away: Option<bool>,
    /// Where the interrupts of passed devices go: `vcpus` for the host CPU of a vCPU, the first of a device to the first
    /// vCPU's and so on, or `host` for host CPUs that are no vCPU's. The kernel tells nobody when a guest's driver enables one:
    /// vmrun looks when QEMU reports something, and when it is asked, as by `vmrun verify`. Left alone unless given.
    vfio_irqs: Option<VfioIrqs>,
    /// Keeps the kernel's own workers, and the processing of received packets, off the guest's host CPUs. False unless given.
    kernel_work_away: Option<bool>,
    /// Frequency governor of the guest's host CPUs. Which there are depends on the driver: `vmrun host cpus` tells. A higher
    /// clock on all cores may cost boost on the busiest one.
    #[schemars(extend("examples" = ["performance", "schedutil"]))]
    governor: Option<String>,
    /// Energy performance preference of the guest's host CPUs, for `intel_pstate` and `amd-pstate-epp`, where it decides more
    /// than the governor does.
    #[schemars(extend("examples" = ["performance", "balance_performance"]))]
    preference: Option<String>,
    /// Microseconds that a host CPU may take to leave an idle state while the guest runs; 0 for no idle state at all, which
    /// is the fastest and the hottest. Any unless given.
    #[schemars(extend("examples" = [0, 20]))]
    cpu_latency: Option<u32>,
    /// Nanoseconds that KVM waits for a vCPU to have work again before it lets its host CPU sleep. The kernel's own, usually
    /// 200000, unless given.
    #[schemars(extend("examples" = [0, 200_000]))]
    halt_poll_ns: Option<u32>,
    /// Lets a guest go on that asks for an MSR which KVM does not know, as Windows and some games do. It hides mistakes, of
    /// all guests.
    ignore_msrs: Option<bool>,
    /// Whether the kernel logs each such MSR.
    report_ignored_msrs: Option<bool>,
    /// Which memory the kernel backs with huge pages of its own accord, of all programs: `always`, `madvise` (those that ask
    /// for it, as QEMU does) or `never`.
    #[schemars(extend("examples" = ["always", "madvise"]))]
    transparent_hugepage: Option<String>,
    /// What a program waits for to get one: `always`, `defer`, `defer+madvise`, `madvise` or `never`. The kernel's
    /// `transparent_hugepage/defrag`.
    #[schemars(extend("examples" = ["defer+madvise", "never"]))]
    transparent_hugepage_defrag: Option<String>,
    /// Whether the kernel looks for equal pages of memory, which costs time and makes a guest's memory slower. Passed
    /// devices pin all of it anyway.
    ksm: Option<bool>,
    /// So much of each L3 cache of the guest's host CPUs is the guest's alone, in whole ways; the host's processes and other
    /// guests keep the rest. What is evicted by others is what makes a guest stutter that has cores of its own. The processor
    /// must divide its caches, as Intel Xeons with RDT and AMD's since Zen 2 do, and `/sys/fs/resctrl` be mounted. Left alone
    /// unless given.
    #[schemars(extend("examples" = ["8M"]))]
    l3_cache: Option<Size>,
    /// Percent of the memory's bandwidth that the guest may use, so that a guest that copies much does not slow the host down;
    /// for Intel Xeons with RDT, and with `/sys/fs/resctrl` mounted. All of it unless given.
    #[schemars(extend("examples" = [50]), range(min = 1, max = 100))]
    memory_bandwidth: Option<u8>,
}

/// Where the interrupts of passed devices go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum VfioIrqs {
    /// To the host CPUs of vCPUs.
    Vcpus,
    /// To those that are no vCPU's.
    Host,
}

/// The host CPUs that are tuned for a guest.
struct Ground<'a> {
    /// Those that vCPUs are pinned to.
    guest: CpuSet,
    /// Those that the host keeps.
    host: CpuSet,
    scene: &'a Scene<'a>,
}

impl Tune {
    /// Drafts the changes, after the pins.
    pub(super) fn draft(&self, cpu: &Cpu, scene: &Scene, draft: &mut Draft) {
        let Self {
            isolate,
            irqs_away,
            vfio_irqs,
            kernel_work_away,
            governor,
            preference,
            cpu_latency,
            halt_poll_ns,
            ignore_msrs,
            report_ignored_msrs,
            transparent_hugepage,
            transparent_hugepage_defrag,
            ksm,
            l3_cache,
            memory_bandwidth,
        } = self;
        let guest = cpu.pinned().and(&scene.host.online());
        let ground = Ground { host: scene.host.online().without(&guest), guest, scene };
        let pinned = [
            ("tune.isolate", *isolate == Some(true)),
            ("tune.irqs_away", *irqs_away == Some(true)),
            ("tune.vfio_irqs", vfio_irqs.is_some()),
            ("tune.kernel_work_away", *kernel_work_away == Some(true)),
            ("tune.governor", governor.is_some()),
            ("tune.preference", preference.is_some()),
            ("tune.l3_cache", l3_cache.is_some()),
            ("tune.memory_bandwidth", memory_bandwidth.is_some()),
        ];
        let wanted: Vec<_> = pinned.iter().filter(|(_, wanted)| *wanted).map(|(key, _)| *key).collect();
        self.judge_root(scene, draft);
        if ground.can(&wanted, draft) {
            frequency::draft(governor.as_deref(), preference.as_deref(), &ground, draft);
            away::draft_masks(*irqs_away == Some(true), *kernel_work_away == Some(true), &ground, draft);
            draft.contents.interrupts = match vfio_irqs {
                Some(VfioIrqs::Vcpus) => draft.contents.pins.vcpus.iter().filter_map(|it| it.cpus.clone()).collect(),
                Some(VfioIrqs::Host) => vec![ground.host.clone()],
                None => Vec::new(),
            };
            share::draft(*l3_cache, *memory_bandwidth, &ground, draft);
            if *isolate == Some(true) {
                isolate::draft(&ground, draft);
            }
        }
        if let Some(micros) = cpu_latency {
            kernel::draft_latency(*micros, scene, draft);
        }
        let flag = |on: &bool| if *on { "Y" } else { "N" }.to_owned();
        let parameters = [
            ("halt_poll_ns", halt_poll_ns.map(|ns| ns.to_string())),
            ("ignore_msrs", ignore_msrs.as_ref().map(flag)),
            ("report_ignored_msrs", report_ignored_msrs.as_ref().map(flag)),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                kernel::draft_kvm(name, value, scene, draft);
            }
        }
        let policies = [
            ("transparent_hugepage", transparent_hugepage),
            ("transparent_hugepage_defrag", transparent_hugepage_defrag),
        ];
        for (key, word) in policies {
            if let Some(word) = word {
                kernel::draft_policy(key, word, scene, draft);
            }
        }
        if let Some(on) = ksm {
            kernel::draft_ksm(*on, scene, draft);
        }
    }

    /// Parts of the host to look at closely.
    pub(super) fn areas(&self) -> impl Iterator<Item = Area> {
        let speed = self.governor.as_ref().or(self.preference.as_ref()).map(|_| Area::Frequency);
        let given = self.is_given().then_some([Area::Tuning, Area::Cpus, Area::System, Area::Memory]);
        given.into_iter().flatten().chain(speed)
    }

    fn is_given(&self) -> bool {
        *self != Self::default()
    }

    fn judge_root(&self, scene: &Scene, draft: &mut Draft) {
        if self.is_given() && scene.host.euid != 0 {
            draft.refuse(
                Problem::new(Class::Denied, "tune", "only root can tune the host")
                    .why(format!("vmrun runs as user {}", scene.host.euid))
                    .fix("sudo vmrun run PROFILE.toml   # or leave [tune] out"),
            );
        }
    }
}

impl Ground<'_> {
    /// Whether there are host CPUs of the guest's and of the host's for what is `wanted`; notes a problem when not.
    fn can(&self, wanted: &[&str], draft: &mut Draft) -> bool {
        let Some(first) = wanted.first() else { return true };
        // Whoever is told why vmrun finds none needs not hear that there are none.
        if self.guest.is_empty() && draft.is_refused_at("cpu.pinning.vcpus") {
            return false;
        }
        if self.guest.is_empty() {
            draft.refuse(
                Problem::new(Class::Invalid, *first, "no vCPU is pinned, so no host CPU is the guest's")
                    .fix("[cpu]\npinning = \"auto\""),
            );
            return false;
        }
        if let (true, Some(key)) = (
            self.host.is_empty(),
            wanted.iter().find(|key| ["isolate", "away", "irqs"].iter().any(|end| key.ends_with(end))),
        ) {
            draft.refuse(
                Problem::new(
                    Class::Impossible,
                    *key,
                    "the vCPUs have all host CPUs, so there is none for the host's work",
                )
                .fix("[cpu]\npinning = \"auto\"   # leaves the host its first core"),
            );
            return false;
        }
        true
    }
}
