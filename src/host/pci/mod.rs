//! PCI functions. Source: Linux `Documentation/PCI/sysfs-pci.rst` and `Documentation/ABI/testing/sysfs-bus-pci`.

mod bar;
mod connector;
mod detail;
mod holder;
mod locked;
mod message;
mod names;
mod node;
mod usage;
mod variant;

pub use bar::Bar;
pub use connector::Connector;
pub use detail::{PciIds, PciLink, SrIov};
pub use holder::PciHolder;
pub use locked::TELLS_OF;
pub use message::{Msi, msi};
pub use names::PciNames;
pub use usage::Use;

pub(super) use holder::{now as holders_now, read as holders};
pub(super) use names::read as names;

use super::{Console, Keyboard, Root};
use crate::unit::{Bdf, Size};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Not;
use std::path::Path;

const FOLDER: &str = "/sys/bus/pci/devices";

/// First byte of the class of a bridge; PCI Code and ID Assignment Specification.
const BRIDGE: u32 = 0x06;

/// A PCI function.
///
/// What comes after `bridge` is read for [`Area::Pci`] only, `holders` for [`Area::Holders`] only; dumps of older
/// versions do not have it either.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciFunction {
    /// Its address.
    pub bdf: Bdf,
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Class code, 24 bits, like `0x030000` for a VGA controller.
    pub class: u32,
    /// Driver that holds it; `None` when none does.
    pub driver: Option<String>,
    /// Its IOMMU group; `None` when the kernel made none: the IOMMU is off or not present.
    pub iommu_group: Option<u32>,
    /// Whether it is a bridge or port: by its class, or by header type 1 or 2.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub bridge: bool,
    /// The one driver that may take it; `None` when any may that matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_override: Option<String>,
    /// Vendor and device id of the board it is on; `None` for bridges, which have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<PciIds>,
    /// Whether the firmware showed its first picture through it.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub boot_vga: bool,
    /// NUMA node it is near to; `None` where the firmware does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<u32>,
    /// Whether the kernel can reset it: its file `reset` is there.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub resettable: bool,
    /// Ways to reset it in the order that the kernel takes them, like `flr` and `bus`; empty before Linux 5.15.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reset_methods: Vec<String>,
    /// Name of the physical slot it is in, from `/sys/bus/pci/slots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// The bridge it is behind; `None` on a root bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Bdf>,
    /// Its base address registers that are in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bars: Vec<Bar>,
    /// Sizes that a register can be given while no driver holds the function, by index; Linux 6.1, Resizable BAR.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resizable: BTreeMap<u8, Vec<Size>>,
    /// Size of the window of its expansion ROM; `None` when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rom: Option<Size>,
    /// Its PCI Express link; `None` for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<PciLink>,
    /// Whether it may be cut off from power while it sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub d3cold_allowed: Option<bool>,
    /// `power/control`: `on` never sleeps, `auto` does when idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_control: Option<String>,
    /// What the host does with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
    /// Processes that hold one of its device nodes, as far as vmrun's user may see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<PciHolder>,
    /// Virtual functions it can make and has made; `None` when it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sriov: Option<SrIov>,
    /// The function that made this virtual one; `None` for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physfn: Option<Bdf>,
    /// Its node below `/dev/vfio/devices` while a VFIO driver has it, like `vfio0`; Linux 6.6 with
    /// `CONFIG_VFIO_DEVICE_CDEV`, and `None` else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vfio_device: Option<String>,
    /// The name by which drivers are matched, `modules.alias`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modalias: Option<String>,
    /// The VFIO driver that the kernel has for this very device, by the name of its module; `None` where vfio-pci is the
    /// only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Revision.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u8,
    /// Whether the kernel holds its lock for a driver that may not come back: then its `driver_override` and whether it has
    /// made virtual functions is not known.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub locked: bool,
    /// The sockets of a graphics card, and what is plugged into them; empty while no graphics driver holds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connectors: Vec<Connector>,
    /// What people call it; [`Area::Names`].
    #[serde(default, skip_serializing_if = "PciNames::is_default")]
    pub names: PciNames,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// The PCI functions by address; none on a machine without PCI.
pub(super) fn read(root: &Root) -> Vec<PciFunction> {
    let mut functions: Vec<_> = root.names(FOLDER).iter().filter_map(|name| function(root, name)).collect();
    functions.sort_by_key(|function| function.bdf);
    functions
}

