//! `vmrun export`: a guest leaves in forms that others start. Real QEMU, both versions, and the checkers of each form.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::setup::{Qemu, qemus};
use support::vmrun::Bench;
use vmrun::export::{From, libvirt, script};
use vmrun::import::import;
use vmrun::plan::{
    Binding, Change, ClockBase, Command as Run, Confinement, CpuMask, Descriptor, Draft, Emulator, Grant, GuestClock,
    Home, Hook, OnError, OnReboot, OnTimeout, Origin, Partition, Placement, Point, Presence, Ready, Restart, Room,
    Sched, Service, Start, Tap, UnitState, UsbWanted, UsbWhich, What,
};
use vmrun::unit::{CpuSet, Period, Size};

/// The script of the guest that is told `then`, with `more` tables.
fn exported(bench: &Bench, then: &str, more: &str) -> PathBuf {
    let profile = bench.profile(then, more);
    let file = bench.path("guest.sh");
    let output = bench.output(&["export", profile.to_str().unwrap(), "--to", "script", "-o", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    file
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Nothing of vmrun is in its environment, nor on its path.
fn shell(script: &Path) -> Command {
    let mut command = Command::new("dash");
    command.arg(script).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").stdin(Stdio::null());
    command
}

fn shellcheck(script: &Path) {
    let output = Command::new("shellcheck").arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

const AROUND: &str = r#"
    [tpm]
    [[disk]]
    file = "a.raw"
    format = "raw"
    iothread = true
    [cpu.pinning]
    vcpus = ["0"]
    emulator = "0"
    [[hook]]
    at = "pre"
    run = ["sh", "-c", "echo $VMRUN_NAME: $VMRUN_PHASE, it\\'s >> story"]
    undo = ["sh", "-c", "echo undo >> story"]
    [[hook]]
    at = "started"
    run = ["sh", "-c", "grep -h Cpus_allowed_list /proc/$VMRUN_PID/task/*/status | sort -u >> story"]
    [[hook]]
    at = "stopped"
    run = ["sh", "-c", "echo stopped >> story"]
    [[hook]]
    at = "post"
    run = ["sh", "-c", "echo post >> story"]
    [[service]]
    name = "sleeper"
    run = ["sleep", "1000"]
"#;

fn bench(qemu: &Qemu) -> Bench {
    let bench = Bench::new(&qemu.binary);
    bench.write("a.raw", &"\0".repeat(1 << 20));
    bench
}

#[test]
fn a_script_starts_the_guest_without_vmrun_and_leaves_nothing() {
    for qemu in qemus() {
        let bench = bench(&qemu);
        let script = exported(&bench, "", AROUND);
        shellcheck(&script);
        let output = shell(&script).output().unwrap();
        assert!(output.status.success(), "QEMU {}: {}", qemu.version, said(&output));
        assert!(bench.serial().contains("vmrun-guest: done"), "{}", bench.serial());
        let story = fs::read_to_string(bench.path("story")).unwrap();
        assert_eq!(story, "guest: pre, it's\nCpus_allowed_list:\t0\nstopped\nundo\npost\n");
        assert_eq!(bench.leftovers(), [""; 0]);
    }
}

#[test]
fn a_script_that_is_asked_to_stop_presses_the_power_button() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let script = exported(&bench, "then=wait", AROUND);
    let mut child = shell(&script).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    bench.wait_for_serial("waiting");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let lines: Vec<_> = lines.map_while(Result::ok).collect();
    assert_eq!(
        (child.wait().unwrap().code(), lines.join("\n")),
        (Some(0), "guest: its power button is pressed".into())
    );
    assert!(fs::read_to_string(bench.path("story")).unwrap().ends_with("stopped\nundo\npost\n"));
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn a_script_presses_the_power_button_of_a_guest_that_does_not_notice_again() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let script = exported(&bench, "then=ignore", "[stop]\ntimeout = \"8s\"\non_timeout = \"kill\"\n");
    shellcheck(&script);
    let mut child = shell(&script).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    bench.wait_for_serial("waiting");
    let mut pressed = |by_hand: bool| {
        if by_hand {
            assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        }
        assert_eq!(lines.next().unwrap().unwrap(), "guest: its power button is pressed");
    };
    pressed(true);
    // Two presses that the guest has not looked at are one.
    bench.wait_for_serial("power button ignored");
    pressed(true);
    // After half of its time.
    pressed(false);
    // QEMU is killed then.
    assert_eq!(child.wait().unwrap().code(), Some(137));
    assert_eq!(bench.serial().matches("power button ignored").count(), 3, "{}", bench.serial());
    assert_eq!(bench.leftovers(), [""; 0]);
}

/// Its `mkdir` sends the signal when the folder is made, and not noted yet.
#[test]
fn a_script_that_is_told_to_end_while_it_makes_its_folder_leaves_none() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let script = exported(&bench, "then=wait", "");
    fs::create_dir(bench.path("bin")).unwrap();
    bench.write("bin/mkdir", "#!/bin/sh\n/bin/mkdir \"$@\" && case $* in '-m 711'*) kill -TERM $PPID ;; esac\n");
    let mkdir = bench.path("bin/mkdir");
    fs::set_permissions(&mkdir, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", mkdir.parent().unwrap().display());
    let output = shell(&script).env("PATH", path).output().unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(130), String::new()));
    assert!(!bench.path("runtime/guest").exists());
    assert_eq!(bench.leftovers(), [""; 0]);
}

/// What a script says that does not start its guest.
fn not_started(script: &Path) -> String {
    let output = shell(script).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

#[test]
fn a_start_that_fails_is_taken_back() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let veto = "[[hook]]\nat = \"started\"\nrun = [\"false\"]\n";
    let script = exported(&bench, "then=wait", &format!("{AROUND}{veto}"));
    let said = not_started(&script);
    assert!(said.starts_with("guest: hook false (started) failed\n"), "{said}");
    assert!(fs::read_to_string(bench.path("story")).unwrap().ends_with("undo\npost\n"));
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn a_second_start_touches_nothing_of_the_first() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let script = exported(&bench, "", "");
    fs::create_dir_all(bench.path("runtime/guest")).unwrap();
    let said = not_started(&script);
    assert!(said.contains("the guest runs, or a start of it was cut short"), "{said}");
    assert!(bench.path("runtime/guest").exists() && bench.serial().is_empty());
}

fn command(words: &[&str], user: Option<&str>) -> Run {
    let env = BTreeMap::from([("A".to_owned(), "it's $HOME".to_owned())]);
    Run {
        argv: words.iter().map(|it| (*it).to_owned()).collect(),
        user: user.map(str::to_owned),
        env,
        ..Run::default()
    }
}

fn cpus(text: &str) -> CpuSet {
    text.parse().unwrap()
}

/// One of each kind of change, of companion, hook and descriptor.
fn everything() -> Draft {
    let emulator = Emulator { path: "/usr/bin/qemu-system-x86_64".into(), version: None };
    let mut draft = Draft::new("everything".to_owned().try_into().unwrap(), emulator, "/run/vmrun/every".into());
    let card = "0000:0a:00.0".parse().unwrap();
    let (absent, present) = (Presence::Absent, Presence::Present);
    let mask = CpuMask { path: "/proc/irq/9/smp_affinity_list".into(), from: "0-3".into(), to: "0".into() };
    let unit = |unit: &str| Confinement { unit: unit.into(), from: String::new(), to: "0".into() };
    let text = |text: &str| text.to_owned();
    draft.contents.changes = vec![
        Change::HugePages { node: 0, size: Size::from_bytes(2 << 20), pages: 8, take: 8, drop_caches: false },
        Change::Unit { unit: text("gdm.service"), user: None, from: UnitState::Active, to: UnitState::Inactive },
        Change::Macvtap {
            name: text("mv0"),
            parent: text("eth0"),
            mac: "52:54:00:00:00:01".parse().unwrap(),
            mode: text("bridge"),
            mtu: Some(1500),
            from: absent,
            to: present,
        },
        Change::Hook { name: text("a"), run: Some(command(&["true"], None)), back: None },
        Change::Module { name: text("vfio-pci"), from: absent, to: present },
        Change::Mdev { uuid: uuid::Uuid::nil(), parent: text("p"), kind: text("k"), from: absent, to: present },
        Change::Driver {
            bdf: card,
            from: Binding { driver: Some(text("nouveau")), ..Binding::default() },
            to: Binding::only("vfio-pci"),
        },
        Change::Owner { path: text("/sys/bus/pci/devices/0000:0a:00.0/vfio-dev"), from: 0, to: 1000 },
        Change::Holders { bdf: card, from: present, to: absent },
        Change::Attribute { path: text("/sys/a b"), from: text("on"), to: text("auto") },
        Change::Rebar { bdf: card, bar: 1, from: Size::from_bytes(256 << 20), to: Size::from_bytes(16 << 30) },
        Change::Framebuffer { device: text("efi.0"), driver: text("efifb"), from: present, to: absent },
        Change::Shared { path: text("/proc/sys/vm/x"), from: text("0"), to: text("1") },
        Change::Masks { cpus: cpus("1-3"), masks: vec![mask] },
        Change::Slices { cpus: cpus("1-3"), all: cpus("0-3"), units: vec![unit("user.slice")] },
        Change::Gather {
            cpus: cpus("1-3"),
            all: cpus("0-3"),
            groups: vec![unit("/sys/fs/cgroup/vmrun.host")],
            others: absent,
            from: absent,
            to: present,
        },
        Change::Group { path: text("/sys/fs/cgroup/vmrun.guest"), from: absent, to: present },
    ];
    let points = [Point::Pre, Point::Prepared, Point::Started, Point::Running, Point::Reset, Point::Stopping];
    draft.contents.hooks = [&points[..], &[Point::Stopped, Point::Post]]
        .concat()
        .into_iter()
        .map(|at| Hook {
            key: text("hook[0]"),
            name: format!("it's {at}"),
            at,
            run: command(&["echo", "a'b", "$x", "new\nline", ""], Some("somebody")),
            undo: Some(command(&["echo"], None)),
            on_error: OnError::Abort,
        })
        .collect();
    let companion = |start, what| Service { key: text("service[0]"), name: text("a b"), what, start, required: true };
    let watched = What::Command {
        run: command(&["daemon"], Some("somebody")),
        restart: Restart::OnFailure,
        delay: Period::from_secs(1),
        burst: 5,
        ready: Ready::File("/run/it".into()),
        stop_timeout: Period::from_secs(5),
    };
    let unit = What::Unit { unit: text("smbd.service"), user: Some(text("somebody")) };
    draft.contents.services = vec![
        companion(Start::Before, watched.clone()),
        companion(Start::Before, unit),
        companion(Start::After, watched),
    ];
    draft.contents.descriptors = vec![
        Descriptor::Qmp,
        Descriptor::Tap(Tap::on_bridge("br0")),
        Descriptor::VhostNet,
        Descriptor::Macvtap { name: text("mv0"), multi_queue: false },
        Descriptor::File { path: "/dev/iommu".into() },
        Descriptor::CpuLatency { micros: 10 },
    ];
    let place = |sched| Placement { cpus: Some(cpus("1")), sched };
    draft.contents.pins.vcpus = vec![place(Sched::Fifo(1)), place(Sched::Nice(-5)), place(Sched::Normal)];
    draft.contents.pins.iothreads.insert(text("io0"), place(Sched::Normal));
    draft.contents.pins.emulator = Some(cpus("0"));
    draft.contents.links_down = vec![text("net0")];
    draft.contents.locked_memory = Some(Size::from_bytes(1 << 34));
    draft.contents.ending.on_reboot = OnReboot::Restart;
    draft.contents.ending.on_timeout = OnTimeout::Kill;
    found_when_it_starts(&mut draft);
    draft
}

/// What a script finds out when it is run.
fn found_when_it_starts(draft: &mut Draft) {
    let text = |text: &str| text.to_owned();
    draft.contents.devices = vec!["0000:0a:00.0".parse().unwrap()];
    draft.contents.interrupts = vec![cpus("1"), cpus("2-3")];
    draft.contents.clock = Some(GuestClock { base: ClockBase::Localtime, ahead: Some(-3600) });
    draft.contents.argv.rtc.set("driftfix", "slew", Origin::given("clock.driftfix"));
    draft.contents.usb = vec![UsbWanted {
        at: text("usb[0]"),
        id: text("usb0"),
        which: UsbWhich { id: None, port: None, serial: Some(text("it's 1")) },
        device: json!({"driver": "usb-host", "id": "usb0", "bus": "usb.0"}),
        found: None,
        last_keyboard: false,
    }];
    let mut other = Draft::new(draft.contents.name.clone(), draft.contents.emulator.clone(), "/run/vmrun/every".into());
    other.contents.argv.setting("-m", "size=1024M", Origin::given("memory.size"));
    draft.contents.fallback = Some(Box::new(other.finish().unwrap()));
}

/// The same in a control group, with a partition of host CPUs.
fn in_a_room(home: Home) -> Draft {
    let mut draft = everything();
    draft.contents.room = Some(Room { home, cpus: cpus("1-3"), partition: Some(Partition::Isolated) });
    draft
}

#[test]
fn a_script_with_everything_in_it_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    for home in [Home::Group("/sys/fs/cgroup/vmrun-every".into()), Home::Scope("vmrun-every".into())] {
        let made = whole(in_a_room(home));
        let file = folder.path().join("everything.sh");
        fs::write(&file, &made.text).unwrap();
        shellcheck(&file);
        for shell in ["dash", "bash"] {
            let output = Command::new(shell).arg("-n").arg(&file).output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        }
        let gaps: Vec<_> = made.gaps.iter().map(|gap| gap.at.as_str()).collect();
        assert_eq!(gaps, ["on.host_sleep", "usb[0]"]);
        assert!(made.text.contains("$(clock_ahead -3600)"), "{}", made.text);
    }
}

