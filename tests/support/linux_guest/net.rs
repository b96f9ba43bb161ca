//! The Linux guest with networks: kernel and initramfs for QEMU to load, without firmware and disk.

use super::{KERNEL_PARAMETERS, fingerprint, image};
use crate::support::setup;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// First process; says `net=…` for each interface, then `ready=…`, and serves [`PAGE`].
const INIT: &str = include_str!("net-init");

const MODULES: [&str; 4] = ["virtio_pci", "virtio_net", "button", "evdev"];

/// What the guest answers on its port 80.
pub(crate) const PAGE: &str = "a page of the guest";

/// Tables of a profile that boot the guest with `addresses`: `eth0=192.168.1.2 eth1=dhcp`.
pub(crate) fn tables(addresses: &str) -> String {
    format!(
        "[machine]\naccel = \"tcg\"\n[cpu]\ncores = 2\n[memory]\nsize = \"256M\"\n[kernel]\nimage = \"{}\"\ninitrd = \"{}\"\n\
         append = \"{KERNEL_PARAMETERS} {addresses}\"\n[[serial]]\nto = \"file\"\npath = \"serial.log\"\n",
        setup::path("VMRUN_TEST_CLOUD_KERNEL").display(),
        initramfs().display()
    )
}

/// Built at the first call and kept in cargo's folder for temporary test files.
fn initramfs() -> PathBuf {
    let parts = image::Parts {
        init: INIT,
        modules: &MODULES,
        command_line: String::new(),
        kernel: setup::path("VMRUN_TEST_CLOUD_KERNEL"),
        modules_dir: setup::path("VMRUN_TEST_CLOUD_MODULES"),
        stub: setup::path("VMRUN_TEST_EFI_STUB"),
        busybox: setup::path("VMRUN_TEST_BUSYBOX"),
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("linux-guest");
    let kept = folder.join(format!("{:016x}.cpio", fingerprint(&parts)));
    fs::create_dir_all(&folder).expect("the folder for images");
    let lock = File::create(folder.join("lock")).expect("the lock");
    lock.lock().expect("the lock is taken");
    if !kept.exists() {
        let work = tempfile::tempdir_in(&folder).expect("a folder to build in");
        fs::rename(image::initramfs(&parts, work.path()), &kept).expect("the finished initramfs");
    }
    kept
}