/// Fills in every detail of `functions` and what the host does with them.
pub(super) fn close(root: &Root, keyboards: &[Keyboard], console: &Console, functions: &mut [PciFunction]) {
    detail::read(root, functions);
    variant::read(root, functions);
    connector::read(root, functions);
    usage::read(root, keyboards, console, functions);
}

fn function(root: &Root, name: &str) -> Option<PciFunction> {
    let bdf: Bdf = name.parse().ok()?;
    let id = |file: &str| hex(&root.text(format!("{FOLDER}/{name}/{file}"))?);
    let link = |file: &str| root.link_name(format!("{FOLDER}/{name}/{file}"));
    let class = id("class")?;
    Some(PciFunction {
        bdf,
        vendor: u16::try_from(id("vendor")?).ok()?,
        device: u16::try_from(id("device")?).ok()?,
        class,
        driver: link("driver"),
        iommu_group: link("iommu_group").and_then(|group| group.parse().ok()),
        bridge: class >> 16 == BRIDGE,
        ..PciFunction::default()
    })
}

/// Number of a file that the kernel writes as `0x…`.
fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The PCI function whose device or child stands at `path` in sysfs: the last address among its parts.
pub(super) fn behind(path: &Path) -> Option<Bdf> {
    path.iter().rev().filter_map(|part| part.to_str()).find_map(address)
}

/// The address that `name` is, with its domain, as sysfs always writes it.
pub(super) fn address(name: &str) -> Option<Bdf> {
    if name.bytes().filter(|&byte| byte == b':').count() == 2 { name.parse().ok() } else { None }
}

#[cfg(test)]
mod test {
    use super::behind;
    use crate::host::tree::{Tree, lay_out};
    use crate::host::{Area, Host, PciFunction, Wants};
    use std::path::Path;

    const CARD: [(&str, &str); 6] = [
        ("/sys/bus/pci/devices/0000:06:00.1/vendor", "0x10de\n"),
        ("/sys/bus/pci/devices/0000:06:00.1/device", "0x0fbc\n"),
        ("/sys/bus/pci/devices/0000:06:00.1/class", "0x040300\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/vendor", "0x10de\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/device", "0x13c2\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/class", "0x030000\n"),
    ];

    fn functions(tree: &Tree) -> Vec<PciFunction> {
        Host::read_for(&tree.root, &tree.caller, &Wants::of([Area::Names])).pci
    }

    fn graphics() -> PciFunction {
        PciFunction {
            bdf: "0000:06:00.0".parse().unwrap(),
            vendor: 0x10de,
            device: 0x13c2,
            class: 0x03_0000,
            ..PciFunction::default()
        }
    }

    #[test]
    fn a_card_shows_its_ids_driver_and_group() {
        let tree = lay_out(&CARD);
        tree.link("/sys/bus/pci/devices/0000:06:00.0/driver", "../../../../bus/pci/drivers/vfio-pci");
        tree.link("/sys/bus/pci/devices/0000:06:00.0/iommu_group", "../../../../kernel/iommu_groups/13");
        let functions = functions(&tree);
        let held = PciFunction { driver: Some("vfio-pci".to_owned()), iommu_group: Some(13), ..graphics() };
        assert_eq!(functions[0], held);
        assert_eq!(functions[1].bdf.to_string(), "0000:06:00.1");
    }

    #[test]
    fn without_an_iommu_there_are_no_groups() {
        let tree = lay_out(&CARD);
        let functions = functions(&tree);
        assert_eq!(functions[0], graphics());
        assert_eq!(functions[1].iommu_group, None);
    }

    #[test]
    fn a_function_that_vanishes_while_it_is_read_is_left_out() {
        let tree = lay_out(&CARD[..5]);
        let functions = functions(&tree);
        assert_eq!(functions.len(), 1);
        assert_eq!(functions[0].device, 0x0fbc);
    }

    #[test]
    fn a_device_belongs_to_the_nearest_function_above_it() {
        let device = |path: &str| behind(Path::new(path)).map(|bdf| bdf.to_string());
        let nvme = "../../devices/pci0000:00/0000:00:01.1/0000:01:00.0/nvme/nvme0/nvme0n1";
        assert_eq!(device(nvme).as_deref(), Some("0000:01:00.0"));
        let keyboard =
            "../../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2/1-4.2:1.0/0003:046D:C52B.0001/input/input5";
        assert_eq!(device(keyboard).as_deref(), Some("0000:00:14.0"));
        assert_eq!(device("../../devices/virtual/block/dm-0"), None);
    }
}
