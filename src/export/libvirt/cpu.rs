//! `<vcpu>`, `<cpu>`, `<features>`, `<cputune>` and `<clock>`.

use super::{Source, accelerated};
use crate::export::xml::Element;
use crate::export::{Gap, count_of};
use crate::plan::{Placement, Sched};
use crate::unit::ENLIGHTENMENTS;

pub(super) fn write(source: &Source<'_>, domain: &mut Element) {
    let document = source.document;
    domain.push(Element::of("vcpu", source.contents.vcpus.to_string()).with("placement", "static"));
    iothreads(source, domain);
    tune(source, domain);
    let cpu = cpu(source);
    features(source, domain);
    domain.push(cpu);
    let mut clock = Element::new("clock").with(
        "offset",
        match document.text("clock.base").as_deref() {
            Some("localtime") => "localtime",
            _ => "utc",
        },
    );
    timers(source, &mut clock);
    domain.push(clock);
}

/// Flags of the profile's `cpu.flags`, with the words that libvirt has elsewhere taken out.
fn cpu(source: &Source<'_>) -> Element {
    let document = source.document;
    let model = document.text("cpu.model").unwrap_or_else(|| "host".to_owned());
    let flags = document.texts("cpu.flags");
    let hidden = flags.iter().any(|flag| flag == "-invtsc");
    let mut cpu = match model.as_str() {
        // Without KVM the plan has QEMU's own, and libvirt refuses the host's.
        "host" if accelerated(source.contents) => {
            Element::new("cpu").with("mode", "host-passthrough").with("check", "none")
        }
        "host" | "max" => Element::new("cpu").with("mode", "maximum").with("check", "none"),
        _ => Element::new("cpu").with("mode", "custom").with("match", "exact").with("check", "none"),
    };
    if matches!(model.as_str(), "host" | "max") {
        cpu = cpu.with("migratable", if hidden { "on" } else { "off" });
    } else {
        cpu.push(Element::of("model", &*model).with("fallback", "forbid"));
    }
    cpu.push(topology(source));
    match (document.on("cpu.host_cache_info"), document.on("cpu.l3_cache")) {
        (Some(true), _) => cpu.push(Element::new("cache").with("mode", "passthrough")),
        (_, Some(true)) => cpu.push(Element::new("cache").with("level", 3).with("mode", "emulate")),
        (Some(false), Some(false)) => cpu.push(Element::new("cache").with("mode", "disable")),
        _ => {}
    }
    let host = matches!(model.as_str(), "host" | "max");
    for flag in flags.iter().filter(|flag| !(host && *flag == "-invtsc")) {
        let (policy, name) = match flag.strip_prefix('-') {
            Some(name) => ("disable", name),
            None => ("require", flag.strip_prefix('+').unwrap_or(flag)),
        };
        if !name.starts_with("kvm-") && name != "pmu" {
            cpu.push(Element::new("feature").with("policy", policy).with("name", name));
        }
    }
    super::memory::cells(source, &mut cpu);
    cpu
}

fn topology(source: &Source<'_>) -> Element {
    let level = |key: &str| {
        source.document.settle(&format!("cpu.{key}"));
        count_of(source.contents, key)
    };
    let mut topology = Element::new("topology").with("sockets", level("sockets")).with("dies", level("dies"));
    if level("modules") > 1 {
        topology = topology.with("modules", level("modules"));
    }
    topology.with("cores", level("cores")).with("threads", level("threads"))
}

fn switch(name: &'static str, on: bool) -> Element {
    Element::new(name).with("state", if on { "on" } else { "off" })
}

/// Ends of names of enlightenments, and the element of each in that of the rest.
const MODES: [(&str, &str); 2] = [("direct", "direct"), ("ext", "extended")];

