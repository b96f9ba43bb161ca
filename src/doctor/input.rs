//! Keyboards.

use super::{Check, Found, Subject, ok, warn};

pub(super) const CHECKS: &[Check] = &[Check {
    id: "keyboard",
    why: "when the guest hangs, a keyboard of the host is the way back in",
    of_profiles: true,
    judge: keyboard,
}];

fn keyboard(subject: &Subject<'_>) -> Vec<Found> {
    let (keyboards, read) = (&subject.host.keyboards, "/proc/bus/input/devices");
    let passed = subject.passed.unwrap_or_default();
    let left: Vec<_> = keyboards
        .iter()
        .filter(|keyboard| keyboard.function.is_none_or(|function| !passed.contains(&function)))
        .collect();
    match (left.first(), keyboards.first()) {
        (Some(first), _) => ok(format!("the host keeps a keyboard: {}", first.name), read),
        (None, Some(lost)) => warn(
            format!("the host's only keyboard, {}, is behind a controller that the guest gets", lost.name),
            read,
            "plug it into a port of another controller (`vmrun host usb`), or log in over the network",
        ),
        (None, None) if subject.host.system.kernel.is_empty() => Vec::new(),
        (None, None) => warn("the host has no keyboard", read, "see that you can log in over the network: ssh"),
    }
}
