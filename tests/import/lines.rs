//! What QEMU's options may be written like, and what of them a profile has no word for.

use super::fate;
use crate::strangers::{has, made};

#[test]
fn the_recipe_of_looking_glass_for_libvirt_is_the_table_of_it() {
    let xml = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name>\
               <memory>1048576</memory><os><type machine='q35'>hvm</type></os><qemu:commandline>\
               <qemu:arg value='-device'/><qemu:arg value=\"{'driver':'ivshmem-plain','id':'shmem0','memdev':'looking-glass'}\"/>\
               <qemu:arg value='-object'/><qemu:arg value=\"{'qom-type':'memory-backend-file','id':'looking-glass',\
               'mem-path':'/dev/kvmfr0','size':33554432,'share':true}\"/></qemu:commandline></domain>";
    let guest = made("a.xml", xml);
    has(&guest, &["[looking_glass]", "size = \"32M\"", "path = \"/dev/kvmfr0\""]);
    assert!(!guest.profile.contains("[qemu]"), "{}", guest.profile);
}

#[test]
fn the_key_of_the_first_word_may_be_written_out() {
    let written = "qemu-system-x86_64 -machine type=q35 -accel accel=kvm -m 1G -smp cpus=8,cores=4,threads=2 \
                   -object qom-type=iothread,id=io1 -drive file=/a.raw,format=raw,if=none,id=d0 \
                   -device driver=virtio-blk-pci,drive=d0,iothread=io1 -netdev type=user,id=n0 \
                   -device driver=virtio-net-pci,netdev=n0 -nic type=user,model=e1000 -display type=gtk \
                   -audiodev driver=pa,id=a0 -device driver=ich9-intel-hda -device driver=hda-duplex,audiodev=a0 \
                   -fsdev fsdriver=local,id=f,path=/srv,security_model=none -device driver=virtio-9p-pci,fsdev=f,mount_tag=s \
                   -chardev backend=socket,id=c,path=/t -tpmdev type=emulator,id=t0,chardev=c -device driver=tpm-crb,tpmdev=t0\n";
    let keys = ["type", "accel", "cpus", "qom-type", "driver", "fsdriver", "backend"];
    let short = keys.iter().fold(written.to_owned(), |text, key| text.replace(&format!(" {key}="), " "));
    assert_eq!(made("a.sh", written).profile, made("a.sh", &short).profile);
}

#[test]
fn of_two_pieces_of_shared_memory_looking_glass_has_its_table_and_the_other_goes_on_to_qemu() {
    let script = "qemu-system-x86_64 -m 1G -object memory-backend-file,id=s,share=on,mem-path=/dev/shm/scream,size=2M \
                  -device ivshmem-plain,memdev=s -object memory-backend-file,id=lg,share=on,mem-path=/dev/shm/looking-glass,size=64M \
                  -device ivshmem-plain,memdev=lg\n";
    let guest = made("a.sh", script);
    has(&guest, &["[looking_glass]", "size = \"64M\""]);
    has(&guest, &["    \"memory-backend-file,id=s,share=on,mem-path=/dev/shm/scream,size=2M\","]);
    assert!(guest.profile.contains("\"memdev\":\"s\"") || guest.profile.contains("\\\"memdev\\\":\\\"s\\\""));
    assert!(!guest.profile.contains("path = \"/dev/shm/scream\""), "{}", guest.profile);
    assert!(guest.report.is_complete(), "{:#?}", guest.report);
    let one = made("a.sh", &script.replace("-device ivshmem-plain,memdev=lg", ""));
    has(&one, &["[looking_glass]", "size = \"2M\"", "path = \"/dev/shm/scream\""]);
}