fn whole(draft: Draft) -> vmrun::export::Export {
    let text = Some("schema = 1\n".into());
    script(
        &draft.finish().unwrap(),
        &From { profile: "a\nb.toml".into(), folder: Some("/srv/a b".into()), home: None, text },
    )
}

/// A function of a script, with what it reads of the kernel below `root`.
fn function(script: &str, name: &str, root: &Path) -> String {
    let start = script.find(&format!("\n{name}() {{")).unwrap_or_else(|| panic!("no {name} in\n{script}"));
    let text = &script[start..];
    let text = &text[..text.find("\n}\n").unwrap() + 3];
    text.replace("/proc/", &format!("{}/proc/", root.display())).replace("/sys/", &format!("{}/sys/", root.display()))
}

/// What a kernel shows of interrupts and USB devices, below `root`.
fn kernel(root: &Path) {
    let write = |path: String, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "proc/interrupts".into(),
        "      CPU0 CPU1\n 40: 0 0 PCI-MSI 0-edge vfio-msix[0](0000:0a:00.0)\n \
         41: 0 0 PCI-MSI 1-edge vfio-msix[1](0000:0a:00.0)\n 42: 0 0 PCI-MSI 2-edge vfio-msi[2](0000:0a:00.0)\n \
         43: 0 0 IO-APIC 3-fasteoi vfio-intx(0000:0b:00.0)\n 44: 0 0 PCI-MSI 0-edge nvme0q1\n",
    );
    (40..45).for_each(|irq| write(format!("proc/irq/{irq}/smp_affinity_list"), "0-7\n"));
    for (place, serial) in [("4", "other"), ("4.2", "it's 1")] {
        let files =
            [("serial", serial), ("busnum", "1"), ("devpath", place), ("idVendor", "046d"), ("idProduct", "c29b")];
        for (name, text) in files {
            write(format!("sys/bus/usb/devices/1-{place}/{name}"), &format!("{text}\n"));
        }
    }
}

