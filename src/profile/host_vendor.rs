//! Who made the host CPU.

use crate::host::Host;

/// Maker of the host CPU, as far as its advice differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostVendor {
    Intel,
    Amd,
    Other,
}

/// Class code of a host bridge, without its interface byte.
const HOST_BRIDGE: u32 = 0x0600;

impl HostVendor {
    /// Told by the host bridge, which comes with the CPU. PCI ids: `8086` Intel, `1022` AMD, `1d94` Hygon.
    pub(super) fn of(host: &Host) -> Self {
        let bridge = host.pci.iter().find(|function| function.class >> 8 == HOST_BRIDGE);
        match bridge.map(|function| function.vendor) {
            Some(0x8086) => Self::Intel,
            Some(0x1022 | 0x1d94) => Self::Amd,
            Some(_) | None => Self::Other,
        }
    }
}
