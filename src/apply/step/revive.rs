//! A function that came back from a guest: does it still answer, and if not, what brings it back?

use super::{Fault, Ground};
use crate::apply::ApplyError;
use crate::unit::Bdf;
use std::fs;

/// Offset of the header type in the configuration space. Its low seven bits are 0 to 2 in a function that answers.
const HEADER_TYPE: usize = 0x0e;

/// Sees that `bdf` answers. One that does not is reset: by itself, with everything behind its bridge, and at last taken
/// out of the kernel's sight and looked for again.
///
/// Linux: `Documentation/ABI/testing/sysfs-bus-pci`, `reset`, `reset_subordinate`, `remove`, `rescan`.
pub(super) async fn revive(ground: &Ground, bdf: Bdf) -> Result<(), ApplyError> {
    let folder = format!("/sys/bus/pci/devices/{bdf}");
    if answers(ground, &folder) {
        return Ok(());
    }
    let mut tried = Vec::new();
    for (what, path) in resets(ground, &folder) {
        match ground.tell(&path, "1").await {
            Ok(()) if answers(ground, &folder) => return Ok(()),
            Ok(()) => tried.push(format!("{what} changed nothing")),
            Err(fault @ Fault::Stuck(_)) => return Err(fault.of(&format!("{what} of {bdf}"))),
            Err(Fault::No(why)) => tried.push(format!("{what}: {why}")),
        }
    }
    // Nothing finds a virtual function again but the function that made it.
    let found = if is_virtual(ground, &folder) {
        Err(Fault::No("a virtual function would not be found again".into()))
    } else {
        again(ground, &folder).await
    };
    match found {
        Ok(()) if answers(ground, &folder) => return Ok(()),
        Ok(()) => tried.push("removal and rescan changed nothing".into()),
        Err(fault @ Fault::Stuck(_)) => return Err(fault.of(&format!("removal of {bdf}"))),
        Err(Fault::No(why)) => tried.push(format!("removal and rescan: {why}")),
    }
    Err(ApplyError::Refused(format!(
        "{bdf} does not answer any more ({}); it stays away from the host's drivers, and comes back when the host is restarted",
        tried.join("; ")
    )))
}

/// A virtual function has ones where others have their ids, and a header type as all; Single Root I/O Virtualization and
/// Sharing Specification, 3.4.1.1.
fn answers(ground: &Ground, folder: &str) -> bool {
    let head = ground.root.head(format!("{folder}/config"), HEADER_TYPE + 1).unwrap_or_default();
    let vendor = head.get(..2).is_some_and(|vendor| vendor != [0xff, 0xff]);
    (vendor || is_virtual(ground, folder)) && head.get(HEADER_TYPE).is_some_and(|kind| kind & 0x7f <= 2)
}

fn is_virtual(ground: &Ground, folder: &str) -> bool {
    ground.root.exists(format!("{folder}/physfn"))
}

/// The resets that the kernel offers, the gentlest first.
fn resets(ground: &Ground, folder: &str) -> Vec<(&'static str, String)> {
    let bus = bridge(ground, folder).map(|bridge| format!("/sys/bus/pci/devices/{bridge}/reset_subordinate"));
    let own = [("a reset", format!("{folder}/reset"))].into_iter();
    own.chain(bus.map(|path| ("a bus reset", path))).filter(|(_, path)| ground.root.exists(path)).collect()
}

/// The bridge above: the folder that the function's own lies in.
fn bridge(ground: &Ground, folder: &str) -> Option<Bdf> {
    let place = fs::read_link(ground.root.resolve(folder)).ok()?;
    place.parent()?.file_name()?.to_str()?.parse().ok()
}

/// Takes the function out of the kernel's sight and looks for it again. It comes back without its override and, but for
/// the switch, with a driver of the host; then it goes to whom it belonged, so that whoever undoes goes on as ever.
async fn again(ground: &Ground, folder: &str) -> Result<(), Fault> {
    let _turn = ground.rescan.lock().await;
    let belonged = ground.root.text(format!("{folder}/driver_override")).filter(|text| text != "(null)");
    ground.tell(AUTOPROBE, "0").await?;
    let found = found_again(ground, folder, belonged.as_deref()).await;
    ground.tell(AUTOPROBE, "1").await?;
    found
}

/// Whether a device that is found gets a driver by itself.
const AUTOPROBE: &str = "/sys/bus/pci/drivers_autoprobe";

async fn found_again(ground: &Ground, folder: &str, belonged: Option<&str>) -> Result<(), Fault> {
    ground.tell(&format!("{folder}/remove"), "1").await?;
    ground.tell("/sys/bus/pci/rescan", "1").await?;
    if !ground.root.exists(folder) {
        return Err(Fault::No("it is not found again".into()));
    }
    let Some(driver) = belonged else { return Ok(()) };
    ground.tell(&format!("{folder}/driver_override"), driver).await?;
    let device = folder.rsplit('/').next().unwrap_or_default();
    ground.tell("/sys/bus/pci/drivers_probe", device).await
}
