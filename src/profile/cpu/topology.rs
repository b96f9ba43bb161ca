//! Sockets, dies, modules, cores and threads.

use super::Cpu;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::profile::pinning::Shape;
use crate::profile::scene::Scene;
use crate::unit::Version;
use std::num::NonZeroU32;

/// First QEMU with modules; QEMU 9.1 change log.
const MODULES: Version = Version::new(9, 1);

/// Beginnings of models that are not Intel's without KVM: they have no leaf 0x1f. QEMU: `builtin_x86_defs`,
/// `target/i386/cpu.c`.
const OTHER_VENDORS: [&str; 8] = ["EPYC", "Opteron", "Dhyana", "phenom", "athlon", "qemu", "max", "host"];

/// First APIC id that takes x2APIC: an interrupt to it reaches every vCPU in the PC of old. QEMU: `x86_cpus_init`.
const FIRST_WIDE_APIC_ID: u64 = 255;

impl Cpu {
    /// Product of the topology.
    pub(in crate::profile) fn vcpus(&self) -> u32 {
        self.topology().into_iter().map(|(_, count)| count).fold(1, u32::saturating_mul)
    }

    /// APIC id of the last vCPU: each level of the topology has bits of its own. QEMU: `include/hw/i386/topology.h`.
    pub(in crate::profile) fn highest_apic_id(&self) -> u64 {
        let levels = self.topology().into_iter().rev().map(|(_, count)| u64::from(count));
        let (_, id) = levels.fold((0_u32, 0_u64), |(shift, id), count| {
            let part = (count - 1).checked_shl(shift).unwrap_or(u64::MAX);
            (shift + count.next_power_of_two().trailing_zeros(), id.saturating_add(part))
        });
        id
    }

    /// Whether a vCPU has an APIC id that takes x2APIC.
    pub(in crate::profile) fn is_wide(&self) -> bool {
        self.highest_apic_id() >= FIRST_WIDE_APIC_ID
    }

    pub(in crate::profile) fn threads(&self) -> u32 {
        self.threads.map(NonZeroU32::get).or(self.shape.map(|shape| shape.threads)).unwrap_or(1)
    }

    /// The same with one socket, die and module of `cores` cores with `threads` sibling threads each.
    pub(in crate::profile) fn with_topology(self, cores: u32, threads: u32) -> Self {
        let (cores, threads) = (NonZeroU32::new(cores), NonZeroU32::new(threads));
        Self { sockets: None, dies: None, modules: None, cores, threads, shape: None, ..self }
    }

    pub(super) fn topology(&self) -> [(&'static str, u32); 5] {
        let count = |level: Option<NonZeroU32>, follows: fn(Shape) -> u32| {
            level.map(NonZeroU32::get).or(self.shape.map(follows)).unwrap_or(1)
        };
        [
            ("sockets", count(self.sockets, |shape| shape.sockets)),
            ("dies", count(self.dies, |shape| shape.dies)),
            ("modules", count(self.modules, |_| 1)),
            ("cores", count(self.cores, |shape| shape.cores)),
            ("threads", self.threads()),
        ]
    }

    pub(super) fn draft_topology(&self, scene: &Scene, draft: &mut Draft) {
        let vcpus = self.vcpus();
        draft.contents.vcpus = vcpus;
        draft.contents.argv.smp.head(vcpus.to_string(), Origin::derived("cpu", "the product of the topology"));
        for (level, count) in self.topology() {
            // Older versions do not know it, and one is none.
            if level == "modules" && count == 1 {
                continue;
            }
            draft.contents.argv.smp.set(level, count.to_string(), self.origin(level));
        }
        let modules = self.modules.filter(|modules| modules.get() > 1);
        if let (Some(_), Some(version)) = (modules, scene.version.filter(|version| *version < MODULES)) {
            draft.refuse(
                Problem::new(Class::Impossible, "cpu.modules", format!("QEMU {version} knows no modules"))
                    .why(format!("QEMU {MODULES} is the first that does"))
                    .fix("leave modules out, and give all cores of a die as cores"),
            );
        }
        let online = scene.host.online().len();
        if usize::try_from(vcpus).is_ok_and(|vcpus| vcpus > online) && online > 0 {
            draft.warn(
                Problem::new(Class::Impossible, "cpu", format!("{vcpus} vCPUs share {online} host CPUs"))
                    .why("a vCPU that waits for a host CPU while it holds a lock stalls the others"),
            );
        }
    }

    /// Keeps QEMU alive where it translates an Intel CPU that has dies or modules: there leaf 0x1f is the last one, any
    /// leaf beyond the last is answered from it whatever the subleaf, and SeaBIOS and others ask for one. QEMU:
    /// `encode_topo_cpuid1f`, `target/i386/cpu.c`: assertion `count <= CPU_TOPOLOGY_LEVEL_SOCKET`.
    pub(super) fn draft_level(&self, scene: &Scene, draft: &mut Draft) {
        let has = |level: &str| self.topology().iter().any(|(name, count)| *name == level && *count > 1);
        let level = ["dies", "modules"].into_iter().find(|level| has(level));
        let others = OTHER_VENDORS.iter().any(|start| self.model.0.starts_with(start));
        if let Some(level) = level.filter(|_| !scene.kvm() && !others && scene.qemu_is(MODULES)) {
            let why = "else a guest that asks for a leaf beyond the last ends QEMU 9.1 and newer by an assertion";
            draft.contents.argv.cpu.set("min-level", "0x20", Origin::derived(format!("cpu.{level}"), why));
        }
    }

    fn origin(&self, level: &str) -> Origin {
        let given = match level {
            "sockets" => self.sockets,
            "dies" => self.dies,
            "modules" => self.modules,
            "cores" => self.cores,
            _ => self.threads,
        };
        match self.shape.filter(|_| given.is_none()) {
            Some(_) => Origin::derived("cpu.pinning", "the topology is that of the vCPUs' host cores")
                .read_in("/sys/devices/system/cpu/cpu*/topology"),
            None => Origin::given(format!("cpu.{level}")),
        }
    }
}
