//! IOMMU groups.

use super::{Check, Found, Subject, Verdict, named, ok, warn};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "gpu-group",
        why: "VFIO gives a guest whole groups: what shares one with the card goes with it, and leaves the host",
        of_profiles: false,
        judge: alone,
    },
    Check {
        id: "reserved-memory",
        why: "the firmware keeps memory of its own for a device there (RMRR), and VFIO refuses such a group",
        of_profiles: true,
        judge: reserved,
    },
];

fn alone(subject: &Subject<'_>) -> Vec<Found> {
    let cards = subject.candidates().into_iter().filter(|card| card.iommu_group.is_some());
    let found = cards.flat_map(|card| {
        let others: Vec<_> = subject.mates(card).into_iter().filter(|mate| !mate.bdf.same_device(card.bdf)).collect();
        let group = card.iommu_group.unwrap_or_default();
        let read = format!("/sys/kernel/iommu_groups/{group}/devices");
        if others.is_empty() {
            return ok(format!("{} has group {group} to itself", named(card)), read);
        }
        let names: Vec<_> = others.iter().map(|other| named(other)).collect();
        warn(
            format!("{} shares group {group} with {}", named(card), names.join(", ")),
            read,
            "pass them too, or put the card into a slot of the processor's or the chipset's other ports; \
             `vmrun why acs-override` has the last resort and its price",
        )
    });
    found.collect()
}

fn reserved(subject: &Subject<'_>) -> Vec<Found> {
    let cards = subject.candidates();
    let read = "/sys/kernel/iommu_groups/*/reserved_regions, lines with `direct`";
    let held: Vec<Found> = cards
        .iter()
        .filter(|card| card.iommu_group.is_some_and(|group| subject.host.iommu.direct.contains(&group)))
        .map(|card| Found {
            // Nobody has said that a guest is to have it.
            verdict: if subject.passed.is_some() { Verdict::Fail } else { Verdict::Warn },
            what: format!("the firmware reserves memory for {}", named(card)),
            read: read.to_owned(),
            fix: "switch off what the firmware does with the card (USB legacy, remote management, the card's own \
                  console) in its setup; a card for guests is better put into another slot"
                .to_owned(),
        })
        .collect();
    match held.is_empty() {
        true if cards.iter().any(|card| card.iommu_group.is_some()) => ok("no memory is reserved for the cards", read),
        _ => held,
    }
}
