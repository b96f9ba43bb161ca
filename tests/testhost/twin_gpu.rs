//! Two cards that only their addresses tell apart.

use super::scene::{assert_refused, assert_said, look, profile, run, trace};
use super::script::{drivers, group};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn two_cards_of_one_id_sit_in_groups_of_their_own() {
    let (ids, first, second, drivers) = host::on(&Layout::TWIN_GPU, |host| {
        let ids = host.ask("cd /sys/bus/pci/devices; cat 0000:0[12]:00.0/vendor 0000:0[12]:00.0/device")?;
        let (first, second) = (host.ask(&group("0000:01:00.0"))?, host.ask(&group("0000:02:00.0"))?);
        Ok((ids, first, second, host.ask(&drivers("0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1"))?))
    });
    assert_eq!(ids, "0x1234\n0x1234\n0x1111\n0x1111");
    assert_eq!(first, "0000:01:00.0\n0000:01:00.1");
    assert_eq!(second, "0000:02:00.0\n0000:02:00.1");
    assert_eq!(drivers, "bochs-drm\nsnd_hda_intel\nbochs-drm\nsnd_hda_intel");
}

#[test]
fn only_the_named_card_of_two_alike_is_taken() {
    let [qemu, _newer] = setup::qemus();
    let look = look("cd /sys/bus/pci/devices; readlink 0000:0[12]:00.[01]/driver | sed s,.*/,,");
    let profile = profile(&qemu, "", &format!("[[pci]]\ndevice = \"02:00\"\naddr = \"09\"\n{look}"));
    let (ran, trace) = host::on(&Layout::TWIN_GPU, |host| trace(host, |host| run(host, &profile)));
    assert_said(
        &ran.reply,
        &[
            "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
            "pci address=01:00.0 id=1234:1111",
            "pci address=01:00.1 id=8086:293e",
        ],
    );
    assert_eq!(ran.seen, "bochs-drm\nsnd_hda_intel\nvfio-pci\nvfio-pci");
    assert_eq!(trace, "");
}

#[test]
fn ids_that_two_cards_have_are_refused_with_both_addresses() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"1234:1111\"\n");
    let (ran, trace) = host::on(&Layout::TWIN_GPU, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 11, &["0000:01:00.0", "0000:02:00.0"]);
    assert_eq!(trace, "");
}
