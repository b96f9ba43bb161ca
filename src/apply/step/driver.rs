//! Taking a device from its driver, and giving it to another.

use super::{Fault, Ground};
use crate::apply::ApplyError;
use crate::plan::Bus;

/// The driver that holds `device`, from the link in its folder.
fn holder(ground: &Ground, bus: Bus, device: &str) -> Option<String> {
    ground.root.link_name(format!("{}/devices/{device}/driver", bus.folder()))
}

pub(super) async fn unbind(ground: &Ground, bus: Bus, device: &str, driver: &str) -> Result<(), ApplyError> {
    // Whoever has it else is judged when it is bound.
    if holder(ground, bus, device).as_deref() != Some(driver) {
        return Ok(());
    }
    let path = format!("{}/drivers/{driver}/unbind", bus.folder());
    let told = ground.tell(&path, device).await;
    let what = format!("{driver} does not let go of {device}");
    told.map_err(|fault| fault.of(&what))?;
    match holder(ground, bus, device) {
        Some(still) if still == driver => Err(ApplyError::Refused(what)),
        Some(_) | None => Ok(()),
    }
}

/// The kernel binds before the write returns: `bus_rescan_devices_helper`, `drivers/base/bus.c`. It does not say there
/// why a driver refused, so the driver is then asked by itself.
pub(super) async fn bind(ground: &Ground, bus: Bus, device: &str, driver: &str) -> Result<(), ApplyError> {
    let refused = |fault: Fault| fault.of(&format!("{driver} does not take {device}"));
    // Linux does away with the firmware's framebuffer for good as soon as a driver of the card's own asks for its
    // memory, and vfio-pci does; `sysfb_disable`, `drivers/firmware/sysfb.c`.
    if bus == Bus::Platform && !ground.root.exists(format!("{}/devices/{device}", bus.folder())) {
        return Ok(());
    }
    if bus == Bus::Pci && holder(ground, bus, device).is_none() {
        ground.tell("/sys/bus/pci/drivers_probe", device).await.map_err(refused)?;
    }
    if holder(ground, bus, device).is_none() {
        let path = format!("{}/drivers/{driver}/bind", bus.folder());
        ground.tell(&path, device).await.map_err(refused)?;
    }
    match holder(ground, bus, device) {
        Some(found) if found == driver => Ok(()),
        Some(other) => Err(ApplyError::Refused(format!("{other} has taken {device}, which was for {driver}"))),
        None => Err(refused(Fault::No("it did not say why".into()))),
    }
}
