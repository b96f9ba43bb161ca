//! KVM and QEMU.

use super::advice::{Package, install, module_option};
use super::{Check, Found, Subject, fail, ok, warn};
use crate::host::{Kvm, Module};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "kvm-device",
        why: "QEMU reaches the processor's virtualisation through it",
        of_profiles: false,
        judge: device,
    },
    Check { id: "kvm-access", why: "QEMU opens /dev/kvm as the user it runs as", of_profiles: false, judge: access },
    Check {
        id: "ignore-msrs",
        why: "with it guests read 0 from registers that KVM does not know, and each such read may fill the kernel's log",
        of_profiles: true,
        judge: msrs,
    },
    Check { id: "qemu", why: "vmrun starts it and speaks QMP with it", of_profiles: false, judge: qemu },
];

const QEMU: Package =
    Package { debian: "qemu-system-x86", fedora: "qemu-system-x86", arch: "qemu-system-x86", suse: "qemu-x86" };

fn device(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/dev/kvm";
    match subject.host.kvm {
        Kvm::Absent => fail("there is no /dev/kvm", read, load(subject)),
        Kvm::Standin => warn(
            "/dev/kvm is there, but the processor shows neither vmx nor svm",
            "/dev/kvm, flags in /proc/cpuinfo",
            "this machine is a guest itself: allow nested virtualisation where it runs",
        ),
        Kvm::Usable | Kvm::Denied => ok("/dev/kvm is there", read),
    }
}

/// The module that makes `/dev/kvm`, as far as it is known.
fn load(subject: &Subject<'_>) -> String {
    let module = if subject.is_intel() { "kvm_intel" } else { "kvm_amd" };
    match subject.host.modules.get(module) {
        Some(Module::Missing) => {
            format!("the running kernel has no module {module}: reboot after an update of the kernel, or take another")
        }
        _ => format!(
            "sudo modprobe {module}\nif that says \"not supported\": switch virtualisation on in the firmware's setup"
        ),
    }
}

fn access(subject: &Subject<'_>) -> Vec<Found> {
    let host = subject.host;
    match host.kvm {
        Kvm::Denied => {
            let user = host.users.iter().find(|user| user.uid == host.euid).map_or("$USER", |user| user.name.as_str());
            let fix = format!("sudo usermod -aG kvm {user}\nthen log in again");
            fail(format!("user {} may not open /dev/kvm", host.euid), "open(2) of /dev/kvm", fix)
        }
        Kvm::Usable | Kvm::Standin => ok("/dev/kvm can be opened", "open(2) of /dev/kvm"),
        Kvm::Absent => Vec::new(),
    }
}

fn msrs(subject: &Subject<'_>) -> Vec<Found> {
    let parameter = |name: &str| subject.host.system.kvm.get(name).map(String::as_str);
    let read = "/sys/module/kvm/parameters/ignore_msrs, report_ignored_msrs";
    match (parameter("kvm.ignore_msrs"), parameter("kvm.report_ignored_msrs")) {
        (None, _) => Vec::new(),
        (Some("Y"), Some("N")) => ok("KVM ignores unknown MSRs, and does not log them", read),
        (Some("Y"), _) => warn(
            "KVM ignores unknown MSRs for every guest, and logs each",
            read,
            module_option("kvm", "ignore_msrs=1 report_ignored_msrs=0"),
        ),
        (Some(_), _) => ok("unknown MSRs fault in the guest, as they should unless it crashes of them", read),
    }
}

fn qemu(subject: &Subject<'_>) -> Vec<Found> {
    let Some(qemu) = &subject.host.qemu else {
        return fail(
            "there is no qemu-system-x86_64",
            "the folders of PATH, /usr/libexec/qemu-kvm",
            install(subject, &QEMU),
        );
    };
    let path = qemu.path.display().to_string();
    match &qemu.silent {
        Some(why) => warn(
            format!("QEMU {} does not say what it can do: {why}", qemu.version),
            path,
            "run it by hand: qemu-system-x86_64 -machine none -display none",
        ),
        None => ok(format!("QEMU {}", qemu.version), path),
    }
}
