//! `[cpu]`: model, topology and what the guest learns about its hypervisor.

mod names;
mod topology;

use crate::host::Host;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::profile::host_vendor::HostVendor;
use crate::profile::hyperv::Hyperv;
use crate::profile::pinning::{Given, Guest, Pinning, Shape, Site, short_or_table, short_or_table_schema};
use crate::profile::scene::Scene;
use crate::profile::smp_cache::SmpCache;
use crate::unit::{CpuSet, HvVendorId};
use names::{Flag, Model};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU32;

/// The guest's vCPUs: how many, how they look to the guest, and what it learns of its hypervisor. QEMU's `-cpu` and `-smp`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::profile) struct Cpu {
    /// CPU that the guest sees. `host` is the host's own, and becomes `max` without KVM; the others are those that
    /// `qemu-system-x86_64 -cpu help` prints.
    #[schemars(extend("default" = "host"))]
    #[serde(default)]
    model: Model,
    /// Number of sockets. Desktop Windows uses at most two.
    #[schemars(extend("default" = 1))]
    sockets: Option<NonZeroU32>,
    /// Dies in each socket.
    #[schemars(extend("default" = 1))]
    dies: Option<NonZeroU32>,
    /// Modules in each die: cores that share a cache, as Intel's small ones do. QEMU 9.1 and newer.
    #[schemars(extend("default" = 1))]
    modules: Option<NonZeroU32>,
    /// Cores in each module.
    #[schemars(extend("default" = 1))]
    cores: Option<NonZeroU32>,
    /// Threads of each core. Windows and Linux place work better when it is that of the host and siblings are pinned to
    /// siblings.
    #[schemars(extend("default" = 1))]
    threads: Option<NonZeroU32>,
    /// Hides from the guest that it runs under KVM, for drivers that refuse to load in a guest. QEMU's `kvm=off`.
    #[serde(default)]
    hide_kvm: bool,
    /// Tells a Linux guest that each of its vCPUs has a host CPU to itself: it spins where it would sleep, and waits for
    /// work without asking the host. For vCPUs that are pinned one to one. QEMU's `kvm-hint-dedicated` and
    /// `kvm-poll-control`.
    #[serde(default)]
    dedicated: bool,
    /// Hyper-V enlightenments, with which Windows runs faster, by QEMU's names without `hv-`. What one of them needs is
    /// added, with a warning.
    hv: Option<Hyperv>,
    /// How often Windows spins on a lock before it tells the hypervisor; 0x1fff is usual. QEMU's `hv-spinlocks`.
    hv_spinlocks: Option<u32>,
    /// Name of the hypervisor instead of `Microsoft Hv`, under which some drivers refuse to load; `"random"` makes one up
    /// for this guest, the same at every start. QEMU's `hv-vendor-id`.
    hv_vendor_id: Option<HvVendorId>,
    /// CPU features to add or take away, by QEMU's names: `["+invtsc", "-amd-stibp"]`.
    #[serde(default)]
    flags: Vec<Flag>,
    /// Whether the guest sees a third level of cache, shared by a die; it does unless given. QEMU's `l3-cache`.
    l3_cache: Option<bool>,
    /// Whether the guest is told of the caches of the host's own CPU; for a guest whose topology is the host's. False
    /// unless given. QEMU's `host-cache-info`.
    host_cache_info: Option<bool>,
    #[serde(default)]
    smp_cache: SmpCache,
    #[serde(default, deserialize_with = "short_or_table")]
    #[schemars(schema_with = "short_or_table_schema")]
    pub(in crate::profile) pinning: Pinning,
    /// Topology that follows from the pins, where the profile gives none.
    #[serde(skip)]
    shape: Option<Shape>,
}

impl Cpu {
    /// Why interrupt controllers must be split between kernel and QEMU, when there are vCPUs beyond the 255th.
    pub(in crate::profile) fn split(&self) -> Option<Origin> {
        let why = "devices interrupt the vCPUs beyond the 255th only through QEMU";
        self.is_wide().then(|| Origin::derived("cpu", why))
    }

