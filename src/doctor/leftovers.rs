//! What earlier runs and scripts left.

use super::{Check, Found, Subject, fail, folder, named, ok, warn};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "unfinished-run",
        why: "what that run changed still stands: drivers, huge pages, services",
        of_profiles: true,
        judge: owed,
    },
    Check {
        id: "driver-override",
        why: "the host's own driver does not take the device back while another one is named for it",
        of_profiles: false,
        judge: overridden,
    },
    Check {
        id: "console-off",
        why: "a script that took the text console off the card and died leaves the host without a picture",
        of_profiles: false,
        judge: console,
    },
];

fn owed(subject: &Subject<'_>) -> Vec<Found> {
    let read = "the journals of the guests in vmrun's runtime folder";
    match subject.owed {
        [] => ok("no run was cut short", read),
        names => fail(
            format!("the run of {} was cut short, and the host is not put back", names.join(", ")),
            read,
            "sudo vmrun recover",
        ),
    }
}

fn overridden(subject: &Subject<'_>) -> Vec<Found> {
    let read = "driver_override of /sys/bus/pci/devices/*";
    let locked: Vec<_> = subject.host.pci.iter().filter(|function| function.locked).map(named).collect();
    if !locked.is_empty() {
        return fail(
            format!("the kernel does not come back with {}: a driver does not let go", locked.join(", ")),
            "processes that write to /sys/bus/pci",
            "end what uses it, then `sudo vmrun recover`; when it stays so, restart the host",
        );
    }
    let left = subject.host.pci.iter().filter(|function| match &function.driver_override {
        Some(wanted) => function.driver.as_ref() != Some(wanted),
        None => false,
    });
    let left: Vec<_> = left.collect();
    let Some(first) = left.first() else {
        return ok("no device waits for a driver that it does not have", read);
    };
    let wanted = first.driver_override.as_deref().unwrap_or_default();
    let names: Vec<_> = left.iter().map(|function| named(function)).collect();
    warn(
        format!("only {wanted} may take {}, and has not", names.join(", ")),
        read,
        format!(
            "echo | sudo tee {0}/driver_override\necho {1} | sudo tee /sys/bus/pci/drivers_probe",
            folder(first),
            first.bdf
        ),
    )
}

fn console(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/class/vtconsole/*/bind";
    let console = &subject.host.console;
    let Some(driver) = console.drivers.iter().find(|driver| driver.on_framebuffer()) else { return Vec::new() };
    match driver.bound || console.framebuffers.is_empty() {
        true => ok("the text console is where it belongs", read),
        false => warn(
            format!("the text console {} is off", driver.name),
            read,
            format!("echo 1 | sudo tee /sys/class/vtconsole/{}/bind", driver.name),
        ),
    }
}