#[test]
fn a_script_finds_interrupts_and_usb_devices_in_what_the_kernel_shows() {
    let folder = tempfile::tempdir().unwrap();
    kernel(folder.path());
    let script = whole(everything()).text;
    let functions = ["place_interrupts", "usb_with_serial", "clock_ahead"];
    let mut text: String = functions.iter().map(|name| function(&script, name, folder.path())).collect();
    text.push_str(
        "place_interrupts '0000:0a:00.0 0000:0c:00.0' 2 3-4
         usb_with_serial \"it's 1\" '' && usb_with_serial \"it's 1\" 046d:c29b && echo
         usb_with_serial \"it's 1\" 046d:c29c || usb_with_serial it '' || echo none
         [ \"$(clock_ahead 3600)\" = \"$(date -u -d '1 hour' +%Y-%m-%dT%H:%M:%S)\" ] && echo an hour",
    );
    let output = Command::new("dash").args(["-u", "-c", &text]).output().unwrap();
    let place = r#""hostbus":1,"hostport":"4.2""#;
    let expected = format!("{place}{place}\nnone\nan hour\n");
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), said(&output).as_str()), (expected.as_str(), ""));
    let of = |irq: u32| fs::read_to_string(folder.path().join(format!("proc/irq/{irq}/smp_affinity_list"))).unwrap();
    assert_eq!([40, 41, 42, 43, 44].map(of), ["2\n", "3-4\n", "2\n", "0-7\n", "0-7\n"]);
}

