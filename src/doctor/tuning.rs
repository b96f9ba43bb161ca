//! What makes host CPUs fast and even.

use super::advice::drop_argument;
use super::{Check, Found, Subject, ok, warn};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "tsc",
        why: "Windows asks for the time a hundred thousand times a second; without TSC each asks the host",
        of_profiles: true,
        judge: tsc,
    },
    Check {
        id: "governor",
        why: "a host that saves power does not see how busy a vCPU is, and leaves its CPU slow",
        of_profiles: true,
        judge: governor,
    },
    Check {
        id: "isolated-cpus",
        why: "on CPUs of isolcpus nothing is balanced: threads that share a mask there all stay on its first CPU",
        // Planning looks at where the vCPUs are.
        of_profiles: false,
        judge: isolated,
    },
];

fn tsc(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    match subject.host.system.clock.as_deref() {
        None => Vec::new(),
        Some("tsc") => ok("the kernel keeps time by the TSC", read),
        // The clock of a machine that is a guest itself.
        Some("kvm-clock") => ok("the kernel keeps time by kvm-clock, as this machine is a guest itself", read),
        Some(clock) => warn(
            format!("the kernel keeps time by {clock}"),
            read,
            "`dmesg | grep -i tsc` tells why it distrusts the TSC: most often an old BIOS; update it. Only if it is \
             wrong: tsc=reliable among the kernel's arguments",
        ),
    }
}

fn governor(subject: &Subject<'_>) -> Vec<Found> {
    let (host, read) =
        (subject.host, "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor, energy_performance_preference");
    let Some(frequency) = &host.frequency else { return Vec::new() };
    let with_preference = !frequency.preferences.is_empty();
    // Of a guest that is pinned no other CPU matters.
    let cpus: Vec<_> = host.cpus.iter().filter(|cpu| subject.pinned.is_none_or(|its| its.contains(cpu.id))).collect();
    let slow = cpus.iter().filter(|cpu| match with_preference {
        true => cpu.preference.as_deref() == Some("power"),
        false => cpu.governor.as_deref() == Some("powersave") && !frequency.driver.starts_with("intel_pstate"),
    });
    let count = slow.count();
    let driver = &frequency.driver;
    if count == 0 {
        return ok(format!("{driver} lets host CPUs run fast when they are busy"), read);
    }
    let (word, file, key) = match with_preference {
        true => ("balance_performance", "energy_performance_preference", "preference"),
        false if frequency.governors.iter().any(|it| it == "schedutil") => {
            ("schedutil", "scaling_governor", "governor")
        }
        false => ("performance", "scaling_governor", "governor"),
    };
    warn(
        match subject.pinned {
            Some(_) => format!("{driver} keeps {count} of the guest's {} host CPUs slow", cpus.len()),
            None => format!("{driver} keeps {count} of {} host CPUs slow", cpus.len()),
        },
        read,
        format!(
            "echo {word} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/{file}\n\
             or let vmrun do it for the guest's CPUs and time: vmrun explain tune.{key}"
        ),
    )
}

fn isolated(subject: &Subject<'_>) -> Vec<Found> {
    let read = "/sys/devices/system/cpu/isolated";
    let isolated = &subject.host.cpu_sets.isolated;
    if isolated.is_empty() {
        return ok("no host CPU is kept from the scheduler for good", read);
    }
    let argument = subject.arguments().find(|it| it.starts_with("isolcpus="));
    let out = argument.map_or(String::new(), |argument| format!(":\n{}", drop_argument(subject, argument)));
    warn(
        format!("host CPUs {isolated} are kept from the scheduler"),
        read,
        format!("pin each vCPU there to a CPU of its own; or do without{out}"),
    )
}
