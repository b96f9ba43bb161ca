//! `[[net]]`: network interfaces.
//!
//! A table has two halves: what the guest sees ([`device`]), and what it is tied to, one file a mode.

mod bridge;
mod device;
mod explain;
mod forward;
mod judge;
mod macvtap;
mod mode;
mod netdev;
mod passt;
mod tap;
mod user;
mod value;

use super::boot_order::BootOrder;
use super::disk_bus::place_named;
use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Draft, Identity, Nameless, Origin};
use crate::unit::{HostAddress, Mac};
use device::Model;
use forward::Forward;
use macvtap::MacvtapMode;
use mode::Mode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use value::{AcpiIndex, LinkName, Mtu, Queues, Subnet};

/// A network interface; QEMU's `-netdev` and `-device`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Net {
    /// What it is connected to.
    mode: Mode,
    /// What the guest sees; `virtio` unless given.
    #[serde(default)]
    #[schemars(extend("default" = "virtio"))]
    model: Model,
    /// Its hardware address; unless given, made of the guest's name and kept from run to run: it stays when another
    /// interface comes or goes, or when this one is tied to something else. QEMU: `mac`.
    mac: Option<Mac>,
    /// Bridge of the host that it joins, for `mode = "bridge"`.
    bridge: Option<LinkName>,
    /// Whether the bridge is made for the run if it is not there, and taken away with the last guest that has it so; off
    /// unless given. It leads nowhere but to the host and to other guests on it.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    create_bridge: bool,
    /// The host's own address on a bridge that is made, with its network: `192.168.90.1/24`. The guest takes another one of
    /// that network.
    bridge_address: Option<HostAddress>,
    /// Tap device of the host, for `mode = "tap"`: one that is there, or a name under which one is made for the run.
    tap: Option<LinkName>,
    /// Interface of the host that it shares, for `mode = "macvtap"`.
    parent: Option<LinkName>,
    /// How it shares `parent`; `bridge` unless given. Kernel: `macvtap mode`.
    #[schemars(extend("default" = "bridge"))]
    macvtap_mode: Option<MacvtapMode>,
    /// Socket of the switch, for `mode = "vhost-user"`.
    path: Option<PathBuf>,
    /// Pairs of queues, so that several vCPUs send and receive at once; one for each vCPU, at most 8, where the kernel
    /// moves the packets, else 1. Only for `virtio`. QEMU: `queues`, `mq`, `vectors`.
    queues: Option<Queues>,
    /// Whether the host's kernel moves the packets, instead of QEMU; on if the host can. Only for `virtio`. QEMU:
    /// `vhost`.
    vhost: Option<bool>,
    /// Largest packet in bytes; that of the bridge or interface unless given. A guest learns of it by `virtio` only.
    /// QEMU: `host_mtu`.
    mtu: Option<Mtu>,
    /// Whether the guest may spread what it receives over its queues by itself; off unless given. Only for `virtio`.
    /// QEMU: `rss`.
    #[serde(default)]
    #[schemars(extend("default" = false))]
    rss: bool,
    /// Whether checksums and segmentation are left to the host; on unless given. To be turned off for guests that
    /// route packets and cannot cope. Only for `virtio`. QEMU: `csum`, `gso`, `guest_tso4` and their kin.
    #[schemars(extend("default" = true))]
    offloads: Option<bool>,
    /// Whether firmware can boot from it; on unless given, where QEMU has a boot ROM for the model. QEMU: `romfile`.
    #[schemars(extend("default" = true))]
    rom: Option<bool>,
    /// Place in the firmware's boot order. QEMU: `bootindex`.
    boot_index: Option<u16>,
    /// Number by which Linux guests name it: 1 is `eno1`. QEMU: `acpi-index`.
    acpi_index: Option<AcpiIndex>,
    /// Whether the cable is plugged in when the guest starts; `up` unless given.
    #[serde(default)]
    #[schemars(extend("default" = "up"))]
    link: Cable,
    /// Ports of the host that lead into the guest, for `mode = "user"` and `"passt"`: `tcp:127.0.0.1:2222:22`.
    #[serde(default)]
    hostfwd: Vec<Forward>,
    /// Network that QEMU makes up, for `mode = "user"`; 10.0.2.0/24 unless given.
    net: Option<Subnet>,
    /// Name server that the guest is told. For `mode = "user"` an address in `net` at which QEMU answers for the
    /// host's; for `"passt"` any.
    dns: Option<Ipv4Addr>,
    /// Name of the guest that it is told, for `mode = "user"`.
    hostname: Option<String>,
    /// Folder that the guest can read by TFTP, for `mode = "user"`.
    tftp: Option<PathBuf>,
    /// File in `tftp` that firmware boots, for `mode = "user"`.
    bootfile: Option<String>,
    /// Whether the guest is kept from the host and from the outside, for `mode = "user"`; off unless given. Forwarded
    /// ports still lead in.
    #[schemars(extend("default" = false))]
    restrict: Option<bool>,
}

