//! The smaller devices: input, TPM, random numbers, watchdog, balloon, shared memory, folders, vsock, ports.

use super::Source;
use crate::export::Gap;
use crate::export::xml::Element;
use crate::plan::What;

/// `<genid>`.
pub(super) fn vmgenid(source: &Source<'_>) -> Option<Element> {
    let document = source.document;
    document.has("vmgenid").then(|| Element::of("genid", document.text("vmgenid.guid").unwrap_or_default()))
}

pub(super) fn write(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    inputs(source, devices);
    if document.has("tpm") {
        let backend = Element::new("backend").with("type", "emulator").with("version", "2.0");
        let model = document.text("tpm.model").unwrap_or_else(|| "tpm-crb".to_owned());
        devices.push(Element::new("tpm").with("model", model).and(backend));
    }
    if document.has("rng") {
        let device = Element::new("rng").with("model", "virtio");
        let rate = document.bytes("rng.rate");
        let rate = rate.map(|bytes| Element::new("rate").with("bytes", bytes).with("period", 1000));
        let file = document.text("rng.source").unwrap_or_else(|| "/dev/urandom".to_owned());
        let backend = Element::of("backend", file).with("model", "random");
        devices.push(device.and_maybe(rate).and(backend).and_maybe(source.address_of("rng")));
    }
    if document.has("watchdog") {
        let model = document.text("watchdog.model").unwrap_or_else(|| "i6300esb".to_owned());
        let action = document.text("watchdog.action").unwrap_or_else(|| "reset".to_owned());
        let watchdog = Element::new("watchdog").with("model", model).with("action", action);
        devices.push(watchdog.and_maybe(source.address_of("watchdog")));
    }
    ports(source, devices);
    shares(source, devices);
    if document.has("looking_glass") {
        let bytes = memory_of(source, "memory-backend-file", "/dev/shm").unwrap_or(32 << 20);
        ["size", "resolution"].iter().for_each(|key| document.settle(&format!("looking_glass.{key}")));
        let path = document.text("looking_glass.path").unwrap_or_else(|| "/dev/shm/looking-glass".to_owned());
        if let Some(name) = path.strip_prefix("/dev/shm/") {
            let model = Element::new("model").with("type", "ivshmem-plain");
            let size = Element::of("size", (bytes >> 20).to_string()).with("unit", "M");
            let shmem = Element::new("shmem").with("name", name).and(model).and(size);
            devices.push(shmem.and_maybe(source.address_of("looking_glass")));
        } else {
            document.unread_again("looking_glass.path");
        }
    }
    if let Some(cid) = document.number("vsock.cid") {
        let cid = Element::new("cid").with("auto", "no").with("address", cid);
        let vsock = Element::new("vsock").with("model", "virtio").and(cid);
        devices.push(vsock.and_maybe(source.address_of("vsock")));
    }
    let balloon = if document.on("memory.balloon") == Some(true) { "virtio" } else { "none" };
    devices.push(Element::new("memballoon").with("model", balloon).and_maybe(source.address_of("memory")));
}

/// What the guest keeps in its TPM, which libvirt makes a new one of.
pub(super) fn kept_in_tpm(source: &Source<'_>) -> Option<Gap> {
    let swtpm = source.contents.services.iter().find(|service| service.key == "tpm")?;
    let What::Command { run, .. } = &swtpm.what else { return None };
    let state = run.argv.iter().find_map(|word| word.strip_prefix("dir="))?;
    let folder = state.split(",mode=").next().unwrap_or(state);
    let what = format!(
        "libvirt makes the guest a new TPM; disk encryption (BitLocker) and sign-in of Windows hang on the one in {folder}, \
         which can be copied to /var/lib/libvirt/swtpm/UUID/tpm2"
    );
    Some(Gap::new("tpm", what))
}

/// Size of the plan's memory of the kind `kind` whose file is below `folder`.
fn memory_of(source: &Source<'_>, kind: &str, folder: &str) -> Option<u64> {
    let mut objects = source.contents.argv.json("-object");
    let own = |object: &serde_json::Value| {
        object["qom-type"] == kind && object["mem-path"].as_str().is_some_and(|path| path.starts_with(folder))
    };
    objects.find(own)?["size"].as_u64()
}

