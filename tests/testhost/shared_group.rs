//! A card that cannot be had without its neighbour.

use super::script::{drivers, group};
use crate::host::{self, Layout};

#[test]
fn the_card_shares_its_group_with_root_ports_and_a_network_card() {
    let (group, drivers) = host::on(&Layout::SHARED_GROUP, |host| {
        let group = host.ask(&group("0000:01:00.0"))?;
        Ok((group, host.ask(&drivers("0000:00:10.0 0000:00:10.1 0000:01:00.0 0000:01:00.1 0000:02:00.0"))?))
    });
    assert_eq!(group, "0000:00:10.0\n0000:00:10.1\n0000:01:00.0\n0000:01:00.1\n0000:02:00.0");
    assert_eq!(drivers, "pcieport\npcieport\nbochs-drm\nsnd_hda_intel\ne1000e");
}
