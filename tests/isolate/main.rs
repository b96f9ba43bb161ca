//! `vmrun isolate` on laid out machines of five distributions: what it shows, writes, and takes back to the byte.
//!
//! The diff that each machine is shown stands in `tests/isolate/<machine>.diff`, with more options in `.all.diff`; `UPDATE=1`
//! writes them anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod machine;
mod used;

use machine::{arch, debian, fedora, opensuse, pop_os};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn each_distribution_is_shown_what_it_needs_and_nothing_is_written() {
    for machine in [arch(), fedora(), debian(), opensuse(), pop_os()] {
        let before = machine.everything();
        let shown = machine.isolate(&["01:00"]);
        assert_eq!(shown.code, 0, "{}: {}", machine.name, shown.stderr);
        machine.matches("diff", &shown.stdout);
        let all = machine.isolate(&["01:00", "--by-address", "--passthrough"]);
        machine.matches("all.diff", &all.stdout);
        assert!(shown.stderr.contains("nothing was written"), "{}", shown.stderr);
        assert_eq!(machine.everything(), before, "{}", machine.name);
    }
}

#[test]
fn what_was_applied_is_taken_back_to_the_byte_and_applying_twice_is_applying_once() {
    for machine in [arch(), fedora(), debian(), opensuse(), pop_os()] {
        for more in [&[][..], &["--by-address", "--passthrough"]] {
            let before = machine.everything();
            let applied = machine.isolate(&[&["01:00", "--apply"], more].concat());
            assert_eq!(applied.code, 0, "{}: {}", machine.name, applied.stderr);
            let after = machine.everything();
            assert_ne!(after, before);
            let again = machine.isolate(&[&["01:00", "--apply"], more].concat());
            assert!(again.stderr.contains("all of it is written already"), "{}: {}", machine.name, again.stderr);
            assert_eq!(machine.everything(), after);
            let removed = machine.isolate(&["--remove"]);
            assert_eq!(removed.code, 0, "{}", removed.stderr);
            assert_eq!(machine.everything(), before, "{}", machine.name);
        }
    }
}

#[test]
fn that_nothing_is_isolated_is_an_answer_and_applying_nothing_is_refused() {
    let machine = arch();
    let status = machine.isolate(&[]);
    let answer = "nothing is isolated at boot; `vmrun isolate 01:00` shows what would be written\n";
    assert_eq!((status.code, &*status.stdout), (0, answer), "{}", status.stderr);
    let json: serde_json::Value = serde_json::from_str(&machine.isolate(&["--json"]).stdout).unwrap();
    assert_eq!(json, serde_json::json!({ "functions": [], "images": [] }));
    let refused = machine.isolate(&["--apply"]);
    assert_eq!(refused.code, 10);
    assert!(refused.stderr.contains("no device is named that could be isolated at boot"), "{}", refused.stderr);
}

#[test]
fn another_form_takes_the_place_of_the_first() {
    let machine = debian();
    let before = machine.everything();
    machine.isolate(&["01:00", "--apply", "--by-address"]);
    assert!(machine.has("/usr/local/sbin/vmrun-vfio-override"));
    let changed = machine.isolate(&["01:00", "--apply"]);
    assert!(changed.stdout.contains("+++ /dev/null"), "{}", changed.stdout);
    assert!(!machine.has("/usr/local/sbin/vmrun-vfio-override"));
    assert!(machine.text("/etc/modprobe.d/vmrun-vfio.conf").contains("options vfio-pci ids=10de:13c2,10de:0fbb\n"));
    machine.isolate(&["--remove"]);
    assert_eq!(machine.everything(), before);
}

