//! `vmrun host`: the machine in a dozen lines, each with the command that tells more.

use super::super::layout::counted;
use super::memory::{rounded, total};
use super::page::{BAD, CARE, FAINT, GOOD, PLAIN, Page};
use super::{name, verdict};
use crate::host::{Host, Kvm, Pool};
use crate::unit::Size;
use anstyle::Style;
use std::collections::BTreeSet;

/// The page for people.
pub(in crate::cli) fn text(host: &Host, width: usize) -> String {
    let mut page = Page::new(width);
    write(host, &mut page);
    page.finish()
}

fn write(host: &Host, page: &mut Page) {
    page.head(&title(host));
    let rows: [(&str, (Style, String)); 8] = [
        ("CPUs", cpus(host)),
        ("memory", memory(host)),
        ("KVM", kvm(host)),
        ("QEMU", qemu(host)),
        ("IOMMU", iommu(host)),
        ("graphics", gpus(host)),
        ("USB", usb(host)),
        ("firmware", firmware(host)),
    ];
    for (label, (style, text)) in rows {
        page.row(2, label, style, &text);
    }
    page.gap();
    page.styled(0, FAINT, "more of each: vmrun host cpus, memory, groups, gpus, usb, firmware");
    page.styled(0, FAINT, "everything as JSON, as for a bug report: vmrun host --dump");
}

fn title(host: &Host) -> String {
    let system = &host.system;
    let os = system.os.get("PRETTY_NAME").map_or("Linux", String::as_str);
    let board =
        ["sys_vendor", "product_name"].iter().filter_map(|name| host.dmi.get(*name)).cloned().collect::<Vec<_>>();
    let board = if board.is_empty() { String::new() } else { format!(" on {}", board.join(" ")) };
    format!("{os}, kernel {}{board}", system.kernel)
}

fn cpus(host: &Host) -> (Style, String) {
    let cores: BTreeSet<_> = host.cpus.iter().map(|cpu| (cpu.package, cpu.node, cpu.siblings.iter().next())).collect();
    let model = host.cpu_model.as_deref().map_or(String::new(), |model| format!("{model}, "));
    (PLAIN, format!("{model}{}, {}", counted(cores.len(), "core"), counted(host.cpus.len(), "thread")))
}

fn memory(host: &Host) -> (Style, String) {
    let available = host.memory_available.map_or("not known".to_owned(), rounded);
    let pools: Vec<&Pool> = host.nodes.iter().flat_map(|node| &node.pools).filter(|pool| pool.total > 0).collect();
    let huge: u64 = pools.iter().map(|pool| pool.total.saturating_mul(pool.size.bytes())).sum();
    let huge = if huge == 0 {
        "no huge pages kept".to_owned()
    } else {
        format!("{} kept as huge pages", rounded(Size::from_bytes(huge)))
    };
    (PLAIN, format!("{}, {available} available, {huge}", total(host)))
}

fn kvm(host: &Host) -> (Style, String) {
    match host.kvm {
        Kvm::Usable => (GOOD, "usable".to_owned()),
        Kvm::Standin => (CARE, "a slow stand-in: the CPU shows neither VMX nor SVM".to_owned()),
        Kvm::Denied => (BAD, "there, but this user may not open /dev/kvm: join the group kvm".to_owned()),
        Kvm::Absent => {
            (BAD, "not there: switch on virtualisation in the firmware's setup, load kvm_intel or kvm_amd".to_owned())
        }
    }
}

fn qemu(host: &Host) -> (Style, String) {
    match &host.qemu {
        Some(qemu) => (PLAIN, format!("{} at {}", qemu.version, qemu.path.display())),
        None => (BAD, "not found: install qemu-system-x86".to_owned()),
    }
}

fn iommu(host: &Host) -> (Style, String) {
    let groups: BTreeSet<_> = host.pci.iter().filter_map(|function| function.iommu_group).collect();
    match (host.iommu.present, host.iommu.interrupt_remapping) {
        (false, _) => (BAD, "off or not there: no device can be passed".to_owned()),
        (true, Some(false)) => (CARE, format!("{}, interrupts are not remapped", counted(groups.len(), "group"))),
        (true, _) => (GOOD, counted(groups.len(), "group")),
    }
}

fn gpus(host: &Host) -> (Style, String) {
    let cards = host.pci.iter().filter(|function| verdict::is_display(function));
    let told: Vec<_> = cards
        .map(|card| format!("{} ({})", name::device(card), card.driver.as_deref().unwrap_or("no driver")))
        .collect();
    if told.is_empty() { (PLAIN, "no card on PCI".to_owned()) } else { (PLAIN, told.join("; ")) }
}

fn usb(host: &Host) -> (Style, String) {
    let controllers: BTreeSet<_> = host.usb_buses.iter().map(|bus| bus.controller).collect();
    (PLAIN, format!("{}, {}", counted(controllers.len(), "controller"), counted(host.usb.len(), "device")))
}

fn firmware(host: &Host) -> (Style, String) {
    match host.firmware.len() {
        0 => (CARE, "none for UEFI guests".to_owned()),
        count => {
            let secure = host.firmware.iter().any(|it| it.features.iter().any(|feature| feature == "secure-boot"));
            let secure = if secure { ", Secure Boot among them" } else { "" };
            (PLAIN, format!("{}{secure}", counted(count, "image")))
        }
    }
}
