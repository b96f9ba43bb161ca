//! `pci.reset`, `pci.allow_no_reset`: how a function is brought back to its start.

use super::Passed;
use crate::host::Host;
use crate::plan::{Change, Class, Draft, Problem, VFIO};
use schemars::JsonSchema;
use serde::Deserialize;

/// A way to reset a function, by the kernel's name; `Documentation/ABI/testing/sysfs-bus-pci`, `reset_method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    /// What the kernel, or the module vendor-reset, knows of this very device.
    DeviceSpecific,
    /// By ACPI.
    Acpi,
    /// Function level reset.
    Flr,
    /// Function level reset of conventional PCI.
    AfFlr,
    /// By sending it to sleep and waking it.
    Pm,
    /// Everything on the bus.
    Bus,
    /// The bus of a CXL device.
    CxlBus,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::DeviceSpecific => "device_specific",
            Self::Acpi => "acpi",
            Self::Flr => "flr",
            Self::AfFlr => "af_flr",
            Self::Pm => "pm",
            Self::Bus => "bus",
            Self::CxlBus => "cxl_bus",
        }
    }
}

/// Refuses functions that nothing brings back to their start: they hang when the guest ends, or the next one finds them
/// as the last left them.
pub(super) fn judge(passed: &[Passed], host: &Host, draft: &mut Draft) {
    for one in passed.iter().filter(|one| !one.table.allow_no_reset && !one.function.bridge) {
        if resettable(one, passed, host) {
            continue;
        }
        let what = format!("nothing can reset {}", one.bdf());
        draft.refuse(
            Problem::new(Class::Impossible, &one.at, what)
                .why("the kernel knows no way; after a guest it may not start again, for the next guest or the host, until the machine is restarted")
                .fix("allow_no_reset = true   # to try it all the same"),
        );
    }
}

/// A function without a reset of its own is reset with its device, or with everything behind its port when all of that
/// is passed: then VFIO resets the bus. Linux: `vfio_pci_dev_set_try_reset`, `drivers/vfio/pci/vfio_pci_core.c`.
fn resettable(one: &Passed, passed: &[Passed], host: &Host) -> bool {
    let taken = |bdf| passed.iter().any(|other| other.bdf() == bdf);
    let device = passed.iter().any(|other| other.bdf().same_device(one.bdf()) && other.function.resettable);
    let whole_bus = one.function.parent.is_some_and(|port| {
        let mut behind = host.pci.iter().filter(|other| other.parent == Some(port));
        behind.all(|other| taken(other.bdf) || other.driver.as_deref() == Some(VFIO))
    });
    device || whole_bus
}

/// The changes that let the kernel use only the methods that the table names, in that order.
pub(super) fn changes(one: &Passed, draft: &mut Draft) -> Option<Change> {
    let Passed { key, table, function, .. } = one;
    let wanted: Vec<_> = table.reset.iter().map(|method| method.name().to_owned()).collect();
    if wanted.is_empty() || (function.reset_methods.is_empty() && one.mates > 1) {
        return None;
    }
    let lacking: Vec<_> = wanted.iter().filter(|method| !function.reset_methods.contains(method)).cloned().collect();
    if !lacking.is_empty() {
        let known =
            if function.reset_methods.is_empty() { "none".to_owned() } else { function.reset_methods.join(", ") };
        let what = format!("{} has no reset method {}", function.bdf, lacking.join(", "));
        let why = format!("the kernel knows {known} for it");
        draft.refuse(Problem::new(Class::Impossible, format!("{key}.reset"), what).why(why).fix("leave reset out"));
        return None;
    }
    let (from, to) = (function.reset_methods.join(" "), wanted.join(" "));
    let path = format!("/sys/bus/pci/devices/{}/reset_method", function.bdf);
    (from != to).then_some(Change::Attribute { path, from, to })
}
