//! A card that cannot be had without its neighbour.

use super::scene::{assert_refused, assert_said, look, profile, run, trace};
use super::script::{drivers, group};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn the_card_shares_its_group_with_root_ports_and_a_network_card() {
    let (group, drivers) = host::on(&Layout::SHARED_GROUP, |host| {
        let group = host.ask(&group("0000:01:00.0"))?;
        Ok((group, host.ask(&drivers("0000:00:10.0 0000:00:10.1 0000:01:00.0 0000:01:00.1 0000:02:00.0"))?))
    });
    assert_eq!(group, "0000:00:10.0\n0000:00:10.1\n0000:01:00.0\n0000:01:00.1\n0000:02:00.0");
    assert_eq!(drivers, "pcieport\npcieport\nbochs-drm\nsnd_hda_intel\ne1000e");
}

#[test]
fn half_a_group_is_refused_with_the_offender_and_the_way_out() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"01:00\"\n");
    let (ran, trace) = host::on(&Layout::SHARED_GROUP, |host| trace(host, |host| run(host, &profile)));
    let offender = ["shares IOMMU group", "0000:02:00.0 is held by e1000e", "[[pci]]", "host = \"0000:02:00.0\""];
    assert_refused(&ran.reply, 11, &offender);
    assert_eq!(trace, "");
}

#[test]
fn with_the_other_device_passed_too_the_guest_runs_and_the_ports_stay() {
    let [qemu, _newer] = setup::qemus();
    let look = look("cd /sys/bus/pci/devices; readlink 0000:00:10.[01]/driver 0000:0[12]:00.?/driver | sed s,.*/,,");
    let devices = "[[pci]]\ndevice = \"01:00\"\naddr = \"09\"\n[[pci]]\ndevice = \"02:00\"\naddr = \"0a\"\n";
    let profile = profile(&qemu, "", &format!("{devices}{look}"));
    let (ran, trace) = host::on(&Layout::SHARED_GROUP, |host| trace(host, |host| run(host, &profile)));
    assert_said(
        &ran.reply,
        &[
            "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
            "pci address=01:00.0 id=1234:1111",
            "pci address=02:00.0 id=8086:10d3",
        ],
    );
    assert_eq!(ran.seen, "pcieport\npcieport\nvfio-pci\nvfio-pci\nvfio-pci");
    assert_eq!(trace, "");
}
