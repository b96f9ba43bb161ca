//! `<interface>`.

use super::{Domain, hostdev, placed};
use crate::import::page::number;
use crate::import::table::Table;
use crate::import::xml::Element;
use crate::unit::Mac;
use toml::Value;

pub(super) fn import(interface: &Element, domain: &mut Domain) {
    placed(interface);
    let kind = interface.attr("type").unwrap_or("user");
    if kind == "hostdev" {
        return virtual_function(interface, domain);
    }
    let mut table = Table::default();
    if !tie(interface, kind, &mut table) {
        return;
    }
    if !model(interface, &mut table) {
        return;
    }
    let mac = interface.child("mac").and_then(|mac| mac.attr("address")).map(str::to_lowercase);
    match mac {
        Some(mac) if mac.parse::<Mac>().is_err() => {
            let what = format!("`{mac}` is no address that a card can have; one of its own is made");
            interface.child("mac").into_iter().for_each(|element| element.lost(what.clone()));
        }
        mac => table.maybe("mac", mac),
    }
    interface.child("mac").into_iter().for_each(|mac| _ = (mac.attr("type"), mac.attr("check")));
    tuning(interface, &mut table);
    rest(interface, &mut table);
    if table.text("model") == Some("virtio") && table.get("queues").is_none() {
        table.set("queues", 1);
    }
    if table.text("mode") == Some("vhost-user") {
        // The program at the other end reads and writes the guest's memory.
        domain.page.table("memory").set("share", true);
        interface.translated("memory.share, too: the switch maps the guest's memory");
    }
    *domain.page.push("net") = table;
}

/// What it is connected to; `false` when that is not to be had.
fn tie(interface: &Element, kind: &str, table: &mut Table) -> bool {
    let source = interface.child("source");
    let of = |name: &str| source.and_then(|source| source.attr(name)).map(str::to_owned);
    source.into_iter().flat_map(|source| source.all("address")).for_each(Element::take);
    match kind {
        "network" => network(interface, &of("network").unwrap_or_default(), table),
        "bridge" => {
            table.set("mode", "bridge");
            table.maybe("bridge", of("bridge"));
        }
        "direct" => {
            table.set("mode", "macvtap");
            table.maybe("parent", of("dev"));
            match of("mode").as_deref() {
                Some("passthrough") => table.set("macvtap_mode", "passthru"),
                mode => table.set("macvtap_mode", mode.unwrap_or("vepa")),
            }
        }
        "ethernet" => {
            table.set("mode", "tap");
            let name = interface.child("target").and_then(|target| target.attr("dev")).unwrap_or("tap0");
            table.set("tap", name);
        }
        "user" => {
            let passt = interface.child("backend").and_then(|backend| backend.attr("type")) == Some("passt");
            table.set("mode", if passt { "passt" } else { "user" });
            forward(interface, table);
        }
        "vhostuser" => {
            table.set("mode", "vhost-user");
            source.into_iter().for_each(|source| _ = source.attr("type"));
            if let Some(source) = source.filter(|source| source.attr("mode") == Some("server")) {
                source.lost("QEMU calls the switch; have it listen");
            }
            table.maybe("path", of("path"));
        }
        "null" => table.set("mode", "none"),
        other => {
            interface.lost(format!("vmrun has no interfaces of type `{other}`"));
            return false;
        }
    }
    true
}

/// A network of libvirt's: the one that it comes with has a bridge that is known; of others, only libvirt knows it.
fn network(interface: &Element, name: &str, table: &mut Table) {
    let source = interface.child("source");
    source.into_iter().for_each(|source| _ = (source.attr("portid"), source.attr("portgroup")));
    let bridge = source.and_then(|source| source.attr("bridge"));
    match (name, bridge) {
        ("default", _) => {
            table.comment(
                "libvirt's network `default`: `virsh net-start default` makes its bridge, which gives addresses.",
            );
            table.set("mode", "bridge");
            table.set("bridge", bridge.unwrap_or("virbr0"));
            source
                .into_iter()
                .for_each(|source| source.translated("its bridge virbr0, which libvirt's network `default` has"));
        }
        (_, Some(bridge)) => {
            table.set("mode", "bridge");
            table.set("bridge", bridge);
            source.into_iter().for_each(|source| source.translated(format!("its bridge {bridge}")));
        }
        (name, None) => {
            source.into_iter().for_each(|source| source.asked(format!("which bridge the network `{name}` has")));
            table.ask(
                &format!(
                    "`virsh net-info {name}` tells the bridge of libvirt's network. There is no cable until then:"
                ),
                "mode = \"bridge\"",
            );
            table.comment("bridge = \"virbr1\"");
            table.set("mode", "none");
        }
    }
}

fn model(interface: &Element, table: &mut Table) -> bool {
    // libvirt's own choice for a PC: `src/qemu/qemu_domain.c`, qemuDomainDefaultNetModel.
    let kind = interface.child("model").and_then(|model| model.attr("type")).unwrap_or("rtl8139");
    let known = match kind {
        "virtio" | "virtio-net-pci" => "virtio",
        "virtio-transitional" | "virtio-non-transitional" => {
            interface.translated("virtio, which is both at once");
            "virtio"
        }
        "e1000" | "e1000e" | "rtl8139" | "vmxnet3" => kind,
        "e1000-82544gc" | "e1000-82545em" => {
            interface.translated("e1000, an 82540EM: a card of the same driver with another id");
            "e1000"
        }
        other => {
            interface.asked(format!("vmrun has no card `{other}`"));
            table.put_off(crate::import::argv::no_card(other));
            "e1000"
        }
    };
    table.set("model", known);
    true
}

