//! Services, and what is written for the boot.

use super::{Check, Found, Subject, Verdict, ok, warn};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "libvirt-autostart",
        why: "a guest that libvirt starts at boot may take the card first, and hold it",
        of_profiles: true,
        judge: libvirt,
    },
    Check {
        id: "pci-stub",
        why: "pci-stub takes the card before vfio-pci can, and leaves it running at full power",
        of_profiles: true,
        judge: stub,
    },
    Check {
        id: "vfio-virqfd",
        why: "Linux has no such module since 6.2; some tools make no image without it, and the machine boots an old one",
        of_profiles: false,
        judge: virqfd,
    },
    Check {
        id: "systemd",
        why: "host CPUs are kept free by narrowing systemd's slices, and companions are started by it",
        of_profiles: false,
        judge: systemd,
    },
];

fn libvirt(subject: &Subject<'_>) -> Vec<Found> {
    let (names, read) = (&subject.host.system.libvirt_autostart, "names in /etc/libvirt/qemu/autostart");
    if subject.host.system.kernel.is_empty() {
        return Vec::new();
    }
    match names.first() {
        None => ok("libvirt starts no guest by itself", read),
        Some(first) => warn(
            format!("libvirt starts {} at boot", names.join(", ")),
            read,
            format!("if it has the same devices:\nvirsh autostart --disable {first}"),
        ),
    }
}

fn stub(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/proc/cmdline, /etc/modprobe.d";
    let plain = |text: &str| text.replace('_', "-");
    let mut found = Vec::new();
    for argument in subject.arguments().filter(|argument| plain(argument).starts_with("pci-stub.ids=")) {
        found.push(Found {
            verdict: Verdict::Warn,
            what: format!("the kernel is told `{argument}`"),
            read: read.to_owned(),
            fix: format!(
                "{}\nno more is needed: vmrun binds at the start of the guest",
                super::advice::drop_argument(subject, argument)
            ),
        });
    }
    for (path, text) in subject.boot.below("/etc/modprobe.d") {
        if text.lines().any(|line| plain(line).trim_start().starts_with("options pci-stub")) {
            found.push(Found {
                verdict: Verdict::Warn,
                what: format!("{} gives devices to pci-stub", path.display()),
                read: read.to_owned(),
                fix: format!("take the line out of {}, and make the initramfs images anew", path.display()),
            });
        }
    }
    if found.is_empty() { ok("nothing is given to pci-stub", read) } else { found }
}

fn virqfd(subject: &Subject<'_>) -> Vec<Found> {
    let read = "mkinitcpio.conf, dracut.conf.d, initramfs-tools/modules";
    let names = |line: &str| line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == "vfio_virqfd");
    let names_it = |text: &str| text.lines().any(|line| !line.trim_start().starts_with('#') && names(line));
    let mut files = subject.boot.files.iter().filter(|(_, text)| text.as_deref().is_some_and(names_it));
    match files.next() {
        Some((path, _)) => warn(
            format!("{} names the module vfio_virqfd", path.display()),
            read,
            "take it out, and make the images anew: older kernels load it by themselves",
        ),
        None => ok("no list of modules names vfio_virqfd", read),
    }
}

fn systemd(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/run/systemd/system";
    match subject.host.systemd {
        true => ok("systemd runs the machine", read),
        false => warn(
            "systemd does not run here",
            read,
            "services by unit are refused; give them as commands: vmrun explain service",
        ),
    }
}
