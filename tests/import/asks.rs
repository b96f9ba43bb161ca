//! What a stranger's file does not tell is asked in the profile, commented out, and never made up.

use super::fate;
use vmrun::import::{Import, Report, import};
use vmrun::profile::Profile;

/// The profile of `text`, which is one, and the report, which is not complete.
fn asked(name: &str, text: &str) -> (String, Report) {
    let Import { profile, report, .. } =
        import(name, text.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.what));
    if let Err(error) = toml::from_str::<Profile>(&profile) {
        panic!("{error}\n{profile}");
    }
    assert!(!report.is_complete(), "{profile}\n{:#?}", report.entries);
    (profile, report)
}

/// The lines of the profile that are not commented out.
fn active(profile: &str) -> String {
    profile.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_a_script_computes_is_no_part_of_the_guest() {
    let script = "GPU=$(lspci | head -c7)\n\
                  qemu-system-x86_64 -name $NAME -m $RAM -smp $CORES -uuid $(uuidgen) -bios \"$FW\" \
                  -drive file=$DISK,format=raw,if=virtio -drive file=/w.vmdk,if=virtio -device vfio-pci,host=$GPU,x-vga=on \
                  -device vfio-pci,host=$1 -device ne2k_pci,netdev=n,mac=$MAC -netdev user,id=n -device $DEVICE \
                  -device vhost-user-fs-pci,tag=x,chardev=c -chardev socket,id=c,path=/x -device usb-host,vendorid=$V \"$@\"\n";
    let (profile, report) = asked("vm.sh", script);
    let plain = active(&profile);
    for made_up in
        ["$", "0000:", "[[disk]]", "[[pci]]", "[[net]]", "[[share]]", "uuid", "size", "cores", "kind = \"bios\""]
    {
        assert!(!plain.contains(made_up), "{made_up}\n{profile}");
    }
    for line in [
        "# file = \"$DISK\"",
        "# host = \"$1\"",
        "# mac = \"$MAC\"",
        "# file = \"/w.vmdk\"",
        "# x_vga = true",
        "`$DEVICE`",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
    for what in
        ["-smp", "-m", "-uuid", "-name", "-drive file=$DISK", "-device $DEVICE", "-device vfio-pci,host=$1", "$@"]
    {
        assert_eq!(fate(&report, what), "to decide", "{what}");
    }
}

#[test]
fn a_fifth_ide_disk_is_asked_about_and_the_others_are_in_the_order_of_their_places() {
    let script = "qemu-system-x86_64 -m 1G -drive file=d.raw,format=raw,index=3 -hda a.raw -cdrom c.iso \
                  -device ide-hd,drive=b,bus=ide.0 -drive if=none,id=b,file=b.raw,format=raw \
                  -device ide-hd,drive=e -drive if=none,id=e,file=e.raw,format=raw\n";
    let (profile, report) = asked("vm.sh", script);
    let files: Vec<_> = profile.lines().filter(|line| line.contains("file = ")).collect();
    let wanted = ["a.raw", "b.raw", "c.iso", "d.raw"].map(|name| format!("file = \"{name}\""));
    assert_eq!(files[..4], wanted, "{profile}");
    assert_eq!(files[4..], ["# file = \"e.raw\""], "{profile}");
    assert_eq!(fate(&report, "-device ide-hd,drive=e"), "to decide");
}

#[test]
fn what_only_proxmox_knows_waits_for_its_answer() {
    let conf = "cores: 2\nmemory: 2048\nostype: l26\nscsihw: virtio-scsi-single\nhostpci0: mapping=gpu,x-vga=1\n\
                hostpci1: 00:02.0,mdev=i915-GVTg_V5_4\nscsi0: ceph:vm-101-disk-0,iothread=1,serial=S1\n\
                scsi1: local-lvm:base-9000-disk-0/vm-101-disk-1,iothread=1\n\
                scsi2: local:9000/base-9000-disk-0.qcow2/101/vm-101-disk-2.qcow2\nide2: nas:iso/win.iso,media=cdrom\n";
    let (profile, report) = asked("101.conf", conf);
    let plain = active(&profile);
    for line in [
        "file = \"/dev/pve/vm-101-disk-1\"",
        "file = \"/var/lib/vz/images/101/vm-101-disk-2.qcow2\"",
        "iothread = \"iothread-scsi1\"",
        "parent = \"0000:00:02.0\"\ntype = \"i915-GVTg_V5_4\"",
    ] {
        assert!(plain.contains(line), "{line}\n{profile}");
    }
    for made_up in ["ceph", "nas", "[[pci]]", "base-9000"] {
        assert!(!plain.contains(made_up), "{made_up}\n{profile}");
    }
    for line in
        ["# file = \"ceph:vm-101-disk-0\"", "# serial = \"S1\"", "# device = \"gpu\"", "pvesm path nas:iso/win.iso"]
    {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
    for (what, word) in [("scsi0", "to decide"), ("scsi1", "kept"), ("hostpci0", "to decide"), ("ide2", "to decide")] {
        assert_eq!(fate(&report, what), word, "{what}");
    }
}

#[test]
fn an_image_of_another_format_and_a_volume_of_a_pool_wait_for_their_answers() {
    let xml = "<domain type='kvm'><name>a</name><memory>1048576</memory><os><type machine='q35'>hvm</type></os><devices>\
               <disk type='file' device='disk'><driver name='qemu' type='vmdk'/><source file='/a.vmdk'/>\
               <target dev='vda' bus='virtio'/></disk>\
               <disk type='volume' device='disk'><driver name='qemu' type='qcow2' cache='none'/>\
               <source pool='fast' volume='b.qcow2'/><target dev='vdb' bus='virtio'/><serial>B1</serial></disk>\
               <interface type='user'><model type='pcnet'/></interface></devices></domain>";
    let (profile, _) = asked("a.xml", xml);
    let plain = active(&profile);
    assert!(!plain.contains("[[disk]]") && !plain.contains("[[net]]"), "{profile}");
    for line in
        ["# file = \"/a.vmdk\"", "virsh vol-path --pool fast b.qcow2", "# cache = \"none\"", "# serial = \"B1\""]
    {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
}