#[test]
fn a_script_of_vmruns_own_comes_back_as_the_profile_that_it_was_made_of() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let script = exported(&bench, "", AROUND);
    let profile = fs::read_to_string(bench.profile("", AROUND)).unwrap();
    let file = bench.path("back.toml");
    let output = bench.output(&["import", script.to_str().unwrap(), "-o", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(fs::read_to_string(file).unwrap().trim_end(), profile.trim_end());
    assert!(said(&output).contains("vmrun made them of the profile"), "{}", said(&output));
}

#[test]
fn properties_and_addresses_of_passed_devices_go_to_libvirt_and_back() {
    let mut draft = everything();
    let uuid = "12345678-9abc-4def-8123-456789abcdef";
    let devices = [
        json!({"driver": "vfio-pci", "id": "pci0", "host": "0000:0a:00.0", "x-no-kvm-msi": true, "x-pci-vendor-id": 4098}),
        json!({"driver": "vfio-pci", "id": "mdev0", "sysfsdev": format!("/sys/bus/mdev/devices/{uuid}"), "xres": 1920}),
    ];
    devices.iter().for_each(|device| draft.contents.argv.device(device, Origin::given("pci[0]")));
    draft.contents.argv.setting("-machine", "q35", Origin::given("machine.type"));
    let profile = format!(
        "[[pci]]\nhost = \"0000:0a:00.0\"\n[pci.properties]\nx-no-kvm-msi = true\n[pci.spoof]\nvendor_id = 0x1002\n\
         [[mdev]]\nuuid = \"{uuid}\"\n[mdev.properties]\nxres = 1920\n\
         [addresses]\n\"mdev {uuid}\" = \"05.0\"\n\"pci 0000:0a:00.0\" = \"04.0\"\n[pcie]\nports = [\"04.0\", \"05.0\"]\n"
    );
    let root = toml::from_str(&profile).unwrap();
    let from = From { profile: "a.toml".into(), folder: None, home: None, text: None };
    let made = libvirt(&root, &draft.finish().unwrap(), &from);
    assert_eq!(made.gaps, [], "{}", made.text);
    let back = import("a.xml", made.text.as_bytes()).unwrap();
    let back: toml::Table = toml::from_str(&back.profile).unwrap();
    for table in ["mdev", "addresses", "pcie"] {
        assert_eq!(back[table], root[table], "{}", made.text);
    }
    for key in ["properties", "spoof"] {
        assert_eq!(back["pci"][0][key], root["pci"][0][key], "{}", made.text);
    }
}

#[test]
fn a_share_of_caches_and_bandwidth_goes_to_libvirt_and_back() {
    let mut draft = everything();
    let grant = |resource: &str, domain, share: &str| Grant {
        resource: resource.to_owned(),
        domain,
        share: share.to_owned(),
        from: "ff".to_owned(),
        to: "f0".to_owned(),
    };
    let grants = vec![grant("L3CODE", 1, "0f"), grant("L3DATA", 1, "0f"), grant("MB", 1, "60")];
    let (from, to) = (Presence::Absent, Presence::Present);
    draft.contents.changes = vec![Change::Share { group: "/sys/fs/resctrl/vmrun-every".to_owned(), grants, from, to }];
    draft.contents.vcpus = 3;
    draft.contents.argv.setting("-machine", "q35", Origin::given("machine.type"));
    let root: toml::Table = toml::from_str("[tune]\nl3_cache = \"4M\"\nmemory_bandwidth = 60\n").unwrap();
    let made = libvirt(
        &root,
        &draft.finish().unwrap(),
        &From { profile: "a.toml".into(), folder: None, home: None, text: None },
    );
    assert_eq!(made.gaps, [], "{}", made.text);
    for line in [
        "<cachetune vcpus='0-2'>",
        "<cache id='1' level='3' type='code' size='4194304' unit='B'/>",
        "<cache id='1' level='3' type='data' size='4194304' unit='B'/>",
        "<memorytune vcpus='0-2'>",
        "<node id='1' bandwidth='60'/>",
    ] {
        assert!(made.text.contains(line), "{line}\n{}", made.text);
    }
    let back = import("a.xml", made.text.as_bytes()).unwrap();
    let back: toml::Table = toml::from_str(&back.profile).unwrap();
    assert_eq!(back["tune"], root["tune"], "{}", made.text);
}

#[test]
fn what_a_script_cannot_do_is_said_and_the_exit_code_tells() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let notified = "[[service]]\nname = \"n\"\nrun = [\"sleep\", \"9\"]\nready = \"notify\"\n";
    let profile = bench.profile("", notified);
    let output = bench.output(&["export", profile.to_str().unwrap(), "--to", "script"]);
    let why = "service[0]: a shell does not hear READY=1, so n is not waited for";
    assert_eq!(output.status.code(), Some(9));
    assert!(said(&output).contains(why), "{}", said(&output));
    assert!(String::from_utf8(output.stdout).unwrap().contains(&format!("# - {why}")));
}

