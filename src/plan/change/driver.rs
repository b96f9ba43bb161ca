//! Which driver holds a PCI function.

use crate::plan::{Bus, Step};
use crate::unit::Bdf;
use serde::{Deserialize, Serialize};

/// The driver that gives a function to QEMU.
pub const VFIO: &str = "vfio-pci";

/// Who holds a function and who would get it. Without both, what was cannot be put back: a function whose
/// `driver_override` stays set never comes to another driver again.
///
/// Linux: `Documentation/ABI/testing/sysfs-bus-pci`, `driver_override`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The driver; `None` when none holds it.
    pub driver: Option<String>,
    /// `driver_override`; `None` when it is not set.
    #[serde(rename = "override")]
    pub override_: Option<String>,
    /// Whether it stays so when the guest is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stays: bool,
}

impl Binding {
    /// Held by `driver`, which no other may become.
    #[must_use]
    pub fn only(driver: &str) -> Self {
        Self { driver: Some(driver.to_owned()), override_: Some(driver.to_owned()), stays: false }
    }

    /// Held by nobody, and for `driver` only.
    #[must_use]
    pub fn reserved(driver: &str) -> Self {
        Self { driver: None, override_: Some(driver.to_owned()), stays: false }
    }

    /// The same for good.
    #[must_use]
    pub fn staying(self) -> Self {
        Self { stays: true, ..self }
    }

    /// Whether `vfio-pci` or one of its variants, which are named after the device they know, holds the function.
    #[must_use]
    pub fn is_vfio(&self) -> bool {
        self.driver.as_deref().is_some_and(is_vfio)
    }
}

/// Linux: `drivers/vfio/pci`; the variants are `mlx5_vfio_pci`, `nvgrace_gpu_vfio_pci` and so on.
fn is_vfio(driver: &str) -> bool {
    driver == VFIO || driver.ends_with("vfio-pci") || driver.ends_with("vfio_pci")
}

/// The override first, so that nobody else takes the function when its driver lets go; then that; then the other.
///
/// A function that comes back from QEMU is looked at before any driver of the host touches it.
pub(super) fn steps(bdf: Bdf, from: &Binding, to: &Binding) -> Vec<Step> {
    let mut steps = Vec::new();
    if from.is_vfio() {
        steps.push(Step::Revive(bdf));
    }
    if from == to || from.stays {
        return steps;
    }
    let text = |binding: &Binding| binding.override_.clone().unwrap_or_default();
    let path = format!("/sys/bus/pci/devices/{bdf}/driver_override");
    steps.push(Step::Write { path, was: text(from), value: text(to) });
    let device = bdf.to_string();
    if let Some(driver) = from.driver.clone().filter(|_| from.driver != to.driver) {
        steps.push(Step::Unbind { bus: Bus::Pci, device: device.clone(), driver });
    }
    if let Some(driver) = to.driver.clone() {
        steps.push(Step::Bind { bus: Bus::Pci, device, driver });
    }
    steps
}
