//! Who holds a device that is to be passed, and what is done about it.

use super::Passed;
use crate::host::{Host, PciHolder};
use crate::plan::{Change, Class, Draft, Problem, UnitState};
use crate::profile::gpu::Gpu;
use std::path::Path;

/// Drafts the stops of units, and refuses a device that somebody else holds.
///
/// Nobody is ended by force: a driver waits for whoever has a device open, and cards have hung hosts over it.
pub(super) fn draft(passed: &[Passed], gpu: Option<&Gpu>, host: &Host, draft: &mut Draft) {
    let stopped = stopped(passed, gpu, host, draft);
    for unit in &stopped {
        let (from, to) = (UnitState::Active, UnitState::Inactive);
        draft.contents.changes.push(Change::Unit { unit: unit.clone(), user: None, from, to });
    }
    let desktop_ends = gpu.is_some_and(Gpu::is_single) && !stopped.is_empty();
    for one in passed {
        let goes = |holder: &PciHolder| {
            let unit = holder.unit.as_deref().unwrap_or_default();
            // What runs in a session ends with the desktop, and logind lets go of what it held for that.
            let with_desktop =
                is_a(unit, "scope") || unit == "systemd-logind.service" || holder.user.as_deref() != Some("root");
            stopped.iter().any(|stopped| stopped == unit) || (desktop_ends && with_desktop)
        };
        let holders: Vec<_> = one.function.holders.iter().filter(|holder| hinders(holder) && !goes(holder)).collect();
        if !holders.is_empty() {
            draft.refuse(held(one, &holders));
        }
    }
}

/// Units that are stopped, each once.
fn stopped(passed: &[Passed], gpu: Option<&Gpu>, host: &Host, draft: &mut Draft) -> Vec<String> {
    let mut units: Vec<String> = gpu.map(|gpu| gpu.stopped(host)).unwrap_or_default();
    for one in passed {
        if !host.systemd && !one.table.stop_units.is_empty() {
            let what = "there is no systemd that could stop units";
            let problem = Problem::new(Class::Missing, format!("{}.stop_units", one.key), what);
            draft.refuse(problem.fix("stop them by a [[hook]] at \"pre\""));
            return units;
        }
        for unit in one.table.stop_units.iter().filter(|unit| !units.contains(unit)).cloned().collect::<Vec<_>>() {
            units.push(unit);
        }
    }
    units
}

/// Whether `unit` is one of `kind`, which its name ends in.
fn is_a(unit: &str, kind: &str) -> bool {
    unit.rsplit_once('.').is_some_and(|(_, end)| end == kind)
}

/// Whether the driver would wait for this holder. Input devices and the control nodes of sound are let go of by
/// themselves when their device goes, as if they were unplugged.
fn hinders(holder: &PciHolder) -> bool {
    const WAITED_FOR: [&str; 5] = ["/dev/dri/", "/dev/nvidia", "/dev/kfd", "/dev/vfio/", "/dev/snd/pcm"];
    holder.nodes.iter().any(|node| WAITED_FOR.iter().any(|start| node.to_string_lossy().starts_with(start)))
}

fn held(one: &Passed, holders: &[&PciHolder]) -> Problem {
    let bdf = one.bdf();
    let guest = holders.iter().find(|holder| holder.nodes.iter().any(|node| node.starts_with("/dev/vfio")));
    let names: Vec<_> = holders.iter().map(|holder| told(holder)).collect();
    let problem = Problem::new(Class::Busy, &one.at, format!("{bdf} is in use by {}", names.join(", ")));
    if let Some(guest) = guest {
        return problem
            .why("one guest has it already, and a device has one guest at a time")
            .fix(format!("end that guest first: process {}", guest.pid));
    }
    let mut units: Vec<_> = holders.iter().filter_map(|holder| holder.unit.as_deref()).collect();
    units.retain(|unit| is_a(unit, "service"));
    units.dedup();
    let fix = if units.is_empty() {
        "end them, or stop the desktop for the guest: stop_units = [\"display-manager.service\"]".to_owned()
    } else {
        let units: Vec<_> = units.iter().map(|unit| format!("\"{unit}\"")).collect();
        format!("stop_units = [{}]   # stopped for the guest, started again after it", units.join(", "))
    };
    problem.why("its driver waits until nobody has it open, and a card that is taken away under a program has hung many a host").fix(fix)
}

/// `Xorg (process 812, of gdm.service, user alice, has /dev/dri/card0)`
fn told(PciHolder { pid, program, user, unit, nodes }: &PciHolder) -> String {
    let mut facts = vec![format!("process {pid}")];
    facts.extend(unit.as_ref().map(|unit| format!("of {unit}")));
    facts.extend(user.as_ref().map(|user| format!("user {user}")));
    facts.extend(nodes.first().map(|node: &std::path::PathBuf| format!("has {}", Path::new(node).display())));
    format!("{program} ({})", facts.join(", "))
}
