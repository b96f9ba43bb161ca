//! What files of many people have in common, in the smallest form that has it.

use super::fate;
use vmrun::import::{Import, import};
use vmrun::profile::Profile;

pub(crate) fn made(name: &str, text: &str) -> Import {
    let made = import(name, text.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.what));
    if let Err(error) = toml::from_str::<Profile>(&made.profile) {
        panic!("{error}\n{}", made.profile);
    }
    made
}

/// Asserts that each of `lines` stands in the profile.
pub(crate) fn has(made: &Import, lines: &[&str]) {
    let Import { profile, .. } = made;
    for line in lines {
        assert!(profile.contains(&format!("\n{line}\n")), "{line}\n{profile}");
    }
}

#[test]
fn a_disk_that_kept_nothing_is_not_written_to() {
    let one = "qemu-system-x86_64 -m 1G -drive file=/dev/sdb,format=raw,if=virtio,snapshot=on -drive file=a.raw,format=raw,if=virtio\n";
    let made_of_one = made("vm.sh", one);
    has(&made_of_one, &["# file = \"/dev/sdb\"", "file = \"a.raw\""]);
    assert_eq!(fate(&made_of_one.report, "-drive file=/dev/sdb"), "to decide");
    let all = made("vm.sh", "qemu-system-x86_64 -m 1G -hda a.raw -cdrom b.iso -snapshot\n");
    has(&all, &["# file = \"a.raw\"", "file = \"b.iso\""]);
    let xml = "<domain type='kvm'><name>a</name><memory>1048576</memory><os><type machine='q35'>hvm</type></os><devices>\
               <disk type='block' device='disk'><driver name='qemu' type='raw'/><source dev='/dev/sdb'/>\
               <target dev='vda' bus='virtio'/><transient/></disk></devices></domain>";
    let domain = made("a.xml", xml);
    has(&domain, &["# file = \"/dev/sdb\""]);
    assert!(!domain.report.is_complete());
}

#[test]
fn a_script_that_puts_its_command_together_and_looks_for_qemu_is_read() {
    let script = "QEMU=\"$(readlink -e $DIR/bin/qemu-system-x86_64)\"\nCMD=\"\"\nCMD+=\" $QEMU\"\nCMD+=\" -machine q35,accel=kvm\"\n\
                  CMD+=\" -m 8G -drive file=/vm/a.qcow2,if=virtio,format=qcow2\"\nCMD+=\" -device vfio-pci,host=61:00.0\"\neval $CMD\n";
    has(
        &made("vm.sh", script),
        &["type = \"q35\"", "size = \"8G\"", "file = \"/vm/a.qcow2\"", "host = \"0000:61:00.0\""],
    );
}

#[test]
fn a_part_of_a_card_is_known_by_its_parents_folder_and_properties_of_devices_are_kept() {
    let script = "qemu-system-x86_64 -M pc -m 1G -device \
                  vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:00:02.0/f50aab10-7cc8-11e9-a94b-6b9d8245bfc1,display=on \
                  -device vfio-pci,host=01:00.0,id=card,x-igd-opregion=on,x-igd-gms=2,bootindex=1 \
                  -drive file=a.raw,format=raw,if=virtio -set device.card.addr=02.0 -set device.card.x-vga=on\n";
    let card = made("vm.sh", script);
    has(
        &card,
        &[
            "uuid = \"f50aab10-7cc8-11e9-a94b-6b9d8245bfc1\"",
            "display = true",
            "addr = \"02.0\"",
            "x_vga = true",
            "properties = { bootindex = 1, x-igd-gms = 2, x-igd-opregion = true }",
            "boot_index = 2",
        ],
    );
    assert_eq!(fate(&card.report, "-set device.card.addr"), "translated");
}

#[test]
fn proxmoxs_own_display_and_what_args_set_are_kept() {
    let conf = "args: -set device.hostpci0.addr=03.0 -set device.hostpci0.x-igd-gms=0x2\ncores: 2\nmemory: 2048\n\
                ostype: l26\nhostpci0: 0000:00:02.0,legacy-igd=1,romfile=igd.rom\nscsi0: local-lvm:vm-1-disk-0\n";
    let whole = made("1.conf", conf);
    has(&whole, &["addr = \"03.0\"", "kind = \"vnc\"", "video = \"std\"", "rom = \"/usr/share/kvm/igd.rom\""]);
    has(&whole, &["properties = { x-igd-gms = 2 }"]);
    has(&made("2.conf", &conf.replace("args", "#args")), &["addr = \"02.0\""]);
}

