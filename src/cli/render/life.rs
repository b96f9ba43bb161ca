//! What happens in the life of a guest, in order, and how it ends.

use super::argv::quoted;
use super::layout::{columns, counted, wrapped};
use crate::plan::{
    Command, Contents, Ending, Hook, OnError, OnHostShutdown, OnHostSleep, OnPanic, OnReboot, OnTimeout, PanicKey,
    Pins, Point, Ready, Restart, Service, Start, What,
};
use std::fmt::Write as _;

/// The steps from the first hook to the last, numbered.
pub(super) fn steps(page: &mut String, width: usize, contents: &Contents) {
    let services = |start| contents.services.iter().filter(move |service| service.start == start);
    let mut list = List { page, width, number: 0 };
    list.hooks(contents, Point::Pre);
    services(Start::Before).for_each(|service| list.service(service));
    let changes = contents.changes.iter().filter(|change| !change.steps().is_empty()).count();
    if changes > 0 {
        list.step(&format!("the host is changed: {}", counted(changes, "change")));
    }
    list.hooks(contents, Point::Prepared);
    list.step("QEMU is started with the guest paused");
    if !contents.pins.is_empty() {
        list.step(&format!("{} and read back", placed(&contents.pins)));
    }
    for id in &contents.links_down {
        list.step(&format!("the cable of {id} is unplugged"));
    }
    list.hooks(contents, Point::Started);
    list.step("the guest runs");
    services(Start::After).for_each(|service| list.service(service));
    list.hooks(contents, Point::Running);
    list.hooks(contents, Point::Reset);
    list.hooks(contents, Point::Reconnect);
    list.hooks(contents, Point::Stopping);
    list.step("QEMU ends");
    list.hooks(contents, Point::Stopped);
    let started: Vec<_> = services(Start::Before).chain(services(Start::After)).collect();
    for service in started.into_iter().rev().filter(|service| matches!(service.what, What::Command { .. })) {
        list.step(&format!("{} ends", service.name));
    }
    for owed in owed(contents).iter().rev() {
        list.step(owed);
    }
    list.hooks(contents, Point::Post);
}

/// What stands in the journal when the guest runs, in the order in which it was done; it is taken back last first.
fn owed(contents: &Contents) -> Vec<String> {
    let undo = |at: Point| {
        let hooks = contents.hooks.iter().filter(move |hook| hook.at == at);
        hooks.filter_map(|hook| Some(format!("undo of hook {}: {}", hook.name, told(hook.undo.as_ref()?))))
    };
    let units = |start: Start| {
        let services = contents.services.iter().filter(move |service| service.start == start);
        let units = services.filter(|service| matches!(service.what, What::Unit { .. }));
        units.map(|service| format!("{} ends, if vmrun started it", service.name))
    };
    let changes = (!contents.changes.is_empty()).then(|| "the host is put back".to_owned());
    undo(Point::Pre)
        .chain(units(Start::Before))
        .chain(changes)
        .chain(undo(Point::Prepared))
        .chain(undo(Point::Started))
        .chain(units(Start::After))
        .chain(undo(Point::Running))
        .collect()
}

/// What ends the guest, a sentence each.
pub(super) fn ending(page: &mut String, width: usize, contents: &Contents) {
    let Ending { timeout, on_timeout, on_reboot, on_panic, stop_on_hangup } = &contents.ending;
    let late = match on_timeout {
        OnTimeout::Wait => "left alone, and it is said how to force it",
        OnTimeout::Kill => "forced off",
    };
    let reboot = match on_reboot {
        OnReboot::Reset => "starts it again in the same QEMU",
        OnReboot::Restart => "ends QEMU and starts a new one, without hooks",
        OnReboot::Exit => "ends the run",
    };
    let panic = match on_panic {
        OnPanic::Exit => "ends the run",
        OnPanic::Pause => "pauses it, to be looked at",
    };
    let hangup = if *stop_on_hangup { "stops it" } else { "leaves it running" };
    let sleep = match contents.on_host_sleep() {
        OnHostSleep::Block => "refused while the guest runs",
        OnHostSleep::Pause => "the guest is paused before and goes on afterwards",
        OnHostSleep::Suspend => "the guest is suspended by its agent before and woken afterwards",
        OnHostSleep::Ignore => "does nothing to the guest",
    };
    let shutdown = match contents.host_shutdown {
        OnHostShutdown::Stop => "its power button is pressed, and the host waits as long as logind lets it",
        OnHostShutdown::Block => "refused while the guest runs",
        OnHostShutdown::Ignore => "does nothing to the guest",
    };
    let rows = [
        ("Ctrl-C, vmrun stop", format!("its power button is pressed; after {timeout} it is {late}")),
        ("reboot by the guest", reboot.to_owned()),
        ("panic of the guest", panic.to_owned()),
        ("closed terminal", hangup.to_owned()),
        ("sleep of the host", sleep.to_owned()),
        ("shutdown of the host", shutdown.to_owned()),
    ];
    let dead = contents.dead_boot.map(|limit| ("no sign of life", format!("forced off {limit} after its start")));
    let chord = contents.panic_key.as_ref().map(|PanicKey { keys, device }| {
        let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
        ("panic key", format!("{} on {} does as Ctrl-C", keys.join(" + "), device.display()))
    });
    for (event, what) in rows.into_iter().chain(dead).chain(chord) {
        hang(page, width, &format!("  {event:21}"), &what);
    }
}

