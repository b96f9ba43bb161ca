//! `--to kubevirt`: a `VirtualMachine` of `KubeVirt`, for those who outgrow one machine. JSON, which YAML contains.
//!
//! `KubeVirt`: `staging/src/kubevirt.io/api/core/v1/schema.go`.

use super::document::Document;
use super::{Export, From, Gap};
use crate::plan::Contents;
use crate::unit::Bdf;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The manifest, and what is not in it. `ids` are the vendor and device of the host's functions.
#[must_use]
pub fn kubevirt(root: &toml::Table, contents: &Contents, from: &From, ids: &BTreeMap<Bdf, String>) -> Export {
    let document = Document::new(root, from.folder.as_deref().unwrap_or(Path::new("/")));
    for key in ["schema", "name", "guest", "uuid", "extends", "without", "variant", "qemu.binary", "machine.accel"] {
        document.settle(key);
    }
    let mut guest =
        Guest { document: &document, contents, notes: Vec::new(), volumes: Vec::new(), networks: Vec::new() };
    let name = resource_name(contents.name.as_str());
    let domain = guest.domain(&name, ids);
    let mut spec = json!({"domain": domain, "terminationGracePeriodSeconds": contents.ending.timeout.get().as_secs()});
    document.settle("stop.timeout");
    for (key, list) in [("networks", &guest.networks), ("volumes", &guest.volumes)] {
        if !list.is_empty() {
            spec[key] = json!(list);
        }
    }
    let manifest = json!({
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name},
        "spec": {"runStrategy": "Manual", "template": {"metadata": {"labels": {"kubevirt.io/vm": name}}, "spec": spec}},
    });
    let mut gaps = guest.notes;
    gaps.extend(document.gaps(why));
    Export { text: format!("{manifest:#}\n"), gaps }
}

struct Guest<'a> {
    document: &'a Document<'a>,
    contents: &'a Contents,
    notes: Vec<Gap>,
    volumes: Vec<Value>,
    networks: Vec<Value>,
}

