//! `<cputune>` and `<iothreads>`: which thread runs where, and how.

use super::{Domain, resctrl};
use crate::import::MOST_VCPUS;
use crate::import::xml::Element;
use crate::unit::CpuSet;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Id of libvirt's iothread `number`.
pub(super) fn iothread(number: u64) -> String {
    format!("iothread{number}")
}

pub(super) fn import(root: &Element, domain: &mut Domain) {
    iothreads(root);
    let whole = root.child("vcpu").and_then(|vcpu| vcpu.attr("cpuset"));
    let count = root.child("vcpu").and_then(|vcpu| vcpu.text().parse().ok()).unwrap_or(1).min(MOST_VCPUS);
    let Some(tune) = root.child("cputune") else {
        let none: [Option<String>; 0] = [];
        return pins(&none, whole, count, domain);
    };
    let mut places: BTreeMap<usize, String> = BTreeMap::new();
    for pin in tune.all("vcpupin") {
        let number = pin.number("vcpu").and_then(|number| usize::try_from(number).ok());
        match number.zip(pin.attr("cpuset")).filter(|(number, _)| *number < count) {
            Some((number, set)) => _ = places.insert(number, set.to_owned()),
            None => pin.needless("the guest has no such vCPU"),
        }
    }
    let pinned: Vec<Option<String>> = match places.is_empty() {
        true => Vec::new(),
        false => (0..count).map(|vcpu| places.get(&vcpu).cloned()).collect(),
    };
    pins(&pinned, whole, count, domain);
    if let Some(pin) = tune.child("emulatorpin") {
        domain.page.table("cpu.pinning").maybe("emulator", pin.attr("cpuset").map(set));
    }
    sched(root, tune, count, domain);
    let mut by_id = Table::new();
    for pin in tune.all("iothreadpin") {
        if let Some((number, cpus)) = pin.number("iothread").zip(pin.attr("cpuset")) {
            by_id.insert(iothread(number), set(cpus));
        }
    }
    if !by_id.is_empty() {
        domain.page.table("cpu.pinning").set("iothreads", by_id);
    }
    resctrl::import(tune, domain);
    rest(tune);
}

/// Gives SCSI disks the iothread of their controller, and takes pins of iothreads away that no disk names: the profile has
/// no others. To be called when the page has all disks.
pub(super) fn settle(devices: &Element, domain: &mut Domain) {
    let of_scsi = devices
        .all("controller")
        .filter(|controller| controller.attr("type") == Some("scsi"))
        .find_map(|controller| controller.child("driver")?.number("iothread"));
    let mut used = Vec::new();
    for disk in domain.page.list("disk") {
        if let Some(number) = of_scsi.filter(|_| disk.text("bus") == Some("scsi") && disk.get("iothread").is_none()) {
            disk.set("iothread", iothread(number));
        }
        used.extend(disk.text("iothread").map(str::to_owned));
    }
    let pins = domain.page.get("cpu.pinning", "iothreads").and_then(Value::as_table).cloned();
    let Some(mut pins) = pins else { return };
    pins.retain(|id, _| used.iter().any(|used| used == id));
    let table = domain.page.table("cpu.pinning");
    match pins.is_empty() {
        true => table.remove("iothreads"),
        false => table.set("iothreads", pins),
    }
}

/// A set of host CPUs as a profile has it: one by its number.
fn set(text: &str) -> Value {
    let cpus = text.parse::<CpuSet>();
    match cpus.as_ref().ok().filter(|set| set.len() == 1).and_then(|set| set.iter().next()) {
        Some(cpu) => Value::from(i64::from(cpu)),
        None => Value::from(cpus.map_or_else(|_| text.to_owned(), |set| set.to_string())),
    }
}

