//! A disk image that boots through UEFI into Debian's kernel and a small initramfs, which reports over the first
//! serial port what the guest sees.
//!
//! The disk is one FAT file system; its `\EFI\BOOT\BOOTX64.EFI` is a unified kernel image: systemd's EFI stub with
//! kernel, initramfs and command line as sections (UAPI group, "Unified Kernel Image"). No root is needed to build it.
//! Each report line reads `linux-guest: KEY=VALUE`; the file `init` beside this one says which keys there are.

mod disc;
mod image;
pub(crate) mod net;

use std::fs;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::support::setup;

/// What the guest does once it has reported.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    /// Powers off by itself.
    PowerOff,
    /// Powers off when the ACPI power button is pressed.
    WaitForPowerButton,
}

impl Then {
    /// Word on the kernel's command line; `init` knows it.
    fn word(self) -> &'static str {
        match self {
            Self::PowerOff => "then=poweroff",
            Self::WaitForPowerButton => "then=wait",
        }
    }
}

const INIT: &str = include_str!("init");

/// Loaded in this order, after what they depend on.
const MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "button", "evdev"];

/// Those of every storage bus and of shares; Debian's kernel for virtual machines lacks half of them.
const STORAGE_MODULES: [&str; 16] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "nvme",
    "ahci",
    "xhci-pci",
    "usb-storage",
    "sd_mod",
    "sr_mod",
    "fuse",
    "virtiofs",
    "9pnet_virtio",
    "9p",
    "button",
    "evdev",
    "isofs",
];

/// No mitigations, self-tests and delay calibration: half of the boot where every instruction is translated. Ticks that
/// come by themselves, since TCG can lose the interrupt that a halted vCPU waits for, and with its only timer the vCPU.
pub(crate) const KERNEL_PARAMETERS: &str = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check \
    lpj=4000000 cryptomgr.notests random.trust_cpu=on audit=0 lsm=yama nohz=off highres=off";

/// Image of the guest, built at the first call and kept in cargo's folder for temporary test files.
///
/// It is shared: let a test write to a copy of its own, or open it read-only. Raw, a whole number of MiB.
///
/// # Panics
/// Without `contrib/test-setup`, or when one of the tools fails.
pub(crate) fn image(then: Then) -> PathBuf {
    let parts = image::Parts {
        init: INIT,
        modules: &MODULES,
        command_line: format!("{KERNEL_PARAMETERS} {}", then.word()),
        kernel: setup::path("VMRUN_TEST_CLOUD_KERNEL"),
        modules_dir: setup::path("VMRUN_TEST_CLOUD_MODULES"),
        stub: setup::path("VMRUN_TEST_EFI_STUB"),
        busybox: setup::path("VMRUN_TEST_BUSYBOX"),
    };
    built(&parts)
}

/// Writes to `disc` a CD-ROM that boots into the same guest, which powers off by itself.
///
/// # Panics
/// As [`image`].
pub(crate) fn cdrom(disc: &Path) {
    disc::write(&image(Then::PowerOff), disc);
}

/// Image of a guest that has drivers for every storage bus and for shares, told `words`, and powers off by itself.
/// Kept and shared as [`image`] is.
///
/// # Panics
/// As [`image`].
pub(crate) fn storage_image(words: &str) -> PathBuf {
    let parts = image::Parts {
        init: INIT,
        modules: &STORAGE_MODULES,
        command_line: format!("{KERNEL_PARAMETERS} {} {words}", Then::PowerOff.word()),
        kernel: setup::path("VMRUN_TEST_KERNEL"),
        modules_dir: setup::path("VMRUN_TEST_MODULES"),
        stub: setup::path("VMRUN_TEST_EFI_STUB"),
        busybox: setup::path("VMRUN_TEST_BUSYBOX"),
    };
    built(&parts)
}

fn built(parts: &image::Parts) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
    let image = folder.join(format!("{:016x}.img", fingerprint(parts)));
    fs::create_dir_all(&folder).expect("the folder for images");
    // Several tests, in several processes, ask at once: the first builds, the others wait.
    let lock = File::create(folder.join("lock")).expect("the lock");
    lock.lock().expect("the lock is taken");
    if !image.exists() {
        image::build(parts, &image);
    }
    image
}

/// Changes with every input of the image.
fn fingerprint(parts: &image::Parts) -> u64 {
    let mut hasher = DefaultHasher::new();
    (parts.init, parts.modules, &parts.command_line).hash(&mut hasher);
    for file in [&parts.kernel, &parts.stub, &parts.busybox] {
        let meta = fs::metadata(file).expect("a part of the image");
        (file, meta.len(), meta.modified().expect("its time")).hash(&mut hasher);
    }
    hasher.finish()
}

/// What a guest said on its serial port.
#[derive(Debug)]
pub(crate) struct Report(Vec<(String, String)>);

impl Report {
    /// Facts in `serial`, in the order said; other lines, of firmware and kernel, are passed over.
    pub(crate) fn parse(serial: &str) -> Self {
        Self(serial.lines().filter_map(fact).collect())
    }

    /// Value of a key that is said once: `cpus`, `memtotal_kib`, `efi`, `product_name`, `cmdline`, …
    ///
    /// # Panics
    /// When the guest did not say it; the message holds all it said.
    pub(crate) fn one(&self, key: &str) -> &str {
        let Some(value) = self.all(key).first().copied() else {
            panic!("the guest did not say {key}: {self:?}");
        };
        value
    }

    /// All values of a key that may be said more than once: `pci`, `disk`.
    pub(crate) fn all(&self, key: &str) -> Vec<&str> {
        self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
    }
}

/// Key and value of one line of serial output, `None` for a line that is not the guest's.
///
/// The last key before the guest waits or powers off is `ready`.
pub(crate) fn fact(line: &str) -> Option<(String, String)> {
    let (key, value) = line.trim_end().strip_prefix("linux-guest: ")?.split_once('=')?;
    Some((key.to_owned(), value.to_owned()))
}
