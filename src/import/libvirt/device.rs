//! The smaller devices: input, TPM, random numbers, watchdog, panic, balloon, shared memory, folders, vsock.

use super::{Domain, placed};
use crate::import::page::{number, size};
use crate::import::xml::Element;

pub(super) fn import(element: &Element, domain: &mut Domain) {
    match element.name.as_str() {
        "input" => input(element, domain),
        "tpm" => tpm(element, domain),
        "rng" => rng(element, domain),
        "watchdog" => watchdog(element, domain),
        "panic" => panic(element, domain),
        "memballoon" => balloon(element, domain),
        "shmem" => shmem(element, domain),
        "filesystem" => filesystem(element, domain),
        "vsock" => vsock(element, domain),
        "hub" => element.needless("the controller has sockets enough"),
        "iommu" | "redirfilter" => {}
        "smartcard" => element.lost("smart cards are not passed; pass the reader with [[usb]]"),
        "memory" => element.lost("memory cannot be plugged in; `size` in [memory] holds all of it"),
        _ => element.lost("vmrun has nothing like it"),
    }
}

fn input(input: &Element, domain: &mut Domain) {
    placed(input);
    input.attr("model");
    let kind = input.attr("type").unwrap_or_default().to_owned();
    let bus = input.attr("bus").unwrap_or("ps2").to_owned();
    let name = match (kind.as_str(), bus.as_str()) {
        ("evdev", _) => return evdev(input, domain),
        ("passthrough", _) => {
            let device = input.child("source").and_then(|source| source.attr("evdev")).unwrap_or_default().to_owned();
            let json = serde_json::json!({"driver": "virtio-input-host-pci", "evdev": device});
            domain.args.extend(["-device".into(), json.to_string()]);
            return input.translated("a device in [qemu] args");
        }
        // Every PC has them.
        (_, "ps2") => return,
        ("tablet", "virtio") => "virtio-tablet",
        ("mouse", "virtio") => "virtio-mouse",
        ("keyboard", "virtio") => "virtio-keyboard",
        ("tablet", _) => "usb-tablet",
        ("mouse", _) => "usb-mouse",
        ("keyboard", _) => "usb-kbd",
        (other, _) => return input.lost(format!("vmrun has no input `{other}`")),
    };
    input.child("driver").into_iter().for_each(Element::take);
    domain.page.push("input").set("kind", name);
}

fn evdev(input: &Element, domain: &mut Domain) {
    let table = domain.page.push("input");
    table.set("kind", "evdev");
    let Some(source) = input.child("source") else { return };
    table.maybe("device", source.attr("dev"));
    if source.attr("grab") == Some("all") {
        table.set("grab_all", true);
    }
    table.maybe("repeat", source.flag("repeat"));
    table.maybe("grab_toggle", source.attr("grabToggle"));
}

fn tpm(tpm: &Element, domain: &mut Domain) {
    placed(tpm);
    let model = tpm.attr("model").unwrap_or("tpm-tis").to_owned();
    let Some(backend) = tpm.child("backend") else { return };
    if backend.attr("type") != Some("emulator") {
        return tpm.lost("the host's own TPM is not passed; the guest may have an emulated one: [tpm]");
    }
    if backend.attr("version") == Some("1.2") {
        return tpm.lost("an emulated TPM is of version 2.0");
    }
    for name in ["encryption", "active_pcr_banks", "profile"] {
        backend.all(name).for_each(|element| element.lost("the state is swtpm's own way of keeping it"));
    }
    backend.attr("persistent_state");
    backend.attr("debug");
    let given = backend.child("source").and_then(|source| source.attr("path")).map(str::to_owned);
    backend.child("source").into_iter().for_each(|source| _ = source.attr("type"));
    let state = given.or_else(|| domain.uuid.as_ref().map(|uuid| format!("/var/lib/libvirt/swtpm/{uuid}/tpm2")));
    let table = domain.page.table("tpm");
    if model == "tpm-spapr" {
        return tpm.lost("it is not for PCs");
    }
    table.set("model", model);
    if let Some(state) = state {
        backend.asked("whether the guest's secrets are kept: the state of its TPM is libvirt's");
        table.ask(
            "the TPM is a new one unless its state is used: disk encryption (BitLocker) and sign-in of Windows hang on it. \
             Libvirt keeps it there; copy the folder, or:",
            &format!("state = {}", toml::Value::from(state)),
        );
    }
}

