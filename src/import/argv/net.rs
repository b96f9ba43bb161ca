//! `-netdev`, `-net`, `-nic`, and the cards.

use super::opt::Opt;
use super::{Line, by_id, named, push};
use crate::import::page::number;
use crate::import::table::Table;

/// Devices that are network cards.
const CARDS: [(&str, &str); 16] = [
    ("virtio-net-pci", "virtio"),
    ("virtio-net", "virtio"),
    ("virtio-net-pci-non-transitional", "virtio"),
    ("virtio-net-pci-transitional", "virtio"),
    ("virtio", "virtio"),
    ("e1000", "e1000"),
    ("e1000-82540em", "e1000"),
    ("e1000-82545em", "e1000"),
    ("e1000e", "e1000e"),
    ("rtl8139", "rtl8139"),
    ("vmxnet3", "vmxnet3"),
    ("igb", ""),
    ("ne2k_pci", ""),
    ("pcnet", ""),
    ("i82551", ""),
    ("i82559er", ""),
];

/// Whether `device` is a network card.
pub(super) fn is_card(device: &Opt) -> bool {
    CARDS.iter().any(|(driver, _)| *driver == device.head) && device.head != "virtio"
}

impl Line<'_> {
    pub(super) fn nets(&mut self, opts: &[Opt]) {
        let mut any = false;
        for opt in opts {
            match opt.name.as_str() {
                "device" if is_card(opt) => {
                    any = true;
                    self.card(opt, opts);
                }
                "netdev" => {
                    let id = opt.get("id").unwrap_or_default();
                    if !named(opts, "device").any(|device| device.get("netdev") == Some(id))
                        && !named(opts, "net").any(|nic| nic.get("netdev") == Some(id))
                    {
                        opt.lost("no card is tied to it");
                    }
                }
                "nic" if opt.head == "none" => any = true,
                "nic" => {
                    any = true;
                    self.nic(opt);
                }
                _ => {}
            }
        }
        any |= self.legacy(opts);
        if !any && !self.nodefaults && named(opts, "netdev").next().is_none() {
            let model = if self.q35 { "e1000e" } else { "e1000" };
            let mac = self.next_mac();
            let table = self.page.push("net");
            table.above("QEMU adds this card unless it is told of one, or of -nodefaults.");
            table.set("mode", "user");
            table.set("model", model);
            table.set("mac", mac);
        }
    }

    /// Addresses that QEMU gives. QEMU: `net/net.c`, `qemu_macaddr_default_if_unset`.
    fn next_mac(&mut self) -> String {
        let mac = format!("52:54:00:12:34:{:02x}", 0x56 + self.macs);
        self.macs = (self.macs + 1) % 64;
        mac
    }

    fn card(&mut self, device: &Opt, opts: &[Opt]) {
        let mut table = Table::default();
        device.comments.iter().for_each(|text| table.above(text.clone()));
        let netdev = device.get("netdev").and_then(|id| by_id(opts, "netdev", id));
        match netdev {
            Some(netdev) => {
                netdev.comments.iter().for_each(|text| table.above(text.clone()));
                tie(netdev, &netdev.head, &mut table, opts);
            }
            None => table.set("mode", "none"),
        }
        model(device, &device.head.clone(), &mut table);
        self.options(device, &mut table);
        *self.page.push("net") = table;
    }

    fn options(&mut self, device: &Opt, table: &mut Table) {
        let given = device.any(&["mac", "macaddr"]);
        let mac = given
            .map_or_else(|| self.next_mac(), |mac| if mac.contains('$') { mac.into() } else { mac.to_lowercase() });
        table.set("mac", mac);
        table.maybe("boot_index", device.number("bootindex").map(number));
        table.maybe("mtu", device.number("host_mtu").map(number));
        table.maybe("acpi_index", device.number("acpi-index").map(number));
        if device.get("romfile") == Some("") || device.get("rombar") == Some("0") {
            table.set("rom", false);
        }
        if device.flag("rss") == Some(true) {
            table.set("rss", true);
        }
        for (key, value) in device.rest() {
            match key.as_str() {
                "id" | "addr" | "bus" | "mq" | "vectors" | "name" | "vlan" | "multifunction" | "disable-legacy"
                | "disable-modern" | "rx_queue_size" | "tx_queue_size" | "packed" | "ioeventfd" | "event_idx"
                | "romfile" | "tx" | "netdev" | "model" | "guest_csum" | "csum" => {
                    if !matches!(key.as_str(), "id" | "name" | "netdev" | "model" | "mq" | "vectors") {
                        device.translated(format!("{key}={value}: vmrun's or QEMU's own choice"));
                    }
                }
                _ => device.lost(format!("{key}={value}: vmrun has nothing like it")),
            }
        }
    }

    /// `-nic`: card and back end in one.
    fn nic(&mut self, opt: &Opt) {
        let mut table = Table::default();
        opt.comments.iter().for_each(|text| table.above(text.clone()));
        let kind = opt.get("model").map_or_else(|| if self.q35 { "e1000e" } else { "e1000" }.to_owned(), str::to_owned);
        tie(opt, &opt.head.clone(), &mut table, &[]);
        model(opt, &kind, &mut table);
        self.options(opt, &mut table);
        *self.page.push("net") = table;
    }

    /// `-net nic` with a back end of the same hub; by order when they name none. Whether there was any.
    fn legacy(&mut self, opts: &[Opt]) -> bool {
        let all: Vec<_> = named(opts, "net").collect();
        let vlan = |opt: &Opt| opt.get("vlan").unwrap_or("0").to_owned();
        let mut ties: Vec<_> = all.iter().filter(|opt| !matches!(opt.head.as_str(), "nic" | "none")).copied().collect();
        for nic in all.iter().filter(|opt| opt.head == "nic") {
            let of_netdev = nic.get("netdev").and_then(|id| by_id(opts, "netdev", id));
            let at = ties.iter().position(|tie| vlan(tie) == vlan(nic));
            let tied = of_netdev.or_else(|| at.map(|at| ties.remove(at)));
            let kind = nic.get("model").unwrap_or(if self.q35 { "e1000e" } else { "e1000" }).to_owned();
            let mut table = Table::default();
            nic.comments.iter().for_each(|text| table.above(text.clone()));
            match tied {
                Some(tied) => {
                    tied.get("name");
                    tie(tied, &tied.head.clone(), &mut table, opts);
                    tied.translated("net; today's QEMU has no hubs of that kind");
                }
                None => table.set("mode", "none"),
            }
            model(nic, &kind, &mut table);
            self.options(nic, &mut table);
            nic.translated("net; today's QEMU has no hubs of that kind");
            *self.page.push("net") = table;
        }
        // A back end without a card: QEMU of old added one.
        for alone in ties {
            let table = push(self.page, "net", alone);
            table.set("model", "e1000");
            let mut filled = table.clone();
            tie(alone, &alone.head.clone(), &mut filled, opts);
            *table = filled;
            alone.translated("net, with a card that QEMU of old added");
        }
        !all.is_empty()
    }
}