impl Guest<'_> {
    fn note(&mut self, at: impl Into<String>, what: impl Into<String>) {
        self.notes.push(Gap::new(at, what));
    }

    fn domain(&mut self, name: &str, ids: &BTreeMap<Bdf, String>) -> Value {
        let mut domain = json!({
            "cpu": self.cpu(),
            "memory": self.memory(),
            "machine": {"type": self.machine()},
            "features": self.features(),
            "clock": self.clock(),
            "firmware": self.firmware(),
            "devices": self.devices(name, ids),
        });
        if self.has_iothreads() {
            domain["ioThreadsPolicy"] = json!("auto");
        }
        domain
    }

    fn machine(&self) -> String {
        self.document.text("machine.type").unwrap_or_else(|| "q35".to_owned())
    }

    fn has_iothreads(&self) -> bool {
        (0..self.document.count("disk")).any(|i| self.document.get(&format!("disk[{i}].iothread")).is_some())
    }

    fn cpu(&mut self) -> Value {
        let document = self.document;
        let level = |key: &str| document.number(&format!("cpu.{key}")).unwrap_or(1);
        let (dies, modules) = (level("dies"), level("modules"));
        let mut cpu = json!({
            "sockets": level("sockets"),
            "cores": level("cores") * dies * modules,
            "threads": level("threads"),
            "model": match document.text("cpu.model").as_deref() {
                None | Some("host") => "host-passthrough".to_owned(),
                Some(model) => model.to_owned(),
            },
        });
        if dies * modules > 1 {
            self.note("cpu.dies", "a socket has cores and no dies or modules there: their cores are the socket's");
        }
        let features = document.texts("cpu.flags").into_iter().map(|flag| match flag.strip_prefix('-') {
            Some(name) => json!({"name": name, "policy": "disable"}),
            None => json!({"name": flag.trim_start_matches('+'), "policy": "require"}),
        });
        let features: Vec<_> = features.collect();
        if !features.is_empty() {
            cpu["features"] = json!(features);
        }
        let pins = &self.contents.pins;
        if pins.vcpus.iter().any(|place| place.cpus.is_some()) {
            cpu["dedicatedCpuPlacement"] = json!(true);
            if pins.emulator.is_some() {
                cpu["isolateEmulatorThread"] = json!(true);
            }
            document.settle("cpu.pinning");
            self.note("cpu.pinning", "each vCPU has a host CPU of its own there, but Kubernetes chooses which");
        }
        cpu
    }

    fn memory(&mut self) -> Value {
        let document = self.document;
        let nodes: u64 = (0..document.count("numa")).filter_map(|i| document.bytes(&format!("numa[{i}].size"))).sum();
        let bytes = document.bytes("memory.size").unwrap_or(nodes);
        let mut memory = json!({"guest": format!("{}Mi", bytes >> 20)});
        let page = match document.get("memory.hugepages") {
            Some(toml::Value::String(word)) if word == "1G" => Some("1Gi"),
            Some(toml::Value::String(word)) if word == "2M" => Some("2Mi"),
            Some(toml::Value::Boolean(true)) => Some("2Mi"),
            Some(toml::Value::Boolean(false)) | None => None,
            Some(_) => {
                document.unread_again("memory.hugepages");
                None
            }
        };
        if let Some(page) = page {
            memory["hugepages"] = json!({"pageSize": page});
            // They are there from the start.
            document.settle("memory.prealloc");
            document.settle("memory.prealloc_threads");
        }
        memory
    }

    /// Properties of QEMU's `-cpu`.
    fn properties(&self) -> Vec<String> {
        let args = self.contents.argv.args();
        let cpu = args.into_iter().find(|arg| arg.option == "-cpu").and_then(|arg| arg.value).unwrap_or_default();
        cpu.split(',').skip(1).map(str::to_owned).collect()
    }

    fn features(&mut self) -> Value {
        const HYPERV: [(&str, &str); 11] = [
            ("relaxed", "relaxed"),
            ("vapic", "vapic"),
            ("vpindex", "vpindex"),
            ("runtime", "runtime"),
            ("synic", "synic"),
            ("reset", "reset"),
            ("frequencies", "frequencies"),
            ("reenlightenment", "reenlightenment"),
            ("tlbflush", "tlbflush"),
            ("ipi", "ipi"),
            ("evmcs", "evmcs"),
        ];
        let properties = self.properties();
        let on = |name: &str| properties.iter().any(|property| *property == format!("hv-{name}=on"));
        let value = |name: &str| properties.iter().find_map(|property| property.strip_prefix(name)?.strip_prefix('='));
        let enabled = || json!({"enabled": true});
        let mut hyperv = Map::new();
        for (own, there) in HYPERV {
            if on(own) {
                hyperv.insert(there.to_owned(), enabled());
            }
        }
        if on("stimer") {
            let mut timer = enabled();
            if on("stimer-direct") {
                timer["direct"] = enabled();
            }
            hyperv.insert("synictimer".to_owned(), timer);
        }
        let digits = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        if let Some(retries) = value("hv-spinlocks").and_then(digits) {
            hyperv.insert("spinlocks".to_owned(), json!({"enabled": true, "spinlocks": retries}));
        }
        if let Some(id) = value("hv-vendor-id") {
            hyperv.insert("vendorid".to_owned(), json!({"enabled": true, "vendorid": id}));
        }
        for key in ["hv", "hv_spinlocks", "hv_vendor_id", "hide_kvm"] {
            self.document.settle(&format!("cpu.{key}"));
        }
        for name in ["avic", "emsr-bitmap", "xmm-input", "crash"].into_iter().filter(|name| on(name)) {
            self.note("cpu.hv", format!("KubeVirt has no word for {name}"));
        }
        let mut features = json!({"acpi": {}, "apic": {}});
        if !hyperv.is_empty() {
            features["hyperv"] = Value::Object(hyperv);
        }
        if properties.iter().any(|property| property == "kvm=off") {
            features["kvm"] = json!({"hidden": true});
        }
        let secure = self.document.on("firmware.secure_boot") == Some(true);
        if secure || self.document.on("machine.smm") == Some(true) {
            features["smm"] = enabled();
        }
        features
    }

    fn clock(&self) -> Value {
        let document = self.document;
        let mut timer = Map::new();
        if let Some(on) = document.on("machine.hpet") {
            timer.insert("hpet".into(), json!({"present": on}));
        }
        if document.text("clock.driftfix").as_deref() == Some("slew") {
            timer.insert("rtc".into(), json!({"tickPolicy": "catchup"}));
        }
        if let Some(policy) = document.text("clock.lost_tick_policy") {
            timer.insert("pit".into(), json!({"tickPolicy": policy}));
        }
        if let Some(on) = document.on("clock.kvmclock") {
            timer.insert("kvm".into(), json!({"present": on}));
        }
        if self.properties().iter().any(|property| property == "hv-time=on") {
            timer.insert("hyperv".into(), json!({"present": true}));
        }
        let mut clock = json!({"timer": timer});
        match document.text("clock.base").as_deref() {
            // A cluster has no local time; its hosts are on UTC.
            Some("localtime") => document.unread_again("clock.base"),
            _ => clock["utc"] = json!({}),
        }
        clock
    }

    fn firmware(&mut self) -> Value {
        let document = self.document;
        let uuid = self.contents.argv.args().into_iter().find(|arg| arg.option == "-uuid").and_then(|arg| arg.value);
        let mut firmware = json!({});
        if let Some(uuid) = uuid {
            firmware["uuid"] = json!(uuid);
        }
        if let Some(serial) = document.text("smbios.system.serial") {
            firmware["serial"] = json!(serial);
        }
        let bios = document.text("firmware.kind").as_deref() == Some("bios") || !document.has("firmware");
        if bios {
            firmware["bootloader"] = json!({"bios": {}});
        } else {
            let secure = document.on("firmware.secure_boot") == Some(true);
            document.settle("firmware.enrolled_keys");
            firmware["bootloader"] = json!({"efi": {"secureBoot": secure, "persistent": true}});
        }
        firmware
    }

    fn devices(&mut self, name: &str, ids: &BTreeMap<Bdf, String>) -> Value {
        let document = self.document;
        let kind = document.text("display.kind");
        let none = kind.as_deref().is_none_or(|kind| kind == "none");
        if !none {
            self.note("display.kind", "the picture is to be had by VNC: virtctl vnc");
        }
        document.settle("memory.balloon");
        let mut devices = json!({
            "autoattachGraphicsDevice": !none,
            "autoattachMemBalloon": document.on("memory.balloon") == Some(true),
            "disks": (0..document.count("disk")).map(|i| self.disk(i, name)).collect::<Vec<_>>(),
            "interfaces": (0..document.count("net")).filter_map(|i| self.interface(i)).collect::<Vec<_>>(),
        });
        let passed = self.functions(ids);
        if !passed.is_empty() {
            devices["hostDevices"] = json!(passed);
        }
        if document.has("tpm") {
            devices["tpm"] = json!({"persistent": true});
            document.settle("tpm.model");
        }
        if document.has("rng") {
            devices["rng"] = json!({});
        }
        if document.has("watchdog") {
            let action = document
                .text("watchdog.action")
                .filter(|action| matches!(&**action, "reset" | "poweroff" | "shutdown"));
            let model = document.text("watchdog.model").unwrap_or_else(|| "i6300esb".to_owned());
            if model == "i6300esb" {
                let action = action.unwrap_or_else(|| "reset".to_owned());
                devices["watchdog"] = json!({"name": "watchdog", "i6300esb": {"action": action}});
            } else {
                document.unread_again("watchdog.model");
            }
        }
        if document.has("audio") {
            let model = match document.text("audio.model").as_deref() {
                Some("ac97") => "ac97",
                _ => "ich9",
            };
            devices["sound"] = json!({"name": "sound", "model": model});
        }
        let inputs: Vec<_> = (0..document.count("input")).filter_map(|i| self.input(i)).collect();
        if !inputs.is_empty() {
            devices["inputs"] = json!(inputs);
        }
        devices
    }

    fn disk(&mut self, i: usize, guest: &str) -> Value {
        let document = self.document;
        let key = |name: &str| format!("disk[{i}].{name}");
        let (name, claim) = (format!("disk{i}"), format!("{guest}-disk{i}"));
        let cdrom = document.on(&key("cdrom")) == Some(true);
        let bus = document.text(&key("bus")).unwrap_or_else(|| if cdrom { "sata" } else { "virtio" }.to_owned());
        let bus = match bus.as_str() {
            "virtio" | "sata" | "scsi" | "usb" => bus,
            other => {
                self.note(key("bus"), format!("KubeVirt has no disks on {other}: sata, which every guest knows"));
                "sata".to_owned()
            }
        };
        let mut disk = json!({"name": name, (if cdrom { "cdrom" } else { "disk" }): {"bus": bus}});
        if !cdrom && document.on(&key("readonly")) == Some(true) {
            disk["disk"]["readonly"] = json!(true);
        }
        if let Some(serial) = document.text(&key("serial")) {
            disk["serial"] = json!(serial);
        }
        if let Some(order) = document.number(&key("boot_index")) {
            disk["bootOrder"] = json!(order + 1);
        }
        match document.text(&key("cache")).as_deref() {
            Some(cache @ ("none" | "writethrough" | "writeback")) => disk["cache"] = json!(cache),
            Some("auto") | None => {}
            Some(_) => document.unread_again(&key("cache")),
        }
        match document.text(&key("aio")).as_deref() {
            Some(aio @ ("native" | "threads")) => disk["io"] = json!(aio),
            Some("auto") | None => {}
            Some(_) => document.unread_again(&key("aio")),
        }
        if document.get(&key("iothread")).is_some() {
            disk["dedicatedIOThread"] = json!(true);
        }
        let sizes = ["logical_block_size", "physical_block_size"].map(|name| document.number(&key(name)));
        if let [Some(logical), Some(physical)] = sizes {
            disk["blockSize"] = json!({"custom": {"logical": logical, "physical": physical}});
        }
        document.settle(&key("format"));
        let file = document.path(&key("file"));
        if let Some(file) = &file {
            let what =
                format!("a volume holds it there: virtctl image-upload pvc {claim} --image-path {file} --size …");
            self.note(key("file"), what);
        }
        if file.is_some() || !cdrom {
            self.volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}));
        }
        disk
    }

    fn interface(&mut self, i: usize) -> Option<Value> {
        let document = self.document;
        let key = |name: &str| format!("net[{i}].{name}");
        let name = format!("net{i}");
        let mode = document.text(&key("mode")).unwrap_or_else(|| "user".to_owned());
        let mut interface =
            json!({"name": name, "model": document.text(&key("model")).unwrap_or_else(|| "virtio".into())});
        let mac = document.text(&key("mac")).or_else(|| self.property(&format!("nic{i}"), "mac"));
        if let Some(mac) = mac {
            interface["macAddress"] = json!(mac);
        }
        if let Some(order) = document.number(&key("boot_index")) {
            interface["bootOrder"] = json!(order + 1);
        }
        match mode.as_str() {
            "user" | "passt" if self.networks.iter().all(|network| network.get("pod").is_none()) => {
                interface["masquerade"] = json!({});
                self.networks.push(json!({"name": name, "pod": {}}));
            }
            "bridge" | "macvtap" => {
                let of = document.text(&key("bridge")).or_else(|| document.text(&key("parent"))).unwrap_or_default();
                let network = resource_name(&of);
                interface["bridge"] = json!({});
                self.networks.push(json!({"name": name, "multus": {"networkName": network}}));
                self.note(
                    key("mode"),
                    format!("a NetworkAttachmentDefinition `{network}` must lead to {of} on each host"),
                );
            }
            _ => {
                document.unread_again(&key("mode"));
                return None;
            }
        }
        Some(interface)
    }

    fn property(&self, id: &str, key: &str) -> Option<String> {
        let devices = self.contents.argv.args().into_iter().filter(|arg| arg.option == "-device");
        let mut devices = devices.filter_map(|arg| serde_json::from_str::<Value>(&arg.value?).ok());
        Some(devices.find(|device| device["id"] == id)?[key].as_str()?.to_owned())
    }

    fn functions(&mut self, ids: &BTreeMap<Bdf, String>) -> Vec<Value> {
        let mut devices = Vec::new();
        for (i, bdf) in self.contents.argv.host_functions().into_iter().enumerate() {
            let id = ids.get(&bdf).cloned().unwrap_or_else(|| "VENDOR:DEVICE".to_owned());
            let resource = format!("vmrun/{}", resource_name(&id));
            devices.push(json!({"name": format!("pci{i}"), "deviceName": resource}));
            let what = format!(
                "any {id} of the host that Kubernetes chooses, not {bdf}; in the KubeVirt resource, permittedHostDevices: \
                 pciHostDevices: [{{pciVendorSelector: \"{id}\", resourceName: \"{resource}\"}}]"
            );
            self.note("pci", what);
        }
        for i in 0..self.document.count("pci") {
            for name in ["host", "device", "usb_controller_of", "addr", "multifunction"] {
                self.document.settle(&format!("pci[{i}].{name}"));
            }
        }
        devices
    }

    fn input(&self, i: usize) -> Option<Value> {
        let key = format!("input[{i}].kind");
        let bus = match self.document.text(&key).as_deref() {
            Some("usb-tablet") => "usb",
            Some("virtio-tablet") => "virtio",
            _ => {
                self.document.unread_again(&key);
                return None;
            }
        };
        Some(json!({"type": "tablet", "bus": bus, "name": format!("input{i}")}))
    }
}

