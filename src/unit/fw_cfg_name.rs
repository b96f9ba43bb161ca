//! A name of an entry that firmware and guest read over QEMU's `fw_cfg`.

/// Names that QEMU itself gives every PC; it ends when somebody adds one of them again. QEMU: `hw/nvram/fw_cfg.c`,
/// `fw_cfg_add_file_callback`.
const OF_QEMU: [&str; 9] = [
    "etc/acpi/rsdp",
    "etc/acpi/tables",
    "etc/e820",
    "etc/msr_feature_control",
    "etc/reserved-memory-end",
    "etc/smbios/smbios-anchor",
    "etc/smbios/smbios-tables",
    "etc/system-states",
    "etc/table-loader",
];

/// Whether an entry may be called `name`: those of users begin with `opt/`, those of firmware that QEMU makes in some guests
/// only with `etc/`. QEMU: `docs/specs/fw_cfg.rst`.
#[must_use]
pub fn is_free_fw_cfg_name(name: &str) -> bool {
    let rest = name.strip_prefix("opt/").or_else(|| name.strip_prefix("etc/"));
    rest.is_some_and(|rest| !rest.is_empty()) && !OF_QEMU.contains(&name)
}

#[cfg(test)]
mod test {
    use super::is_free_fw_cfg_name;

    #[test]
    fn a_name_that_qemu_gives_every_pc_is_not_free() {
        assert!(is_free_fw_cfg_name("opt/org.example/a") && is_free_fw_cfg_name("etc/igd-opregion"));
        assert!(!is_free_fw_cfg_name("etc/e820") && !is_free_fw_cfg_name("opt/") && !is_free_fw_cfg_name("bootorder"));
    }
}
