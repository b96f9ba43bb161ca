//! `[machine]`: the machine and what runs its instructions.

use super::guest::Guest;
use super::machine_type::MachineType;
use super::scene::{Accel, Scene};
use crate::host::{Host, Kvm};
use crate::plan::{Access, Chipset, Class, Draft, Lot, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

/// The machine; QEMU's `-machine` and `-accel`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    /// Which PC; `q35` unless given.
    #[serde(rename = "type", default)]
    kind: MachineType,
    /// What runs the guest's instructions.
    #[serde(default)]
    accel: Choice,
    /// Where interrupt controllers are emulated; in the kernel unless given, or split between it and QEMU where an IOMMU of
    /// the guest or more than 255 vCPUs need that. Only under KVM.
    kernel_irqchip: Option<Irqchip>,
    /// Whether the kernel may merge equal pages with those of other guests (KSM); off unless given.
    #[serde(default)]
    mem_merge: bool,
    /// The high precision event timer.
    hpet: Option<bool>,
    /// The programmable interval timer, the PC's oldest; Linux boots without it, Windows does not.
    pit: Option<bool>,
    /// `VMware`'s back door port.
    vmport: Option<bool>,
    /// System management mode; some firmware needs it.
    smm: Option<bool>,
    /// Whether the guest may sleep with its memory kept (ACPI S3); off for guests whose passed card does not wake up.
    /// QEMU's `disable_s3`.
    s3: Option<bool>,
    /// Whether the guest may sleep with its memory on its disk (ACPI S4, hibernation). QEMU's `disable_s4`.
    s4: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Choice {
    #[default]
    Kvm,
    Tcg,
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Irqchip {
    On,
    Off,
    Split,
}

impl Irqchip {
    fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Split => "split",
        }
    }
}

impl Machine {
    pub(super) fn chipset(&self) -> Chipset {
        self.kind.chipset()
    }

    pub(super) fn kind(&self) -> &MachineType {
        &self.kind
    }

    /// Whether the system management mode is on; `None` when that is left to QEMU.
    pub(super) fn smm(&self) -> Option<bool> {
        self.smm
    }

    /// What shall run the guest's instructions on `host`.
    pub(super) fn accel(&self, host: &Host) -> Accel {
        match self.accel {
            Choice::Kvm => Accel::Kvm,
            Choice::Auto if host.kvm == Kvm::Usable => Accel::Kvm,
            Choice::Tcg | Choice::Auto => Accel::Tcg,
        }
    }

    /// Whether the profile has all interrupt controllers in the kernel.
    pub(super) fn keeps_irqchip_in_kernel(&self, scene: &Scene) -> bool {
        scene.kvm() && self.kernel_irqchip == Some(Irqchip::On)
    }

    /// Drafts the machine; `split` says why interrupt controllers must be split between kernel and QEMU, if they must.
    pub(super) fn draft(&self, split: Option<Origin>, scene: &Scene, draft: &mut Draft) {
        let Self { kind, accel, kernel_irqchip, mem_merge, hpet, pit, vmport, smm, s3, s4 } = self;
        let argv = &mut draft.contents.argv;
        argv.machine.head(kind.as_str(), Origin::given("machine.type"));
        for (property, value) in [("hpet", hpet), ("pit", pit), ("vmport", vmport), ("smm", smm)] {
            if let Some(on) = value {
                argv.machine.switch(property, *on, Origin::given(format!("machine.{property}")));
            }
        }
        argv.machine.switch("mem-merge", *mem_merge, Origin::given("machine.mem_merge"));
        argv.machine.switch("dump-guest-core", false, Origin::always("a crash of QEMU does not write guest memory"));
        let chip = match kind.chipset() {
            Chipset::Q35 => "ICH9-LPC",
            Chipset::I440fx => "PIIX4_PM",
        };
        for (state, allowed) in [("s3", s3), ("s4", s4)] {
            if let Some(allowed) = allowed {
                let value = format!("{chip}.disable_{state}={}", u8::from(!allowed));
                argv.setting("-global", value, Origin::given(format!("machine.{state}")));
            }
        }
        draft_accel(*accel, scene, draft);
        draft_irqchip(*kernel_irqchip, split, scene, draft);
    }
}

/// Notes what `guest` does not boot without.
pub(super) fn judge_guest(machine: &Machine, guest: Option<Guest>, draft: &mut Draft) {
    if machine.pit == Some(false) && guest.is_some_and(Guest::is_windows) {
        let what = "Windows does not boot without the programmable interval timer";
        draft.warn(Problem::new(Class::Invalid, "machine.pit", what).fix("leave pit out"));
    }
}

