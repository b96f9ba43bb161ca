//! The processor's virtualisation.

use super::{Check, Found, Subject, fail, ok};
use crate::host::Kvm;

pub(super) const CHECKS: &[Check] = &[Check {
    id: "cpu-virtualisation",
    why: "without it every instruction of the guest is translated in software, some thirty times slower",
    of_profiles: false,
    judge: virtualisation,
}];

fn virtualisation(subject: &Subject<'_>) -> Vec<Found> {
    let system = &subject.host.system;
    let has = |flag: &str| system.cpu_flags.contains(flag);
    let read = "flags in /proc/cpuinfo";
    if has("vmx") || has("svm") {
        let name = if has("vmx") { "VT-x (vmx)" } else { "AMD-V (svm)" };
        return ok(format!("the processor has {name}, and it is on"), read);
    }
    if system.cpu_vendor.is_none() {
        // A machine of which only KVM is known.
        let works = subject.host.kvm == Kvm::Usable;
        return if works { ok("KVM works with this processor", "/dev/kvm") } else { Vec::new() };
    }
    let fix = if has("hypervisor") {
        "this machine is a guest itself: allow nested virtualisation where it runs (host CPU model, kvm_intel.nested=1)"
    } else if subject.is_intel() {
        "in the firmware's setup switch on \"Intel Virtualization Technology\" (VT-x, Vanderpool), and power off once"
    } else {
        "in the firmware's setup switch on \"SVM Mode\" (AMD-V, Pacifica), often among the overclocking settings"
    };
    fail("neither vmx nor svm among the processor's flags", read, fix)
}