struct List<'p> {
    page: &'p mut String,
    width: usize,
    number: usize,
}

impl List<'_> {
    fn step(&mut self, text: &str) {
        self.number += 1;
        hang(self.page, self.width, &format!("  {:2}. ", self.number), text);
    }

    fn hooks(&mut self, contents: &Contents, point: Point) {
        for Hook { name, run, undo, on_error, .. } in contents.hooks.iter().filter(|hook| hook.at == point) {
            let failure = match on_error {
                OnError::Warn => "; a failure is only a warning",
                OnError::Abort if point.can_veto() => "; a failure takes the start back",
                OnError::Abort => "; a failure shows in the exit code",
            };
            let undo = if undo.is_some() { "; undone later" } else { "" };
            self.step(&format!("hook {name} ({point}): {}{failure}{undo}", told(run)));
        }
    }

    fn service(&mut self, service: &Service) {
        let Service { name, what, required, .. } = service;
        let required = if *required { "; the guest cannot do without it" } else { "" };
        self.step(&match what {
            What::Unit { unit, user } => {
                let manager = user.as_ref().map_or(String::new(), |user| format!(" of user {user}"));
                let unit = if unit == name { "it".to_owned() } else { format!("unit {unit}") };
                format!("service {name}: {unit}{manager} is started if inactive{required}")
            }
            What::Command { run, restart, ready, .. } => {
                format!("service {name}: {}; {}{}{required}", told(run), restarted(*restart), awaited(ready))
            }
        });
    }
}

fn hang(page: &mut String, width: usize, label: &str, text: &str) {
    let indent = columns(label);
    for (index, line) in wrapped(text, width.saturating_sub(indent)).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        _ = writeln!(page, "{label:indent$}{line}");
    }
}

fn placed(pins: &Pins) -> String {
    let Pins { vcpus, iothreads, emulator, core_scheduling, why: _ } = pins;
    let mut what = Vec::new();
    if !vcpus.is_empty() {
        what.push(counted(vcpus.len(), "vCPU"));
    }
    if !iothreads.is_empty() {
        what.push(counted(iothreads.len(), "iothread"));
    }
    if emulator.is_some() {
        what.push("the emulator".to_owned());
    }
    let mut told = Vec::new();
    if !what.is_empty() {
        told.push(format!("{} are placed", what.join(", ")));
    }
    if *core_scheduling {
        told.push("nobody else runs on a core while QEMU does".to_owned());
    }
    told.join("; ")
}

fn told(command: &Command) -> String {
    let argv: Vec<_> = command.argv.iter().map(|word| quoted(word)).collect();
    let user = command.user.as_ref().map_or(String::new(), |user| format!(" as {user}"));
    let limit = command.timeout.map_or(String::new(), |timeout| format!(", at most {timeout}"));
    format!("{}{user}{limit}", argv.join(" "))
}

fn restarted(restart: Restart) -> &'static str {
    match restart {
        Restart::Always => "restarted when it ends",
        Restart::OnFailure => "restarted when it fails",
        Restart::No => "not restarted",
    }
}

fn awaited(ready: &Ready) -> String {
    match ready {
        Ready::Exec => String::new(),
        Ready::Notify => "; awaited until it says READY=1".to_owned(),
        Ready::File(path) => format!("; awaited until {} is there", path.display()),
    }
}
