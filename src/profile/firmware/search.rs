//! Which of the host's firmware images fits.

use crate::host::{Firmware, Host};
use crate::plan::{Class, Problem};
use crate::profile::machine_type::MachineType;
use std::path::Path;

/// What a profile asks of a firmware beside that it fits the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// No Secure Boot.
    Plain,
    /// Secure Boot, with or without keys in its variable store.
    Secure { keys: bool },
}

/// The first firmware for `machine` that is as `wanted`.
pub(super) fn first<'a>(wanted: Wanted, machine: &MachineType, host: &'a Host) -> Option<&'a Firmware> {
    let fits = |firmware: &&Firmware| firmware.machines.iter().any(|pattern| machine.matches(pattern));
    host.firmware.iter().filter(fits).find(|firmware| is(wanted, firmware))
}

/// The firmware whose code is at `code`: as `wanted` if there is one, since one code may have several stores.
pub(super) fn of_code<'a>(code: &Path, wanted: Wanted, host: &'a Host) -> Option<&'a Firmware> {
    let those = || host.firmware.iter().filter(|firmware| firmware.code == code);
    those().find(|firmware| is(wanted, firmware)).or_else(|| those().next())
}

/// Whether `firmware` has `feature`. QEMU: `docs/interop/firmware.json`.
pub(super) fn has(firmware: &Firmware, feature: &str) -> bool {
    firmware.features.iter().any(|there| there == feature)
}

/// Of the features only these ask for more than a pair of flash chips, or bring trust that the user did not choose. The
/// others, like `amd-sev`, say what a firmware can do as well.
fn is(wanted: Wanted, firmware: &Firmware) -> bool {
    let has = |feature| has(firmware, feature);
    let fits = match wanted {
        Wanted::Plain => !(has("secure-boot") || has("enrolled-keys") || has("requires-smm")),
        Wanted::Secure { keys } => has("secure-boot") && has("enrolled-keys") == keys,
    };
    fits && firmware.vars.is_some()
}

/// The problem of a host without one.
pub(super) fn none(wanted: Wanted, machine: &MachineType) -> Problem {
    let (kind, lacking) = match wanted {
        Wanted::Plain => ("", "a plain one with variables"),
        Wanted::Secure { keys: true } => (" with Secure Boot", "one with secure-boot and enrolled-keys"),
        Wanted::Secure { keys: false } => (" with Secure Boot", "one with secure-boot and without enrolled-keys"),
    };
    let machine = machine.as_str();
    Problem::new(Class::Missing, "firmware", format!("this host has no UEFI firmware{kind} for machine {machine}"))
        .why(format!("no descriptor in /usr/share/qemu/firmware or /etc/qemu/firmware names {lacking}"))
        .fix(
            "apt install ovmf   # Fedora, Arch: edk2-ovmf; openSUSE: qemu-ovmf-x86_64\n\
             or name the files:   code = \"…/OVMF_CODE.fd\"   vars = \"…/OVMF_VARS.fd\"",
        )
}
