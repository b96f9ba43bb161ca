//! What is another when a guest comes back although no key was told to be missing, and why that is no silence.

/// A part of what differs in a case, or, with a `*` at its end, in those that begin so.
pub(crate) struct Known {
    pub(crate) case: &'static str,
    pub(crate) part: &'static str,
    /// Why it is right so; for who reads this table.
    _why: &'static str,
}

const fn known(case: &'static str, part: &'static str, why: &'static str) -> Known {
    Known { case, part, _why: why }
}

/// By libvirt's domain.
pub(crate) const BY_LIBVIRT: [Known; 20] = [
    known("audio/of_qemus_user", "-audiodev", "the server is that of qemu.user, which is told"),
    known("disk/buses", "scsi1", "the controller is that of an iothread, which is told of the other disk"),
    known("disk/buses", "iothread", "as above"),
    known("disk/derived_without_io_uring", "drive1", "libvirt's disks without an iothread get one"),
    known("gpu/*", "is refused: pci[0].host", "gpu.mode is told, without which the card is in use"),
    known("layers/empty_array", "054c:05c4", "the one before it, which is not enabled, has left it its number"),
    known("machine/switches", "mem-merge", "domains merge pages unless they say otherwise, and guests of vmrun do not"),
    known("pci/iommufd", "vfio-pci", "told of the slot, whose functions come back one by one"),
    known("pci/iommufd_on_demand", "vfio-pci", "as above"),
    known("qemu/args", "msg", "told by the import as not needed: vmrun stamps QEMU's log itself"),
    known("qemu/args", "timestamp", "as above"),
    known("qemu/args", "overcommit", "QEMU's own choice is the same"),
    known("qemu/args", "cpu-pm", "as above"),
    known("qemu/args", "env: QEMU_", "told by the import as not needed: there is no sound card"),
    known("qemu/user", "/run/vmrun/win/", "the folder of sockets is that of qemu.user, which is told"),
    known("qemu/user", "-add-fd", "a descriptor for qemu.user, which is told"),
    known("qemu/user", "owner", "files are given to qemu.user, which is told"),
    known("*", "to decide: domain/devices/tpm", "the state of a TPM lies in another place with libvirt"),
    known("usb_controller/ehci_pc", "\"usb\"", "told by the import as translated: a bare EHCI takes few devices"),
    known("usb_controller/uhci", "\"usb\"", "told by the import as translated: a q35 has an xHCI"),
];

/// Of a refusal that follows from what is done on the host, which is no part of a command line.
const HOST: &str = "what is done on the host first is no part of a command line";

/// By QEMU's command line.
pub(crate) const BY_COMMAND_LINE: [Known; 25] = [
    known("cpu/dies_intel_tcg", "min-level", "told as passed on in qemu.args, where it stands twice then"),
    known("cpu/dies_intel_tcg", "-global", "as above"),
    known("disk/derived_without_io_uring", "drive1", "a line's disks without an iothread get one"),
    known("firmware/qcow2", "is refused: firmware.nvram", "a store that vmrun made is not made of a line"),
    known("gpu/*", "is refused: pci[0].host", HOST),
    known("input/not_required", "-object", "the one that is not there has left its number to the next"),
    known("mdev/made", "is refused: mdev[0]", HOST),
    known("memory/file", "memory-backend", "told as translated: memory without a folder"),
    known("memory/path", "memory-backend", "as above"),
    known("memory/seed", "memory-backend", "as above"),
    known("pci/busy_application_stopped", "is refused: pci[0].host", HOST),
    known("pci/busy_units_stopped", "is refused: pci[0].host", HOST),
    known("pci/last_keyboard_given", "is refused: pci[0].host", HOST),
    known("pci/no_reset_forced", "is refused: pci[0].host", HOST),
    known("pci/unit_stopped", "is refused: pci[0].host", HOST),
    known("pci/user_unit_stopped", "is refused: pci[0].host", HOST),
    known("pci/virtual_function", "is refused: pci[", HOST),
    known("pci/virtual_function", "vfio-pci", HOST),
    known("qemu/args", "msg", "told as not needed: vmrun stamps QEMU's log itself"),
    known("qemu/args", "timestamp", "as above"),
    known("qemu/args", "overcommit", "QEMU's own choice is the same"),
    known("qemu/args", "cpu-pm", "as above"),
    known("usb/last_keyboard_given", "is refused: usb[0]", HOST),
    known("usb_controller/ehci_pc", "\"usb\"", "told as translated: a bare EHCI takes few devices"),
    known("usb_controller/uhci", "\"usb\"", "told as translated: a q35 has an xHCI"),
];