fn features(source: &Source<'_>, domain: &mut Element) {
    let document = source.document;
    let mut features = Element::new("features").and(Element::new("acpi")).and(Element::new("apic"));
    let mut hyperv = Element::new("hyperv").with("mode", "custom");
    let given = cpu_properties(source);
    for name in given.iter().filter_map(|property| property.strip_prefix("hv-")?.strip_suffix("=on")) {
        let own = ENLIGHTENMENTS.iter().find(|enlightenment| enlightenment.qemu == name);
        let Some(known) = own.and_then(|enlightenment| enlightenment.libvirt) else { continue };
        let mut element = switch(known, true);
        for (suffix, child) in MODES {
            if given.iter().any(|property| *property == format!("hv-{name}-{suffix}=on")) {
                element.push(switch(child, true));
            }
        }
        hyperv.push(element);
    }
    let value = |name: &str| given.iter().find_map(|property| property.strip_prefix(name)?.strip_prefix('='));
    if let Some(retries) = value("hv-spinlocks").and_then(number) {
        hyperv.push(switch("spinlocks", true).with("retries", retries));
    }
    if let Some(id) = value("hv-vendor-id") {
        hyperv.push(switch("vendor_id", true).with("value", id));
    }
    ["cpu.hv", "cpu.hv_spinlocks", "cpu.hv_vendor_id", "cpu.hide_kvm"].iter().for_each(|key| document.settle(key));
    if hyperv.to_string().contains("state") {
        features.push(hyperv);
    }
    let flags = document.texts("cpu.flags");
    let mut kvm = Element::new("kvm");
    if given.iter().any(|property| property == "kvm=off") {
        kvm.push(switch("hidden", true));
    }
    for (flag, name) in
        [("kvm-hint-dedicated", "hint-dedicated"), ("kvm-poll-control", "poll-control"), ("kvm-pv-ipi", "pv-ipi")]
    {
        let wanted = |sign: char| flags.iter().any(|own| *own == format!("{sign}{flag}"));
        if wanted('+') || wanted('-') {
            kvm.push(switch(name, wanted('+')));
        }
    }
    if !kvm.is_empty() {
        features.push(kvm);
    }
    for (flag, name) in [("pmu", "pmu"), ("kvm-pv-unhalt", "pvspinlock")] {
        let wanted = |sign: char| flags.iter().any(|own| *own == format!("{sign}{flag}"));
        if wanted('+') || wanted('-') {
            features.push(switch(name, wanted('+')));
        }
    }
    for name in ["vmport", "smm"] {
        if let Some(on) = document.on(&format!("machine.{name}")) {
            features.push(switch(name, on));
        }
    }
    match (document.text("machine.kernel_irqchip").as_deref(), is_split(source)) {
        (Some("split"), _) | (None, true) => features.push(Element::new("ioapic").with("driver", "qemu")),
        (Some("on"), _) => features.push(Element::new("ioapic").with("driver", "kvm")),
        _ => {}
    }
    domain.push(features);
}

/// Whether the plan has divided the interrupt controllers, as an IOMMU of the guest's or many vCPUs need.
fn is_split(source: &Source<'_>) -> bool {
    super::option(source.contents, "-machine")
        .is_some_and(|all| all.split(',').any(|part| part == "kernel-irqchip=split"))
}

/// Enlightenments that the domain has no element for.
pub(super) fn unknown(source: &Source<'_>) -> Option<Gap> {
    let given = cpu_properties(source);
    let names: Vec<&str> =
        given.iter().filter_map(|property| property.strip_prefix("hv-")?.strip_suffix("=on")).collect();
    let is_known = |name: &str| {
        let of = |known: &str| ENLIGHTENMENTS.iter().any(|own| own.qemu == known && own.libvirt.is_some());
        // The others stand in the element of the one that they are a part of.
        let part = MODES.iter().find_map(|(suffix, _)| name.strip_suffix(suffix)?.strip_suffix('-'));
        of(name) || part.is_some_and(|whole| of(whole) && names.contains(&whole))
    };
    let unknown: Vec<&str> = names.iter().copied().filter(|name| !is_known(name)).collect();
    let what = format!("libvirt has no words for {}", unknown.join(", "));
    (!unknown.is_empty()).then(|| Gap::new("cpu.hv", what))
}

/// A number as QEMU writes it, also with hexadecimal digits.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The properties of QEMU's `-cpu`.
fn cpu_properties(source: &Source<'_>) -> Vec<String> {
    let cpu = super::option(source.contents, "-cpu").unwrap_or_default();
    cpu.split(',').skip(1).map(str::to_owned).collect()
}

fn iothreads(source: &Source<'_>, domain: &mut Element) {
    let ids = ids(source);
    if ids.is_empty() {
        return;
    }
    domain.push(Element::of("iothreads", ids.len().to_string()));
    let numbers = ids.iter().filter_map(|id| iothread(source, id)).map(|id| Element::new("iothread").with("id", id));
    domain.push(numbers.fold(Element::new("iothreadids"), Element::and));
}

