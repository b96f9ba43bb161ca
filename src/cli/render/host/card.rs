//! The graphics cards as `vmrun new` offers them: the same facts and verdict as `vmrun host gpus`, one card a value.

use super::{gpus, name, verdict};
use crate::host::{Host, PciFunction};
use crate::unit::Bdf;

/// A graphics card that a guest could have.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Card {
    pub(in crate::cli) bdf: Bdf,
    /// Maker and model.
    pub(in crate::cli) name: String,
    /// Its sockets that have a monitor, and what shares its group.
    pub(in crate::cli) told: Vec<String>,
    /// `can be passed` and the like.
    pub(in crate::cli) verdict: &'static str,
    /// Why it cannot be given away; nothing when it can.
    pub(in crate::cli) against: Vec<String>,
    /// What to think of before.
    pub(in crate::cli) care: Vec<String>,
    /// The lines of a profile that pass it, with all that must come along.
    pub(in crate::cli) lines: Vec<String>,
    /// Whether the host draws on it now, or did when it was started.
    pub(in crate::cli) in_use: bool,
    /// Whether the host has no other card to draw on.
    pub(in crate::cli) only: bool,
    /// Whether the kernel can reset it.
    pub(in crate::cli) resettable: bool,
}

/// The cards of `host`, by address.
pub(in crate::cli) fn cards(host: &Host) -> Vec<Card> {
    gpus::cards(host).into_iter().map(|function| card(host, function)).collect()
}

fn card(host: &Host, function: &PciFunction) -> Card {
    let mates = verdict::mates(host, function);
    let verdict = verdict::of(host, &mates);
    let plugged = function.connectors.iter().filter(|connector| connector.connected != Some(false));
    let plugged = plugged.map(|connector| format!("{} {}", connector.name, gpus::plugged(connector)));
    let group = function.iommu_group.map(|_| format!("group {}", gpus::group(host, function)));
    Card {
        bdf: function.bdf,
        name: name::known(function).unwrap_or_else(|| format!("graphics card {}", name::ids(function))),
        told: plugged.chain(group).collect(),
        verdict: verdict.in_short(),
        lines: verdict::lines(host, &mates),
        against: verdict.against,
        care: verdict.care,
        in_use: function.boot_vga || function.connectors.iter().any(|connector| connector.enabled),
        only: !host.pci.iter().any(|other| verdict::is_display(other) && is_drawn_on(other) && !mates.contains(&other)),
        resettable: function.resettable || function.parent.is_some(),
    }
}

/// Whether the host could draw on it: a card that it gave up at its start is no picture of the host's.
fn is_drawn_on(function: &PciFunction) -> bool {
    !matches!(function.driver.as_deref(), Some("vfio-pci" | "pci-stub"))
}