#[test]
fn generated_scripts_pass_shellcheck() {
    let machine = debian();
    machine.isolate(&["01:00", "--apply", "--by-address"]);
    for script in ["/usr/local/sbin/vmrun-vfio-override", "/etc/initramfs-tools/hooks/vmrun-vfio"] {
        let output = Command::new("shellcheck").arg(machine.path(script)).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(machine.text("/usr/local/sbin/vmrun-vfio-override").ends_with("\nexec modprobe -i vfio-pci \"$@\"\n"));
}

#[test]
fn twins_are_told_apart_by_their_address() {
    let machine = arch();
    machine.function("0000:02:00.0", "10de:13c2", "0x030000", Some("nouveau"), Some(14));
    let shown = machine.isolate(&["01:00"]);
    assert!(shown.stdout.contains("+install vfio-pci /usr/local/sbin/vmrun-vfio-override"), "{}", shown.stdout);
    assert!(shown.stdout.contains("+give 0000:01:00.0 0x10de:0x13c2\n+give 0000:01:00.1 0x10de:0x0fbb\n"));
    assert!(!shown.stdout.contains("give 0000:02:00.0"));
}

#[test]
fn a_group_is_taken_whole_or_not_at_all() {
    let machine = arch();
    machine.function("0000:03:00.0", "8086:1533", "0x020000", Some("igb"), Some(13));
    let refused = machine.isolate(&["01:00"]);
    assert_eq!(refused.code, 11);
    assert!(refused.stderr.contains("IOMMU group 13 has more in it: 0000:03:00.0 8086:1533 (driver igb)"));
    let whole = machine.isolate(&["01:00", "03:00.0"]);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    // The root port of the group stays where it is.
    assert!(whole.stdout.contains("options vfio-pci ids=10de:13c2,10de:0fbb,8086:1533"), "{}", whole.stdout);
}

#[test]
fn the_card_that_the_host_starts_with_is_told() {
    let machine = arch();
    machine.write("/sys/bus/pci/devices/0000:01:00.0/boot_vga", "1\n");
    let shown = machine.isolate(&["01:00"]);
    assert_eq!(shown.code, 0);
    assert!(
        shown.stderr.contains("0000:01:00.0 is the card that the firmware shows its screen on"),
        "{}",
        shown.stderr
    );
}

#[test]
fn commands_that_make_the_files_count_are_told() {
    let told = |machine: machine::Machine| machine.isolate(&["01:00", "--passthrough"]).stderr;
    assert!(told(arch()).contains("\n  mkinitcpio -P\n"));
    assert!(
        told(fedora())
            .contains("\n  dracut --force --regenerate-all\n  grubby --update-kernel=ALL --args=\"iommu=pt\"\n")
    );
    assert!(told(debian()).contains("\n  update-initramfs -u -k all\n  update-grub\n"));
    assert!(told(opensuse()).contains("\n  dracut --force --regenerate-all\n  sdbootutil update-all-entries\n"));
    assert!(told(pop_os()).contains("\n  update-initramfs -u -k all\n  kernelstub --add-options \"iommu=pt\"\n"));
}

#[test]
fn the_only_card_a_bridge_and_an_empty_slot_are_refused() {
    let machine = arch();
    let bridge = machine.isolate(&["00:01.0"]);
    assert!(bridge.stderr.contains("0000:00:01.0 is a bridge, which stays with the host"), "{}", bridge.stderr);
    let empty = machine.isolate(&["7f:00"]);
    assert!(empty.stderr.contains("there is no PCI device 0000:7f:00.0"), "{}", empty.stderr);
    machine.remove_function("0000:00:02.0");
    let only = machine.isolate(&["01:00"]);
    assert!(only.stderr.contains("0000:01:00.0 is the host's only graphics card"), "{}", only.stderr);
    assert_eq!(machine.isolate(&["01:00", "--headless"]).code, 0);
}

#[test]
fn files_that_are_not_understood_are_refused_and_nothing_is_written() {
    let machine = arch();
    fs::remove_dir_all(machine.path("/etc/mkinitcpio.conf.d")).unwrap();
    machine.write("/etc/mkinitcpio.conf", "MODULES=(\n  ext4\n)\nFILES=()\n");
    let before = machine.everything();
    let refused = machine.isolate(&["01:00", "--apply"]);
    assert_eq!(refused.code, 10);
    assert!(refused.stderr.contains("/etc/mkinitcpio.conf has a MODULES that is no plain list"), "{}", refused.stderr);
    assert_eq!(machine.everything(), before);
}

#[test]
fn an_older_mkinitcpio_is_edited_in_place_before_its_graphics_drivers() {
    let machine = arch();
    fs::remove_dir_all(machine.path("/etc/mkinitcpio.conf.d")).unwrap();
    machine.write("/etc/mkinitcpio.conf", "# mine\nMODULES=\"amdgpu nouveau\"\nHOOKS=(base udev)\n");
    machine.isolate(&["01:00", "--apply", "--by-address"]);
    assert_eq!(
        machine.text("/etc/mkinitcpio.conf"),
        "# mine\nMODULES=\"vfio_pci vfio_iommu_type1 amdgpu nouveau\"\nHOOKS=(base udev)\n\
         FILES=(/etc/modprobe.d/vmrun-vfio.conf /usr/local/sbin/vmrun-vfio-override)\n"
    );
}

#[test]
fn a_file_changed_since_is_left_alone_and_told() {
    let machine = fedora();
    machine.isolate(&["01:00", "--apply"]);
    machine.write("/etc/modprobe.d/vmrun-vfio.conf", "# mine now\n");
    let again = machine.isolate(&["01:00"]);
    assert!(
        again.stderr.contains("/etc/modprobe.d/vmrun-vfio.conf was changed since vmrun wrote it"),
        "{}",
        again.stderr
    );
    let removed = machine.isolate(&["--remove"]);
    assert_eq!(removed.code, 41);
    assert_eq!(machine.text("/etc/modprobe.d/vmrun-vfio.conf"), "# mine now\n");
    assert!(!machine.has("/etc/dracut.conf.d/vmrun-vfio.conf"));
}

#[test]
fn left_overs_of_other_guides_are_recognised() {
    let machine = arch();
    machine.write("/proc/cmdline", "root=/dev/sda2 pci-stub.ids=10de:13c2 amd_iommu=on\n");
    machine.write("/etc/mkinitcpio.conf", "MODULES=(vfio_virqfd pci-stub)\n");
    let told = machine.isolate(&["01:00"]).stderr;
    for what in [
        "the kernel is told `pci-stub.ids=10de:13c2`",
        "/etc/mkinitcpio.conf names the module vfio_virqfd",
        "/etc/mkinitcpio.conf names the module pci-stub",
        "`amd_iommu=on` among the kernel's arguments does nothing",
    ] {
        assert!(told.contains(what), "{what}\n{told}");
    }
    machine.write(
        "/etc/modprobe.d/vfio.conf",
        "options vfio-pci ids=10de:13c2\ninstall vfio-pci /sbin/vfio-pci-override.sh\n",
    );
    let refused = machine.isolate(&["01:00"]);
    assert_eq!(refused.code, 10);
    assert!(refused.stderr.contains("`options vfio-pci ids=10de:13c2`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`install vfio-pci /sbin/vfio-pci-override.sh`"), "{}", refused.stderr);
}

#[test]
fn a_built_in_vfio_pci_is_told_on_the_kernels_command_line_and_cannot_go_by_address() {
    let machine = pop_os();
    machine.builtin_vfio_pci();
    let shown = machine.isolate(&["01:00", "--apply"]);
    assert!(shown.stderr.contains("kernelstub --add-options \"vfio-pci.ids=10de:13c2,10de:0fbb\""), "{}", shown.stderr);
    assert!(!machine.has("/etc/modprobe.d/vmrun-vfio.conf"));
    let removed = machine.isolate(&["--remove"]);
    assert!(removed.stderr.contains("kernelstub --delete-options \"vfio-pci.ids=10de:13c2,10de:0fbb\""));
    let refused = machine.isolate(&["01:00", "--by-address"]);
    assert!(refused.stderr.contains("this kernel has vfio-pci built in"), "{}", refused.stderr);
}

#[test]
fn intel_needs_an_argument_only_while_there_are_no_groups() {
    let machine = debian();
    machine.write("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n");
    assert!(!machine.isolate(&["01:00"]).stdout.contains("intel_iommu"));
    machine.ungroup();
    let shown = machine.isolate(&["01:00"]);
    assert!(shown.stdout.contains("+GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash intel_iommu=on\""), "{}", shown.stdout);
    assert!(shown.stderr.contains("no IOMMU groups yet"), "{}", shown.stderr);
    machine.write("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n");
    assert!(!machine.isolate(&["01:00"]).stdout.contains("iommu=on"));
}

#[test]
fn a_stale_image_is_told_by_its_time_and_by_what_is_in_it() {
    let machine = debian();
    machine.image("/boot/initrd.img-6.1.0-25-amd64", Path::new("/usr/bin/lsinitramfs"), &["etc/modprobe.d/other.conf"]);
    machine.isolate(&["01:00", "--apply"]);
    machine.age("/boot/initrd.img-6.1.0-25-amd64", -60);
    let stale = machine.isolate(&[]);
    assert!(
        stale.stdout.contains("stale /boot/initrd.img-6.1.0-25-amd64: it is older than the files"),
        "{}",
        stale.stdout
    );
    assert!(stale.stdout.contains("update-initramfs -u -k all"), "{}", stale.stdout);
    machine.age("/boot/initrd.img-6.1.0-25-amd64", 60);
    let lacking = machine.isolate(&[]);
    assert!(lacking.stdout.contains("it has no /etc/modprobe.d/vmrun-vfio.conf"), "{}", lacking.stdout);
    let whole =
        ["etc/modprobe.d/vmrun-vfio.conf", "usr/lib/modules/6.1.0-25-amd64/kernel/drivers/vfio/pci/vfio-pci.ko"];
    machine.image("/boot/initrd.img-6.1.0-25-amd64", Path::new("/usr/bin/lsinitramfs"), &whole);
    machine.age("/boot/initrd.img-6.1.0-25-amd64", 60);
    assert!(machine.isolate(&[]).stdout.contains("good  /boot/initrd.img-6.1.0-25-amd64"));
}

#[test]
fn a_profile_names_the_functions_that_it_passes() {
    let machine = arch();
    machine.write("/home/win.toml", "schema = 1\nname = \"win\"\n[[pci]]\nhost = \"01:00.0\"\n");
    let profile = machine.path("/home/win.toml");
    let shown = machine.isolate(&[profile.to_str().unwrap()]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(
        shown.stdout.starts_with("# 0000:01:00.0 10de:13c2, IOMMU group 13, now nouveau\n# 0000:01:00.1"),
        "{}",
        shown.stdout
    );
}

#[test]
fn two_makers_of_images_are_a_question() {
    let machine = arch();
    machine.program("/usr/bin/dracut");
    let asked = machine.isolate(&["01:00"]);
    assert_eq!(asked.code, 10);
    assert!(asked.stderr.contains("--initramfs mkinitcpio"), "{}", asked.stderr);
    assert!(machine.isolate(&["01:00", "--initramfs", "dracut"]).stdout.contains("force_drivers+="));
    let booster = machine.isolate(&["01:00", "--initramfs", "booster"]);
    assert!(booster.stdout.contains("+modules_force_load: vfio_pci,vfio_iommu_type1"), "{}", booster.stdout);
    let script = machine.isolate(&["01:00", "--initramfs", "booster", "--by-address"]);
    assert!(script.stderr.contains("booster cannot run the script"), "{}", script.stderr);
}
