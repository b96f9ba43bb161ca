//! Names of PCI vendors, devices and classes from the PCI id database; `pci.ids(5)`.

use super::super::Root;
use super::PciFunction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where distributions have the database: Debian, Fedora and Arch, Slackware, pciutils' own, NixOS.
const PLACES: [&str; 5] = [
    "/usr/share/misc/pci.ids",
    "/usr/share/hwdata/pci.ids",
    "/usr/share/pci.ids",
    "/var/lib/pciutils/pci.ids",
    "/run/current-system/sw/share/hwdata/pci.ids",
];

/// What people call a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PciNames {
    /// Its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// What the maker calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Its class, like `VGA compatible controller`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

impl PciNames {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Fills in the names of `functions`, as far as there is a database that knows them.
pub(in crate::host) fn read(root: &Root, functions: &mut [PciFunction]) {
    let Some(database) = PLACES.iter().find_map(|place| root.bytes(place)) else { return };
    let names = Names::of(&String::from_utf8_lossy(&database), functions);
    for function in functions {
        function.names = PciNames {
            vendor: names.vendors.get(&function.vendor).cloned(),
            device: names.devices.get(&(function.vendor, function.device)).cloned(),
            class: names.class(function.class).cloned(),
        };
    }
}

/// The names that a set of functions needs.
#[derive(Default)]
struct Names {
    vendors: BTreeMap<u16, String>,
    devices: BTreeMap<(u16, u16), String>,
    classes: BTreeMap<u32, String>,
    base_classes: BTreeMap<u32, String>,
}

/// What the lines that are indented belong to.
enum Section {
    Vendor(u16),
    Class(u32),
    Other,
}

impl Names {
    fn of(database: &str, functions: &[PciFunction]) -> Self {
        let mut names = Self::default();
        let mut section = Section::Other;
        // Comments and empty lines stand anywhere, also amid a section.
        for line in database.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match (line.strip_prefix('\t'), &section) {
                (None, _) => section = names.section(line, functions),
                (Some(line), Section::Vendor(vendor)) => {
                    if let Some((id, name)) = entry(line).and_then(|(id, name)| Some((u16::try_from(id).ok()?, name))) {
                        names.devices.insert((*vendor, id), name);
                    }
                }
                (Some(line), Section::Class(class)) => {
                    names.classes.extend(entry(line).map(|(id, name)| (class << 8 | id, name)));
                }
                (Some(_), Section::Other) => {}
            }
        }
        names
    }

    /// The name of a class code of 24 bits; that of its base class where the database does not go further.
    fn class(&self, code: u32) -> Option<&String> {
        self.classes.get(&(code >> 8)).or_else(|| self.base_classes.get(&(code >> 16)))
    }

    /// The section that a line which is not indented begins; one that no function needs is passed over.
    fn section(&mut self, line: &str, functions: &[PciFunction]) -> Section {
        if let Some(class) = line.strip_prefix("C ") {
            let Some((id, name)) = entry(class) else { return Section::Other };
            self.base_classes.insert(id, name);
            return Section::Class(id);
        }
        let vendor = entry(line).and_then(|(id, name)| Some((u16::try_from(id).ok()?, name)));
        match vendor.filter(|(id, _)| functions.iter().any(|function| function.vendor == *id)) {
            Some((id, name)) => {
                self.vendors.insert(id, name);
                Section::Vendor(id)
            }
            None => Section::Other,
        }
    }
}

/// Number and name on a line `10de  NVIDIA Corporation`; `None` for comments and lines of other kinds.
fn entry(line: &str) -> Option<(u32, String)> {
    let (id, name) = line.split_once("  ")?;
    Some((u32::from_str_radix(id, 16).ok()?, name.to_owned()))
}

#[cfg(test)]
mod test {
    use super::{PciNames, read};
    use crate::host::PciFunction;
    use crate::host::tree::lay_out;

    const DATABASE: &str = "# comment\n10de  NVIDIA Corporation\n# amid\n\n\t13c2  GM204 [GeForce GTX 970]\n\t\t1458 366a  GTX 970\n\
        1002  AMD\n\t13c2  Other\n\nC 03  Display controller\n\t00  VGA compatible controller\n\t\t00  VGA controller\n";

    fn card(device: u16) -> PciFunction {
        PciFunction { vendor: 0x10de, device, class: 0x03_0000, ..PciFunction::default() }
    }

    #[test]
    fn a_card_is_called_by_its_name_and_an_unknown_one_by_its_maker() {
        let tree = lay_out(&[("/usr/share/hwdata/pci.ids", DATABASE)]);
        let mut cards = [card(0x13c2), card(0xffff)];
        read(&tree.root, &mut cards);
        let known = PciNames {
            vendor: Some("NVIDIA Corporation".to_owned()),
            device: Some("GM204 [GeForce GTX 970]".to_owned()),
            class: Some("VGA compatible controller".to_owned()),
        };
        assert_eq!(cards[0].names, known);
        assert_eq!(cards[1].names, PciNames { device: None, ..known });
    }

    #[test]
    fn an_unknown_class_goes_by_its_base_class() {
        let tree = lay_out(&[("/usr/share/misc/pci.ids", DATABASE)]);
        let mut cards = [PciFunction { class: 0x03_8000, ..card(0x13c2) }];
        read(&tree.root, &mut cards);
        assert_eq!(cards[0].names.class.as_deref(), Some("Display controller"));
    }

    #[test]
    fn without_a_database_there_are_no_names() {
        let mut cards = [card(0x13c2)];
        read(&lay_out(&[]).root, &mut cards);
        assert_eq!(cards[0].names, PciNames::default());
    }
}