#[test]
fn quickemus_further_words_are_its_guests() {
    let conf = "guest_os=\"linux\"\ndisk_img=\"u/disk.qcow2\"\niso=\"u/u.iso\"\nkeyboard=\"virtio\"\nmouse=\"virtio\"\n\
                ssh_port=\"2222\"\nextra_args=\"-device vfio-pci,host=01:00.0 -device vfio-pci,host=01:00.1\"\n";
    let linux = made("u.conf", conf);
    has(&linux, &["host = \"0000:01:00.1\"", "kind = \"virtio-keyboard\"", "kind = \"gtk\"", "video = \"virtio\""]);
    assert!(linux.profile.contains("2222"), "{}", linux.profile);
    assert!(linux.report.is_complete(), "{:#?}", linux.report.entries);
    let mac = made("m.conf", &conf.replace("linux", "macos"));
    assert_eq!(fate(&mac.report, "guest_os"), "to decide");
}

#[test]
fn a_command_line_out_of_libvirts_log_is_read_behind_its_variables() {
    let log = "LC_ALL=C PATH=/usr/sbin:/usr/bin HOME=/var/lib/libvirt/qemu/domain-1-win /usr/bin/qemu-system-x86_64 -name guest=win \
               -machine pc-q35-6.2,accel=kvm -m 4096 -drive id=a,id=b,file=/vm/a.raw,format=raw,if=none -device virtio-blk-pci,drive=a\n";
    let guest = made("vm.sh", log);
    has(&guest, &["name = \"win\"", "type = \"pc-q35-6.2\"", "file = \"/vm/a.raw\""]);
    assert!(!guest.profile.contains("PATH"), "{}", guest.profile);
}

#[test]
fn a_default_stands_in_for_a_variable_that_is_empty() {
    let script = "CPU=\nqemu-system-x86_64 -m 1G -cpu ${CPU:-host,vendor=GenuineIntel}\n";
    let cpu = made("vm.sh", script);
    has(&cpu, &["model = \"host\"", "    \"-global\",", "    \"host-x86_64-cpu.vendor=GenuineIntel\","]);
    assert!(cpu.report.is_complete(), "{:?}", cpu.report);
}

#[test]
fn what_draws_by_opengl_for_a_server_is_found_wherever_it_stands() {
    let drawn = ["gl = true", "rendernode = \"/dev/dri/renderD129\"", "video = \"virtio-gl\""];
    for server in ["-spice port=5930,disable-ticketing=on", "-vnc 127.0.0.1:30"] {
        let headless = "-display egl-headless,rendernode=/dev/dri/renderD129";
        for options in [format!("{headless} {server}"), format!("{server} {headless}")] {
            let guest = made("vm.sh", &format!("qemu-system-x86_64 -m 1G {options} -device virtio-vga-gl\n"));
            has(&guest, &drawn);
            has(&guest, &["port = 5930"]);
            assert!(guest.report.is_complete(), "{options}: {:?}", guest.report);
        }
    }
    // QEMU takes no gl=on with a port, so this one never ran.
    let script =
        "qemu-system-x86_64 -m 1G -spice port=5930,gl=on,rendernode=/dev/dri/renderD129 -device virtio-vga-gl\n";
    let guest = made("vm.sh", script);
    has(&guest, &drawn);
    assert_eq!(fate(&guest.report, "-spice port=5930"), "translated");
    let alone = made("vm.sh", "qemu-system-x86_64 -m 1G -display egl-headless,rendernode=/dev/dri/renderD129\n");
    has(&alone, &["kind = \"egl-headless\"", "rendernode = \"/dev/dri/renderD129\""]);
    let socket = made("vm.sh", "qemu-system-x86_64 -m 1G -spice unix=on,addr=/run/s,gl=on\n");
    has(&socket, &["path = \"/run/s\"", "gl = true"]);
    let domain = |graphics: &str| {
        let xml = format!(
            "<domain type='kvm'><name>a</name><memory>1048576</memory><os><type machine='q35'>hvm</type></os><devices>\
             {graphics}<video><model type='virtio'><acceleration accel3d='yes'/></model></video></devices></domain>"
        );
        made("a.xml", &xml)
    };
    let headless = "<graphics type='egl-headless'><gl rendernode='/dev/dri/renderD129'/></graphics>";
    for server in ["spice", "vnc"] {
        let guest = domain(&format!("{headless}<graphics type='{server}' port='5930'/>"));
        has(&guest, &drawn);
        assert!(guest.report.is_complete(), "{server}: {:?}", guest.report);
    }
    let guest =
        domain("<graphics type='spice' port='5930'><gl enable='yes' rendernode='/dev/dri/renderD129'/></graphics>");
    has(&guest, &drawn);
}

