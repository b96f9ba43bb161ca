//! `<vcpu>` and `<cpu>`: how many, which model, which flags and topology, which NUMA nodes.

use super::Domain;
use crate::import::page::size;
use crate::import::unready;
use crate::import::xml::Element;

pub(super) fn import(root: &Element, domain: &mut Domain) {
    let count = vcpus(root);
    let cpu = root.child("cpu");
    topology(cpu.and_then(|cpu| cpu.child("topology")), count, domain);
    match cpu {
        Some(cpu) => {
            model(cpu, domain);
            flags(cpu, domain);
            caches(cpu, domain);
            numa(cpu, domain);
        }
        // QEMU's own choice when libvirt is told nothing.
        None => domain.page.table("cpu").set("model", "qemu64"),
    }
}

fn vcpus(root: &Element) -> u64 {
    let Some(vcpu) = root.child("vcpu") else { return 1 };
    if vcpu.attr("placement") == Some("auto") {
        vcpu.lost("numad is not asked; cpu.pinning = \"auto\" has vmrun choose");
    }
    let count = vcpu.text().parse().unwrap_or(1);
    if let Some(current) = vcpu.number("current").filter(|current| *current != count) {
        vcpu.lost(format!("{current} of {count} vCPUs at the start: all are there from the start"));
    }
    for each in root.child("vcpus").into_iter().flat_map(|vcpus| vcpus.all("vcpu")) {
        let here = (each.attr("id"), each.flag("enabled"), each.flag("hotpluggable"), each.attr("order")).1;
        if here == Some(false) {
            each.lost("all vCPUs are there from the start");
        }
    }
    count
}

/// Without a topology libvirt makes each vCPU a socket.
fn topology(topology: Option<&Element>, count: u64, domain: &mut Domain) {
    let table = domain.page.table("cpu");
    let Some(topology) = topology else {
        table.set("sockets", crate::import::page::number(count));
        if count > 2 {
            table.comment(
                "The file has no topology, so each vCPU is a socket, as libvirt makes it; Windows uses two of them.",
            );
        }
        return;
    };
    for level in ["sockets", "dies", "modules", "cores", "threads"] {
        let number = topology.number(level).filter(|number| *number > 1 || level == "sockets");
        table.maybe(level, number.map(crate::import::page::number));
    }
    if topology.number("clusters").is_some_and(|clusters| clusters > 1) {
        topology.lost("a PC has no clusters of cores");
    }
}

fn model(cpu: &Element, domain: &mut Domain) {
    cpu.attr("match");
    cpu.attr("check");
    let custom = cpu.child("model");
    custom.into_iter().for_each(|model| _ = model.attr("fallback"));
    let table = domain.page.table("cpu");
    match cpu.attr("mode") {
        Some("host-passthrough") => table.set("model", "host"),
        Some("maximum") => table.set("model", "max"),
        Some("host-model") => {
            table.set("model", "host");
            cpu.translated("the host's own CPU with all its flags; libvirt would name the model that is nearest to it");
        }
        Some("custom") | None => match custom.map(Element::text).filter(|model| !model.is_empty()) {
            Some(model) => table.set("model", model),
            None => table.set("model", "qemu64"),
        },
        Some(other) => cpu.lost(format!("vmrun knows no mode `{other}`")),
    }
    if let Some(id) = custom.and_then(|model| model.attr("vendor_id")) {
        custom
            .into_iter()
            .for_each(|model| model.lost(format!("the vendor `{id}` of the CPU: vmrun shows the model's")));
    }
    if let Some(vendor) = cpu.child("vendor") {
        vendor.needless("the vendor follows from the model");
    }
}

