//! Where distributions put OVMF, for hosts whose packages bring no descriptors.

use super::firmware::is_there;
use super::{Firmware, Root};

/// Code image, template of the variable store, format. Plain builds only: whether another one asks for SMM cannot be
/// told from its file name.
///
/// The file lists of the packages: Debian and Ubuntu `ovmf`; Arch `edk2-ovmf`, now and before 2024; Fedora `edk2-ovmf`,
/// now and before 38; Gentoo `edk2-ovmf`; openSUSE `qemu-ovmf-x86_64`; QEMU's own build.
const KNOWN: [(&str, &str, &str); 9] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", "raw"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", "raw"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd", "raw"),
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd", "raw"),
    ("/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2", "/usr/share/edk2/ovmf/OVMF_VARS_4M.qcow2", "qcow2"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd", "raw"),
    ("/usr/share/edk2-ovmf/OVMF_CODE.fd", "/usr/share/edk2-ovmf/OVMF_VARS.fd", "raw"),
    ("/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin", "raw"),
    ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd", "raw"),
];

/// The pairs that are there, in the table's order.
pub(super) fn read(root: &Root) -> Vec<Firmware> {
    KNOWN.iter().map(firmware).filter(|firmware| is_there(root, firmware)).collect()
}

fn firmware(&(code, vars, format): &(&str, &str, &str)) -> Firmware {
    Firmware {
        code: code.into(),
        format: format.to_owned(),
        vars: Some(vars.into()),
        features: Vec::new(),
        machines: ["pc-i440fx-*", "pc-q35-*"].map(str::to_owned).to_vec(),
        descriptor: None,
    }
}
