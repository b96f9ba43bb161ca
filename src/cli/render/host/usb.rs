//! `vmrun host usb`: controllers, their buses, and what is plugged in where.

use super::page::{FAINT, PLAIN, Page};
use super::verdict;
use super::{groups, name};
use crate::host::{Host, PciFunction, UsbBus, UsbDevice};
use crate::unit::Bdf;
use serde_json::{Value, json};

/// The page for people.
pub(in crate::cli) fn text(host: &Host, width: usize) -> String {
    let mut page = Page::new(width);
    write(host, &mut page);
    page.finish()
}

fn write(host: &Host, page: &mut Page) {
    if host.usb_buses.is_empty() {
        page.line("no USB bus");
    }
    for controller in controllers(host) {
        page.gap();
        match controller.and_then(|bdf| host.function(bdf)) {
            Some(function) => head(host, function, page),
            None => page.head("a controller that is not on PCI: its devices can be passed one by one only"),
        }
        for bus in host.usb_buses.iter().filter(|bus| bus.controller == controller) {
            describe(host, bus, page);
        }
        if let Some(function) = controller.and_then(|bdf| host.function(bdf)) {
            conclude(host, function, page);
        }
    }
}

/// The controllers in the order of their buses.
fn controllers(host: &Host) -> Vec<Option<Bdf>> {
    let mut found = Vec::new();
    for bus in &host.usb_buses {
        if !found.contains(&bus.controller) {
            found.push(bus.controller);
        }
    }
    found
}

fn head(host: &Host, function: &PciFunction, page: &mut Page) {
    let group = function.iommu_group.map_or("no IOMMU group".to_owned(), |group| format!("IOMMU group {group}"));
    page.head(&format!("{}  {}", function.bdf, name::device(function)));
    let driver = function.driver.as_deref().unwrap_or("no driver");
    let facts = format!("{group}, {}, [{}], {driver}", groups::reset(function), name::ids(function));
    page.styled(2, FAINT, &facts);
    if let Some(name) = verdict::only_keyboard(host, &[function]) {
        page.styled(2, super::page::CARE, &format!("your only keyboard is here: {name}"));
    }
}

fn describe(host: &Host, bus: &UsbBus, page: &mut Page) {
    page.styled(2, PLAIN, &format!("bus {}: {} Mbit/s, {}", bus.number, bus.speed, ports(bus.ports)));
    let mut devices: Vec<(&UsbDevice, bool)> = bus.hubs.iter().map(|hub| (hub, true)).collect();
    devices.extend(host.usb.iter().filter(|device| device.port.bus() == bus.number).map(|device| (device, false)));
    devices.sort_by(|(a, _), (b, _)| a.port.cmp(&b.port));
    if devices.is_empty() {
        page.styled(4, FAINT, "nothing plugged in");
    }
    for (device, hub) in devices {
        let style = if hub { FAINT } else { PLAIN };
        page.styled(4, style, &format!("{:<8} {}  {}", device.port.to_string(), device.id, called(device, hub)));
    }
}

fn ports(count: u8) -> String {
    super::super::layout::counted(count.into(), "port")
}

/// What a device is called and is.
fn called(device: &UsbDevice, hub: bool) -> String {
    let name = match (&device.manufacturer, &device.product) {
        (Some(maker), Some(product)) if !product.starts_with(maker.as_str()) => format!("{maker} {product}"),
        (_, Some(product)) => product.clone(),
        (Some(maker), None) => maker.clone(),
        (None, None) => "without a name".to_owned(),
    };
    let kinds = [(hub, "hub"), (device.keyboard, "keyboard"), (device.mouse, "mouse")];
    let kinds: Vec<_> = kinds.iter().filter(|(is, _)| *is).map(|(_, kind)| *kind).collect();
    if kinds.is_empty() { name } else { format!("{name} ({})", kinds.join(", ")) }
}

fn conclude(host: &Host, function: &PciFunction, page: &mut Page) {
    let mates = verdict::mates(host, function);
    let verdict = verdict::of(host, &mates);
    page.row(2, "verdict", groups::style(&verdict), verdict.in_short());
    groups::conclude(host, &mates, &verdict, page);
}

/// The same for programs.
pub(in crate::cli) fn json(host: &Host) -> Value {
    let controllers = controllers(host).into_iter().map(|controller| {
        let function = controller.and_then(|bdf| host.function(bdf));
        let buses = host.usb_buses.iter().filter(|bus| bus.controller == controller).map(|bus| {
            let devices = host.usb.iter().filter(|device| device.port.bus() == bus.number).collect::<Vec<_>>();
            json!({"bus": bus, "devices": devices})
        });
        json!({
            "controller": function,
            "only_keyboard": function.and_then(|function| verdict::only_keyboard(host, &[function])),
            "buses": buses.collect::<Vec<_>>(),
        })
    });
    json!({"controllers": controllers.collect::<Vec<_>>(), "keyboards": host.keyboards})
}
