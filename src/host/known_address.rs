//! Under which addresses the host knows the machines on its networks: its ARP table, and the leases of its DHCP server.

use super::Root;
use crate::unit::Mac;
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Folders with the leases of dnsmasq: run by itself, by `NetworkManager`, by libvirt for its networks.
const LEASES: [&str; 3] = ["/var/lib/misc", "/var/lib/NetworkManager", "/var/lib/libvirt/dnsmasq"];

/// An address that a machine is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAddress {
    /// The machine's interface.
    pub mac: Mac,
    /// Its address.
    pub address: IpAddr,
    /// Where that was read.
    pub source: String,
}

/// The addresses of the interfaces `macs`, those that the host has heard of last first. A machine that the host has neither
/// spoken to nor given an address is not known.
#[must_use]
pub fn known_addresses(root: &Root, macs: &[Mac]) -> Vec<KnownAddress> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut found: Vec<KnownAddress> = Vec::new();
    for known in arp(root).into_iter().chain(leases(root, now)).filter(|known| macs.contains(&known.mac)) {
        if !found.iter().any(|other| (other.mac, other.address) == (known.mac, known.address)) {
            found.push(known);
        }
    }
    found
}

/// Linux: `net/ipv4/arp.c`, `arp_format_neigh_entry`. An entry without an answer has no flag.
fn arp(root: &Root) -> Vec<KnownAddress> {
    const TABLE: &str = "/proc/net/arp";
    let text = root.text(TABLE).unwrap_or_default();
    let entry = |line: &str| {
        let [address, _, flags, mac, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        (flags != "0x0").then(|| known(address, mac, TABLE)).flatten()
    };
    text.lines().filter_map(entry).collect()
}

fn leases(root: &Root, now: u64) -> Vec<KnownAddress> {
    let files = LEASES.iter().flat_map(|folder| {
        let names = root.names(folder).into_iter();
        names.filter(|name| is_of_leases(name)).map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    });
    files.flat_map(|file| of_file(&root.text(&file).unwrap_or_default(), &file, now)).collect()
}

fn is_of_leases(name: &str) -> bool {
    let has = |end: &str| Path::new(name).extension().is_some_and(|extension| extension == end);
    name.starts_with("dnsmasq") && has("leases") || has("status")
}

/// dnsmasq writes `expiry mac address name id`, where 0 never expires (`src/lease.c`); libvirt's helper for it writes an
/// array of objects (`src/network/leaseshelper.c`).
fn of_file(text: &str, file: &str, now: u64) -> Vec<KnownAddress> {
    let valid = |expiry: u64| expiry == 0 || expiry > now;
    if let Ok(Value::Array(leases)) = serde_json::from_str(text) {
        let valid = leases.iter().filter(|lease| lease["expiry-time"].as_u64().is_none_or(valid));
        let lease = |lease: &Value| known(lease["ip-address"].as_str()?, lease["mac-address"].as_str()?, file);
        return valid.filter_map(lease).collect();
    }
    let lease = |line: &str| {
        let [expiry, mac, address, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        expiry.parse().is_ok_and(valid).then(|| known(address, mac, file)).flatten()
    };
    text.lines().filter_map(lease).collect()
}

fn known(address: &str, mac: &str, source: &str) -> Option<KnownAddress> {
    Some(KnownAddress { mac: mac.parse().ok()?, address: address.parse().ok()?, source: source.to_owned() })
}

#[cfg(test)]
mod test {
    use super::known_addresses;
    use crate::host::tree::lay_out;

    #[test]
    fn an_address_is_found_by_arp_and_by_lease() {
        let arp = "IP address       HW type     Flags       HW address            Mask     Device\n\
                   192.168.77.2     0x1         0x2         52:54:00:00:00:01     *        br0\n\
                   192.168.77.9     0x1         0x0         52:54:00:00:00:02     *        br0\n";
        let lease = "0 52:54:00:00:00:03 10.0.0.3 games *\n1 52:54:00:00:00:02 10.0.0.2 old *\n";
        let libvirt = r#"[{"ip-address":"192.168.122.7","mac-address":"52:54:00:00:00:02","expiry-time":99999999999}]"#;
        let tree = lay_out(&[
            ("/proc/net/arp", arp),
            ("/var/lib/misc/dnsmasq.leases", lease),
            ("/var/lib/libvirt/dnsmasq/virbr0.status", libvirt),
            ("/var/lib/libvirt/dnsmasq/virbr0.macs", "[]"),
        ]);
        let macs = ["01", "02", "03"].map(|end| format!("52:54:00:00:00:{end}").parse().unwrap());
        let found = known_addresses(&tree.root, &macs);
        let told: Vec<_> = found.iter().map(|known| format!("{} {}", known.mac, known.address)).collect();
        assert_eq!(
            told,
            ["52:54:00:00:00:01 192.168.77.2", "52:54:00:00:00:03 10.0.0.3", "52:54:00:00:00:02 192.168.122.7"]
        );
        assert_eq!(known_addresses(&tree.root, &macs[..0]), []);
    }
}