#[test]
fn a_second_display_is_told_and_no_display_is_none() {
    let two = made("vm.sh", "qemu-system-x86_64 -m 1G -display gtk,gl=on -vnc :1 -vnc :2 -spice port=5930\n");
    has(&two, &["kind = \"spice\"", "port = 5930"]);
    assert!(!two.profile.contains("gl = true"), "{}", two.profile);
    for other in ["-display gtk,gl=on", "-vnc :1", "-vnc :2"] {
        assert_eq!(fate(&two.report, other), "dropped", "{other}");
    }
    let quiet = made("vm.sh", "qemu-system-x86_64 -m 1G -spice port=5930 -nographic\n");
    has(&quiet, &["kind = \"spice\"", "port = 5930"]);
    assert!(quiet.report.is_complete(), "{:?}", quiet.report);
}

#[test]
fn a_picture_in_the_terminal_comes_over_as_one_that_a_viewer_shows() {
    for words in ["-curses", "-display curses"] {
        let made = made("vm.sh", &format!("qemu-system-x86_64 -m 1G {words}\n"));
        has(&made, &["kind = \"vnc\"", "video = \"std\""]);
        assert_eq!(fate(&made.report, words), "translated");
    }
}

#[test]
fn a_disk_without_an_image_is_asked_for_and_an_empty_drive_is_one() {
    let guest = made("vm.sh", "qemu-system-x86_64 -m 1G -drive if=virtio,format=raw -drive if=ide,media=cdrom\n");
    has(&guest, &["# [[disk]]", "# file = \"disk.qcow2\"", "[[disk]]", "cdrom = true"]);
    assert_eq!(fate(&guest.report, "-drive if=virtio"), "to decide");
    let xml = "<domain type='kvm'><name>a</name><memory>1048576</memory><os><type machine='q35'>hvm</type></os><devices>\
               <disk type='file' device='disk'><target dev='vda' bus='virtio'/></disk></devices></domain>";
    let domain = made("a.xml", xml);
    has(&domain, &["# [[disk]]", "# bus = \"virtio\""]);
    assert!(!domain.report.is_complete());
}

#[test]
fn a_placeholder_in_smbios_is_no_uuid() {
    let place = "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX";
    let guest = made("vm.sh", &format!("qemu-system-x86_64 -m 1G -smbios type=1,uuid={place},manufacturer=A\n"));
    has(&guest, &["# uuid = \"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\"", "manufacturer = \"A\""]);
    assert_eq!(fate(&guest.report, "-smbios type=1"), "to decide");
    let xml = format!(
        "<domain type='kvm'><name>a</name><memory>1048576</memory><sysinfo type='smbios'><system><entry name='uuid'>{place}</entry>\
         </system></sysinfo><os><type machine='q35'>hvm</type><smbios mode='sysinfo'/></os></domain>"
    );
    let domain = made("a.xml", &xml);
    has(&domain, &["# uuid = \"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\""]);
    assert!(!domain.report.is_complete());
    let uuid = "12345678-9abc-4def-8123-456789abcdef";
    let own = made("a.xml", &xml.replace(place, uuid));
    has(&own, &[&format!("uuid = \"{uuid}\"")]);
    assert!(!own.profile.contains("The file has no uuid"), "{}", own.profile);
}

