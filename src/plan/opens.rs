//! What QEMU opens itself, by its name.

use std::path::PathBuf;

/// Something of the host that QEMU opens itself, so that the user it runs as must be allowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opens {
    /// Key path of the profile that wants it.
    pub at: String,
    /// Where it is. The folder `vfio-dev` of a PCI function stands for the node of that function, which has its number
    /// only when vfio-pci has the function.
    pub path: PathBuf,
    /// For what.
    pub access: Access,
    /// Whose it is.
    pub lot: Lot,
}

/// For what something is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To be read.
    Read,
    /// To be read and written; a folder, to make something in it.
    Write,
}

/// Whose something is that QEMU opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lot {
    /// A node of a device that is the guest's alone while it runs, so that it can be handed over.
    Device,
    /// A node that others use at the same time, so that its owner stays.
    Common,
    /// A node that root opens and QEMU inherits where it runs as another user than vmrun.
    Inherited,
    /// A file or folder of somebody's, which nobody but they may open to others.
    File,
    /// A folder of somebody's, in which QEMU makes something.
    Folder,
}
