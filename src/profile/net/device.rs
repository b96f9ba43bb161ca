//! What the guest sees of an interface.

use super::{Ties, Turn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Offloads of a virtio interface that all versions have; QEMU: `hw/net/virtio-net.c`.
const OFFLOADS: [&str; 11] = [
    "csum",
    "guest_csum",
    "gso",
    "guest_tso4",
    "guest_tso6",
    "guest_ecn",
    "guest_ufo",
    "host_tso4",
    "host_tso6",
    "host_ecn",
    "host_ufo",
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Model {
    /// Fastest; needs a driver in Windows.
    #[default]
    Virtio,
    /// Intel 82574L; every newer guest has a driver.
    E1000e,
    /// Intel 82540EM, for older guests.
    E1000,
    /// Realtek RTL8139C+, for very old guests.
    Rtl8139,
    /// `VMware`'s; for guests that came from there.
    Vmxnet3,
}

impl Model {
    fn driver(self) -> &'static str {
        match self {
            Self::Virtio => "virtio-net-pci",
            Self::E1000e => "e1000e",
            Self::E1000 => "e1000",
            Self::Rtl8139 => "rtl8139",
            Self::Vmxnet3 => "vmxnet3",
        }
    }
}

/// The device of an interface that is tied as `ties` say; it has no place yet.
pub(super) fn of(turn: &Turn<'_>, ties: Ties) -> Value {
    let net = turn.net;
    let id = turn.id.replacen("net", "nic", 1);
    let mut device = json!({"driver": net.model.driver(), "id": id, "netdev": turn.id, "mac": turn.mac.to_string()});
    if net.model == Model::Virtio {
        virtio(&mut device, turn, ties);
    }
    if net.rom == Some(false) {
        device["romfile"] = json!("");
    }
    if let Some(index) = turn.boot_index {
        device["bootindex"] = json!(index);
    }
    if let Some(index) = net.acpi_index {
        device["acpi-index"] = json!(index.0);
    }
    device
}

fn virtio(device: &mut Value, turn: &Turn<'_>, Ties { queues, mtu }: Ties) {
    if queues > 1 {
        // An interrupt for each queue of each pair, one for the control queue and one for changes of configuration.
        device["mq"] = json!(true);
        device["vectors"] = json!(2 * queues + 2);
    }
    if let Some(mtu) = mtu {
        device["host_mtu"] = json!(mtu);
    }
    if turn.net.rss {
        device["rss"] = json!(true);
    }
    if turn.net.offloads == Some(false) {
        for name in OFFLOADS {
            device[name] = json!(false);
        }
    }
}