#[test]
fn numa_nodes_have_the_vcpus_that_are_there_each_of_them_once() {
    let nodes = "-numa node,mem=1G,cpus=0-7 -numa node,mem=1G,cpus=8-15";
    let two = made("vm.sh", &format!("qemu-system-x86_64 -smp 2,sockets=1,cores=2,threads=1,maxcpus=16 {nodes}\n"));
    has(&two, &["cores = 2", "cpus = \"0-1\""]);
    assert!(!two.profile.contains("cpus = \"8-15\""), "{}", two.profile);
    assert_eq!(fate(&two.report, "-numa node,mem=1G,cpus=8-15"), "translated");
    let more = made("vm.sh", &format!("qemu-system-x86_64 -smp 20 {nodes}\n"));
    has(&more, &["cpus = \"0-7,16-19\"", "cpus = \"8-15\""]);
    let by_socket = "qemu-system-x86_64 -smp 4,sockets=2 -numa node,mem=1G -numa node,mem=1G\n";
    has(&made("vm.sh", by_socket), &["cpus = \"0-1\"", "cpus = \"2-3\""]);
    let bare = made("vm.sh", "qemu-system-x86_64 -m 2G -smp 2 -numa node,cpus=0-1\n");
    has(&bare, &["size = \"2G\""]);
}

#[test]
fn a_word_that_qemu_does_not_know_takes_no_option_with_it() {
    let script = "qemu-system-x86_64 --version\nqemu-system-x86_64 -device help | grep vfio\n\
                  qemu-system-x86_64 -v -m 2G -hda a.raw\n";
    let guest = made("vm.sh", script);
    has(&guest, &["size = \"2G\"", "file = \"a.raw\""]);
    assert_eq!(fate(&guest.report, "-v"), "dropped");
    assert!(!guest.profile.contains("version"), "{}", guest.profile);
}

#[test]
fn an_entry_of_firmware_is_kept_and_one_that_qemu_makes_itself_is_told() {
    let script =
        "qemu-system-x86_64 -m 1G -fw_cfg name=etc/igd-opregion,file=/vm/opregion.bin -fw_cfg etc/e820,file=/vm/e820\n";
    let guest = made("vm.sh", script);
    has(&guest, &["name = \"etc/igd-opregion\"", "file = \"/vm/opregion.bin\""]);
    assert_eq!(fate(&guest.report, "-fw_cfg etc/e820"), "dropped");
    assert!(!guest.profile.contains("etc/e820"), "{}", guest.profile);
}

#[test]
fn a_second_guest_in_a_script_is_told_and_no_companion() {
    let two = made("vm.sh", "sudo qemu-system-x86_64 -m 1G &\nsudo qemu-system-x86_64 -m 2G &\n");
    assert!(!two.profile.contains("[[service]]"), "{}", two.profile);
    assert!(!two.report.is_complete());
}

#[test]
fn what_is_no_uuid_is_asked_for_and_what_libvirt_adds_without_need_is_no_loss() {
    let xml = "<domain type='kvm'><name>a</name><uuid>YOUR-UUID</uuid><memory>1048576</memory><os><type machine='q35'>hvm</type></os>\
               <devices><watchdog model='itco' action='reset'/><redirdev bus='usb' type='spicevmc'/></devices></domain>";
    let domain = made("a.xml", xml);
    has(&domain, &["# uuid = \"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx\"", "model = \"itco\""]);
    let entries = &domain.report.entries;
    let open: Vec<_> =
        entries.iter().filter(|entry| !entry.fate.is_settled()).map(|entry| entry.what.as_str()).collect();
    assert_eq!(open, ["domain/uuid"]);
}

#[test]
fn what_smbios_tells_of_processor_and_memory_is_kept_and_an_empty_field_is_none() {
    let script = "qemu-system-x86_64 -m 1G -smbios type=4,processor-id=0xbfebfbff000906ea,max-speed=4000,serial= \
                  -smbios type=17,loc_pfx=DIMM,manufacturer=Corsair,speed=3600\n";
    let guest = made("vm.sh", script);
    has(&guest, &["processor_id = \"0xbfebfbff000906ea\"", "max_speed = \"4000\""]);
    has(&guest, &["[smbios.memory]", "loc_pfx = \"DIMM\"", "manufacturer = \"Corsair\"", "speed = \"3600\""]);
    assert!(guest.report.is_complete(), "{:?}", guest.report);
    let fan = made("vm.sh", "qemu-system-x86_64 -m 1G -smbios type=8,internal_reference='CPU FAN',port_type=0xFF\n");
    has(&fan, &["    \"type=8,internal_reference=CPU FAN,port_type=0xFF\","]);
    assert!(fan.report.is_complete(), "{:?}", fan.report);
    let board =
        made("vm.sh", "qemu-system-x86_64 -m 1G -smbios file=/srv/board.bin -smbios type=9,slot_designation=PCIE1\n");
    has(&board, &["    \"file=/srv/board.bin\",", "    \"type=9,slot_designation=PCIE1\","]);
    assert!(board.report.is_complete(), "{:?}", board.report);
    let wrong = made("vm.sh", "qemu-system-x86_64 -m 1G -smbios type=17,speed=fast,serial=1\n");
    has(&wrong, &["serial = \"1\""]);
    assert_eq!(fate(&wrong.report, "-smbios type=17"), "dropped");
}