fn draft_accel(choice: Choice, scene: &Scene, draft: &mut Draft) {
    let origin = || match choice {
        Choice::Auto => Origin::derived(AT, "KVM where it can be used").read_in("/dev/kvm"),
        Choice::Kvm | Choice::Tcg => Origin::given(AT),
    };
    match scene.accel {
        Accel::Kvm => {
            draft.opens(AT, "/dev/kvm", Access::Write, Lot::Common);
            draft.contents.argv.accel.head("kvm", origin());
        }
        Accel::Tcg => {
            draft.contents.argv.accel.head("tcg", origin());
            // QEMU chooses by guest and host; a vCPU without a thread of its own could not be pinned.
            let own = Origin::derived("machine.accel", "each vCPU has a thread of its own");
            draft.contents.argv.accel.set("thread", "multi", own);
        }
    }
    match choice {
        Choice::Kvm => judge_kvm(scene.host.kvm, draft),
        Choice::Auto if scene.accel == Accel::Tcg => draft.warn(without_kvm(scene.host.kvm)),
        Choice::Auto | Choice::Tcg => {}
    }
}

const AT: &str = "machine.accel";
const SLOW: &str = "the guest runs on QEMU's translator, about ten times slower than the host CPU";

fn judge_kvm(kvm: Kvm, draft: &mut Draft) {
    match kvm {
        Kvm::Usable => {}
        Kvm::Absent => draft.refuse(
            Problem::new(Class::Missing, AT, "there is no /dev/kvm")
                .why("its module is not loaded, or the firmware keeps VT-x or AMD-V off")
                .fix(
                    "modprobe kvm_intel   # or kvm_amd; or switch on virtualisation in the firmware setup\n\
                     or, slowly and without KVM:   accel = \"tcg\"",
                ),
        ),
        Kvm::Denied => draft.refuse(
            Problem::new(Class::Denied, AT, "this user may not open /dev/kvm")
                .why("it belongs to the group kvm")
                .fix("usermod -aG kvm YOUR_LOGIN   # then log in anew"),
        ),
        Kvm::Standin => draft.warn(
            Problem::new(Class::Missing, AT, "/dev/kvm is a stand-in: the host CPU shows neither VMX nor SVM")
                .why("such a KVM is slow and may lack what Hyper-V enlightenments need")
                .fix("accel = \"tcg\" is often faster here"),
        ),
    }
}

fn without_kvm(kvm: Kvm) -> Problem {
    let what = match kvm {
        Kvm::Usable => "KVM is usable",
        Kvm::Absent => "no KVM: there is no /dev/kvm",
        Kvm::Denied => "no KVM: this user may not open /dev/kvm",
        Kvm::Standin => "no KVM: /dev/kvm is a stand-in, the host CPU shows neither VMX nor SVM",
    };
    Problem::new(Class::Missing, AT, what).why(SLOW).fix("accel = \"kvm\" refuses to start without KVM")
}

fn draft_irqchip(irqchip: Option<Irqchip>, split: Option<Origin>, scene: &Scene, draft: &mut Draft) {
    let key = "machine.kernel_irqchip";
    match (scene.accel, irqchip) {
        (Accel::Kvm, Some(Irqchip::Off)) => draft.refuse(
            Problem::new(Class::Invalid, key, "kernel_irqchip = \"off\" leaves KVM without an interrupt controller")
                .why("QEMU refuses it with KVM since 8.0")
                .fix("kernel_irqchip = \"split\"   # or \"on\""),
        ),
        (Accel::Kvm, Some(irqchip)) => {
            draft.contents.argv.machine.set("kernel-irqchip", irqchip.as_str(), Origin::given(key));
        }
        (Accel::Kvm, None) => {
            let whole = || (Irqchip::On, Origin::derived(AT, "interrupts without a way through QEMU"));
            let (irqchip, origin) = split.map_or_else(whole, |origin| (Irqchip::Split, origin));
            draft.contents.argv.machine.set("kernel-irqchip", irqchip.as_str(), origin);
        }
        (Accel::Tcg, Some(_)) => {
            draft.warn(Problem::new(Class::Invalid, key, "kernel_irqchip has no effect without KVM, and is left out"));
        }
        (Accel::Tcg, None) => {}
    }
}
