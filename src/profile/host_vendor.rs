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
    /// Told by the CPU itself; in a dump that does not have that, by the host bridge, which comes with the CPU. A virtual
    /// machine with QEMU's q35 has an Intel bridge on any CPU.
    pub(super) fn of(host: &Host) -> Self {
        match host.cpu_vendor.as_deref() {
            Some("GenuineIntel") => Self::Intel,
            Some("AuthenticAMD" | "HygonGenuine") => Self::Amd,
            Some(_) => Self::Other,
            None => Self::of_bridge(host),
        }
    }

    /// PCI ids: `8086` Intel, `1022` AMD, `1d94` Hygon.
    fn of_bridge(host: &Host) -> Self {
        let bridge = host.pci.iter().find(|function| function.class >> 8 == HOST_BRIDGE);
        match bridge.map(|function| function.vendor) {
            Some(0x8086) => Self::Intel,
            Some(0x1022 | 0x1d94) => Self::Amd,
            Some(_) | None => Self::Other,
        }
    }
}

#[cfg(test)]
mod test {
    use super::HostVendor;
    use crate::host::{Host, PciFunction};

    fn host(cpu: Option<&str>, bridge: u16) -> Host {
        let bridge = PciFunction { class: 0x06_0000, vendor: bridge, ..PciFunction::default() };
        Host { cpu_vendor: cpu.map(str::to_owned), pci: vec![bridge], ..Host::default() }
    }

    #[test]
    fn the_cpu_itself_is_asked_before_the_bridge() {
        // An AMD machine's virtual machine, with the chipset that QEMU plays.
        assert_eq!(HostVendor::of(&host(Some("AuthenticAMD"), 0x8086)), HostVendor::Amd);
        assert_eq!(HostVendor::of(&host(Some("GenuineIntel"), 0x1022)), HostVendor::Intel);
        assert_eq!(HostVendor::of(&host(Some("CentaurHauls"), 0x8086)), HostVendor::Other);
        assert_eq!(HostVendor::of(&host(None, 0x1022)), HostVendor::Amd);
    }
}