fn model(opt: &Opt, kind: &str, table: &mut Table) {
    match CARDS.iter().find(|(driver, _)| *driver == kind).map(|(_, model)| *model) {
        Some(model) if !model.is_empty() => table.set("model", model),
        _ => {
            opt.asked(format!("vmrun has no card `{kind}`"));
            table.put_off(no_card(kind));
            table.set("model", "e1000");
        }
    }
}

/// The question about a card `kind`.
pub(in crate::import) fn no_card(kind: &str) -> String {
    format!("the card was a `{kind}`, which vmrun has not; e1000 is the nearest that guests know.")
}

/// What a card is tied to.
fn tie(netdev: &Opt, kind: &str, table: &mut Table, opts: &[Opt]) {
    netdev.get("id");
    let virtio = true;
    match kind {
        "user" => user(netdev, table),
        "bridge" => {
            table.set("mode", "bridge");
            table.set("bridge", netdev.get("br").unwrap_or("br0"));
            netdev.get("helper");
        }
        "tap" => tap(netdev, table),
        "vhost-user" => {
            table.set("mode", "vhost-user");
            let chardev = netdev.get("chardev").and_then(|id| by_id(opts, "chardev", id));
            table.maybe("path", chardev.and_then(|chardev| chardev.get("path")));
        }
        "passt" => table.set("mode", "passt"),
        other => {
            netdev.lost(format!("vmrun has no network of the kind `{other}`"));
            table.set("mode", "none");
        }
    }
    if virtio {
        if let Some(vhost) = netdev.any(&["vhost", "vhostforce"]).map(super::opt::is_on) {
            table.set("vhost", vhost);
        }
        table.maybe("queues", netdev.number("queues").map(number));
    }
}

