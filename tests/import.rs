//! `vmrun import`, driven as a user drives it: what comes out is a profile, and every line is accounted for.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "import/asks.rs"]
mod asks;
#[path = "import/lines.rs"]
mod lines;
#[path = "import/shares.rs"]
mod shares;
#[path = "import/shell.rs"]
mod shell;
#[path = "import/strangers.rs"]
mod strangers;
mod support;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::setup::{path, qemus};
use support::vmrun::Bench;
use tempfile::tempdir;
use vmrun::import::{Fate, import};
use vmrun::profile::Profile;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

fn vmrun(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vmrun")).arg("import").args(words).output().expect("vmrun runs")
}

/// The profile that the file becomes, which must be one, and its report.
fn imported(name: &str) -> (String, vmrun::import::Report) {
    let bytes = std::fs::read(file(name)).expect("the file is there");
    let made = import(name, &bytes).unwrap_or_else(|problem| panic!("{name}: {}", problem.what));
    if let Err(error) = toml::from_str::<Profile>(&made.profile) {
        panic!("{name}: {error}\n{}", made.profile);
    }
    (made.profile, made.report)
}

fn refusal(bytes: &[u8]) -> String {
    import("guest.xml", bytes).expect_err("it is refused").what
}

#[test]
fn the_guides_libvirt_guest_comes_over_whole() {
    let (profile, report) = imported("seed-libvirt.xml");
    assert!(report.is_complete(), "{:#?}", report.entries);
    for line in [
        "type = \"pc-i440fx-2.4\"",
        "uuid = \"a3bf6450-d26b-4815-b564-b1c9b098a740\"",
        "mac = \"52:54:00:fa:59:92\"",
        "host = \"0000:02:00.0\"",
        "x_vga = true",
        "server = \"unix:/run/user/1000/pulse/native\"",
        "samples = 1024",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
}

#[test]
fn the_guides_script_comes_over_whole() {
    let (profile, report) = imported("seed-windows.sh");
    assert!(report.is_complete(), "{:#?}", report.entries);
    for line in [
        "name = \"Windows\"",
        "hide_kvm = true",
        "hv_spinlocks = 0x1fff",
        "hv_vendor_id = \"sugoidesu\"",
        "hugepages = \"2M\"",
        "image = \"./Windows_ovmf_x64.bin\"",
        "bridge = \"br0\"",
        "addr = \"09.1\"",
        "# Logitech G27",
        "id = \"046d:c29b\"",
        "unit = \"smbd.service\"",
        "user = \"REGULAR_USER\"",
        // What is commented out there is commented out here.
        "# # Steam Controller",
        "# id = \"28de:1142\"",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
    // Each line but empty ones, `done` of loops and the like among them.
    let script = std::fs::read_to_string(file("seed-windows.sh")).expect("the file is there");
    let told: Vec<_> = report.entries.iter().map(|entry| entry.line).collect();
    let silent = |line: &str| line.trim().is_empty() || line.starts_with("#!");
    let missed: Vec<_> = script.lines().zip(1..).filter(|(line, at)| !silent(line) && !told.contains(at)).collect();
    assert_eq!(missed, []);
}

/// What became of the piece that begins with `what`.
fn fate(report: &vmrun::import::Report, what: &str) -> &'static str {
    let found = report.entries.iter().find(|entry| entry.what.starts_with(what));
    found.unwrap_or_else(|| panic!("{what}: {:#?}", report.entries)).fate.word()
}

#[test]
fn what_a_script_does_around_qemu_is_carried_over_or_asked_and_never_taken_for_needless() {
    let (profile, report) = imported("around.sh");
    for (what, word) in [
        ("cd /srv/vm", "to decide"),
        ("echo 4096 >", "translated"),
        ("echo 0000:01:00.0 >", "not needed"),
        ("sysctl -w vm.swappiness=1", "to decide"),
        ("sudo cpupower frequency-set -g performance", "to decide"),
        ("sudo tee /sys/module/kvm/parameters/ignore_msrs", "translated"),
        ("trap 'rm -f /tmp/lock' EXIT", "to decide"),
        ("cat <<EOF", "to decide"),
        ("systemctl stop display-manager", "to decide"),
        ("xset -dpms", "to decide"),
        (">/var/log/vm.log 2>&1", "not needed"),
        ("pkill compton", "to decide"),
        ("pkill scream", "not needed"),
        ("if [ $1 = gpu ]", "to decide"),
        ("xrandr --output DP-1 --auto", "to decide"),
        ("-vga qxl", "dropped"),
    ] {
        assert_eq!(fate(&report, what), word, "{what}");
    }
    for line in [
        "ignore_msrs = true",
        "hugepages = \"2M\"",
        "run = [\"scream\", \"-i\", \"virbr0\"]",
        "# run = [\"sh\", \"-c\", \"sysctl -w vm.swappiness=1 >/dev/null\"]",
        "# governor = \"performance\"",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
    // No word of a redirection, of a text or of another command has become a device or a service.
    assert_eq!(profile.matches("[[disk]]").count(), 1, "{profile}");
    assert_eq!(profile.lines().filter(|line| *line == "[[service]]").count(), 1, "{profile}");
}

/// The profile without what this host has not: its tables `lists` and lines that begin with one of `keys`.
fn without(profile: &str, lists: &[&str], keys: &[&str]) -> String {
    let tables = profile.split("\n\n").filter(|table| {
        let header = table.lines().find(|line| line.starts_with('['));
        !header.is_some_and(|header| lists.contains(&header))
    });
    let lines = tables.map(|table| {
        let kept = table.lines().filter(|line| !keys.iter().any(|key| line.starts_with(key)));
        kept.collect::<Vec<_>>().join("\n")
    });
    lines.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn both_versions_of_qemu_take_what_the_guides_guests_become() {
    for qemu in qemus() {
        for (name, machine) in [("seed-windows.sh", None), ("seed-libvirt.xml", Some("type = \"pc\""))] {
            let bench = Bench::new(&qemu.binary);
            for disk in ["Windows.img", "win7", "windane"] {
                std::fs::write(bench.path(disk), vec![0; 1 << 20]).expect("a disk");
            }
            std::fs::copy(path("VMRUN_TEST_OVMF_CODE"), bench.path("Windows_ovmf_x64.bin")).expect("a firmware");
            let lists = ["[[pci]]", "[[usb]]", "[[service]]"];
            // KVM, huge pages, a bridge, a sound server and the irqchip of KVM are not to be had here.
            let keys = ["hugepages", "kernel_irqchip", "bridge", "server", "samples"];
            let mut text = without(&imported(name).0, &lists, &keys);
            for (from, to) in [
                ("accel = \"kvm\"", "accel = \"tcg\""),
                ("type = \"pc-i440fx-2.4\"", "accel = \"tcg\"\ntype = \"pc-i440fx-2.4\""),
                ("mode = \"bridge\"", "mode = \"user\""),
                ("driver = \"pa\"", "driver = \"none\""),
                ("size = \"8G\"", "size = \"256M\""),
                ("model = \"host\"", "model = \"max\""),
                ("/dev/rootvg/", ""),
            ] {
                text = text.replace(from, to);
            }
            // Machines older than six years are gone from QEMU, and vmrun says which there are.
            if let Some(machine) = machine {
                text = text.replace("type = \"pc-i440fx-2.4\"", machine);
            }
            let guest = name.split('.').next().expect("a stem");
            let text = text.replace("name = \"Windows\"", &format!("name = \"{guest}\""));
            let text = text.replace("name = \"win7\"", &format!("name = \"{guest}\""));
            let profile =
                bench.write("imported.toml", &format!("{text}\n[qemu]\nbinary = \"{}\"\n", qemu.binary.display()));
            let mut run = bench.start(&[profile.to_str().expect("text")]);
            run.until("guest running");
            let stopped = bench.output(&["stop", "--force", guest]);
            assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
            assert_eq!(run.end().code, Some(35));
        }
    }
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let dir = tempdir().expect("a folder");
    let out = dir.path().join("win7.toml");
    let words = [file("seed-libvirt.xml"), "-o".into(), out.clone()];
    let words: Vec<_> = words.iter().map(|word| word.to_str().expect("text")).collect();
    assert_eq!(vmrun(&words).status.code(), Some(0));
    let first = std::fs::read(&out).expect("it is written");
    std::fs::write(&out, "mine").expect("it can be written");
    assert_eq!(vmrun(&words).status.code(), Some(10));
    assert_eq!(std::fs::read_to_string(&out).expect("it is there"), "mine");
    let forced = [&words[..], &["--force"]].concat();
    assert_eq!(vmrun(&forced).status.code(), Some(0));
    assert_eq!(std::fs::read(&out).expect("it is there"), first);
}

#[test]
fn what_has_no_place_is_told_and_ends_with_a_code_of_its_own() {
    let dir = tempdir().expect("a folder");
    let path = dir.path().join("odd.xml");
    let xml =
        "<domain type='kvm'><name>odd</name><devices><parallel type='pty'/><colour hue='red'/></devices></domain>";
    std::fs::write(&path, xml).expect("it can be written");
    let output = vmrun(&[path.to_str().expect("text"), "--report", "json"]);
    assert_eq!(output.status.code(), Some(9));
    let report: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    let lost = |what: &str| {
        let entries = report["entries"].as_array().expect("a list");
        entries.iter().any(|entry| entry["what"] == what && entry["fate"] == "lost")
    };
    assert!(lost("domain/devices/parallel"), "{report:#}");
    assert!(lost("domain/devices/colour"), "{report:#}");
}

#[test]
fn hostile_files_are_refused() {
    let bomb = b"<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><domain type='kvm'><name>&b;</name></domain>";
    assert!(refusal(bomb).contains("document type"));
    assert!(refusal(b"<domain><name>&b;</name></domain>").contains("entity"));
    assert!(refusal(&b"<a>".repeat(100_000)).contains("elements in each other"));
    assert!(refusal(&vec![b'<'; (4 << 20) + 1]).contains("larger than"));
    assert!(refusal(b"\xff\xfe<\0d\0").contains("UTF-8"));
    assert!(refusal(b"<domain type='kvm'><name>half").contains("cut off"));
    assert!(refusal(b"<network><name>default</name></network>").contains("no guest"));
    assert!(refusal(b"a shopping list").contains("describes no guest"));
}

#[test]
fn a_unit_that_no_service_can_name_stays_a_command_of_the_script() {
    let script = b"systemctl start smbd.ervice\nsystemctl start nmbd.service\nqemu-system-x86_64 -m 1G\n";
    let imported = vmrun::import::import("vm.sh", script).expect("a script that starts QEMU");
    assert!(imported.profile.contains("unit = \"nmbd.service\""), "{}", imported.profile);
    assert!(!imported.profile.contains("unit = \"smbd.ervice\""), "{}", imported.profile);
    assert!(imported.profile.contains("\"smbd.ervice\""), "{}", imported.profile);
}

#[test]
fn a_guest_of_proxmox_comes_over() {
    let (profile, report) = imported("proxmox.conf");
    for line in [
        "# Games: the big one",
        "name = \"games\"",
        "uuid = \"5c6b3b1e-7f7a-4d6f-8d52-3ad4a7c2d9e1\"",
        "type = \"pc-q35-8.1\"",
        "cores = 8",
        "size = \"16G\"",
        "file = \"/dev/pve/vm-100-disk-1\"",
        "serial = \"SYS1\"",
        "rotation_rate = 1",
        "mac = \"bc:24:11:aa:bb:cc\"",
        "bridge = \"vmbr0\"",
        "device = \"0000:01:00\"",
        "id = \"046d:c52b\"",
        "secure_boot = true",
        "base = \"localtime\"",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
    for (what, word) in [
        ("onboot", "not needed"),
        ("net0", "dropped"),
        ("scsi0", "kept"),
        ("scsi1", "to decide"),
        ("tpmstate0", "to decide"),
        ("[before-update]", "not needed"),
    ] {
        assert_eq!(fate(&report, what), word, "{what}");
    }
    assert!(!profile.contains("size = \"8G\""), "{profile}");
}

#[test]
fn a_guest_of_quickemu_comes_over() {
    let (profile, report) = imported("quickemu.conf");
    for line in [
        "type = \"q35\"",
        "cores = 6",
        "size = \"8G\"",
        "file = \"windows-11/disk.qcow2\"",
        "mac = \"52:54:00:11:22:33\"",
        "id = \"046d:082d\"",
        "33890",
        "model = \"tpm-tis\"",
    ] {
        assert!(profile.contains(line), "{line}\n{profile}");
    }
    assert_eq!(fate(&report, "tpm"), "to decide");
    assert_eq!(fate(&report, "disk_size"), "not needed");
}

#[test]
fn a_device_of_libvirts_stays_where_the_guest_found_it() {
    let xml = "<domain type='kvm'><name>a</name><memory>1048576</memory><os><type machine='pc-q35-7.2'>hvm</type></os>\
               <devices><controller type='pci' index='0' model='pcie-root'/>\
               <controller type='pci' index='1' model='pcie-root-port'>\
               <address type='pci' bus='0x00' slot='0x01' function='0x0' multifunction='on'/></controller>\
               <controller type='pci' index='2' model='pcie-root-port'>\
               <address type='pci' bus='0x00' slot='0x01' function='0x1'/></controller>\
               <interface type='user'><mac address='52:54:00:AA:bb:cc'/><model type='virtio'/>\
               <address type='pci' bus='0x02' slot='0x00' function='0x0'/></interface>\
               <hostdev mode='subsystem' type='pci'><source><address bus='0x0a' slot='0' function='1'/></source>\
               <address type='pci' bus='0x01' slot='0x00' function='0x1'/></hostdev>\
               <sound model='ich9'><address type='pci' bus='0x00' slot='0x1b' function='0x0'/></sound>\
               </devices></domain>";
    let made = import("a.xml", xml.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.what));
    for line in [
        "\"net 52:54:00:aa:bb:cc\" = \"01.1\"",
        "\"pci 0000:0a:00.1\" = \"01.0/00.1\"",
        "\"audio ich9-intel-hda\" = \"pcie.0/1b.0\"",
        "ports = [\"01.0\", \"01.1\"]",
    ] {
        assert!(made.profile.contains(line), "{line}\n{}", made.profile);
    }
}

#[test]
fn what_a_guest_would_see_otherwise_is_told_as_dropped() {
    let xml = "<domain type='kvm'><name>a</name><memory>1048576</memory><os><type machine='q35'>hvm</type></os>\
               <cpu mode='host-passthrough'><maxphysaddr mode='passthrough' limit='40'/></cpu><devices>\
               <disk type='file'><source file='/a'/><target dev='sda' bus='usb' removable='on'/></disk>\
               <channel type='qemu-vdagent'><source/><target type='virtio' name='com.redhat.spice.0'/></channel>\
               <graphics type='vnc'/></devices></domain>";
    let made = import("a.xml", xml.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.what));
    let dropped = made.report.entries.iter().filter(|entry| matches!(entry.fate, Fate::Lost(_)));
    let dropped: Vec<_> = dropped.map(|entry| entry.what.as_str()).collect();
    let limit = "domain/cpu/maxphysaddr@limit='40'";
    assert_eq!(dropped, [limit, "domain/devices/disk/target", "domain/devices/channel"], "{}", made.profile);
    assert!(made.profile.contains("\"+host-phys-bits\""), "{}", made.profile);
}

#[test]
fn a_qemu_that_runs_becomes_a_profile() {
    for qemu in qemus() {
        let mut child = std::process::Command::new(&qemu.binary)
            .args(["-name", "guest=runner,debug-threads=on", "-accel", "tcg", "-display", "none", "-nodefaults", "-S"])
            .args(["-machine", "q35", "-smp", "cores=2", "-m", "64", "-monitor", "stdio"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("QEMU starts");
        // A process that becomes QEMU has no command line for a moment.
        let monitor = child.stdout.as_mut().expect("it is piped");
        monitor.read_exact(&mut [0; 4]).expect("the monitor greets");
        let pid = child.id().to_string();
        let made = vmrun(&["--pid", &pid]);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        let profile = String::from_utf8_lossy(&made.stdout).into_owned();
        for line in ["name = \"runner\"", "type = \"q35\"", "cores = 2", "size = \"64M\""] {
            assert!(profile.contains(line), "{line}\n{profile}\n{}", String::from_utf8_lossy(&made.stderr));
        }
        assert_eq!(vmrun(&["--pid", &std::process::id().to_string()]).status.code(), Some(10));
        let gone = vmrun(&["--pid", &pid]);
        assert_eq!(gone.status.code(), Some(12));
        assert!(String::from_utf8_lossy(&gone.stderr).contains(&format!("there is no process {pid}\n")));
    }
    // A thread of the kernel, wherever there is one.
    if std::fs::read("/proc/2/cmdline").is_ok_and(|line| line.is_empty()) {
        let kernel = vmrun(&["--pid", "2"]);
        let words = String::from_utf8_lossy(&kernel.stderr).into_owned();
        assert!(words.contains("process 2, `kthreadd`, has no command line that may be read\n"), "{words}");
    }
}

/// libvirt: `formatdomain`, "IOMMU devices".
#[test]
fn an_iommu_that_the_guest_sees_comes_over_with_its_keys() {
    let xml = "<domain type='kvm'><name>x</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>\
               <os><type arch='x86_64' machine='q35'>hvm</type></os><devices><iommu model='intel'>\
               <driver intremap='on' eim='off' caching_mode='on' aw_bits='48' dma_translation='off'/>\
               </iommu></devices></domain>";
    let script = "qemu-system-x86_64 -name x -M q35,kernel-irqchip=split -m 64 \
                  -device intel-iommu,intremap=on,eim=off,caching-mode=on,aw-bits=48,dma-translation=off\n";
    for (name, text) in [("guest.xml", xml), ("guest.sh", script)] {
        let made = import(name, text.as_bytes()).expect("it is understood");
        assert!(made.report.is_complete(), "{name}: {:#?}", made.report.entries);
        let profile: toml::Table = made.profile.parse().expect("a profile");
        let wanted = "model = \"intel\"\nintremap = true\neim = false\ncaching_mode = true\naw_bits = 48\n\
                      dma_translation = false\n";
        assert_eq!(profile["iommu"].as_table(), wanted.parse().ok().as_ref(), "{name}: {}", made.profile);
        toml::from_str::<Profile>(&made.profile).expect("one that vmrun takes");
    }
    let amd = xml
        .replace("'intel'", "'amd'")
        .replace("intremap='on' eim='off' caching_mode='on' aw_bits='48' dma_translation='off'", "xtsup='on'");
    let made = import("guest.xml", amd.as_bytes()).expect("it is understood");
    assert!(made.profile.contains("model = \"amd\"") && made.profile.contains("eim = true"), "{}", made.profile);
}

#[test]
fn iothreads_that_no_disk_has_are_not_pinned() {
    let xml = "<domain type='kvm'><name>a</name><memory>1048576</memory><vcpu>1</vcpu><iothreads>2</iothreads>\
               <cputune><iothreadpin iothread='1' cpuset='2'/><iothreadpin iothread='2' cpuset='3'/></cputune>\
               <os><type machine='q35'>hvm</type></os><devices>\
               <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/a.raw'/>\
               <target dev='sda' bus='scsi'/></disk>\
               <controller type='scsi' model='virtio-scsi'><driver iothread='2'/></controller></devices></domain>";
    let made = import("a.xml", xml.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.what));
    assert!(made.profile.contains("iothread = \"iothread2\""), "{}", made.profile);
    assert!(made.profile.contains("iothreads = { iothread2 = 3 }"), "{}", made.profile);
}

#[test]
fn a_name_that_goes_over_lines_leaves_a_profile_that_can_be_read() {
    let xml = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>a</name>\
               <memory>1048576</memory><os><type machine='q35'>hvm</type></os>\
               <qemu:commandline><qemu:env name='A&#10;B&#127;' value='x'/></qemu:commandline></domain>";
    let made = import("a.xml", xml.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.what));
    let read: toml::Table = made.profile.parse().unwrap_or_else(|error| panic!("{error}\n{}", made.profile));
    assert_eq!(read["qemu"]["env"]["A\nB\u{7f}"].as_str(), Some("x"), "{}", made.profile);
}

/// Address space that vmrun has for a hostile file: it is some MiB for a good one.
const ROOM: &str = "--as=201326592";

/// What vmrun says to a file that may not cost it more than that.
fn within_bounds(file: &Path) -> (Option<i32>, String) {
    let output = Command::new("prlimit")
        .args([ROOM, env!("CARGO_BIN_EXE_vmrun"), "import"])
        .arg(file)
        .output()
        .expect("prlimit runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn hostile_files_are_refused_within_a_bounded_memory() {
    let folder = tempdir().expect("a folder");
    let bomb =
        b"<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]><domain>&b;</domain>";
    let million = |text: &str| text.repeat((4 << 20) / text.len());
    let utf16: Vec<u8> = "<domain type='kvm'/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let half = &std::fs::read(file("seed-libvirt.xml")).expect("the file is there")[..1000];
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("bomb.xml", bomb.to_vec(), "document type"),
        ("deep.xml", million("<a>").into_bytes(), "elements in each other"),
        ("wide.xml", format!("<domain>{}", million("<a/>")).into_bytes()[..3 << 20].to_vec(), "elements"),
        ("attributes.xml", format!("<domain {}", &million("a='1' ")[..3 << 20]).into_bytes(), "not closed"),
        ("utf16.xml", utf16.clone(), "zero byte"),
        ("marked.xml", [b"\xff\xfe", &utf16[..]].concat(), "UTF-8"),
        ("half.xml", half.to_vec(), "cut off"),
        ("latin1.conf", b"cores: 4\nostype: win10\ndescription: caf\xe9\n".to_vec(), "UTF-8"),
        ("substitutions.sh", format!("A={}\n", "${A}${A}".repeat(1000)).into_bytes(), "describes no guest"),
    ];
    for (name, bytes, said) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).expect("the file is written");
        let (code, told) = within_bounds(&path);
        assert_eq!((code, told.contains(said)), (Some(10), true), "{name}: {told}");
    }
    // A script whose quotes lead nowhere is one all the same: what cannot be read of it is asked.
    let path = folder.path().join("quotes.sh");
    std::fs::write(&path, format!("qemu-system-x86_64 {}", &million("\"$(`")[..3 << 20])).expect("the file is written");
    assert_eq!(within_bounds(&path).0, Some(9));
}

#[test]
fn a_file_of_100_mb_and_one_without_end_are_not_read_to_their_end() {
    let folder = tempdir().expect("a folder");
    let large = folder.path().join("large.xml");
    let made = std::fs::File::create(&large).and_then(|file| file.set_len(100 << 20));
    made.expect("a file with a hole");
    for path in [&large, Path::new("/dev/zero")] {
        let (code, told) = within_bounds(path);
        assert_eq!((code, told.contains("larger than 4 MiB")), (Some(10), true), "{}: {told}", path.display());
    }
}