fn tuning(interface: &Element, table: &mut Table) {
    if let Some(driver) = interface.child("driver") {
        let virtio = table.text("model") == Some("virtio");
        match driver.attr("name") {
            Some("qemu") if virtio => table.set("vhost", false),
            Some("vhost") if virtio && table.text("mode") != Some("user") => table.set("vhost", true),
            _ => {}
        }
        table.maybe("queues", driver.number("queues").filter(|_| virtio).map(number));
        if driver.flag("rss") == Some(true) {
            table.set("rss", true);
        }
        for name in [
            "txmode",
            "ioeventfd",
            "event_idx",
            "rx_queue_size",
            "tx_queue_size",
            "rss_hash_report",
            "packed",
            "iommu",
            "ats",
            "page_per_vq",
        ] {
            if driver.attr(name).is_some() {
                driver.translated(format!("{name}: QEMU's own choice"));
            }
        }
        for part in ["host", "guest"] {
            for offloads in driver.all(part) {
                let names = ["csum", "gso", "tso4", "tso6", "ecn", "ufo"];
                let off = names.iter().filter(|name| offloads.flag(name) == Some(false)).count();
                offloads.take();
                if off == 0 {
                    offloads.needless("QEMU has them on");
                    continue;
                }
                offloads.translated("offloads = false: all of them are off");
                table.set("offloads", false);
            }
        }
    }
    table.maybe("mtu", interface.child("mtu").and_then(|mtu| mtu.number("size")).map(number));
    if interface.child("link").and_then(|link| link.attr("state")) == Some("down") {
        table.set("link", "down");
    }
    if let Some(order) = interface.child("boot").and_then(|boot| boot.number("order")) {
        table.set("boot_index", number(order));
    }
    if let Some(rom) = interface.child("rom") {
        if rom.flag("bar") == Some(false) || rom.flag("enabled") == Some(false) || rom.attr("file") == Some("") {
            table.set("rom", false);
        } else if rom.attr("file").is_some() {
            rom.lost("the ROM that QEMU has for the card is taken");
        }
    }
    table.maybe("acpi_index", interface.child("acpi").and_then(|acpi| acpi.number("index")).map(number));
}

fn forward(interface: &Element, table: &mut Table) {
    for forward in interface.all("portForward") {
        let protocol = forward.attr("proto").unwrap_or("tcp").to_owned();
        let address = forward.attr("address").unwrap_or("").to_owned();
        forward.attr("dev");
        for range in forward.all("range") {
            let start = range.number("start");
            let (end, to) = (range.number("end").or(start), range.number("to").or(start));
            match (start, end, to) {
                (Some(start), Some(end), Some(to)) if range.flag("exclude") != Some(true) && end - start < 64 => {
                    for port in start..=end {
                        table.add(
                            "hostfwd",
                            Value::from(format!("{protocol}:{address}:{port}:{}", to + (port - start))),
                        );
                    }
                }
                _ => range.lost("the range is left out"),
            }
        }
    }
}

fn rest(interface: &Element, table: &mut Table) {
    let why = [
        ("target", "the name of the tap device is vmrun's"),
        ("alias", ""),
        ("guest", "it is LXC's"),
        ("backend", "it is part of the mode"),
        ("coalesce", "the host's own choice"),
    ];
    for (name, why) in why {
        let mode = table.text("mode");
        for element in interface.all(name) {
            match (name, mode) {
                ("target" | "backend", Some("tap" | "passt" | "user")) | ("alias", _) => {
                    element.attr("managed");
                    element.attr("logFile");
                    element.attr("type");
                }
                ("backend", _) if element.attr("vhost").is_some() || element.attr("tap").is_some() => element.take(),
                _ => element.needless(why),
            }
        }
    }
    for (name, why) in [
        ("bandwidth", "traffic is not shaped; `tc` can"),
        ("filterref", "packets are not filtered; nftables can"),
        ("vlan", "tags are the bridge's to set"),
        ("virtualport", "parameters of the switch's port are not passed"),
        ("port", "ports are not isolated from each other"),
        ("teaming", "there is no migration to stand in for"),
        ("ip", "the guest has its addresses from the network"),
        ("route", "the guest has its routes from the network"),
        ("script", "a hook at `pre` can do it"),
        ("downscript", "a hook at `post` can do it"),
        ("tune", "the buffer's size is the host's choice"),
        ("trustGuestRxFilters", ""),
    ] {
        interface.all(name).for_each(|element| element.lost(why));
    }
    if interface.attr("trustGuestRxFilters").is_some() || interface.attr("managed").is_some() {
        interface.translated("filters of received packets are left to macvtap");
    }
    interface.attr("connectionState");
}

/// A virtual function of a network card that is passed whole.
fn virtual_function(interface: &Element, domain: &mut Domain) {
    let address = interface.child("source").and_then(|source| source.child("address"));
    interface.attr("managed");
    let Some(host) = address.and_then(hostdev::bdf) else {
        return interface.lost("no PCI address of the virtual function is given");
    };
    address.into_iter().for_each(Element::take);
    interface.child("driver").into_iter().for_each(|driver| _ = driver.attr("name"));
    interface.child("mac").into_iter().for_each(|mac| {
        let given = mac.attr("address").unwrap_or_default();
        mac.lost(format!("a hook at `pre` sets it: ip link set CARD vf N mac {given}"));
    });
    interface.all("vlan").for_each(|vlan| vlan.lost("a hook at `pre` sets it: ip link set CARD vf N vlan ID"));
    interface.child("model").into_iter().for_each(Element::take);
    domain.page.push("pci").set("host", host);
}
