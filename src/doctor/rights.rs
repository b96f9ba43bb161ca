//! Rights and limits.

use super::{Check, Found, Subject, fail, ok, warn};
use crate::unit::Size;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "root",
        why: "binding a device to vfio-pci, huge pages and host CPUs are root's to change",
        of_profiles: false,
        judge: root,
    },
    Check {
        id: "locked-memory",
        why: "VFIO pins all of the guest's memory, which counts against the limit of the user that QEMU runs as",
        of_profiles: false,
        judge: locked,
    },
    Check {
        id: "lockdown",
        why: "a locked kernel lets nobody write to a device's registers from outside, not even root",
        of_profiles: true,
        judge: lockdown,
    },
];

fn root(subject: &Subject<'_>) -> Vec<Found> {
    match subject.host.euid {
        0 => ok("vmrun runs as root", "geteuid(2)"),
        user => warn(
            format!("vmrun runs as user {user}: it can check and plan, and not bind devices"),
            "geteuid(2)",
            "a guest without passed devices needs no root; one with them:\nsudo vmrun run PROFILE",
        ),
    }
}

fn locked(subject: &Subject<'_>) -> Vec<Found> {
    let read = "\"Max locked memory\" in /proc/self/limits, CapEff in /proc/self/status";
    let Some(right) = subject.host.locked_memory else { return Vec::new() };
    // The least that a guest of today's systems is given.
    let guest = Size::from_bytes(4 << 30);
    if right.allows(guest) {
        return ok("enough memory may be locked for a guest", read);
    }
    let most = right.most.unwrap_or(guest);
    let host = subject.host;
    let user = host.users.iter().find(|user| user.uid == host.euid);
    let user = user.map_or_else(|| format!("{}:", host.euid), |user| user.name.clone());
    warn(
        format!("user {} may lock {most}, less than any guest with a passed device needs", host.euid),
        read,
        format!(
            "echo '{user} - memlock unlimited' | sudo tee /etc/security/limits.d/vmrun.conf\nthen log in again; \
             `vmrun check PROFILE` names the amount that a guest needs"
        ),
    )
}

fn lockdown(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/kernel/security/lockdown";
    match subject.host.system.lockdown.as_deref() {
        None => Vec::new(),
        Some("none") => ok("the kernel is not locked down", read),
        Some("integrity") => warn(
            "the kernel is locked down (integrity)",
            read,
            "passing devices works; reading a card's ROM and unsigned modules (vendor-reset, kvmfr) do not. \
             `mokutil --disable-validation`, or Secure Boot off in the firmware's setup",
        ),
        Some(level) => fail(
            format!("the kernel is locked down ({level})"),
            read,
            "take lockdown=confidentiality out of the kernel's arguments, then reboot",
        ),
    }
}
