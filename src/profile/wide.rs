//! vCPUs beyond the 255th, which the PC of old cannot name: they take x2APIC, and a way for interrupts to get to them.

use super::cpu::Cpu;
use super::guest::Guest;
use super::iommu::{self, Iommu};
use super::machine::Machine;
use super::scene::Scene;
use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use crate::unit::Version;

/// Most vCPUs of a machine `pc`. QEMU: `hw/i386/pc.c`, `pc_machine_class_init`.
const MAX_OF_PC: u32 = 255;

/// Most vCPUs of the newest machine `q35`; older ones have fewer, which QEMU tells. QEMU: `hw/i386/pc_q35.c`.
const MAX: u32 = 4096;

/// First QEMU whose translator has x2APIC; QEMU 9.0 change log.
const X2APIC_IN_TCG: Version = Version::new(9, 0);

/// What decides about vCPUs beyond the 255th, beside the vCPUs.
pub(super) struct Around<'a> {
    pub(super) machine: &'a Machine,
    pub(super) iommu: Option<&'a Iommu>,
    pub(super) guest: Option<Guest>,
}

/// Drafts x2APIC, and notes what keeps such vCPUs from being built or reached.
pub(super) fn draft(cpu: &Cpu, around: &Around, scene: &Scene, draft: &mut Draft) {
    if !cpu.is_wide() {
        return;
    }
    let what = named(cpu);
    if cpu.vcpus() > MAX {
        let problem = Problem::new(Class::Invalid, "cpu", format!("{what}; QEMU builds no PC with more than {MAX}"));
        return draft.refuse(problem.fix("fewer sockets, dies, modules, cores or threads"));
    }
    if draft.slots.chipset() == Chipset::I440fx {
        let problem = Problem::new(Class::Invalid, "machine.type", format!("{what} on machine pc"));
        let why = format!("it has at most {MAX_OF_PC}, and no APIC id beyond 254");
        return draft.refuse(problem.why(why).fix("type = \"q35\""));
    }
    if let Some(key) = cpu.takes_away("x2apic") {
        let problem = Problem::new(Class::Invalid, key, format!("-x2apic with {what}"));
        draft.refuse(problem.why("an APIC id beyond 254 needs x2APIC").fix("leave -x2apic out"));
    }
    if scene.kvm() {
        judge_kvm(&what, around, scene, draft);
    } else {
        draft_tcg(&what, cpu, around, scene, draft);
    }
}

/// KVM's models have x2APIC; interrupts reach all vCPUs through QEMU, for a guest that knows how.
fn judge_kvm(what: &str, around: &Around, scene: &Scene, draft: &mut Draft) {
    if around.machine.keeps_irqchip_in_kernel(scene) {
        let problem =
            Problem::new(Class::Invalid, "machine.kernel_irqchip", format!("kernel_irqchip = \"on\" with {what}"));
        draft.refuse(
            problem
                .why("devices could not interrupt the vCPUs beyond the 255th")
                .fix("kernel_irqchip = \"split\"   # or leave it out"),
        );
    }
    if around.guest.is_some_and(Guest::is_windows) && !iommu::reaches_all(around.iommu) {
        let problem = Problem::new(Class::Impossible, "cpu", format!("{what} for Windows, without an IOMMU"));
        // Linux: `KVM_FEATURE_MSI_EXT_DEST_ID`, `Documentation/virt/kvm/x86/cpuid.rst`.
        let why = "KVM's own way for interrupts to the vCPUs beyond the 255th is known to Linux (5.11 and newer)";
        draft.warn(problem.why(why).fix("[iommu]\nmodel = \"intel\""));
    }
}

fn draft_tcg(what: &str, cpu: &Cpu, around: &Around, scene: &Scene, draft: &mut Draft) {
    if let Some(version) = scene.version.filter(|version| *version < X2APIC_IN_TCG) {
        let problem = Problem::new(Class::Impossible, "cpu", format!("{what} without KVM in QEMU {version}"));
        let why = format!("QEMU {X2APIC_IN_TCG} is the first whose translator has x2APIC");
        return draft.refuse(problem.why(why).fix("accel = \"kvm\" in [machine]   # or fewer vCPUs"));
    }
    if !cpu.has_flag("x2apic") {
        let why = "an APIC id beyond 254 needs it, and not every model has it without KVM";
        draft.contents.argv.cpu.switch("x2apic", true, Origin::derived("cpu", why));
    }
    if !iommu::reaches_all(around.iommu) {
        let problem = Problem::new(Class::Impossible, "cpu", format!("{what} without KVM and without an IOMMU"));
        let why = "devices cannot interrupt the vCPUs beyond the 255th, and guests leave those off";
        draft.warn(problem.why(why).fix("[iommu]\nmodel = \"intel\""));
    }
}

/// The vCPUs in words; few of them may have large APIC ids, because each level has bits of its own.
fn named(cpu: &Cpu) -> String {
    let (vcpus, highest) = (cpu.vcpus(), cpu.highest_apic_id());
    if vcpus > MAX_OF_PC {
        return format!("{vcpus} vCPUs");
    }
    format!("{vcpus} vCPUs, whose APIC ids go up to {highest} with this topology,")
}