#[test]
fn what_a_script_only_shows_is_no_part_of_the_guest() {
    let guest = made("vm.sh", "free -h\nlspci -nnk\ndate &\nqemu-system-x86_64 -m 1G\n");
    assert!(!guest.profile.contains("hook") && !guest.profile.contains("service"), "{}", guest.profile);
    assert_eq!(fate(&guest.report, "free"), "not needed");
    let log = made("vm.sh", "lspci > /var/log/lspci\nqemu-system-x86_64 -m 1G\n");
    assert_ne!(fate(&log.report, "lspci"), "not needed");
}

#[test]
fn what_a_domain_says_of_its_firmwares_formats_and_classes_of_threads_is_never_taken_for_another() {
    let domain = "<domain type='kvm'><name>g</name><vcpu>2</vcpu><iothreads>1</iothreads><cputune>\
                  <vcpusched vcpus='0' scheduler='fifo' priority='2'/></cputune><os><type machine='q35'>hvm</type>\
                  <loader type='pflash' readonly='no'>/usr/share/OVMF/OVMF_CODE.fd</loader>\
                  <nvram format='qcow2'>/srv/g_VARS.qcow2</nvram></os><devices>\
                  <serial type='unix'><source mode='connect' path='/run/a'/></serial>\
                  <interface type='vhostuser'><source type='unix' path='/run/v' mode='server'/></interface></devices></domain>";
    let guest = made("guest.xml", domain);
    has(&guest, &["code = \"/usr/share/OVMF/OVMF_CODE.fd\"", "# nvram = \"/srv/g_VARS.qcow2\"", "sched = \"fifo:2\""]);
    assert!(!guest.profile.contains("format = \"qcow2\""), "{}", guest.profile);
    for (what, is) in [
        ("domain/os/nvram", "to decide"),
        ("domain/os/loader", "dropped"),
        ("domain/cputune/vcpusched", "translated"),
        ("domain/devices/serial/source", "translated"),
        ("domain/devices/interface/source", "dropped"),
    ] {
        assert_eq!(fate(&guest.report, what), is, "{what}\n{:#?}", guest.report);
    }
    let both = domain.replace(
        "priority='2'/>",
        "priority='2'/><vcpusched vcpus='1' scheduler='fifo' priority='2'/>\
                               <iothreadsched iothreads='1' scheduler='fifo' priority='2'/>",
    );
    assert_ne!(fate(&made("guest.xml", &both).report, "domain/cputune/vcpusched"), "translated");
}

#[test]
fn a_firmware_that_libvirt_gave_as_a_rom_is_asked_about() {
    let domain = "<domain type='kvm'><name>g</name><os><type machine='q35'>hvm</type>\
                  <loader type='rom'>/srv/OVMF.fd</loader></os></domain>";
    let guest = made("guest.xml", domain);
    has(&guest, &["# image = \"/srv/OVMF.fd\""]);
    assert_eq!(fate(&guest.report, "domain/os/loader"), "to decide");
}

#[test]
fn offloads_of_a_card_are_off_when_one_of_them_is() {
    let domain = "<domain type='kvm'><name>g</name><os><type machine='q35'>hvm</type></os><devices>\
                  <interface type='user'><model type='virtio'/><driver><host csum='on' gso='on'/></driver></interface>\
                  </devices></domain>";
    let on = made("guest.xml", domain);
    assert!(!on.profile.contains("offloads") && on.report.is_complete(), "{}", on.profile);
    has(&made("guest.xml", &domain.replace("gso='on'", "gso='off'")), &["offloads = false"]);
}

#[test]
fn properties_of_an_emulated_card_are_kept() {
    let script = "qemu-system-x86_64 -m 1G -device virtio-gpu-pci,id=gpu,edid=off,max_outputs=2,disable-legacy=on\n";
    let guest = made("vm.sh", script);
    has(&guest, &["heads = 2", "    \"virtio-vga.edid=off\",", "    \"virtio-vga.disable-legacy=on\","]);
    assert!(guest.report.is_complete(), "{:?}", guest.report);
}
