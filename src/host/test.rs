//! Whole machines.

use super::qemu::test::script;
use super::tree::{lay_out, quad_core_with_threads};
use super::{Area, Caller, Host, Kvm, Node, PathFact, Root, Wants};
use std::path::{Path, PathBuf};

#[test]
fn an_empty_tree_is_a_host_without_facts() {
    let tree = lay_out(&[]);
    let host = Host::read_for(&tree.root, &tree.caller, &Wants::default());
    let nodes = vec![Node { id: 0, cpus: "".parse().unwrap(), ..Node::default() }];
    assert_eq!(host, Host { euid: 1000, nodes, ..Host::default() });
}

#[test]
fn the_seeds_machine_is_read_whole_and_survives_the_dump() {
    let mut files = quad_core_with_threads();
    files.extend([
        ("/dev/kvm", ""),
        ("/proc/cpuinfo", "flags : fpu vmx\n"),
        ("/proc/meminfo", "MemAvailable: 1048576 kB\n"),
        ("/proc/sys/kernel/random/boot_id", "5c8eb0ac-0d4a-4ae5-9c36-7b0d6a1dc7a1\n"),
        ("/run/systemd/system/x", ""),
        ("/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n"),
        ("/sys/class/net/br0/bridge/x", ""),
        ("/sys/bus/pci/devices/0000:06:00.0/vendor", "0x10de\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/device", "0x13c2\n"),
        ("/sys/bus/pci/devices/0000:06:00.0/class", "0x030000\n"),
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", ""),
        ("/usr/share/OVMF/OVMF_VARS_4M.fd", ""),
        ("/home/alice/vm/Windows.img", "1234"),
    ]);
    let tree = lay_out(&files);
    tree.install("/usr/bin/qemu-system-x86_64", &script("10.0.2", &tree.root.resolve("/runs")));
    let caller = Caller { euid: 0, invoker: Some(1000), ..tree.caller.clone() };
    let image = PathBuf::from("/home/alice/vm/Windows.img");
    let wants = Wants { qemu: None, paths: vec![image.clone(), PathBuf::from("/none")], ..Wants::of(Area::ALL) };

    let host = Host::read_for(&tree.root, &caller, &wants);

    assert_eq!(host.online().to_string(), "0-7");
    assert_eq!(host.cpu(4).map(|cpu| cpu.siblings.to_string()).as_deref(), Some("0,4"));
    assert_eq!((host.kvm, host.systemd, host.bridges.as_slice()), (Kvm::Usable, true, ["br0".to_owned()].as_slice()));
    assert_eq!(host.user("alice").map(|user| user.uid), Some(1000));
    assert_eq!((host.euid, host.invoker), (0, Some(1000)));
    assert_eq!(host.boot_id, "5c8eb0ac-0d4a-4ae5-9c36-7b0d6a1dc7a1");
    assert_eq!(host.function("06:00.0".parse().unwrap()).map(|card| card.device), Some(0x13c2));
    assert_eq!(host.qemu.as_ref().map(|qemu| qemu.version.to_string()).as_deref(), Some("10.0.2"));
    assert_eq!(host.firmware.len(), 1);
    assert_eq!(host.path(&image), &PathFact::File { size: 4, executable: false });
    assert_eq!(host.paths.get(Path::new("/none")), Some(&PathFact::Missing));

    let dump = serde_json::to_string(&host).unwrap();
    assert_eq!(serde_json::from_str::<Host>(&dump).unwrap(), host);
}

#[test]
fn this_machine_is_read_and_survives_the_dump() {
    let cache = tempfile::tempdir().unwrap();
    let caller = Caller { cache: Some(cache.path().to_owned()), ..Caller::current() };
    let wants =
        Wants { qemu: None, paths: vec![PathBuf::from("/etc"), PathBuf::from("/dev/null")], ..Wants::of(Area::ALL) };

    let host = Host::read_for(&Root::default(), &caller, &wants);

    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    assert_eq!(host.online().to_string(), online.trim());
    assert_eq!(host.path(Path::new("/dev/null")), &PathFact::Other);
    assert!(host.cpus.iter().all(|cpu| cpu.siblings.contains(cpu.id)));
    assert_eq!(host.euid, nix::unistd::geteuid().as_raw());
    let dump = serde_json::to_string(&host).unwrap();
    assert_eq!(serde_json::from_str::<Host>(&dump).unwrap(), host);
}
