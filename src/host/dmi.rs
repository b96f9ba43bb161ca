//! What the firmware calls this machine. Source: Linux `Documentation/ABI/testing/sysfs-class-dmi`.

use super::Root;
use std::collections::BTreeMap;

const FOLDER: &str = "/sys/class/dmi/id";

/// The fields that are read. Serial numbers and the UUID are not among them: a dump of the host is made to be shared.
const FIELDS: [&str; 14] = [
    "bios_vendor",
    "bios_version",
    "bios_date",
    "sys_vendor",
    "product_name",
    "product_version",
    "product_sku",
    "product_family",
    "board_vendor",
    "board_name",
    "board_version",
    "chassis_vendor",
    "chassis_version",
    "chassis_type",
];

/// The fields that have a text, by their names in sysfs; none on a machine without DMI.
pub(super) fn read(root: &Root) -> BTreeMap<String, String> {
    FIELDS.into_iter().filter_map(|name| Some((name.to_owned(), field(root, name)?))).collect()
}

/// Version and date of the firmware, as far as it tells them.
pub(super) fn version(root: &Root) -> String {
    let parts: Vec<_> = ["bios_version", "bios_date"].into_iter().filter_map(|name| field(root, name)).collect();
    parts.join(" ")
}

fn field(root: &Root, name: &str) -> Option<String> {
    clean(&root.text(format!("{FOLDER}/{name}"))?)
}

/// The text in printable ASCII, as SMBIOS wants it; `None` when nothing is left.
fn clean(text: &str) -> Option<String> {
    let plain: String = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { ' ' }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod test {
    use super::read;
    use crate::host::tree::lay_out;

    #[test]
    fn names_are_cleaned_and_serial_numbers_stay_secret() {
        let tree = lay_out(&[
            ("/sys/class/dmi/id/sys_vendor", "ASUSTeK  COMPUTER\u{7} INC. \n"),
            ("/sys/class/dmi/id/product_name", "  \n"),
            ("/sys/class/dmi/id/product_serial", "1234\n"),
        ]);
        let found: Vec<_> = read(&tree.root).into_iter().collect();
        assert_eq!(found, [("sys_vendor".to_owned(), "ASUSTeK COMPUTER INC.".to_owned())]);
    }
}
