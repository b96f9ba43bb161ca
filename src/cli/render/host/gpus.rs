//! `vmrun host gpus`: the graphics cards, what is plugged into them, and whether a guest can have them.

use super::page::{PLAIN, Page};
use super::verdict;
use super::{groups, name};
use crate::host::{Connector, Host, PciFunction};
use crate::unit::Size;
use serde_json::{Value, json};

/// The page for people.
pub(in crate::cli) fn text(host: &Host, width: usize) -> String {
    let mut page = Page::new(width);
    write(host, &mut page);
    page.finish()
}

fn write(host: &Host, page: &mut Page) {
    let cards = cards(host);
    if cards.is_empty() {
        page.line("no graphics card on PCI");
    }
    for card in cards {
        page.gap();
        page.head(&format!("{}  {}{}", card.bdf, name::device(card), if card.boot_vga { ", boot VGA" } else { "" }));
        describe(host, card, page);
        let mates = verdict::mates(host, card);
        let verdict = verdict::of(host, &mates);
        page.row(2, "verdict", groups::style(&verdict), verdict.in_short());
        groups::conclude(host, &mates, &verdict, page);
    }
}

pub(super) fn cards(host: &Host) -> Vec<&PciFunction> {
    host.pci.iter().filter(|function| verdict::is_display(function)).collect()
}

fn describe(host: &Host, card: &PciFunction, page: &mut Page) {
    let driver = card.driver.as_deref().unwrap_or("none");
    page.row(2, "driver", PLAIN, &format!("{driver}  [{}]", name::ids(card)));
    page.row(2, "group", PLAIN, &group(host, card));
    outputs(card, page);
    page.row(2, "memory", PLAIN, &memory(card));
    page.row(2, "ROM", PLAIN, &rom(card));
    if let Some(link) = &card.link {
        let now = format!("{} GT/s x{}", link.speed, link.width);
        page.row(2, "link", PLAIN, &format!("{now} now, {} GT/s x{} at most", link.max_speed, link.max_width));
    }
    page.row(2, "reset", PLAIN, &groups::reset(card));
}

pub(super) fn group(host: &Host, card: &PciFunction) -> String {
    let Some(group) = card.iommu_group else { return "none".to_owned() };
    let others = verdict::mates(host, card).into_iter().filter(|other| other.bdf != card.bdf && !other.bridge);
    let others: Vec<_> = others.map(|other| format!("{} ({})", other.bdf, name::class(other))).collect();
    if others.is_empty() { group.to_string() } else { format!("{group}, with {}", others.join(", ")) }
}

fn outputs(card: &PciFunction, page: &mut Page) {
    if card.connectors.is_empty() {
        let driven = card.driver.as_deref().is_some_and(|driver| driver != "vfio-pci" && driver != "pci-stub");
        let what = if driven { "none" } else { "not known while no graphics driver holds it" };
        return page.row(2, "outputs", PLAIN, what);
    }
    for (index, connector) in card.connectors.iter().enumerate() {
        let label = if index == 0 { "outputs" } else { "" };
        page.row(2, label, PLAIN, &format!("{:<10} {}", connector.name, plugged(connector)));
    }
}

pub(super) fn plugged(connector: &Connector) -> String {
    let monitor = connector.monitor.as_deref().unwrap_or("a monitor");
    match (connector.connected, connector.enabled) {
        (Some(true), true) => format!("{monitor}, in use"),
        (Some(true), false) => format!("{monitor}, not in use"),
        (Some(false), _) => "nothing plugged in".to_owned(),
        (None, _) => "cannot tell what is plugged in".to_owned(),
    }
}

/// The registers; those that can be resized with what they can become.
fn memory(card: &PciFunction) -> String {
    let bars = card.bars.iter().filter(|bar| !bar.io).map(|bar| {
        let largest = card.resizable.get(&bar.index).and_then(|sizes| sizes.last());
        let larger = largest.filter(|&&size| size > bar.size).map_or(String::new(), |size| format!(" (up to {size})"));
        format!("BAR {} {}{larger}", bar.index, bar.size)
    });
    let bars: Vec<_> = bars.collect();
    let whole = bars.join(", ");
    match (bars.is_empty(), card.resizable.is_empty()) {
        (true, _) => "not known".to_owned(),
        (false, true) => whole,
        (false, false) => format!("{whole}; Resizable BAR"),
    }
}

fn rom(card: &PciFunction) -> String {
    let size = card.rom.map_or_else(|| "none of its own".to_owned(), |size: Size| format!("{size} window"));
    let shadowed = "; boot VGA: what is read now may be the firmware's copy, so a file may be needed";
    format!("{size}{}", if card.boot_vga { shadowed } else { "" })
}

/// The same for programs.
pub(in crate::cli) fn json(host: &Host) -> Value {
    let cards = cards(host).into_iter().map(|card| {
        let mates = verdict::mates(host, card);
        let verdict = verdict::of(host, &mates);
        json!({
            "card": card,
            "with": mates.iter().filter(|other| other.bdf != card.bdf).map(|other| other.bdf).collect::<Vec<_>>(),
            "can_be_passed": verdict.against.is_empty(),
            "against": verdict.against,
            "care": verdict.care,
        })
    });
    json!({"gpus": cards.collect::<Vec<_>>(), "console": host.console})
}
