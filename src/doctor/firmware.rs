//! Firmware for guests.

use super::advice::{Package, install};
use super::{Check, Found, Subject, fail, ok, warn};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "ovmf",
        why: "a graphics card shows its first picture with the UEFI driver in its ROM, so the guest needs UEFI",
        of_profiles: false,
        judge: ovmf,
    },
    Check {
        id: "secure-boot",
        why: "Windows 11 asks for firmware with Secure Boot",
        of_profiles: false,
        judge: secure,
    },
];

const OVMF: Package = Package { debian: "ovmf", fedora: "edk2-ovmf", arch: "edk2-ovmf", suse: "qemu-ovmf-x86_64" };
const READ: &str = "descriptors in /usr/share/qemu/firmware and /etc/qemu/firmware, else the usual places";

fn ovmf(subject: &Subject<'_>) -> Vec<Found> {
    let firmware = &subject.host.firmware;
    let Some(first) = firmware.first() else {
        return fail("there is no UEFI firmware for guests", READ, install(subject, &OVMF));
    };
    let rest = if firmware.len() > 1 { format!(", and {} more", firmware.len() - 1) } else { String::new() };
    ok(format!("{}{rest}", first.code.display()), READ)
}

fn secure(subject: &Subject<'_>) -> Vec<Found> {
    let firmware = &subject.host.firmware;
    let enrolled = |name: &&crate::host::Firmware| name.features.iter().any(|it| it == "enrolled-keys");
    if firmware.is_empty() {
        return Vec::new();
    }
    match firmware.iter().find(enrolled) {
        Some(found) => ok(format!("Secure Boot with keys: {}", found.code.display()), READ),
        None => warn("no firmware has Secure Boot with Microsoft's keys", READ, install(subject, &OVMF)),
    }
}