/// A name as Kubernetes has it: small letters, digits and dashes, at most 63.
fn resource_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(plain).take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "guest".to_owned() } else { name.to_owned() }
}

/// Why a key is not in the manifest.
fn why(key: &str) -> String {
    match key.split(['.', '[']).next().unwrap_or_default() {
        "hook" | "hooks_dir" | "service" => "nothing of a guest's own runs on the hosts of a cluster",
        "tune" => "hosts are tuned by operators of the cluster",
        "usb" => "USB devices are permitted for the whole cluster, by permittedHostDevices",
        "addresses" | "pcie" => "addresses are dealt by KubeVirt",
        "firmware" => "the firmware is that of KubeVirt's own image, and its store is new",
        "serial" => "the serial port is to be had by virtctl console",
        "share" => "a folder is a volume there",
        "clock" => "the hosts' clocks are on UTC",
        _ => "KubeVirt has no words for it",
    }
    .to_owned()
}

#[cfg(test)]
mod test {
    use super::resource_name;

    #[test]
    fn a_name_is_one_that_kubernetes_takes() {
        assert_eq!(resource_name("Windows_11.x"), "windows-11-x");
        assert_eq!(resource_name("10de:1b80"), "10de-1b80");
        assert_eq!(resource_name("..."), "guest");
    }
}