    /// Whether `flags` says something of the CPU feature `name`.
    pub(in crate::profile) fn has_flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag.name == name)
    }

    /// Where `flags` takes the CPU feature `name` away.
    pub(in crate::profile) fn takes_away(&self, name: &str) -> Option<String> {
        let i = self.flags.iter().position(|flag| flag.name == name && !flag.on)?;
        Some(format!("cpu.flags[{i}]"))
    }

    /// Host CPUs that vCPUs are pinned to; empty without pins.
    pub(in crate::profile) fn pinned(&self) -> CpuSet {
        self.pinning.pinned()
    }

    /// Host CPUs that the vCPUs in `vcpus` are pinned to.
    pub(in crate::profile) fn pinned_of(&self, vcpus: &CpuSet) -> CpuSet {
        self.pinning.pinned_of(vcpus)
    }

    /// Host CPUs of all of the guest's threads; `None` when those that are no vCPU run wherever the kernel likes.
    pub(in crate::profile) fn own_cpus(&self, scene: &Scene) -> Option<CpuSet> {
        self.pinning.own_cpus(scene)
    }

    /// The same with the host CPUs and the topology that `"auto"` means on this host; notes a problem when it cannot give
    /// them.
    pub(in crate::profile) fn placed(&self, site: &Site, host: &Host, draft: &mut Draft) -> Self {
        let above = [self.sockets, self.dies, self.modules, self.cores].into_iter().flatten().map(NonZeroU32::get);
        let cores = above.reduce(u32::saturating_mul);
        let given = Given { cores, threads: self.threads.map(NonZeroU32::get) };
        let (pinning, shape) = self.pinning.placed(given, site, host, draft);
        Self { pinning, shape, ..self.clone() }
    }

    /// The same without pins of iothreads, for a guest without disks.
    pub(in crate::profile) fn without_iothread_pins(self) -> Self {
        Self { pinning: self.pinning.without_iothreads(), ..self }
    }

    pub(in crate::profile) fn draft(&self, scene: &Scene, draft: &mut Draft) {
        let Self {
            model,
            sockets: _,
            dies: _,
            modules: _,
            cores: _,
            threads: _,
            hide_kvm,
            dedicated,
            hv,
            hv_spinlocks,
            hv_vendor_id,
            flags,
            l3_cache,
            host_cache_info,
            smp_cache,
            pinning: _,
            shape: _,
        } = self;
        self.draft_topology(scene, draft);
        draft_model(model, scene, draft);
        self.draft_level(scene, draft);
        if *hide_kvm {
            draft.contents.argv.cpu.switch("kvm", false, Origin::given("cpu.hide_kvm"));
        }
        if model.shows_host() && scene.kvm() {
            self.draft_host_model(scene, draft);
        }
        for (name, on) in [("l3_cache", l3_cache), ("host_cache_info", host_cache_info)] {
            if let Some(on) = on {
                draft.contents.argv.cpu.switch(name.replace('_', "-"), *on, Origin::given(format!("cpu.{name}")));
            }
        }
        self.judge_told_caches(draft);
        if *dedicated {
            self.draft_dedicated(scene, draft);
        }
        self.judge_host_caches(scene, draft);
        smp_cache.draft(scene, draft);
        Hyperv::draft(hv.as_ref(), *hv_spinlocks, hv_vendor_id.as_ref(), scene, draft);
        for (i, Flag { name, on }) in flags.iter().enumerate() {
            draft.contents.argv.cpu.switch(name, *on, Origin::given(format!("cpu.flags[{i}]")));
        }
    }

    /// Linux: `Documentation/virt/kvm/x86/cpuid.rst`, `KVM_HINTS_REALTIME` and `KVM_FEATURE_POLL_CONTROL`.
    fn draft_dedicated(&self, scene: &Scene, draft: &mut Draft) {
        const AT: &str = "cpu.dedicated";
        if !scene.kvm() {
            let what = "dedicated is for guests of KVM, and has no effect without";
            return draft.warn(Problem::new(Class::Invalid, AT, what).fix("leave dedicated out"));
        }
        let pinned = self.pinned();
        if pinned.len() < usize::try_from(self.vcpus()).unwrap_or(usize::MAX) {
            draft.warn(
                Problem::new(Class::Invalid, AT, "the vCPUs do not have a host CPU each to themselves")
                    .why("a vCPU that spins keeps the one that it waits for from running")
                    .fix("pin each vCPU to a host CPU of its own: pinning = \"auto\"; or leave dedicated out"),
            );
        }
        if self.hide_kvm {
            draft.warn(
                Problem::new(Class::Invalid, AT, "a guest that does not see KVM does not see dedicated either")
                    .fix("leave dedicated out"),
            );
        }
        for name in ["kvm-hint-dedicated", "kvm-poll-control"] {
            draft.contents.argv.cpu.switch(name, true, Origin::given(AT));
        }
    }

    /// QEMU: `max_x86_cpu_properties`, `target/i386/cpu.c`: no other model has the property.
    fn judge_told_caches(&self, draft: &mut Draft) {
        if self.host_cache_info.is_none() || self.model.shows_host() {
            return;
        }
        let what = format!("the CPU model {} has caches of its own", self.model.0);
        draft.refuse(
            Problem::new(Class::Invalid, "cpu.host_cache_info", what)
                .why("QEMU shows those of the host with the models host and max only")
                .fix("model = \"host\"   # or leave host_cache_info out, and take l3_cache"),
        );
    }

    /// Notes when the guest would be told of the host's caches, and its cores are not the host's: then it takes vCPUs to
    /// share what they do not. QEMU: `host_cpuid` for leaf 4 in `cpu_x86_cpuid`, `target/i386/cpu.c`.
    fn judge_host_caches(&self, scene: &Scene, draft: &mut Draft) {
        let threads = scene.host.cpus.iter().map(|cpu| cpu.siblings.len()).max().unwrap_or(0);
        let ours = self.threads();
        if self.host_cache_info != Some(true) || threads == 0 || usize::try_from(ours) == Ok(threads) {
            return;
        }
        let what =
            format!("the guest's cores have {ours} threads, and those of the host, whose caches it sees, {threads}");
        draft.warn(
            Problem::new(Class::Impossible, "cpu.host_cache_info", what)
                .why("the guest would take vCPUs to share caches that they do not share")
                .fix(format!("threads = {threads}   # or leave host_cache_info out")),
        );
    }

    fn draft_host_model(&self, scene: &Scene, draft: &mut Draft) {
        let cpu = &mut draft.contents.argv.cpu;
        // A guest with a passed device cannot migrate anyway; `migratable=on` would hide flags like invtsc.
        cpu.switch(
            "migratable",
            false,
            Origin::derived("cpu.model", "shows flags that migration forbids, like invtsc"),
        );
        if self.threads() > 1 && HostVendor::of(scene.host) == HostVendor::Amd {
            // Off by default since QEMU 3.1; without it an AMD guest takes sibling threads for cores.
            cpu.switch(
                "topoext",
                true,
                Origin::derived("cpu.threads", "an AMD guest sees sibling threads only with it")
                    .read_in("vendor_id in /proc/cpuinfo"),
            );
        }
    }

    pub(in crate::profile) fn draft_pinning(
        &self,
        iothreads: &[String],
        site: &Site,
        scene: &Scene,
        draft: &mut Draft,
    ) {
        let [(_, sockets), (_, dies), ..] = self.topology();
        let guest = Guest { vcpus: self.vcpus(), threads: self.threads(), dies: sockets.saturating_mul(dies) };
        self.pinning.draft(guest, iothreads, site, scene, draft);
    }
}

fn draft_model(model: &Model, scene: &Scene, draft: &mut Draft) {
    let origin = Origin::given("cpu.model");
    if model.0 != "host" || scene.kvm() {
        draft.contents.argv.cpu.head(&model.0, origin);
        return;
    }
    draft.contents.argv.cpu.head("max", Origin::derived("cpu.model", "the model host needs KVM").read_in("/dev/kvm"));
    draft.warn(
        Problem::new(Class::Missing, "cpu.model", "the guest gets the CPU model max instead of host")
            .why("only KVM can show the guest the host CPU"),
    );
}