/// Whether the cable is plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Cable {
    /// It is.
    #[default]
    Up,
    /// It is not.
    Down,
}

/// One table at its turn.
struct Turn<'a> {
    net: &'a Net,
    /// Key path, like `net[0]`.
    key: String,
    /// Id of the back end, like `net0`.
    id: String,
    mac: Mac,
    /// Whether it had that address at the last start already.
    kept: bool,
    scene: &'a Scene<'a>,
    /// Place in the boot order.
    boot_index: Option<u32>,
}

impl Net {
    pub(super) fn paths(&self, setting: &Setting) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            [&self.path, &self.tftp].into_iter().flatten().map(|path| setting.resolve(path)).collect();
        if self.mode == Mode::Passt {
            paths.extend(passt::candidates(setting));
        }
        paths
    }

    pub(super) fn boot_index(&self) -> Option<u16> {
        self.boot_index.filter(|_| self.mode != Mode::None)
    }

    /// What tells it from the other interfaces, whatever their order: what it is tied to.
    fn nameless(&self, turn: usize, setting: &Setting) -> Nameless {
        let name = [&self.bridge, &self.tap, &self.parent].into_iter().flatten().next().map(ToString::to_string);
        let path = self.path.as_ref().map(|path| setting.resolve(path).display().to_string());
        let tie = name.or(path).map(|tie| format!(" {tie}")).unwrap_or_default();
        let given = self.mac.map(|mac| mac.to_string());
        Nameless { name: format!("net {}{tie}", self.mode), turn, given }
    }

    /// Whether it is tied to an interface of the host.
    pub(super) fn is_tied(&self) -> bool {
        matches!(self.mode, Mode::Bridge | Mode::Tap | Mode::Macvtap)
    }

    /// Turn of the forward that is of the host's TCP port `port`, opened on `addr` or all addresses.
    pub(super) fn forwards(&self, addr: Option<Ipv4Addr>, port: u16) -> Option<usize> {
        let forwards = self.hostfwd.iter().position(|forward| forward.is_of(addr, port));
        forwards.filter(|_| matches!(self.mode, Mode::User | Mode::Passt))
    }

    /// Whether another process has to reach the guest's memory.
    pub(super) fn shares_memory(&self) -> bool {
        self.mode == Mode::VhostUser
    }
}

impl Turn<'_> {
    /// A key path in this table.
    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }

    /// The interface of the host that it is tied to.
    fn link(&self) -> Option<&LinkName> {
        [&self.net.bridge, &self.net.tap, &self.net.parent].into_iter().flatten().next()
    }

    fn draft(&self, draft: &mut Draft) {
        judge::keys(self, draft);
        let Some((netdev, ties)) = mode::tie(self, draft) else { return };
        netdev::draft(self, &netdev, draft);
        let device = device::of(self, ties);
        if self.net.link == Cable::Down {
            draft.contents.links_down.extend(device["id"].as_str().map(str::to_owned));
        }
        let explained = explain::of(self, &netdev, &device);
        place_named(&format!("net {}", self.mac), device, &Origin::given(&self.key), draft);
        for (id, origin) in explained {
            draft.contents.argv.explain(&id, origin);
        }
    }
}

/// What the device must know of what it is tied to.
#[derive(Clone, Copy, Debug, Default)]
struct Ties {
    /// Pairs of queues; 0 and 1 are one.
    queues: u16,
    /// MTU that the guest is told.
    mtu: Option<u16>,
}

type Tied = (Value, Ties);

pub(super) fn draft(nets: &[Net], order: &BootOrder, scene: &Scene, draft: &mut Draft) {
    let nets = || nets.iter().enumerate().filter(|(_, net)| net.mode != Mode::None);
    let derived = |turn| Mac::derived(&format!("{}/net{turn}", scene.name));
    let nameless: Vec<_> = nets().map(|(turn, net)| net.nameless(turn, scene.setting)).collect();
    let macs = draft.identities.deal(&nameless, |turn| derived(turn).to_string());
    let turns = nets().zip(macs).map(|((i, net), Identity { text, kept })| {
        // Only what is kept could be no address, where somebody changed the file.
        let mac = text.parse().unwrap_or_else(|_| derived(i));
        Turn { net, key: format!("net[{i}]"), id: format!("net{i}"), mac, kept, scene, boot_index: order.nets[i] }
    });
    let turns: Vec<_> = turns.collect();
    judge::duplicates(&turns, draft);
    turns.iter().for_each(|turn| turn.draft(draft));
}
