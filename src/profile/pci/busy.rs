//! Who holds a device that is to be passed, and what is done about it.

use super::{Passed, Pci};
use crate::host::{Host, PciHolder};
use crate::plan::{Change, Class, Draft, Presence, Problem, UnitState};
use crate::profile::gpu::Gpu;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::Path;

/// What is done about units that hold a device and that no key names: services, and applications in a scope of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Busy {
    /// The guest is not started.
    #[default]
    Fail,
    /// Whoever starts the guest is asked on the terminal whether they are stopped for it; without one it is not started.
    Ask,
    /// They are stopped for the guest. Services are started again after it; nobody can do that for an application.
    StopUnits,
}

impl Pci {
    pub(in crate::profile) fn asks(&self) -> bool {
        self.busy == Busy::Ask
    }

    /// The same with the answer that the services may be stopped.
    pub(in crate::profile) fn stopping_units(self) -> Self {
        if self.asks() { Self { busy: Busy::StopUnits, ..self } } else { self }
    }
}

/// A unit that is stopped, with the login name of the user whose manager has it; `None` for the system's.
type Unit = (Option<String>, String);

/// Drafts the stops of units, and refuses a device that somebody else holds.
///
/// Nobody is ended by force: a driver waits for whoever has a device open, and cards have hung hosts over it.
pub(super) fn draft(passed: &[Passed], gpu: Option<&Gpu>, host: &Host, draft: &mut Draft) {
    let stopped = stopped(passed, gpu, host, draft);
    for (user, unit) in &stopped {
        let (from, to) = (UnitState::Active, UnitState::Inactive);
        draft.contents.changes.push(Change::Unit { unit: unit.clone(), user: user.clone(), from, to });
    }
    let desktop_ends = gpu.is_some_and(Gpu::is_single) && stopped.iter().any(|(user, _)| user.is_none());
    let goes = |holder: &PciHolder| {
        // What runs in a session ends with the desktop, and logind lets go of what it held for that.
        let with_desktop = is_a(holder, "scope")
            || holder.unit.as_deref() == Some("systemd-logind.service")
            || holder.user.as_deref() != Some("root");
        stopped.iter().any(|unit| in_unit(holder, unit)) || (desktop_ends && with_desktop)
    };
    for one in passed {
        let (going, staying): (Vec<_>, Vec<_>) =
            one.function.holders.iter().filter(|holder| holder.hinders()).partition(|holder| goes(holder));
        if !staying.is_empty() {
            draft.refuse(held(one, &staying));
        } else if !going.is_empty() || (desktop_ends && super::is_display(one.function)) {
            let (from, to) = (Presence::Present, Presence::Absent);
            draft.contents.changes.push(Change::Holders { bdf: one.bdf(), from, to });
        }
    }
}

/// Units that are stopped, each once: those of users first, while the desktop that their programs draw on is there.
fn stopped(passed: &[Passed], gpu: Option<&Gpu>, host: &Host, draft: &mut Draft) -> Vec<Unit> {
    let mut units: Vec<Unit> = gpu.map(|gpu| gpu.stopped(host)).unwrap_or_default().into_iter().map(systems).collect();
    for one in passed {
        let Pci { stop_units, stop_user_units, .. } = one.table;
        for (key, given) in [("stop_units", stop_units), ("stop_user_units", stop_user_units)] {
            if !host.systemd && !given.is_empty() {
                let what = "there is no systemd that could stop units";
                let problem = Problem::new(Class::Missing, format!("{}.{key}", one.key), what);
                draft.refuse(problem.fix("stop them by a [[hook]] at \"pre\""));
                return Vec::new();
            }
        }
        if !stop_user_units.is_empty() {
            match manager_of(one, host) {
                Some(user) => units.extend(stop_user_units.iter().map(|unit| (Some(user.clone()), unit.clone()))),
                None if is_first(one, passed) => draft.refuse(nobody(one)),
                None => {}
            }
        }
        units.extend(stop_units.iter().cloned().map(systems));
        if one.table.busy == Busy::StopUnits && host.systemd {
            let holders = one.function.holders.iter().filter(|holder| holder.hinders());
            units.extend(holders.filter_map(|holder| service(holder).or_else(|| application(holder))));
        }
    }
    let (of_users, of_system): (Vec<Unit>, Vec<Unit>) = units.into_iter().partition(|(user, _)| user.is_some());
    let mut each = Vec::new();
    for unit in of_users.into_iter().chain(of_system) {
        if !each.contains(&unit) {
            each.push(unit);
        }
    }
    each
}

fn systems(unit: String) -> Unit {
    (None, unit)
}

/// Whether it is the first function of its table, so that what is wrong with that is said once.
fn is_first(one: &Passed, passed: &[Passed]) -> bool {
    passed.iter().find(|other| other.key == one.key).is_some_and(|first| first.bdf() == one.bdf())
}

