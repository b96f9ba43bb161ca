//! Network interfaces that a guest can be tied to.

use super::Root;

/// Names of the bridges, sorted. The kernel gives each a folder `bridge`; Linux `net/bridge/br_sysfs_br.c`.
pub(super) fn bridges(root: &Root) -> Vec<String> {
    let mut names = root.names("/sys/class/net");
    names.retain(|name| root.exists(format!("/sys/class/net/{name}/bridge")));
    names
}

#[cfg(test)]
mod test {
    use super::bridges;
    use crate::host::tree::lay_out;

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
}
