//! Network interfaces that a guest can be tied to, and what vmrun may do with them.

use super::Root;
use crate::unit::Mac;
use serde::{Deserialize, Serialize};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its largest packet in bytes.
    pub mtu: u32,
    /// Whether the administrator has it up.
    pub up: bool,
    /// Whether it is a wireless one, which carries no hardware address but its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wireless: bool,
    /// Whether it is a bridge that vmrun made for a guest, by its hardware address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// What it is as a tap device; `None` when it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap: Option<TapDevice>,
}

/// A tap device that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapDevice {
    /// User id of who may open it without further rights; `None` when it belongs to nobody.
    pub owner: Option<u32>,
    /// Whether it was made for several queues.
    pub multi_queue: bool,
    /// Whether somebody has its one queue.
    pub busy: bool,
}

/// What may be done with network interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetRights {
    /// Whether vmrun may make and change them: `CAP_NET_ADMIN`, from `/proc/self/status`.
    pub admin: bool,
    /// `/dev/net/tun`, which makes tap devices.
    pub tun: Access,
    /// `/dev/vhost-net`, by which the kernel moves a guest's packets.
    pub vhost: Access,
}

impl NetRights {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { admin: true, tun: Access::Granted, vhost: Access::Granted }
    }
}

/// Whether a device node can be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// This user may read and write it.
    Granted,
    /// It is there and this user may not.
    Denied,
    /// It is not there.
    #[default]
    Absent,
}

/// Bit of `CAP_NET_ADMIN`; Linux: `include/uapi/linux/capability.h`.
const CAP_NET_ADMIN: u64 = 1 << 12;

/// Flags of a tun or tap device; Linux: `include/uapi/linux/if_tun.h`.
const IFF_TAP: u32 = 0x0002;
const IFF_MULTI_QUEUE: u32 = 0x0100;

/// Names of the bridges, sorted. The kernel gives each a folder `bridge`; Linux `net/bridge/br_sysfs_br.c`.
pub(super) fn bridges(root: &Root) -> Vec<String> {
    let mut names = root.names("/sys/class/net");
    names.retain(|name| root.exists(format!("/sys/class/net/{name}/bridge")));
    names
}

/// The network interfaces, sorted by name.
pub(super) fn links(root: &Root) -> Vec<Link> {
    root.names("/sys/class/net").into_iter().filter_map(|name| link(root, name)).collect()
}

/// `None` for what is no interface, like `bonding_masters`.
fn link(root: &Root, name: String) -> Option<Link> {
    let fact = |fact: &str| root.text(format!("/sys/class/net/{name}/{fact}"));
    let up = fact("flags").and_then(|flags| hex(&flags)).is_some_and(|flags| flags & 1 == 1);
    // Only a tun or tap device has flags of its own; `drivers/net/tun.c`.
    let tap = fact("tun_flags").and_then(|flags| hex(&flags)).filter(|flags| flags & IFF_TAP != 0).map(|flags| {
        let multi_queue = flags & IFF_MULTI_QUEUE != 0;
        TapDevice {
            owner: fact("owner").and_then(|owner| owner.parse().ok()),
            multi_queue,
            // The carrier is there as long as somebody has the device open.
            busy: !multi_queue && up && fact("carrier").as_deref() == Some("1"),
        }
    });
    let wireless = root.exists(format!("/sys/class/net/{name}/phy80211"));
    let made = fact("address").and_then(|address| address.parse().ok()) == Some(Mac::of_bridge(&name))
        && root.exists(format!("/sys/class/net/{name}/bridge"));
    Some(Link { made, mtu: fact("mtu")?.parse().ok()?, up, wireless, tap, name })
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// What vmrun, with effective user `euid`, may do with interfaces.
pub(super) fn rights(root: &Root, euid: u32) -> NetRights {
    let effective = root.line("/proc/self/status", "CapEff:");
    let effective = effective.and_then(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    NetRights {
        admin: effective.map_or(euid == 0, |set| set & CAP_NET_ADMIN != 0),
        tun: access(root, "/dev/net/tun"),
        vhost: access(root, "/dev/vhost-net"),
    }
}

fn access(root: &Root, path: &str) -> Access {
    match root.exists(path) {
        true if root.readable_and_writable(path) => Access::Granted,
        true => Access::Denied,
        false => Access::Absent,
    }
}

#[cfg(test)]
mod test {
    use super::{bridges, links, rights};
    use crate::host::tree::lay_out;
    use crate::host::{Access, Link, NetRights, TapDevice};

    #[test]
    fn only_bridges_are_named() {
        let tree = lay_out(&[
            ("/sys/class/net/virbr0/bridge/bridge_id", "8000.525400000001\n"),
            ("/sys/class/net/eth0/address", "52:54:00:00:00:01\n"),
            ("/sys/class/net/br0/bridge/bridge_id", "8000.525400000002\n"),
            ("/sys/class/net/bonding_masters", "\n"),
        ]);
        assert_eq!(bridges(&tree.root), ["br0", "virbr0"]);
    }

    #[test]
    fn a_tap_that_somebody_holds_is_busy_unless_it_has_queues_for_others() {
        let tree = lay_out(&[
            ("/sys/class/net/tap0/mtu", "1500\n"),
            ("/sys/class/net/tap0/flags", "0x1003\n"),
            ("/sys/class/net/tap0/tun_flags", "0x5802\n"),
            ("/sys/class/net/tap0/owner", "1000\n"),
            ("/sys/class/net/tap0/carrier", "1\n"),
            ("/sys/class/net/tap1/mtu", "9000\n"),
            ("/sys/class/net/tap1/flags", "0x1002\n"),
            ("/sys/class/net/tap1/tun_flags", "0x902\n"),
            ("/sys/class/net/tap1/owner", "-1\n"),
            ("/sys/class/net/tun0/mtu", "1500\n"),
            ("/sys/class/net/tun0/flags", "0x1003\n"),
            ("/sys/class/net/tun0/tun_flags", "0x5801\n"),
            ("/sys/class/net/wlan0/mtu", "1500\n"),
            ("/sys/class/net/wlan0/flags", "0x1003\n"),
            ("/sys/class/net/wlan0/phy80211/name", "phy0\n"),
            ("/sys/class/net/bonding_masters", "\n"),
        ]);
        let link =
            |name: &str, mtu, up, wireless, tap| Link { name: name.to_owned(), mtu, up, wireless, made: false, tap };
        let tap0 = TapDevice { owner: Some(1000), multi_queue: false, busy: true };
        let tap1 = TapDevice { owner: None, multi_queue: true, busy: false };
        assert_eq!(
            links(&tree.root),
            [
                link("tap0", 1500, true, false, Some(tap0)),
                link("tap1", 9000, false, false, Some(tap1)),
                link("tun0", 1500, true, false, None),
                link("wlan0", 1500, true, true, None),
            ]
        );
    }

    #[test]
    fn the_capability_counts_and_not_the_user() {
        let tree = lay_out(&[("/proc/self/status", "CapEff:\t0000000000001000\n"), ("/dev/net/tun", "")]);
        let expected = NetRights { admin: true, tun: Access::Granted, vhost: Access::Absent };
        assert_eq!(rights(&tree.root, 1000), expected);
        let tree = lay_out(&[("/proc/self/status", "CapEff:\t00000000a80425fb\n")]);
        assert!(!rights(&tree.root, 0).admin, "root of a container");
        assert!(rights(&lay_out(&[]).root, 0).admin);
    }
}