/// Something of all that a domain has words for; iothreads are called as libvirt calls them.
const DOMAIN: &str = r#"
    uuid = "12345678-9abc-4def-8123-456789abcdef"
    [machine]
    type = "q35"
    hpet = false
    vmport = false
    [cpu]
    model = "Skylake-Server"
    cores = 2
    threads = 2
    flags = ["+ssse3", "-avx2"]
    [cpu.pinning]
    vcpus = ["0-1", "0-1", "0-1", "0-1"]
    emulator = "0-1"
    [clock]
    base = "localtime"
    driftfix = "slew"
    lost_tick_policy = "discard"
    [memory]
    share = true
    prealloc = true
    [[disk]]
    file = "a.raw"
    format = "raw"
    cache = "none"
    aio = "native"
    discard = true
    serial = "it_s-1"
    iothread = "iothread1"
    [disk.throttle]
    iops_total = 500
    [[disk]]
    bus = "sata"
    cdrom = true
    [[net]]
    mode = "user"
    mac = "52:54:00:00:00:01"
    [usb_controller]
    [[input]]
    kind = "usb-tablet"
    [rng]
    rate = "1K"
    [watchdog]
    model = "ib700"
    action = "pause"
    [vmgenid]
    guid = "12345678-9abc-4def-8123-456789abcdef"
    [tpm]
    [display]
    kind = "vnc"
    video = "qxl"
    [audio]
    driver = "none"
    [agent]
    [smbios.system]
    manufacturer = "A & B"
    serial = "1"
    [[share]]
    kind = "9p"
    source = "/usr"
    tag = "usr"
    readonly = true
    [on]
    reboot = "exit"
    panic = "pause"
    [addresses]
    "net 52:54:00:00:00:01" = "05.1"
    "rng virtio-rng-pci" = "pcie.0/09.0"
    [pcie]
    ports = ["04.0", "05.0"]
    [[hook]]
    at = "pre"
    run = ["true"]