fn flags(cpu: &Element, domain: &mut Domain) {
    let model = domain.page.get("cpu", "model").and_then(|model| model.as_str().map(str::to_owned)).unwrap_or_default();
    let host = matches!(model.as_str(), "host" | "max");
    let migratable = cpu.flag("migratable");
    let mut steady = false;
    for feature in cpu.all("feature") {
        let Some(name) = feature.attr("name") else { continue };
        let name = qemu_name(name);
        steady |= name == "invtsc";
        match feature.attr("policy") {
            Some("require" | "force") | None => domain.page.table("cpu").add("flags", format!("+{name}")),
            Some("disable" | "forbid") => domain.page.table("cpu").add("flags", format!("-{name}")),
            Some("optional") if host => feature.needless("the host's CPU has it, or nobody"),
            Some("optional") => {
                domain.page.table("cpu").add("flags", format!("+{name}"));
                feature.translated("asked for; QEMU leaves out what the host's CPU lacks");
            }
            Some(other) => feature.lost(format!("vmrun knows no policy `{other}`")),
        }
    }
    // libvirt's `migratable='on'`, which is also QEMU's own choice, hides the one flag that vmrun would show.
    if host && migratable != Some(false) && !steady {
        domain.page.table("cpu").comment("Hidden as by migratable=on; a guest that may see it has a steady clock.");
        domain.page.table("cpu").add("flags", "-invtsc");
    }
    if let Some(bits) = cpu.child("maxphysaddr") {
        match bits.attr("mode") {
            Some("passthrough") => domain.page.table("cpu").add("flags", "+host-phys-bits"),
            _ => bits.lost("the width of addresses follows from the model"),
        }
    }
}

/// QEMU's name of a flag where libvirt has another; libvirt: `src/cpu_map`, `virQEMUCapsCPUFeatureTranslationTable`.
fn qemu_name(name: &str) -> String {
    match name {
        "cmp_legacy" => "cmp-legacy".into(),
        "pclmuldq" => "pclmulqdq".into(),
        "lm" | "nx" | "svm" | "vmx" => name.into(),
        "fxsr_opt" => "fxsr-opt".into(),
        "ds_cpl" => "ds-cpl".into(),
        "kvm_pv_unhalt" => "kvm-pv-unhalt".into(),
        other => other.replace('_', "-"),
    }
}

fn caches(cpu: &Element, domain: &mut Domain) {
    for cache in cpu.all("cache") {
        match (cache.attr("mode"), cache.number("level")) {
            (Some("passthrough"), _) => domain.page.table("cpu").set("host_cache_info", true),
            (Some("emulate"), Some(3) | None) => domain.page.table("cpu").set("l3_cache", true),
            (Some("disable"), _) => {
                domain.page.table("cpu").set("l3_cache", false);
                domain.page.table("cpu").set("host_cache_info", false);
            }
            _ => cache.lost("vmrun knows no such cache"),
        }
    }
}

fn numa(cpu: &Element, domain: &mut Domain) {
    let Some(numa) = cpu.child("numa") else { return };
    numa.all("interconnects").for_each(|hmat| hmat.lost("tables of latency and bandwidth are not made"));
    for cell in numa.all("cell") {
        let Some(bytes) = super::memory::amount(cell, "memory", "unit") else {
            cell.lost("a node without memory");
            continue;
        };
        cell.attr("id");
        if cell.attr("memAccess") == Some("shared") {
            domain.page.table("memory").set("share", true);
        }
        if cell.flag("discard") == Some(true) {
            cell.lost("discard: the memory is given back when QEMU ends in any case");
        }
        cell.all("cache").for_each(|cache| cache.lost("caches beside the memory are not described"));
        let distances: Vec<i64> = cell
            .child("distances")
            .into_iter()
            .flat_map(|distances| distances.all("sibling"))
            .filter_map(|sibling| {
                (sibling.attr("id"), sibling.number("value")).1.and_then(|value| value.try_into().ok())
            })
            .collect();
        let table = domain.page.push("numa");
        table.maybe("cpus", cell.attr("cpus"));
        table.set("size", size(bytes));
        if !distances.is_empty() {
            table.set("distances", distances);
        }
    }
    // How many there are is known by then: the topology comes first.
    let absent = unready::vcpus_of_nodes(&mut domain.page);
    if !absent.is_empty() {
        numa.translated(format!("without the vCPUs {absent}, which the guest does not have"));
    }
}
