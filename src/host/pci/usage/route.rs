//! The interfaces with a default route. Source: `proc_net(5)`, Linux `net/ipv6/route.c` for `ipv6_route`.

use super::super::super::Root;
use super::super::behind;
use super::{Found, Use};
use crate::unit::Bdf;
use std::collections::BTreeSet;

const CLASS: &str = "/sys/class/net";

/// Layers of interfaces that are looked through: a VLAN on a bridge on a bond is three.
const LAYERS: usize = 4;

/// What each function's network interfaces are used for.
pub(super) fn uses(root: &Root) -> Found {
    let links = defaults(root).into_iter();
    links
        .flat_map(|link| {
            let functions = below(root, &link, LAYERS);
            functions.into_iter().map(move |bdf| (bdf, Use::DefaultRoute { link: link.clone() }))
        })
        .collect()
}

/// The interfaces with a default route, of either protocol.
fn defaults(root: &Root) -> BTreeSet<String> {
    let four = root.text("/proc/net/route").unwrap_or_default();
    let six = root.text("/proc/net/ipv6_route").unwrap_or_default();
    // The kernel keeps a route to nowhere on the loopback interface.
    four.lines()
        .filter_map(default_four)
        .chain(six.lines().filter_map(default_six))
        .filter(|link| link != "lo")
        .collect()
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask …`.
fn default_four(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let everywhere = *fields.get(1)? == "00000000" && *fields.get(7)? == "00000000";
    everywhere.then(|| fields[0].to_owned())
}

/// `destination prefix source prefix gateway metric … interface`.
fn default_six(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let everywhere = *fields.get(1)? == "00" && fields[0].bytes().all(|digit| digit == b'0');
    everywhere.then(|| fields.last().copied().unwrap_or_default().to_owned())
}

/// The functions that the interface `name` is on, through bridges, bonds and VLANs.
fn below(root: &Root, name: &str, layers: usize) -> Vec<Bdf> {
    let Some(place) = root.link(format!("{CLASS}/{name}")) else { return Vec::new() };
    if let Some(bdf) = behind(&place) {
        return vec![bdf];
    }
    if layers == 0 {
        return Vec::new();
    }
    let lower = root.names(format!("{CLASS}/{name}"));
    let lower = lower.iter().filter_map(|entry| entry.strip_prefix("lower_"));
    lower.flat_map(|lower| below(root, lower, layers - 1)).collect()
}

#[cfg(test)]
mod test {
    use super::uses;
    use crate::host::pci::Use;
    use crate::host::tree::lay_out;

    #[test]
    fn the_card_below_the_bridge_has_the_way_out() {
        let tree = lay_out(&[
            (
                "/proc/net/route",
                "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
                 br0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\n\
                 eth1\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n",
            ),
            (
                "/proc/net/ipv6_route",
                "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80 00000400 0 0 3   wlan0\n\
                 00000000000000000000000000000000 00 00000000000000000000000000000000 00 0 ffffffff 1 0 200200       lo\n\
                 fe800000000000000000000000000000 40 00000000000000000000000000000000 00 0 100 1 0 1     eth1\n",
            ),
            ("/sys/devices/virtual/net/br0/lower_eth0", ""),
            ("/sys/class/net/x", ""),
        ]);
        tree.link("/sys/class/net/br0", "../../devices/virtual/net/br0");
        tree.link("/sys/class/net/eth0", "../../devices/pci0000:00/0000:00:1f.6/net/eth0");
        tree.link("/sys/class/net/eth1", "../../devices/pci0000:00/0000:00:1c.0/0000:03:00.0/net/eth1");
        tree.link("/sys/class/net/wlan0", "../../devices/pci0000:00/0000:00:14.3/net/wlan0");
        let route = |bdf: &str, link: &str| (bdf.parse().unwrap(), Use::DefaultRoute { link: link.to_owned() });
        assert_eq!(uses(&tree.root), [route("0000:00:1f.6", "br0"), route("0000:00:14.3", "wlan0")]);
    }
}