"#;

#[test]
fn a_domain_of_libvirt_comes_back_as_the_same_guest() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let binary = qemu.binary.display();
    let tables =
        DOMAIN.replace("[machine]", "[machine]\naccel = \"tcg\"").replace("[memory]", "[memory]\nsize = \"64M\"");
    let first =
        bench.write("first.toml", &format!("schema = 1\nname = \"guest\"\n{tables}\n[qemu]\nbinary = \"{binary}\"\n"));
    let output = bench.output(&["export", first.to_str().unwrap(), "--to", "libvirt"]);
    let reported = "not in it:\n  hook[0]: libvirt runs /etc/libvirt/hooks/qemu for all guests, and no commands of one\n  \
                    tpm: libvirt makes the guest a new TPM";
    assert!(output.status.code() == Some(9) && said(&output).starts_with(reported), "{}", said(&output));
    assert_eq!(said(&output).lines().count(), 3, "{}", said(&output));
    let domain = bench.path("guest.xml");
    fs::write(&domain, &output.stdout).unwrap();
    let validated = Command::new("virt-xml-validate").arg(&domain).arg("domain").output().unwrap();
    assert!(validated.status.success(), "{}\n{}", said(&validated), String::from_utf8_lossy(&output.stdout));
    let second = bench.path("second.toml");
    let (from, to) = (domain.to_str().unwrap(), second.to_str().unwrap());
    let imported = bench.output(&["import", from, "-o", to]);
    assert!(matches!(imported.status.code(), Some(0 | 9)), "{}", said(&imported));
    assert_eq!(argv(&bench, &first), argv(&bench, &second), "{}", fs::read_to_string(&second).unwrap());
}