fn pins(pinned: &[Option<String>], whole: Option<&str>, count: usize, domain: &mut Domain) {
    if pinned.is_empty() {
        // One set for all says where QEMU may run.
        if let Some(whole) = whole {
            let all: Vec<Value> = vec![set(whole); count];
            // Several vCPUs on one CPU is not to be had by pins of their own.
            if whole.parse::<CpuSet>().is_ok_and(|set| set.len() > 1) || count == 1 {
                domain.page.table("cpu.pinning").set("vcpus", all);
                domain.page.table("cpu.pinning").set("emulator", set(whole));
            }
        }
        return;
    }
    let named: CpuSet = pinned
        .iter()
        .flatten()
        .filter_map(|set| set.parse::<CpuSet>().ok())
        .flat_map(|set| set.iter().collect::<Vec<_>>())
        .collect();
    let other = whole.map_or_else(|| named.to_string(), str::to_owned);
    let table = domain.page.table("cpu.pinning");
    if pinned.iter().any(Option::is_none) && whole.is_none() {
        table.comment("vCPUs that the file does not pin share the CPUs of all that it does.");
    }
    table.set("vcpus", pinned.iter().map(|pin| set(pin.as_deref().unwrap_or(&other))).collect::<Vec<_>>());
}

/// Iothreads that no disk names are not there in a profile.
fn iothreads(root: &Element) {
    let count = root.child("iothreads").and_then(|element| element.text().parse::<u64>().ok());
    for each in root.child("iothreadids").into_iter().flat_map(|ids| ids.all("iothread")) {
        each.attr("id");
        each.all("poll").for_each(|poll| poll.lost("how long an iothread polls is QEMU's choice"));
        if each.attr("thread_pool_min").is_some() || each.attr("thread_pool_max").is_some() {
            each.lost("sizes of thread pools are QEMU's choice");
        }
    }
    if let (Some(element), Some(count)) = (root.child("iothreads"), count) {
        element.translated(format!("{count} iothreads, each there when a disk names it"));
    }
}

/// One scheduling class for all of the `count` vCPUs, and for iothreads.
fn sched(root: &Element, tune: &Element, count: usize, domain: &mut Domain) {
    let mut class: Option<String> = None;
    let of = |list: &str, name: &str| {
        let sets = tune.all(list).filter_map(|sched| sched.attr(name)?.parse::<CpuSet>().ok());
        sets.fold(CpuSet::default(), |all, set| all.union(&set)).len()
    };
    let threads = root.child("iothreads").and_then(|threads| threads.text().parse().ok()).unwrap_or(0);
    let some = of("vcpusched", "vcpus") < count || of("iothreadsched", "iothreads") < threads;
    for sched in tune.all("vcpusched").chain(tune.all("iothreadsched")) {
        let (kind, priority) = (sched.attr("scheduler").unwrap_or_default(), sched.attr("priority").unwrap_or("1"));
        let wanted = match kind {
            "fifo" => {
                if some {
                    sched.translated("for all vCPUs and iothreads, which have one class");
                }
                format!("fifo:{priority}")
            }
            "rr" => {
                sched.translated(format!("fifo:{priority}: no two vCPUs share a host CPU, so nobody takes turns"));
                format!("fifo:{priority}")
            }
            "batch" | "idle" => {
                sched.lost(format!("vmrun knows normal and fifo, not `{kind}`"));
                continue;
            }
            _ => continue,
        };
        match &class {
            Some(class) if *class != wanted => sched.lost(format!("vCPUs and iothreads have one class: {class}")),
            _ => class = Some(wanted),
        }
    }
    if let Some(class) = class {
        domain.page.table("cpu.pinning").set("sched", class);
    }
    tune.all("emulatorsched").for_each(|sched| sched.lost("QEMU's other threads have the usual class"));
}

fn rest(tune: &Element) {
    for name in [
        "shares",
        "period",
        "quota",
        "global_period",
        "global_quota",
        "emulator_period",
        "emulator_quota",
        "iothread_period",
        "iothread_quota",
    ] {
        tune.all(name)
            .for_each(|element| element.lost("vmrun sets no weights or quotas; a systemd slice can have them"));
    }
}
