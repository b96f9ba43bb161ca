//! `[pcie]`: the guest's PCI Express ports.

use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use crate::unit::PciSlot;
use schemars::JsonSchema;
use serde::Deserialize;

/// PCI Express of the guest; only `machine.type = "q35"` has it.
///
/// Each table of the profile has addresses of its own, so a device that is added to one moves none of another: Windows
/// finds every device where it was. After a start the address of each device is kept in `addresses.json` in the guest's
/// state folder, by what names the device whatever its turn (a disk's file, an interface's MAC, a card's address on the
/// host), and it is the same the next time; `vmrun plan` says of each address whether it is kept. An `addr` of the
/// profile and `[addresses]` win. Without the file, or with another `machine.type`, addresses are dealt anew. In the same file are the
/// hardware addresses of interfaces, and the serial numbers of NVMe disks, that the profile does not give.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pcie {
    /// Empty root ports, into which devices can be plugged while the guest runs; 4 unless given.
    spare_ports: Option<u8>,
    /// Root ports that are there even when nothing sits behind them, by their address. Guests number buses in the order of
    /// the ports, so a guest that had them elsewhere finds its buses numbered as they were.
    #[serde(default)]
    ports: Vec<PciSlot>,
}

const SPARE_PORTS: u8 = 4;

/// Adds the spare ports; to be called when everything else has its place.
pub(super) fn draft(pcie: &Pcie, draft: &mut Draft) {
    let Pcie { spare_ports, ports } = pcie;
    let spare_ports = *spare_ports;
    if draft.slots.chipset() == Chipset::I440fx && spare_ports.is_some_and(|count| count > 0) {
        draft.refuse(
            Problem::new(Class::Invalid, "pcie.spare_ports", "machine.type = \"pc\" has no PCI Express ports")
                .why("its one bus takes devices while the guest runs as it is")
                .fix("leave spare_ports out"),
        );
        return;
    }
    let count = usize::from(spare_ports.unwrap_or(SPARE_PORTS));
    for (i, port) in ports.iter().enumerate().filter(|(_, port)| matches!(port.device(), 0 | 0x1f)) {
        let what = format!("{port} belongs to the chipset");
        draft.refuse(Problem::new(Class::Invalid, format!("pcie.ports[{i}]"), what).fix("ports = [\"01.0\"]"));
    }
    let Draft { contents, slots, .. } = draft;
    ports.iter().for_each(|port| slots.port(&mut contents.argv, *port));
    // Nobody asked for those of the default: a full machine has as many as there is room for.
    if slots.spare(&mut contents.argv, count).is_none() && spare_ports.is_some() {
        let origin = Origin::given("pcie.spare_ports");
        draft.refuse(Problem::new(Class::Invalid, origin.key, format!("there is no room for {count} spare ports")));
    }
}
