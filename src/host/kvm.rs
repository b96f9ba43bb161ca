//! State of KVM.

use super::Root;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::io;

/// State of KVM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kvm {
    /// `/dev/kvm` can be opened and the host CPU has VMX or SVM.
    Usable,
    /// `/dev/kvm` can be opened, but the host CPU shows neither VMX nor SVM: a paravirtual stand-in, slow and without
    /// Hyper-V enlightenments.
    Standin,
    /// `/dev/kvm` is there and this user may not open it.
    Denied,
    /// There is no `/dev/kvm`.
    #[default]
    Absent,
}

/// State of KVM, by opening `/dev/kvm` and by `flags`, those of the host CPU.
pub(super) fn read(root: &Root, flags: &str) -> Kvm {
    match root.try_read_write("/dev/kvm") {
        Ok(()) if virtualises(flags) => Kvm::Usable,
        Ok(()) => Kvm::Standin,
        Err(error) if is_absent(&error) => Kvm::Absent,
        Err(_) => Kvm::Denied,
    }
}

/// A node made by hand or by the container stands there without its module: `ENXIO` or `ENODEV`.
fn is_absent(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO | Errno::ENODEV))
}

/// Whether the host CPU shows VMX or SVM.
fn virtualises(flags: &str) -> bool {
    flags.split_ascii_whitespace().any(|flag| flag == "vmx" || flag == "svm")
}

#[cfg(test)]
mod test {
    use super::{is_absent, read};
    use crate::host::Kvm;
    use crate::host::tree::lay_out;
    use std::io;

    const INTEL: &str = "fpu vme vmx smx";
    const PLAIN: &str = "fpu vme hypervisor";

    #[test]
    fn kvm_is_usable_where_the_cpu_virtualises() {
        let tree = lay_out(&[("/dev/kvm", "")]);
        assert_eq!(read(&tree.root, INTEL), Kvm::Usable);
        assert_eq!(read(&tree.root, "fpu svm"), Kvm::Usable);
    }

    #[test]
    fn kvm_on_a_cpu_without_vmx_and_svm_is_a_stand_in() {
        let tree = lay_out(&[("/dev/kvm", "")]);
        assert_eq!(read(&tree.root, PLAIN), Kvm::Standin);
    }

    #[test]
    fn without_its_node_kvm_is_absent() {
        let tree = lay_out(&[]);
        assert_eq!(read(&tree.root, INTEL), Kvm::Absent);
    }

    #[test]
    fn a_node_that_cannot_be_opened_is_denied() {
        // A folder refuses to be opened for writing to everyone, root included.
        let tree = lay_out(&[("/dev/kvm/x", "")]);
        assert_eq!(read(&tree.root, INTEL), Kvm::Denied);
        assert!(!is_absent(&io::Error::from_raw_os_error(13)));
    }

    #[test]
    fn a_node_without_its_module_is_absent() {
        assert!(is_absent(&io::Error::from_raw_os_error(6)));
        assert!(is_absent(&io::Error::from_raw_os_error(19)));
    }
}