#[test]
fn a_second_piece_with_the_name_of_vmruns_own_is_told_and_does_not_clash() {
    let xml = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name>\
               <memory>1048576</memory><os><type machine='q35'>hvm</type></os><devices><shmem name='looking-glass'>\
               <model type='ivshmem-plain'/><size unit='M'>64</size></shmem></devices><qemu:commandline>\
               <qemu:arg value='-device'/><qemu:arg value='ivshmem-plain,memdev=looking-glass'/><qemu:arg value='-object'/>\
               <qemu:arg value='memory-backend-file,id=looking-glass,mem-path=/dev/kvmfr0,size=32M,share=on'/>\
               </qemu:commandline></domain>";
    let guest = made("a.xml", xml);
    has(&guest, &["[looking_glass]", "size = \"64M\""]);
    assert_eq!(fate(&guest.report, "-device ivshmem-plain"), "dropped");
    assert!(!guest.profile.contains("kvmfr0"), "{}", guest.profile);
}

#[test]
fn a_board_that_qemu_fills_in_is_there() {
    let guest = made("a.sh", "qemu-system-x86_64 -m 1G -smbios type=2\n");
    has(&guest, &["[smbios.board]", "manufacturer = \"QEMU\""]);
    assert_eq!(fate(&guest.report, "-smbios type=2"), "translated");
    let given = made("a.sh", "qemu-system-x86_64 -m 1G -smbios type=2,manufacturer=A -smbios type=2\n");
    has(&given, &["manufacturer = \"A\""]);
}

#[test]
fn a_clipboard_that_was_closed_is_not_opened_in_silence() {
    let agent = "-device virtserialport,chardev=v,name=com.redhat.spice.0 -chardev spicevmc,id=v,name=vdagent";
    let spice = "qemu-system-x86_64 -m 1G -spice port=5900,disable-ticketing=on,disable-copy-paste=on";
    assert_eq!(fate(&made("a.sh", &format!("{spice} {agent}\n")).report, "-spice port"), "dropped");
    assert_eq!(fate(&made("a.sh", &format!("{spice}\n")).report, "-spice port"), "translated");
    let xml = |agent: &str| {
        format!(
            "<domain type='kvm'><name>a</name><memory>1048576</memory><os><type machine='q35'>hvm</type></os><devices>\
             <graphics type='spice'><clipboard copypaste='no'/><filetransfer enable='no'/></graphics>{agent}</devices></domain>"
        )
    };
    let open =
        made("a.xml", &xml("<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>"));
    let closed = made("a.xml", &xml(""));
    for what in ["domain/devices/graphics/clipboard", "domain/devices/graphics/filetransfer"] {
        assert_eq!((fate(&open.report, what), fate(&closed.report, what)), ("dropped", "not needed"), "{what}");
    }
}

#[test]
fn the_clock_of_a_cpu_is_understood_or_told_of() {
    let line = |value: &str| made("a.sh", &format!("qemu-system-x86_64 -m 1G -cpu host,tsc-freq={value}\n"));
    has(&line("3.6G"), &["tsc_frequency = 3600000000"]);
    assert_eq!(fate(&line("fast").report, "-cpu host"), "dropped");
}

#[test]
fn vcpus_that_nothing_is_said_of_are_what_the_machine_makes_of_them() {
    let smp = |machine: &str, smp: &str| {
        let guest = made("a.sh", &format!("qemu-system-x86_64 -m 1G -M {machine} -smp {smp}\n"));
        let cpu: toml::Table = guest.profile.parse().expect("it is TOML");
        ["sockets", "cores", "threads"].map(|key| cpu["cpu"].get(key).and_then(toml::Value::as_integer).unwrap_or(1))
    };
    assert_eq!(smp("pc-q35-5.2", "4,threads=2"), [2, 1, 2]);
    assert_eq!(smp("pc-i440fx-6.1", "4"), [4, 1, 1]);
    assert_eq!(smp("pc-q35-5.2", "8,sockets=2"), [2, 4, 1]);
    assert_eq!(smp("pc-q35-6.2", "4,threads=2"), [1, 2, 2]);
    assert_eq!(smp("q35", "4"), [1, 4, 1]);
}
