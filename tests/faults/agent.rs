//! A Linux guest with QEMU's own agent in it, an interface, and nothing else.

use crate::support::linux_guest::KERNEL_PARAMETERS;
use crate::support::modules::load_order;
use crate::support::setup::{path, run};
use crate::support::vmrun::Bench;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const AGENT: &str = "/usr/sbin/qemu-ga";

/// First process: says so when the agent is about to listen, and becomes it.
const INIT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
for module in /modules/*; do $b insmod "$module"; done
$b ip address add 10.0.2.77/24 dev eth0
$b ip link set eth0 up
while [ "$($b cat /sys/class/virtio-ports/vport*/name)" != org.qemu.guest_agent.0 ]; do $b sleep 0.2; done
echo agent ready
exec /bin/qemu-ga -m virtio-serial -p /dev/vport*p1 -t /run
"#;

/// In the folder of the initramfs: what the agent is linked with, and all in one archive.
const PACK: &str = r#"set -eu
ldd "$0" | grep -o '/lib[^ ]*' | xargs -I{} cp -L --parents {} .
find . | cpio --create --format=newc --quiet --owner=0:0 >../initrd"#;

/// Profile of the guest, with `more` tables.
pub(crate) fn profile(bench: &Bench, more: &str) -> PathBuf {
    let root = bench.path("root");
    for folder in ["bin", "dev", "proc", "sys", "run", "modules"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy(path("VMRUN_TEST_BUSYBOX"), root.join("bin/busybox")).unwrap();
    fs::copy(AGENT, root.join("bin/qemu-ga")).expect("contrib/test-setup installs it");
    fs::write(root.join("init"), INIT).unwrap();
    run(Command::new("chmod").arg("755").arg(root.join("init")));
    let modules = path("VMRUN_TEST_CLOUD_MODULES");
    for (number, file) in
        load_order(&modules, &["virtio_pci", "virtio_console", "virtio_net", "button"]).iter().enumerate()
    {
        fs::copy(modules.join(file), root.join(format!("modules/{number:02}"))).unwrap();
    }
    run(Command::new("sh").args(["-c", PACK, AGENT]).current_dir(&root));
    let kernel = path("VMRUN_TEST_CLOUD_KERNEL");
    let text = fs::read_to_string(bench.profile("", more)).unwrap();
    let text = text.replace("size = \"64M\"", "size = \"256M\"");
    let text = text.replace("image = \"guest.elf\"", &format!("image = \"{}\"\ninitrd = \"initrd\"", kernel.display()));
    bench.write("guest.toml", &text.replace("report=brief ", KERNEL_PARAMETERS))
}
