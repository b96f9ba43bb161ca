//! A card that cannot be reset.

use super::scene::{assert_refused, assert_said, profile, run, trace};
use super::script::{drivers, group};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
fn the_card_is_alone_in_its_group_and_has_no_reset() {
    let (group, driver, reset) = host::on(&Layout::NO_RESET, |host| {
        let reset = host.run("cat /sys/bus/pci/devices/0000:00:10.0/reset_method")?.text();
        Ok((host.ask(&group("0000:00:10.0"))?, host.ask(&drivers("0000:00:10.0"))?, reset))
    });
    assert_eq!(group, "0000:00:10.0");
    assert_eq!(driver, "bochs-drm");
    assert_eq!(reset, "");
}

#[test]
fn a_card_that_nothing_resets_is_refused() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(&qemu, "", "[[pci]]\ndevice = \"00:10.0\"\n");
    let (ran, trace) = host::on(&Layout::NO_RESET, |host| trace(host, |host| run(host, &profile)));
    assert_refused(&ran.reply, 11, &["nothing can reset 0000:00:10.0", "allow_no_reset = true"]);
    assert_eq!(trace, "");
}

#[test]
fn where_that_is_allowed_it_is_passed_and_given_back() {
    let [qemu, _newer] = setup::qemus();
    let profile = profile(
        &qemu,
        "poke=01:00.0/2/502/0280",
        "[[pci]]\ndevice = \"00:10.0\"\naddr = \"09\"\nallow_no_reset = true\n",
    );
    let (ran, trace) = host::on(&Layout::NO_RESET, |host| trace(host, |host| run(host, &profile)));
    assert_said(
        &ran.reply,
        &[
            "pci address=00:09.0 id=1b36:000c class=0604 header=1 secondary=01",
            "pci address=01:00.0 id=1234:1111",
            "wrote=0280 after=0280",
        ],
    );
    assert_eq!(trace, "");
}