fn rng(rng: &Element, domain: &mut Domain) {
    placed(rng);
    rng.attr("model");
    rng.all("driver").for_each(|driver| driver.needless("QEMU's own choice"));
    if domain.page.known("rng").is_some() {
        rng.take();
        return rng.lost("there is one source of random numbers");
    }
    let Some(backend) = rng.child("backend") else { return };
    let source = backend.text().to_owned();
    match backend.attr("model") {
        Some("random") | None => {
            let table = domain.page.table("rng");
            if !source.is_empty() {
                table.set("source", source);
            }
        }
        Some("builtin") => _ = domain.page.table("rng"),
        Some(other) => return rng.lost(format!("numbers come from a device, not from `{other}`")),
    }
    if let Some(rate) = rng.child("rate") {
        // Bytes in a period of milliseconds.
        let (bytes, period) = (rate.number("bytes").unwrap_or(0), rate.number("period").unwrap_or(1000).max(1));
        if bytes > 0 {
            domain.page.table("rng").set("rate", size((bytes.saturating_mul(1000) / period).max(1)));
        }
    }
}

fn watchdog(watchdog: &Element, domain: &mut Domain) {
    placed(watchdog);
    let action = watchdog.attr("action").unwrap_or("reset").to_owned();
    match watchdog.attr("model").unwrap_or("i6300esb") {
        "itco" if !domain.q35 => watchdog.lost("only a q35 has that watchdog"),
        model @ ("i6300esb" | "ib700" | "itco") => {
            let table = domain.page.table("watchdog");
            table.set("model", model);
            match action.as_str() {
                "dump" => {
                    table.set("action", "pause");
                    watchdog.lost("vmrun writes no dumps: the guest is paused");
                }
                action => table.set("action", action),
            }
        }
        other => watchdog.lost(format!("vmrun has no watchdog `{other}`")),
    }
}

fn panic(panic: &Element, domain: &mut Domain) {
    panic.all("address").for_each(Element::take);
    panic.all("alias").for_each(Element::take);
    match panic.attr("model") {
        Some("hyperv") => domain.page.table("cpu").add("hv", "crash"),
        Some("isa" | "pvpanic") | None => panic.translated("what a panic does is `panic` in [on]"),
        Some(other) => panic.lost(format!("a PC has no `{other}`")),
    }
}

fn balloon(balloon: &Element, domain: &mut Domain) {
    placed(balloon);
    balloon.all("stats").for_each(|stats| stats.needless("nobody asks for statistics"));
    balloon.all("driver").for_each(|driver| driver.needless("QEMU's own choice"));
    balloon.attr("autodeflate");
    balloon.attr("freePageReporting");
    match balloon.attr("model") {
        Some("none") => {}
        _ if domain.passed => balloon
            .translated("no balloon: passed devices pin all of the guest's memory, so that it could give nothing back"),
        _ => domain.page.table("memory").set("balloon", true),
    }
}

