//! Where a case plays. The comment lines at its start set it:
//!
//! | line | means |
//! | --- | --- |
//! | `# host: zen3` | the captured machine `tests/hosts/zen3.json`, which is also meant without the line |
//! | `# qemu: 7.2` | the version of QEMU, 10.0 without the line; `none` for none |
//! | `# qemu: 7.2 as installed` | with what Debian's QEMU says that it can do, without packages that it recommends |
//! | `# kvm: denied` | state of KVM, instead of what the machine has |
//! | `# invoker: 1000` | the user behind `sudo`; `none` for root itself |
//! | `# variant: install` | `--variant install` is given |
//! | `# systemd: no` | there is no systemd |
//! | `# net: vhost denied` | the right `admin`, `tun` or `vhost` over interfaces is `granted`, `denied` or `absent` |
//! | `# euid: 1000` | the user that vmrun runs as |
//! | `# blocks: 0 Normal 9 0 …` | the free memory of a zone, as `/proc/buddyinfo` has it |
//! | `# memlock: 8M` | the most memory that the user may lock, who may not raise it |
//! | `# cpus: isolated 2-7` | these host CPUs are `isolated`, alone `allowed` to vmrun, or `offline`; `none` for none |
//! | `# missing: PATH` | nothing stands there; a bare name is missing everywhere |
//! | `# plain: PATH` | a file that is not executable stands there |
//! | `# file: PATH SIZE` | a file of so many bytes stands there |
//! | `# block: PATH` | a block device stands there |
//! | `# folder: PATH FILE…` | a folder with executable files stands there |
//! | `# pci: BDF {…}` | facts about a PCI function in the place of the captured ones, as JSON |
//! | `# facts: {…}` | facts about the host in the place of the captured ones, as JSON |
//! | `# image: PATH {…}` | what the host knows of an image, as JSON |
//! | `# rom: PATH {…}` | what an option ROM holds, as JSON |
//! | `# kept: 10.1 NAME` | the device NAME, like `disk /srv/vm/a.raw`, had this address at the last start |
//! | `# called: vmrun-1 NAME` | the device NAME, like `net bridge br0`, called itself that at the last start |
//! | `# virtiofsd: {…}` | the virtiofsd of the host, as JSON |
//! | `# euid: 1000` | the user that vmrun runs as |
//!
//! Any other path that the profile names is an executable regular file.

#[path = "asked.rs"]
mod asked;

use asked::only;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use vmrun::host::{Access, FreeBlocks, Host, LockedMemory, PathFact, Qemu, Wants};
use vmrun::plan::{Chipset, Kept};
use vmrun::profile::Setting;
use vmrun::unit::{CpuSet, PciSlot};

/// A scene.
#[derive(Clone)]
pub(crate) struct Scene {
    host: Host,
    paths: Vec<(PathBuf, PathFact)>,
    kept: BTreeMap<String, PciSlot>,
    called: BTreeMap<String, String>,
}

impl Scene {
    /// Whether `text` says that what it plans is for a later QEMU than `version`; without a word, it is for all.
    pub(crate) fn names_newer_than(text: &str, version: &str) -> bool {
        let minor =
            |text: &str| text.split([' ', '.']).take(2).filter_map(|part| part.parse().ok()).collect::<Vec<u32>>();
        text.lines().find_map(|line| line.strip_prefix("# qemu: ")).is_some_and(|named| minor(named) > minor(version))
    }

    /// The scene that the comment lines at the start of `text` set; `path` is for messages.
    pub(crate) fn parse(text: &str, path: &Path) -> Self {
        let lines = text.lines().map_while(|line| line.strip_prefix("# "));
        let lines: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
        let machine = lines.iter().find(|(key, _)| *key == "host").map_or("zen3", |(_, name)| name);
        let mut scene =
            Self { host: captured(machine), paths: Vec::new(), kept: BTreeMap::new(), called: BTreeMap::new() };
        scene.host.qemu = qemu("10.0");
        for (key, value) in lines {
            scene.set(key, value).unwrap_or_else(|| panic!("{}: `# {key}: {value}` sets nothing", path.display()));
        }
        scene
    }

    fn set(&mut self, key: &str, value: &str) -> Option<()> {
        match key {
            "host" | "variant" => {}
            "qemu" => self.host.qemu = qemu(value),
            "kvm" => self.host.kvm = serde_json::from_value(value.into()).ok()?,
            "invoker" => self.host.invoker = value.parse().ok(),
            "net" => self.set_right(value)?,
            "blocks" => {
                let (node, zone) = value.split_once(' ')?;
                let (zone, blocks) = zone.split_once(' ')?;
                let blocks = blocks.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
                self.host.free_blocks.push(FreeBlocks { node: node.parse().ok()?, zone: zone.to_owned(), blocks });
            }
            "memlock" => {
                let most = Some(value.parse().ok()?);
                self.host.locked_memory = Some(LockedMemory { most, raise: false, exempt: false });
            }
            "euid" => self.host.euid = value.parse().ok()?,
            "cpus" => self.set_cpus(value)?,
            "systemd" => self.host.systemd = value != "no",
            "missing" => self.paths.push((value.into(), PathFact::Missing)),
            "plain" => self.paths.push((value.into(), PathFact::File { size: 1, executable: false })),
            "image" => {
                let (path, fact) = value.split_once(' ')?;
                self.host.images.insert(path.into(), serde_json::from_str(fact).ok()?);
            }
            "rom" => {
                let (path, fact) = value.split_once(' ')?;
                self.host.roms.insert(path.into(), serde_json::from_str(fact).ok()?);
            }
            "pci" => {
                let (bdf, facts) = value.split_once(' ')?;
                let bdf = bdf.parse().ok()?;
                let function = self.host.pci.iter_mut().find(|function| function.bdf == bdf)?;
                *function = changed(function, facts)?;
            }
            "facts" => self.host = changed(&self.host, value)?,
            "virtiofsd" => self.host.virtiofsd = serde_json::from_str(value).ok()?,
            "file" => {
                let (path, size) = value.split_once(' ')?;
                self.paths.push((path.into(), PathFact::File { size: size.parse().ok()?, executable: false }));
            }
            "kept" => {
                let (addr, name) = value.split_once(' ')?;
                self.kept.insert(name.to_owned(), addr.parse().ok()?);
            }
            "called" => {
                let (text, name) = value.split_once(' ')?;
                self.called.insert(name.to_owned(), text.to_owned());
            }
            "block" => self.paths.push((value.into(), PathFact::Block)),
            "folder" => {
                let (path, files) = value.split_once(' ').unwrap_or((value, ""));
                let files = files.split_whitespace().map(PathBuf::from).collect();
                self.paths.push((path.into(), PathFact::Folder { files }));
            }
            _ => return None,
        }
        Some(())
    }