/// Iothreads of the plan, by id.
fn ids(source: &Source<'_>) -> Vec<String> {
    let threads = source.contents.argv.json("-object").filter(|object| object["qom-type"] == "iothread");
    threads.filter_map(|thread| Some(thread["id"].as_str()?.to_owned())).collect()
}

/// The number of the iothread `id`: libvirt's ids are numbers, from 1.
fn id_number(id: &str) -> Option<u64> {
    id.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

/// libvirt's number of the plan's iothread `id`, in the order in which they are.
pub(super) fn iothread(source: &Source<'_>, id: &str) -> Option<u64> {
    let ids = ids(source);
    let named = ids.iter().map(|id| id_number(id).filter(|number| *number > 0)).collect::<Option<Vec<_>>>();
    let index = ids.iter().position(|known| known == id)?;
    named.map_or_else(|| u64::try_from(index + 1).ok(), |named| named.get(index).copied())
}

fn tune(source: &Source<'_>, domain: &mut Element) {
    let pins = &source.contents.pins;
    ["vcpus", "emulator", "iothreads", "sched"]
        .iter()
        .for_each(|key| source.document.settle(&format!("cpu.pinning.{key}")));
    // Of a word, the plan has made places already.
    source.document.text("cpu.pinning");
    let mut tune = Element::new("cputune");
    for (index, place) in pins.vcpus.iter().enumerate() {
        if let Some(cpus) = &place.cpus {
            tune.push(Element::new("vcpupin").with("vcpu", index).with("cpuset", cpus));
        }
    }
    if let Some(cpus) = &pins.emulator {
        tune.push(Element::new("emulatorpin").with("cpuset", cpus));
    }
    for (id, place) in &pins.iothreads {
        if let Some((cpus, number)) = place.cpus.as_ref().zip(iothread(source, id)) {
            tune.push(Element::new("iothreadpin").with("iothread", number).with("cpuset", cpus));
        }
    }
    for (index, Placement { sched, .. }) in pins.vcpus.iter().enumerate() {
        if let Sched::Fifo(priority) = sched {
            let element = Element::new("vcpusched").with("vcpus", index).with("scheduler", "fifo");
            tune.push(element.with("priority", priority));
        }
    }
    for (id, Placement { sched, .. }) in &pins.iothreads {
        if let (Sched::Fifo(priority), Some(number)) = (sched, iothread(source, id)) {
            let element = Element::new("iothreadsched").with("iothreads", number).with("scheduler", "fifo");
            tune.push(element.with("priority", priority));
        }
    }
    super::resctrl::write(source, &mut tune);
    if !tune.is_empty() {
        domain.push(tune);
    }
}

fn timers(source: &Source<'_>, clock: &mut Element) {
    let document = source.document;
    let policy = match document.text("clock.driftfix").as_deref() {
        Some("slew") => Some("catchup"),
        Some("none") => Some("delay"),
        _ => None,
    };
    let track = match document.text("clock.clock").or_else(|| document.text("clock.source")).as_deref() {
        Some("vm") => Some("guest"),
        Some("host") => Some("wall"),
        Some("rt") => Some("realtime"),
        _ => None,
    };
    if policy.is_some() || track.is_some() {
        clock.push(Element::new("timer").with("name", "rtc").maybe("track", track).maybe("tickpolicy", policy));
    }
    if let Some(policy) = document.text("clock.lost_tick_policy") {
        clock.push(Element::new("timer").with("name", "pit").with("tickpolicy", policy));
    }
    let presence = |on: bool| if on { "yes" } else { "no" };
    if let Some(on) = document.on("machine.hpet") {
        clock.push(Element::new("timer").with("name", "hpet").with("present", presence(on)));
    }
    if let Some(on) = document.on("clock.kvmclock") {
        clock.push(Element::new("timer").with("name", "kvmclock").with("present", presence(on)));
    }
    if cpu_properties(source).iter().any(|property| property == "hv-time=on") {
        clock.push(Element::new("timer").with("name", "hypervclock").with("present", "yes"));
    }
    if let Some(hertz) = document.number("clock.tsc_frequency") {
        clock.push(Element::new("timer").with("name", "tsc").with("frequency", hertz));
    }
}