fn tap(netdev: &Opt, table: &mut Table) {
    let script = netdev.get("script");
    netdev.any(&["downscript", "sndbuf", "vnet_hdr", "poll-us", "name", "helper"]);
    netdev.get("downscript");
    let bridge = netdev.get("br");
    let name = netdev.get("ifname");
    if netdev.any(&["fd", "fds", "vhostfd", "vhostfds"]).is_some() {
        netdev.asked("which tap device it is: it was handed over as a descriptor");
        table.ask("the tap device was handed over as a descriptor; its name, or a bridge:", "tap = \"tap0\"");
        table.set("mode", "none");
        return;
    }
    let own = script.filter(|script| !matches!(*script, "no" | ""));
    if let Some(own) = own {
        netdev.asked(format!("what `{own}` does with the device; a bridge is joined by mode = \"bridge\""));
        table.comment(format!(
            "To decide: `{own}` tied the device to something. For a bridge:   mode = \"bridge\", bridge = \"br0\""
        ));
    }
    match (name, bridge) {
        (_, Some(bridge)) => {
            table.set("mode", "bridge");
            table.set("bridge", bridge);
        }
        (Some(name), None) => {
            table.set("mode", "tap");
            table.set("tap", name);
        }
        (None, None) => {
            netdev.asked("which bridge the script of the system puts the device into");
            table.ask(
                "the system's /etc/qemu-ifup chose the bridge; there is no cable until then:",
                "mode = \"bridge\"",
            );
            table.comment("bridge = \"br0\"");
            table.set("mode", "none");
        }
    }
}

fn user(netdev: &Opt, table: &mut Table) {
    table.set("mode", "user");
    for forward in netdev.all("hostfwd") {
        match forwarded(forward) {
            Some(text) => table.add("hostfwd", text),
            None => netdev.lost(format!("hostfwd={forward}: not understood")),
        }
    }
    for (key, name) in
        [("net", "net"), ("dns", "dns"), ("hostname", "hostname"), ("tftp", "tftp"), ("bootfile", "bootfile")]
    {
        table.maybe(name, netdev.get(key));
    }
    if netdev.flag("restrict") == Some(true) {
        table.set("restrict", true);
    }
    if let Some(smb) = netdev.get("smb") {
        let text = format!("smb={smb}: Samba is a [[service]], or a folder is a [[share]]");
        netdev.lost(text);
    }
    for key in ["dhcpstart", "ipv4", "ipv6", "host", "name", "dnssearch", "domainname"] {
        if netdev.get(key).is_some() {
            netdev.translated(format!("{key}: QEMU's own choice"));
        }
    }
}

/// The first address that QEMU's own network gives away. QEMU: `net/slirp.c`.
const FIRST: &str = "10.0.2.15";

/// `tcp:127.0.0.1:2222-10.0.2.15:22` without the guest's address, if it is the one that the guest is given.
fn forwarded(text: &str) -> Option<String> {
    let (host, guest) = text.split_once('-')?;
    match guest.rsplit_once(':') {
        Some((address, _)) if !matches!(address, "" | FIRST) => Some(text.to_owned()),
        Some((_, port)) => Some(format!("{host}:{port}")),
        None => Some(format!("{host}:{guest}")),
    }
}