fn shmem(shmem: &Element, domain: &mut Domain) {
    placed(shmem);
    let name = shmem.attr("name").unwrap_or("looking-glass").to_owned();
    shmem.attr("role");
    let bytes = shmem.child("size").and_then(|size| {
        super::memory::scaled(size.text(), size.attr("unit"))
            .map(|kib| if size.attr("unit").is_none() { kib >> 10 } else { kib })
    });
    let kind = shmem.child("model").and_then(|model| model.attr("type")).unwrap_or("ivshmem-plain").to_owned();
    if kind != "ivshmem-plain" || domain.page.known("looking_glass").is_some() {
        shmem.take();
        return shmem.lost(format!("one piece of plain shared memory can be had, and no `{kind}`"));
    }
    let table = domain.page.table("looking_glass");
    table.set("size", size(bytes.unwrap_or(4 << 20)));
    if name != "looking-glass" {
        table.set("path", format!("/dev/shm/{name}"));
    }
}

fn filesystem(share: &Element, domain: &mut Domain) {
    placed(share);
    let driver = share.child("driver");
    let kind = driver.and_then(|driver| driver.attr("type")).unwrap_or("path").to_owned();
    let virtiofs = kind == "virtiofs";
    let source = share.child("source");
    let folder = source.and_then(|source| source.attr("dir")).map(str::to_owned);
    let socket = source.and_then(|source| source.attr("socket")).is_some();
    let tag = share.child("target").and_then(|target| target.attr("dir")).map(str::to_owned);
    let mode = share.attr("accessmode").map(str::to_owned);
    share.attr("model");
    share.attr("type");
    let Some((folder, tag)) = folder.zip(tag).filter(|_| !socket) else {
        share.take();
        return share.lost("a share is a folder of the host with a name for the guest");
    };
    let table = domain.page.push("share");
    table.set("kind", if virtiofs { "virtiofs" } else { "9p" });
    table.set("source", folder);
    table.set("tag", tag);
    if share.child("readonly").is_some() {
        table.set("readonly", true);
    }
    if !virtiofs {
        table.set(
            "security_model",
            match mode.as_deref() {
                Some("mapped") => "mapped-xattr",
                Some("squash") => "none",
                _ => "passthrough",
            },
        );
        table.maybe("multidevs", share.attr("multidevs").filter(|multidevs| *multidevs != "default"));
    }
    for name in ["fmode", "dmode"] {
        if share.attr(name).is_some() {
            share.lost(format!("{name}: modes of new files are the guest's"));
        }
    }
    if let Some(driver) = driver {
        driver.attr("wrpolicy");
        driver.attr("format");
        table.maybe("queue_size", driver.number("queue").map(number));
    }
    if let Some(binary) = share.child("binary") {
        table.maybe("binary", binary.attr("path"));
        table.maybe("xattr", binary.flag("xattr"));
        table.maybe(
            "cache",
            binary
                .child("cache")
                .and_then(|cache| cache.attr("mode"))
                .map(|mode| if mode == "none" { "never" } else { mode }),
        );
        table.maybe("sandbox", binary.child("sandbox").and_then(|sandbox| sandbox.attr("mode")));
        table.maybe("thread_pool_size", binary.child("thread_pool").and_then(|pool| pool.number("size")).map(number));
        binary.all("lock").for_each(|lock| lock.needless("virtiofsd's own choice"));
        binary.all("openfiles").for_each(|files| files.needless("virtiofsd's own choice"));
    }
    for name in ["idmap", "space_hard_limit", "space_soft_limit"] {
        share.all(name).for_each(|element| element.lost("vmrun has nothing like it"));
    }
}

fn vsock(vsock: &Element, domain: &mut Domain) {
    placed(vsock);
    vsock.attr("model");
    vsock.all("driver").for_each(|driver| driver.needless("QEMU's own choice"));
    let cid = vsock.child("cid");
    let auto = cid.and_then(|cid| cid.flag("auto")) == Some(true);
    match cid.and_then(|cid| cid.number("address")).filter(|cid| *cid >= 3) {
        Some(cid) => domain.page.table("vsock").set("cid", number(cid)),
        None if auto => {
            domain.page.table("vsock").set("cid", 3);
            vsock.translated("3, the first one; another guest's must differ");
        }
        None => vsock.lost("it has no address"),
    }
}
