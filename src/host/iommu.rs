//! The IOMMU.
//!
//! Source: Linux `Documentation/ABI/testing/sysfs-class-iommu` and `sysfs-kernel-iommu_groups`.

use super::Root;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// ACPI tables that describe an IOMMU; Intel VT-d specification chapter 8, AMD IOMMU specification chapter 5.
const TABLES: [&str; 2] = ["DMAR", "IVRS"];

const GROUPS: &str = "/sys/kernel/iommu_groups";

/// What the IOMMU is and keeps for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iommu {
    /// Whether one is at work: `/sys/class/iommu` is not empty.
    pub present: bool,
    /// Tables in which the firmware describes one: `DMAR` of Intel, `IVRS` of AMD; none where it is switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Whether it remaps interrupts, without which a device could send any; `None` where the kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt_remapping: Option<bool>,
    /// Groups with memory that the firmware reserves for a device (RMRR), which VFIO does not give to a guest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub direct: BTreeSet<u32>,
}

impl Iommu {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The IOMMU as the kernel shows it.
pub(super) fn read(root: &Root) -> Iommu {
    let present = !root.names("/sys/class/iommu").is_empty();
    Iommu {
        present,
        tables: root
            .names("/sys/firmware/acpi/tables")
            .into_iter()
            .filter(|it| TABLES.contains(&it.as_str()))
            .collect(),
        interrupt_remapping: if present { remaps_interrupts(root) } else { None },
        direct: root
            .names(GROUPS)
            .iter()
            .filter(|group| is_direct(root, group))
            .filter_map(|g| g.parse().ok())
            .collect(),
    }
}

/// With remapping at work the kernel puts `IR-` before the names of interrupt chips; `arch/x86/kernel/apic/msi.c`.
fn remaps_interrupts(root: &Root) -> Option<bool> {
    root.text("/proc/interrupts").map(|text| text.contains(" IR-"))
}

/// `direct-relaxable` regions, like those of USB controllers and graphics, do not keep a device from a guest.
fn is_direct(root: &Root, group: &str) -> bool {
    let regions = root.text(format!("{GROUPS}/{group}/reserved_regions")).unwrap_or_default();
    regions.lines().any(|line| line.split_ascii_whitespace().nth(2) == Some("direct"))
}

#[cfg(test)]
mod test {
    use super::{Iommu, read};
    use crate::host::tree::lay_out;

    #[test]
    fn a_group_with_memory_of_the_firmware_is_told_from_a_relaxable_one() {
        let tree = lay_out(&[
            ("/sys/class/iommu/dmar0/x", ""),
            ("/sys/firmware/acpi/tables/DMAR", ""),
            ("/sys/firmware/acpi/tables/FACP", ""),
            ("/proc/interrupts", "  1:  9  IR-IO-APIC    1-edge      i8042\n"),
            ("/sys/kernel/iommu_groups/1/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n"),
            (
                "/sys/kernel/iommu_groups/2/reserved_regions",
                "0x0009d000 0x0009ffff direct\n0xfee00000 0xfeefffff msi\n",
            ),
            ("/sys/kernel/iommu_groups/3/reserved_regions", "0x0009d000 0x0009ffff direct-relaxable\n"),
        ]);
        assert_eq!(
            read(&tree.root),
            Iommu {
                present: true,
                tables: vec!["DMAR".to_owned()],
                interrupt_remapping: Some(true),
                direct: [2].into()
            }
        );
    }

    #[test]
    fn a_machine_without_one_has_nothing_to_say_of_interrupts() {
        let tree = lay_out(&[("/proc/interrupts", "  1:  9  IO-APIC    1-edge      i8042\n")]);
        assert_eq!(read(&tree.root), Iommu::default());
    }
}