/// The user whose manager is meant: who called vmrun, else vmrun's own, else the one whose unit holds the device.
fn manager_of(one: &Passed, host: &Host) -> Option<String> {
    let caller = host.invoker.or_else(|| (host.euid != 0).then_some(host.euid));
    let login = |uid: u32| host.users.iter().find(|user| user.uid == uid).map(|user| user.name.clone());
    let holder = || {
        let named = |holder: &&PciHolder| {
            holder.of_user_manager && one.table.stop_user_units.iter().any(|unit| Some(unit) == holder.unit.as_ref())
        };
        one.function.holders.iter().find(named).and_then(|holder| holder.user.clone())
    };
    caller.and_then(login).or_else(holder)
}

fn nobody(one: &Passed) -> Problem {
    let what = "it is not known whose systemd has these units";
    Problem::new(Class::Impossible, format!("{}.stop_user_units", one.key), what)
        .why("vmrun was started by root itself, and no process of such a unit holds the device")
        .fix("start vmrun by sudo or pkexec, as the user")
}

/// The service that a holder is in.
fn service(holder: &PciHolder) -> Option<Unit> {
    if is_guest(holder) {
        return None;
    }
    let user = if holder.of_user_manager { Some(holder.user.clone()?) } else { None };
    let unit = holder.unit.clone().filter(|_| is_a(holder, "service"))?;
    // It holds cards for whoever has the seat, and without it there is no session at all.
    (unit != "systemd-logind.service").then_some((user, unit))
}

/// The scope that a holder is in, where that is one program's and not a whole session's: desktops and managers of
/// containers give each a scope of its own.
fn application(holder: &PciHolder) -> Option<Unit> {
    let whole = |unit: &String| unit.starts_with("session-") || unit == "init.scope";
    let unit = holder.unit.clone().filter(|unit| is_a(holder, "scope") && !whole(unit) && !is_guest(holder))?;
    let user = if holder.of_user_manager { Some(holder.user.clone()?) } else { None };
    Some((user, unit))
}

/// Whether it gives the device to a guest, which ends as guests do.
fn is_guest(holder: &PciHolder) -> bool {
    holder.nodes.iter().any(|node| node.starts_with("/dev/vfio"))
}

fn in_unit(holder: &PciHolder, (user, unit): &Unit) -> bool {
    let manager = if holder.of_user_manager { holder.user.as_ref() } else { None };
    manager == user.as_ref() && holder.unit.as_ref() == Some(unit)
}

/// Whether the unit of `holder` is one of `kind`, which its name ends in.
fn is_a(holder: &PciHolder, kind: &str) -> bool {
    let unit = holder.unit.as_deref().unwrap_or_default();
    unit.rsplit_once('.').is_some_and(|(_, end)| end == kind)
}

fn held(one: &Passed, holders: &[&PciHolder]) -> Problem {
    let bdf = one.bdf();
    let guest = holders.iter().find(|holder| is_guest(holder));
    let names: Vec<_> = holders.iter().map(|holder| told(holder)).collect();
    let problem = Problem::new(Class::Busy, &one.at, format!("{bdf} is in use by {}", names.join(", ")));
    if let Some(guest) = guest {
        return problem
            .why("one guest has it already, and a device has one guest at a time")
            .fix(format!("end that guest first: process {}", guest.pid));
    }
    problem.why("its driver waits until nobody has it open, and a card that is taken away under a program has hung many a host").fix(ways_out(holders))
}

fn ways_out(holders: &[&PciHolder]) -> String {
    let services: Vec<_> = holders.iter().filter_map(|holder| service(holder)).collect();
    let line = |key: &str, users: bool| {
        let mut units: Vec<_> = services
            .iter()
            .filter(|(user, _)| user.is_some() == users)
            .map(|(_, unit)| format!("\"{unit}\""))
            .collect();
        units.dedup();
        let line = format!("{key} = [{}]   # stopped for the guest, started again after it", units.join(", "));
        (!units.is_empty()).then_some(line)
    };
    let lines: Vec<_> = [line("stop_units", false), line("stop_user_units", true)].into_iter().flatten().collect();
    if lines.is_empty() && holders.iter().all(|holder| application(holder).is_some()) {
        return "end them, or: busy = \"ask\"   # asks on the terminal whether vmrun shall".to_owned();
    }
    if lines.is_empty() {
        return "end them, or stop the desktop for the guest: stop_units = [\"display-manager.service\"]".to_owned();
    }
    lines.join("\n")
}

/// `Xorg (process 812, of gdm.service, user alice, has /dev/dri/card0)`
fn told(PciHolder { pid, program, user, unit, of_user_manager: _, nodes }: &PciHolder) -> String {
    let mut facts = vec![format!("process {pid}")];
    facts.extend(unit.as_ref().map(|unit| format!("of {unit}")));
    facts.extend(user.as_ref().map(|user| format!("user {user}")));
    facts.extend(nodes.first().map(|node: &std::path::PathBuf| format!("has {}", Path::new(node).display())));
    format!("{program} ({})", facts.join(", "))
}
