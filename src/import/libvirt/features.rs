//! `<features>`: what the machine, KVM and Hyper-V's interface offer the guest.

use super::Domain;
use crate::import::page::number;
use crate::import::xml::Element;
use crate::unit::ENLIGHTENMENTS;

pub(super) fn import(root: &Element, domain: &mut Domain) {
    let Some(features) = root.child("features") else { return };
    for feature in features.each() {
        let on = feature.flag("state");
        match feature.name.as_str() {
            "hyperv" => hyperv(feature, domain),
            "kvm" => kvm(feature, domain),
            "acpi" | "apic" if on == Some(false) => feature.lost("every PC of today has it"),
            "acpi" | "pae" => {}
            "apic" => {
                if let Some(eoi) = feature.flag("eoi") {
                    flag(domain, eoi, "kvm-pv-eoi");
                }
            }
            "vmport" => domain.page.table("machine").maybe("vmport", on),
            "smm" => {
                domain.page.table("machine").set("smm", on.unwrap_or(true));
                feature.all("tseg").for_each(|tseg| tseg.lost("the firmware's own size is taken"));
            }
            "ioapic" => match feature.attr("driver") {
                Some("qemu") => domain.page.table("machine").set("kernel_irqchip", "split"),
                _ => domain.page.table("machine").set("kernel_irqchip", "on"),
            },
            "pmu" => flag(domain, on.unwrap_or(true), "pmu"),
            "pvspinlock" => flag(domain, on.unwrap_or(true), "kvm-pv-unhalt"),
            "vmcoreinfo" => match on {
                Some(false) => {}
                _ => domain.args.extend(["-device".to_owned(), r#"{"driver":"vmcoreinfo"}"#.to_owned()]),
            },
            "hap" | "viridian" | "privnet" => feature.needless("it is Xen's or LXC's"),
            "msrs" => feature.lost("what becomes of unknown registers is set in the module kvm: ignore_msrs"),
            "ps2" => {
                if on == Some(false) {
                    feature.lost("the chipset has its PS/2 controller");
                }
            }
            other => feature.lost(format!("a PC under vmrun has no `{other}`")),
        }
    }
}

fn flag(domain: &mut Domain, on: bool, name: &str) {
    domain.page.table("cpu").add("flags", format!("{}{name}", if on { '+' } else { '-' }));
}

fn hyperv(hyperv: &Element, domain: &mut Domain) {
    if hyperv.attr("mode") == Some("passthrough") {
        domain.page.table("cpu").set("hv", "max");
        hyperv.translated("all that the host's CPU and QEMU can give: hv = \"max\"");
        hyperv.take();
        return;
    }
    let mut all = Vec::new();
    for element in hyperv.each() {
        let on = element.flag("state").unwrap_or(true);
        let name = element.name.as_str();
        match (name, on) {
            ("spinlocks", true) => {
                let retries = element.number("retries").unwrap_or(4095);
                // QEMU: never to be told is -1; libvirt: `src/conf/domain_conf.c`.
                domain.page.table("cpu").set("hv_spinlocks", number(retries));
            }
            ("vendor_id", true) => domain.page.table("cpu").maybe("hv_vendor_id", element.attr("value")),
            (name, true) => match ENLIGHTENMENTS.iter().find(|own| own.libvirt == Some(name)) {
                Some(own) => {
                    all.push(own.qemu.to_owned());
                    all.extend(modes(element));
                }
                None => element.lost(format!("vmrun knows no enlightenment `{name}`")),
            },
            ("spinlocks", false) => _ = element.attr("retries"),
            ("vendor_id", false) => _ = element.attr("value"),
            (_, false) => {}
        }
    }
    all.into_iter().for_each(|name| domain.page.table("cpu").add("hv", name));
}

/// Enlightenments that stand in the element of another.
fn modes(element: &Element) -> Vec<String> {
    let rows = [("direct", "direct"), ("extended", "ext")];
    let on = |(child, suffix): (&str, &str)| {
        let on = element.child(child)?.flag("state").unwrap_or(true);
        on.then(|| format!("{}-{suffix}", element.name))
    };
    rows.into_iter().filter_map(on).collect()
}

fn kvm(kvm: &Element, domain: &mut Domain) {
    for element in kvm.each() {
        let on = element.flag("state").unwrap_or(true);
        match element.name.as_str() {
            "hidden" => domain.page.table("cpu").set("hide_kvm", on),
            "hint-dedicated" if on => flag(domain, true, "kvm-hint-dedicated"),
            "poll-control" if on => flag(domain, true, "kvm-poll-control"),
            "pv-ipi" => flag(domain, on, "kvm-pv-ipi"),
            "hint-dedicated" | "poll-control" => {}
            "dirty-ring" => {
                element.attr("size");
                element.needless("it is for migration, which vmrun has not");
            }
            other => element.lost(format!("vmrun knows no `{other}` of KVM")),
        }
    }
}