fn inputs(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    for i in 0..document.count("input") {
        let key = |name: &str| format!("input[{i}].{name}");
        let kind = document.text(&key("kind")).unwrap_or_default();
        let (name, bus) = match kind.as_str() {
            "virtio-tablet" => ("tablet", "virtio"),
            "virtio-mouse" => ("mouse", "virtio"),
            "virtio-keyboard" => ("keyboard", "virtio"),
            "usb-tablet" => ("tablet", "usb"),
            "usb-mouse" => ("mouse", "usb"),
            "usb-kbd" => ("keyboard", "usb"),
            "evdev" => {
                let all = (document.on(&key("grab_all")) == Some(true)).then_some("all");
                let repeat = document.on(&key("repeat")).map(|on| if on { "on" } else { "off" });
                let element = Element::new("source")
                    .with("dev", document.path(&key("device")).unwrap_or_default())
                    .maybe("grab", all)
                    .maybe("grabToggle", document.text(&key("grab_toggle")))
                    .maybe("repeat", repeat);
                devices.push(Element::new("input").with("type", "evdev").and(element));
                continue;
            }
            _ => {
                document.unread_again(&key("kind"));
                continue;
            }
        };
        let address = source.address(&format!("input {kind}-pci"));
        devices.push(Element::new("input").with("type", name).with("bus", bus).and_maybe(address));
    }
}

fn ports(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    for i in 0..document.count("serial") {
        let path = document.path(&format!("serial[{i}].path"));
        let target = || Element::new("target").with("type", "isa-serial").with("port", i);
        let port =
            |kind: &str, from: Option<Element>| Element::new("serial").with("type", kind).and_maybe(from).and(target());
        let to = document.text(&format!("serial[{i}].to"));
        match to.as_deref() {
            Some("file") => devices.push(port("file", path.map(|path| Element::new("source").with("path", path)))),
            Some("socket") => {
                let from = path.map(|path| Element::new("source").with("mode", "bind").with("path", path));
                devices.push(port("unix", from));
            }
            Some("none") => devices.push(port("null", None)),
            Some("console") => devices.push(port("pty", None)),
            _ => {
                // Nobody keeps what it says.
                document.unread_again(&format!("serial[{i}].to"));
                devices.push(port("pty", None));
            }
        }
    }
    if document.has("agent") {
        let from =
            document.path("agent.path").map(|path| Element::new("source").with("mode", "bind").with("path", path));
        let target = Element::new("target").with("type", "virtio").with("name", "org.qemu.guest_agent.0");
        devices.push(Element::new("channel").with("type", "unix").and_maybe(from).and(target));
    }
}

fn shares(source: &Source<'_>, devices: &mut Element) {
    let document = source.document;
    for i in 0..document.count("share") {
        let key = |name: &str| format!("share[{i}].{name}");
        let virtiofs = document.text(&key("kind")).as_deref() != Some("9p");
        let mode = match document.text(&key("security_model")).as_deref() {
            Some("mapped-xattr") => "mapped",
            Some("none") => "squash",
            Some("passthrough") => "passthrough",
            // QEMU's file of a share that says nothing else.
            _ if virtiofs => "passthrough",
            _ => "mapped",
        };
        let multidevs = document.text(&key("multidevs"));
        let mut share =
            Element::new("filesystem").with("type", "mount").with("accessmode", mode).maybe("multidevs", multidevs);
        let kind = if virtiofs { "virtiofs" } else { "path" };
        share.push(Element::new("driver").with("type", kind).maybe("queue", document.number(&key("queue_size"))));
        if virtiofs {
            let xattr = document.on(&key("xattr")).map(|on| if on { "on" } else { "off" });
            let mut binary = Element::new("binary").maybe("path", document.path(&key("binary"))).maybe("xattr", xattr);
            // libvirt: `src/conf/domain_conf.c`, virDomainFSCacheMode and virDomainFSSandboxMode.
            for (name, words) in [
                ("cache", &[("never", "none"), ("always", "always")]),
                ("sandbox", &[("namespace", "namespace"), ("chroot", "chroot")]),
            ] {
                let Some(given) = document.text(&key(name)) else { continue };
                match words.iter().find(|(own, _)| *own == given) {
                    Some((_, mode)) => binary.push(Element::new(name).with("mode", mode)),
                    None => document.unread_again(&key(name)),
                }
            }
            if let Some(size) = document.number(&key("thread_pool_size")) {
                binary.push(Element::new("thread_pool").with("size", size));
            }
            if !binary.is_empty() {
                share.push(binary);
            }
        }
        share.push(Element::new("source").with("dir", document.path(&key("source")).unwrap_or_default()));
        share.push(Element::new("target").with("dir", document.text(&key("tag")).unwrap_or_default()));
        if document.on(&key("readonly")) == Some(true) {
            share.push(Element::new("readonly"));
        }
        let tag = document.text(&key("tag")).unwrap_or_default();
        devices.push(share.and_maybe(source.address(&format!("share {tag}"))));
    }
}
