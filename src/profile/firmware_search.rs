//! Which of the host's firmware images fits.

use super::machine_type::MachineType;
use crate::host::{Firmware, Host};
use crate::plan::{Class, Problem};
use std::path::Path;

/// Features of a descriptor that need more than a pair of flash chips, or trust in keys that the user did not choose.
/// The others, like `amd-sev`, say what a firmware can do as well. QEMU: `docs/interop/firmware.json`.
const UNASKED: [&str; 3] = ["secure-boot", "enrolled-keys", "requires-smm"];

/// The first plain firmware for `machine`.
pub(super) fn first<'a>(machine: &MachineType, host: &'a Host) -> Option<&'a Firmware> {
    host.firmware.iter().find(|firmware| plain(firmware) && firmware.machines.iter().any(|m| machine.matches(m)))
}

/// The firmware whose code is at `code`.
pub(super) fn of_code<'a>(code: &Path, host: &'a Host) -> Option<&'a Firmware> {
    host.firmware.iter().find(|firmware| firmware.code == code)
}

fn plain(firmware: &Firmware) -> bool {
    let asked = !firmware.features.iter().any(|feature| UNASKED.contains(&feature.as_str()));
    asked && firmware.format == "raw" && firmware.vars.is_some()
}

/// The problem of a host without one.
pub(super) fn none(machine: &MachineType) -> Problem {
    Problem::new(Class::Missing, "firmware", format!("this host has no UEFI firmware for machine {}", machine.as_str()))
        .why("no descriptor in /usr/share/qemu/firmware or /etc/qemu/firmware names a plain one with variables")
        .fix(
            "apt install ovmf   # Fedora, Arch: edk2-ovmf; openSUSE: qemu-ovmf-x86_64\n\
             or name the files:   code = \"…/OVMF_CODE.fd\"   vars = \"…/OVMF_VARS.fd\"",
        )
}
