//! A framebuffer that the firmware left and a generic driver of the kernel drives.

use super::Presence;
use crate::plan::{Bus, Step};

pub(super) fn steps(device: &str, driver: &str, to: Presence) -> Vec<Step> {
    let (bus, device, driver) = (Bus::Platform, device.to_owned(), driver.to_owned());
    vec![match to {
        Presence::Absent => Step::Unbind { bus, device, driver },
        Presence::Present => Step::Bind { bus, device, driver },
    }]
}