/// QEMU's arguments by the profile, one a line.
fn argv(bench: &Bench, profile: &Path) -> Vec<String> {
    let output = bench.output(&["plan", profile.to_str().unwrap(), "--argv", "--lines"]);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_virtual_machine_of_kubevirt_fits_its_published_schema() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let tables = DOMAIN.replace("[machine]", "[machine]\naccel = \"tcg\"");
    let tables = tables.replace("[memory]", "[memory]\nsize = \"64M\"");
    let binary = qemu.binary.display();
    let text = format!("schema = 1\nname = \"Guest_1\"\n{tables}\n[qemu]\nbinary = \"{binary}\"\n");
    let profile = bench.write("guest.toml", &text);
    let output = bench.output(&["export", profile.to_str().unwrap(), "--to", "kubevirt"]);
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    for gap in ["hook[0]: nothing of a guest's own runs", "cpu.pinning: ", "disk[0].file: a volume holds it there"] {
        assert!(said(&output).contains(gap), "{gap}\n{}", said(&output));
    }
    let manifest: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = serde_json::from_str(include_str!("export/kubevirt.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<_> =
        schema.iter_errors(&manifest).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(wrong, [""; 0], "{manifest:#}");
    let domain = &manifest["spec"]["template"]["spec"]["domain"];
    assert_eq!(manifest["metadata"]["name"], "guest-1");
    assert_eq!(domain["cpu"]["dedicatedCpuPlacement"], true);
    assert_eq!(domain["memory"]["guest"], "64Mi");
    // A field that nobody knows is not taken for one.
    let mut misspelt = manifest.clone();
    misspelt["spec"]["template"]["spec"]["domain"]["cpu"]["dedicatedCPUPlacement"] = true.into();
    assert!(!schema.is_valid(&misspelt));
}

#[test]
fn a_unit_of_systemd_passes_its_verifier() {
    let [qemu, _] = qemus();
    let bench = bench(&qemu);
    let profile = bench.profile("", "");
    let file = bench.path("vmrun-guest.service");
    let (from, to) = (profile.to_str().unwrap(), file.to_str().unwrap());
    let output = bench.output(&["export", from, "--to", "systemd", "-o", to]);
    assert!(output.status.success(), "{}", said(&output));
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no", to]).output().unwrap();
    assert_eq!((verified.status.success(), said(&verified).as_str()), (true, ""));
    let unit = bench.output(&["unit", from]);
    assert_eq!(fs::read(&file).unwrap(), unit.stdout);
}
