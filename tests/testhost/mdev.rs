//! A mediated device, made of nothing by the kernel's own sample driver, `samples/vfio-mdev/mtty.c`: a serial port.
//!
//! Debian's kernel is built without its samples, so the module is built by hand, with `linux-headers` of the test host's
//! kernel and the file out of `linux-source` beside a Makefile that says `obj-m := mtty.o`:
//! `make -C /usr/src/linux-headers-RELEASE M=$PWD modules`; then
//! `VMRUN_TEST_MTTY=$PWD/mtty.ko cargo test --test testhost mdev:: -- --ignored`.

use super::scene::{VMRUN, assert_said, look, profile, run, trace};
use crate::host::{self, Layout};
use crate::support::setup;

#[test]
#[ignore = "needs a module that no distribution builds; see the head of this file"]
fn a_mediated_device_is_made_for_the_guest_and_gone_after_it() {
    let module = std::env::var("VMRUN_TEST_MTTY").expect("VMRUN_TEST_MTTY names the module; see the head of this file");
    let [qemu, _newer] = setup::qemus();
    let look =
        look("cd /sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2; ls devices | wc -l; cat available_instances");
    let tables = format!("[[mdev]]\nparent = \"mtty\"\ntype = \"mtty-2\"\naddr = \"09\"\n{look}");
    let profile = profile(&qemu, "", &tables);
    let (checked, ran, trace) = host::on(&Layout::KVM, |host| {
        host.ask(&format!("modprobe -a mdev vfio_iommu_type1; insmod {module}"))?;
        let checked = host.run(&format!("{VMRUN} host --dump | grep -c '\"id\": \"mtty-'"))?.text();
        let (ran, trace) = trace(host, |host| run(host, &profile))?;
        let left = host.run("ls /sys/bus/mdev/devices; rmmod mtty")?.text();
        Ok((checked, ran, format!("{trace}{left}")))
    });
    assert_eq!(checked, "2");
    assert_said(&ran.reply, &["id=4348:3253", "vmrun-guest: done"]);
    // Of 24 ports this one has two, which leaves eleven such.
    assert_eq!(ran.seen, "1\n11");
    assert_eq!(trace, "");
}
