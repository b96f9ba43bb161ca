//! `<interface>`.

use super::Source;
use crate::export::xml::Element;

/// Most queues that vmrun makes by itself.
const QUEUES: u32 = 8;

pub(super) fn write(source: &Source<'_>, devices: &mut Element) {
    for i in 0..source.document.count("net") {
        if let Some(interface) = interface(source, i) {
            devices.push(interface);
        }
    }
}

fn interface(source: &Source<'_>, i: usize) -> Option<Element> {
    let document = source.document;
    let key = |name: &str| format!("net[{i}].{name}");
    let mode = document.text(&key("mode")).unwrap_or_else(|| "user".to_owned());
    let text = |name: &str| document.text(&key(name));
    let (kind, from) = match mode.as_str() {
        "user" | "passt" => ("user", None),
        "bridge" => ("bridge", Some(Element::new("source").with("bridge", text("bridge")?))),
        "tap" => ("ethernet", Some(Element::new("target").with("dev", text("tap")?).with("managed", "no"))),
        "macvtap" => {
            let mode = text("macvtap_mode")
                .map_or("bridge".to_owned(), |mode| if mode == "passthru" { "passthrough".to_owned() } else { mode });
            ("direct", Some(Element::new("source").with("dev", text("parent")?).with("mode", mode)))
        }
        "vhost-user" => {
            let from = Element::new("source").with("type", "unix").with("path", document.path(&key("path"))?);
            ("vhostuser", Some(from.with("mode", "client")))
        }
        "none" => ("null", None),
        _ => return None,
    };
    let mut element = Element::new("interface").with("type", kind);
    let mac = text("mac").or_else(|| source.property(&format!("nic{i}"), "mac"));
    let address = mac.as_ref().and_then(|mac| source.address(&format!("net {}", mac.to_lowercase())));
    element = element.and_maybe(mac.map(|mac| Element::new("mac").with("address", mac)));
    element = element.and_maybe(from);
    let model = text("model").unwrap_or_else(|| "virtio".to_owned());
    let virtio = model == "virtio";
    element.push(Element::new("model").with("type", model));
    if mode == "passt" {
        element.push(Element::new("backend").with("type", "passt"));
    }
    let vhost = document.on(&key("vhost")).filter(|_| virtio);
    let queues = document.number(&key("queues")).or_else(|| own_queues(source, i));
    let name = vhost.map(|on| if on { "vhost" } else { "qemu" });
    let rss = (document.on(&key("rss")) == Some(true)).then_some("on");
    let mut driver =
        Element::new("driver").maybe("name", name).maybe("queues", queues.filter(|_| virtio)).maybe("rss", rss);
    if document.on(&key("offloads")) == Some(false) {
        driver
            .push(Element::new("host").with("csum", "off").with("gso", "off").with("tso4", "off").with("tso6", "off"));
        driver.push(Element::new("guest").with("csum", "off").with("tso4", "off").with("tso6", "off"));
    }
    if !driver.is_empty() {
        element.push(driver);
    }
    forwards(source, i, &mut element);
    if text("link").as_deref() == Some("down") {
        element.push(Element::new("link").with("state", "down"));
    }
    if let Some(size) = document.number(&key("mtu")) {
        element.push(Element::new("mtu").with("size", size));
    }
    if let Some(order) = document.number(&key("boot_index")) {
        element.push(Element::new("boot").with("order", order.max(1)));
    }
    if document.on(&key("rom")) == Some(false) {
        element.push(Element::new("rom").with("enabled", "no"));
    }
    if let Some(index) = document.number(&key("acpi_index")) {
        element.push(Element::new("acpi").with("index", index));
    }
    Some(element.and_maybe(address))
}

/// Pairs of queues that the plan made of itself.
fn own_queues(source: &Source<'_>, i: usize) -> Option<i64> {
    let vectors: u32 = source.property(&format!("nic{i}"), "vectors")?.parse().ok()?;
    // QEMU: two for each pair of queues, one for the configuration and one for control.
    Some(i64::from((vectors.saturating_sub(2) / 2).clamp(1, QUEUES)))
}

/// Ports of passt; libvirt has none of QEMU's own network.
fn forwards(source: &Source<'_>, i: usize, element: &mut Element) {
    let document = source.document;
    let key = format!("net[{i}].hostfwd");
    if document.text(&format!("net[{i}].mode")).as_deref() != Some("passt") {
        return;
    }
    for text in document.texts(&key) {
        let parts: Vec<_> = text.split(':').collect();
        let [protocol, .., port, to] = parts.as_slice() else { continue };
        let address = parts.get(1).filter(|address| parts.len() > 3 && !address.is_empty());
        let range = Element::new("range").with("start", port).with("to", to);
        element.push(Element::new("portForward").with("proto", protocol).maybe("address", address).and(range));
    }
}
