//! Two cards that only their addresses tell apart.

use super::script::{drivers, group};
use crate::host::{self, Layout};

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
