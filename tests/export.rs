//! `vmrun export`: a guest leaves in forms that others start. Real QEMU, both versions, and the checkers of each form.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::setup::{Qemu, qemus};
use support::vmrun::Bench;
use vmrun::export::{From, script};
use vmrun::plan::{
    Binding, Change, Command as Run, Confinement, CpuMask, Descriptor, Draft, Emulator, Hook, OnError, OnReboot,
    OnTimeout, Placement, Point, Presence, Ready, Restart, Sched, Service, Start, Tap, UnitState, What,
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
    Run { argv: words.iter().map(|it| (*it).to_owned()).collect(), user: user.map(str::to_owned), env, timeout: None }
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
    draft
}

#[test]
fn a_script_with_everything_in_it_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    let plan = everything().finish().unwrap();
    let from = From { profile: "a\nb.toml".into(), folder: Some("/srv/a b".into()) };
    let made = script(&plan, &from);
    let file = folder.path().join("everything.sh");
    fs::write(&file, &made.text).unwrap();
    shellcheck(&file);
    for shell in ["dash", "bash"] {
        let output = Command::new(shell).arg("-n").arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(made.gaps, []);
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
    let reported =
        "not in it:\n  hook[0]: libvirt runs /etc/libvirt/hooks/qemu for all guests, and no commands of one\n";
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(9), reported));
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
