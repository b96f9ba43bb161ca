//! A card that cannot be reset.

use super::script::{drivers, group};
use crate::host::{self, Layout};

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
