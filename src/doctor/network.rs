//! Network.

use super::{Check, Found, Subject, ok, warn};
use crate::host::{Access, Module};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "bridge",
        why: "on a bridge the guest is a machine of your network; without one it reaches out, and nobody reaches it",
        of_profiles: false,
        judge: bridge,
    },
    Check {
        id: "vhost-net",
        why: "with it packets go past QEMU; without, each one interrupts it, which Windows counts as DPC latency",
        of_profiles: false,
        judge: vhost,
    },
    Check {
        id: "tun",
        why: "a guest's cable to a bridge is a tap device, which is made with /dev/net/tun",
        of_profiles: false,
        judge: tun,
    },
];

fn bridge(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/class/net/*/bridge";
    let bridges = &subject.host.bridges;
    match bridges.is_empty() {
        false => ok(format!("bridges: {}", bridges.join(", ")), read),
        true => warn(
            "there is no bridge",
            read,
            "net.mode = \"user\" needs none; to make one: nmcli connection add type bridge ifname br0, and \
             put the wired interface under it",
        ),
    }
}

fn vhost(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/dev/vhost-net, modules of the running kernel";
    let module = subject.host.modules.get("vhost_net");
    match (subject.host.net.vhost, module) {
        (Access::Granted, _) => ok("vhost-net is there", read),
        (Access::Denied, _) => warn("this user may not open /dev/vhost-net", read, "sudo chmod 0666 /dev/vhost-net"),
        (Access::Absent, Some(Module::Loaded | Module::Builtin)) => ok("the kernel has vhost-net", read),
        (Access::Absent, _) => warn(
            "there is no /dev/vhost-net",
            read,
            "sudo modprobe vhost_net\nfor good:\necho vhost_net | sudo tee /etc/modules-load.d/vhost-net.conf",
        ),
    }
}

fn tun(subject: &Subject<'_>) -> Vec<Found> {
    match subject.host.net.tun {
        Access::Granted => ok("tap devices can be made", "/dev/net/tun"),
        Access::Denied => warn("this user may not open /dev/net/tun", "/dev/net/tun", "sudo chmod 0666 /dev/net/tun"),
        Access::Absent => warn("there is no /dev/net/tun", "/dev/net/tun", "sudo modprobe tun"),
    }
}