    fn set_cpus(&mut self, value: &str) -> Option<()> {
        let (what, cpus) = value.split_once(' ')?;
        let cpus: CpuSet = if cpus == "none" { CpuSet::default() } else { cpus.parse().ok()? };
        match what {
            "isolated" => self.host.cpu_sets.isolated = cpus,
            "allowed" => self.host.cpu_sets.allowed = cpus,
            "offline" => self.take_off(cpus),
            _ => return None,
        }
        Some(())
    }

    /// Switches `off` off; the kernel then leaves them out of every list but one.
    fn take_off(&mut self, off: CpuSet) {
        self.host.cpus.retain(|cpu| !off.contains(cpu.id));
        let siblings = self.host.cpus.iter_mut().map(|cpu| &mut cpu.siblings);
        let nodes = self.host.nodes.iter_mut().map(|node| &mut node.cpus);
        let caches = self.host.caches.iter_mut().map(|cache| &mut cache.cpus);
        for list in siblings.chain(nodes).chain(caches) {
            *list = list.without(&off);
        }
        self.host.cpu_sets.offline = off;
    }

    fn set_right(&mut self, value: &str) -> Option<()> {
        let (right, access) = value.split_once(' ')?;
        let access: Access = serde_json::from_value(access.into()).ok()?;
        match right {
            "admin" => self.host.net.admin = access == Access::Granted,
            "tun" => self.host.net.tun = access,
            "vhost" => self.host.net.vhost = access,
            _ => return None,
        }
        Some(())
    }

    /// The same with another QEMU.
    pub(crate) fn with_qemu(mut self, qemu: Qemu) -> Self {
        self.host.qemu = Some(qemu);
        self
    }

    /// The folders that a profile of guest `name` stands in.
    pub(crate) fn setting(&self, name: &str) -> Setting {
        Setting {
            dir: "/home/alice/vm".into(),
            home: Some("/home/alice".into()),
            run_dir: Path::new("/run/vmrun").join(name),
            state_dir: "/var/lib/vmrun".into(),
            kept: Kept::new(Chipset::Q35, self.kept.clone()).with_identities(self.called.clone()),
        }
    }

    /// The machine, with what stands at the paths in `wants`.
    pub(crate) fn host(&self, wants: &Wants) -> Host {
        let mut host = only(self.host.clone(), wants);
        let images = host.firmware.iter().flat_map(|found| std::iter::once(&found.code).chain(&found.vars));
        let paths = wants.paths.iter().chain(images).map(|path| (path.clone(), self.fact(path))).collect();
        host.paths = paths;
        host
    }

    fn fact(&self, path: &Path) -> PathFact {
        if let Some((_, fact)) = self.paths.iter().find(|(named, _)| path.ends_with(named)) {
            return fact.clone();
        }
        // A program lives in /usr/bin and in no other folder of programs; a tree of hooks is where the scene puts it.
        let elsewhere = ["/usr/local/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
        if elsewhere.iter().any(|folder| path.parent() == Some(Path::new(folder))) || path.ends_with("qemu.d") {
            return PathFact::Missing;
        }
        // Made at the first start.
        if path.starts_with("/var/lib/vmrun") {
            return PathFact::Missing;
        }
        if path == Path::new("/dev/hugepages") {
            return PathFact::Folder { files: Vec::new() };
        }
        if path.starts_with("/dev") {
            return PathFact::Other;
        }
        PathFact::File { size: 4 << 20, executable: true }
    }
}

/// `old` with the members of the JSON object `facts`.
fn changed<T: Serialize + DeserializeOwned>(old: &T, facts: &str) -> Option<T> {
    let mut value = serde_json::to_value(old).ok()?;
    let facts: serde_json::Map<_, _> = serde_json::from_str(facts).ok()?;
    value.as_object_mut()?.extend(facts);
    serde_json::from_value(value).ok()
}

/// The machine captured in `tests/hosts/NAME.json`.
pub(crate) fn captured(name: &str) -> Host {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts").join(name).with_extension("json");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A QEMU of Debian's, as `vmrun host --dump` told it.
pub(crate) fn installed(version: &str) -> Qemu {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/qemus/{version}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn qemu(version: &str) -> Option<Qemu> {
    if let Some(version) = version.strip_suffix(" as installed") {
        return Some(installed(version));
    }
    let version = version.parse().ok()?;
    Some(Qemu {
        path: "/usr/bin/qemu-system-x86_64".into(),
        version,
        abilities: vmrun::host::Abilities::default(),
        silent: None,
    })
}
