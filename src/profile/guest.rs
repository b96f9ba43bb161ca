//! `guest`: what runs in the guest, and what follows from it.
//!
//! A preset is a value like one that the user wrote: it is seen in `vmrun plan`, marked as derived from `guest`, and any
//! key that the profile gives itself wins over it.

use super::scene::Scene;
use super::source::Preset;
use crate::plan::{Class, Draft, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

/// What runs in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Guest {
    /// Windows 11, or Server 2022 and newer.
    Windows11,
    /// Windows 10, or Server 2016 and 2019.
    Windows10,
    /// An older Windows, from 7 on.
    Windows,
    /// Linux.
    Linux,
    /// Anything else: nothing follows from it.
    Other,
}

impl Guest {
    /// Whether it is a Windows.
    pub(super) fn is_windows(self) -> bool {
        matches!(self, Self::Windows11 | Self::Windows10 | Self::Windows)
    }
}

/// A value without a condition.
const fn always(key: &'static str, value: &'static str, why: &'static str) -> Preset {
    Preset { key, value, why, with: None, unless: None }
}

/// What every Windows gets; of Windows 11 it also the first row.
const WINDOWS_11: &[Preset] = &[
    always("firmware.kind", "\"uefi\"", "Windows 11 starts from UEFI only"),
    always("clock.base", "\"localtime\"", "Windows keeps local time in the hardware clock"),
    always("clock.driftfix", "\"slew\"", "Windows counts clock ticks, so lost ones are made up for"),
    always("machine.hpet", "false", "Windows reads it instead of cheaper clocks"),
    always("machine.vmport", "false", "only guests of VMware ask for it"),
    always("cpu.hv", HV, "Windows runs faster when it knows that it is a guest"),
    Preset {
        key: "cpu.hv_spinlocks",
        // The value that the hypervisor interface of Windows recommends, and that libvirt's users take over.
        value: "0x1fff",
        why: "a vCPU that spins for long lets the one run that holds the lock",
        with: None,
        unless: Some("cpu.hv"),
    },
    Preset {
        key: "cpu.hide_kvm",
        value: "true",
        why: "drivers of some cards refuse a guest of KVM; to Windows it costs nothing",
        with: Some("pci"),
        unless: None,
    },
];

/// Enlightenments that every CPU with KVM can give. Those left out need certain hardware (avic, evmcs), a guest that is a
/// hypervisor itself, or migration. QEMU: `docs/system/i386/hyperv.rst`.
const HV: &str = "[\"relaxed\", \"vapic\", \"time\", \"vpindex\", \"runtime\", \"frequencies\", \"synic\", \
                  \"stimer\", \"tlbflush\", \"ipi\"]";

const LINUX: &[Preset] = &[always("clock.base", "\"utc\"", "Linux keeps UTC in the hardware clock")];

/// What a guest of the kind `guest` gets unless the profile says otherwise.
pub(super) fn presets(guest: &str) -> &'static [Preset] {
    match guest {
        "windows11" => WINDOWS_11,
        "windows10" | "windows" => &WINDOWS_11[1..],
        "linux" => LINUX,
        _ => &[],
    }
}

/// Notes when Windows has no cheap clock, for want of `hv-time` or of the host's TSC: `hv-time` and KVM's own read the TSC, if the host does. Linux:
/// `Documentation/virt/kvm/x86/timekeeping.rst`.
pub(super) fn judge_clock(guest: Option<Guest>, scene: &Scene, draft: &mut Draft) {
    let windows = matches!(guest, Some(Guest::Windows11 | Guest::Windows10 | Guest::Windows));
    if windows && scene.kvm() && draft.contents.argv.cpu.get("hv-time").is_none() {
        draft.warn(without_time());
    }
    let Some(clock) = scene.host.system.clock.as_deref().filter(|clock| windows && scene.kvm() && *clock != "tsc")
    else {
        return;
    };
    draft.warn(
        Problem::new(Class::Impossible, "guest", format!("this host keeps time by {clock}, not by the TSC"))
            .why("Windows asks for the time very often, and leaves to KVM each time that it cannot read the TSC")
            .fix("dmesg | grep -i tsc   # tells why the kernel does not trust it; often the firmware's setup"),
    );
}

fn without_time() -> Problem {
    // libvirt has a timer of its own for it, hypervclock.
    Problem::new(Class::Invalid, "cpu.hv", "Windows gets no clock of its hypervisor")
        .why("without `time` it asks the emulated timers, and leaves to QEMU each time that it does")
        .fix("hv = \"recommended\"   # or add \"time\" to the list")
}

/// Notes what the guest's installer will ask for in vain.
pub(super) fn judge(guest: Option<Guest>, secure_boot: bool, tpm: bool, scene: &Scene, draft: &mut Draft) {
    match guest {
        Some(Guest::Windows11) if scene.uefi && !(secure_boot && tpm) => draft.warn(
            Problem::new(Class::Invalid, "guest", "Windows 11 is not installed without Secure Boot and a TPM 2.0")
                .why("its installer looks for both; once it is installed, it starts without")
                .fix("[firmware]\nsecure_boot = true\n[tpm]"),
        ),
        Some(Guest::Windows11) if !scene.uefi => draft.warn(
            Problem::new(Class::Invalid, "firmware.kind", "Windows 11 does not start from a BIOS")
                .why("its installer asks for UEFI with Secure Boot")
                .fix("kind = \"uefi\" in [firmware]"),
        ),
        Some(Guest::Windows11 | Guest::Windows10 | Guest::Windows | Guest::Linux | Guest::Other) | None => {}
    }
}

#[cfg(test)]
mod test {
    use super::{Guest, presets};
    use serde::Deserialize;
    use serde::de::value::{Error, StrDeserializer};

    #[test]
    fn presets_are_for_guests_that_there_are() {
        for guest in ["windows11", "windows10", "windows", "linux"] {
            assert!(!presets(guest).is_empty());
            assert!(Guest::deserialize(StrDeserializer::<Error>::new(guest)).is_ok(), "{guest}");
        }
    }
}
