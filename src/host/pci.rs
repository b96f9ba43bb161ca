//! PCI functions. Source: Linux `Documentation/PCI/sysfs-pci.rst` and `Documentation/ABI/testing/sysfs-bus-pci`.

use super::{PciFunction, Root};
use crate::unit::Bdf;

const FOLDER: &str = "/sys/bus/pci/devices";

/// The PCI functions by address; none on a machine without PCI.
pub(super) fn read(root: &Root) -> Vec<PciFunction> {
    let mut functions: Vec<_> = root.names(FOLDER).iter().filter_map(|name| function(root, name)).collect();
    functions.sort_by_key(|function| function.bdf);
    functions
}

fn function(root: &Root, name: &str) -> Option<PciFunction> {
    let bdf: Bdf = name.parse().ok()?;
    let id = |file: &str| hex(&root.text(format!("{FOLDER}/{name}/{file}"))?);
    let link = |file: &str| root.link_name(format!("{FOLDER}/{name}/{file}"));
    Some(PciFunction {
        bdf,
        vendor: u16::try_from(id("vendor")?).ok()?,
        device: u16::try_from(id("device")?).ok()?,
        class: id("class")?,
        driver: link("driver"),
        iommu_group: link("iommu_group").and_then(|group| group.parse().ok()),
    })
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::PciFunction;
    use crate::host::tree::lay_out;

    const CARD: [(&str, &str); 6] = [
        ("/sys/bus/pci/devices/0000:06:00.1/vendor", "0x10de\n"),
        ("/sys/bus/pci/devices/0000:06:00.1/device", "0x0fbc\n"),
        ("/sys/bus/pci/devices/0000:06:00.1/class", "0x040300\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/vendor", "0x10de\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/device", "0x13c2\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/class", "0x030000\n"),
    ];

    fn graphics() -> PciFunction {
        PciFunction {
            bdf: "0000:06:00.0".parse().unwrap(),
            vendor: 0x10de,
            device: 0x13c2,
            class: 0x03_0000,
            driver: None,
            iommu_group: None,
        }
    }

    #[test]
    fn a_card_shows_its_ids_driver_and_group() {
        let tree = lay_out(&CARD);
        tree.link("/sys/bus/pci/devices/0000:06:00.0/driver", "../../../../bus/pci/drivers/vfio-pci");
        tree.link("/sys/bus/pci/devices/0000:06:00.0/iommu_group", "../../../../kernel/iommu_groups/13");
        let functions = read(&tree.root);
        let held = PciFunction { driver: Some("vfio-pci".to_owned()), iommu_group: Some(13), ..graphics() };
        assert_eq!(functions[0], held);
        assert_eq!(functions[1].bdf.to_string(), "0000:06:00.1");
    }

    #[test]
    fn without_an_iommu_there_are_no_groups() {
        let tree = lay_out(&CARD);
        let functions = read(&tree.root);
        assert_eq!(functions[0], graphics());
        assert_eq!(functions[1].iommu_group, None);
    }

    #[test]
    fn a_function_that_vanishes_while_it_is_read_is_left_out() {
        let tree = lay_out(&CARD[..5]);
        let functions = read(&tree.root);
        assert_eq!(functions.len(), 1);
        assert_eq!(functions[0].device, 0x0fbc);
    }
}
