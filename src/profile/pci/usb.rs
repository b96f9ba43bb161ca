//! `pci.usb_controller_of`: the controller that a USB device is plugged into.

use crate::host::{Host, PciFunction, UsbDevice};
use crate::plan::{Class, Problem, VFIO};
use crate::unit::{Bdf, UsbId};

/// Class and subclass of a USB controller; PCI Code and ID Assignment Specification.
const USB_CONTROLLER: u32 = 0x0c03;

/// The controller of the device with `id`. Several of these are no question when one controller has them all.
pub(super) fn controller_of<'h>(at: &str, id: UsbId, host: &'h Host) -> Result<&'h PciFunction, Box<Problem>> {
    let devices: Vec<_> = host.usb.iter().filter(|device| device.id == id).collect();
    let Some(first) = devices.first() else { return Err(Box::new(absent(at, id, host))) };
    let Some(controller) = controller(first, host) else {
        let what = format!("the controller of {id} at {} is not on PCI", first.port);
        let fix = "[[usb]] passes the device itself, or plug it into another socket";
        return Err(Box::new(Problem::new(Class::Impossible, at, what).fix(fix)));
    };
    if devices.iter().any(|device| controller_bdf(device, host) != Some(controller.bdf)) {
        return Err(Box::new(twins(at, id, controller.bdf, &devices, host)));
    }
    Ok(controller)
}

fn controller<'h>(device: &UsbDevice, host: &'h Host) -> Option<&'h PciFunction> {
    controller_bdf(device, host).and_then(|bdf| host.function(bdf))
}

fn controller_bdf(device: &UsbDevice, host: &Host) -> Option<Bdf> {
    host.usb_buses.iter().find(|bus| bus.number == device.port.bus())?.controller
}

fn absent(at: &str, id: UsbId, host: &Host) -> Problem {
    let away =
        |function: &&PciFunction| function.class >> 8 == USB_CONTROLLER && function.driver.as_deref() == Some(VFIO);
    let away: Vec<_> = host.pci.iter().filter(away).map(|function| function.bdf.to_string()).collect();
    let plugged: Vec<_> = host.usb.iter().map(|device| format!("{} at {}", device.id, device.port)).collect();
    let mut why =
        if plugged.is_empty() { "nothing is".into() } else { format!("plugged in are {}", plugged.join(", ")) };
    if !away.is_empty() {
        why = format!("{why}; what is behind {}, which {VFIO} holds, is not seen", away.join(" and "));
    }
    Problem::new(Class::Impossible, at, format!("USB device {id} is not plugged in, so its controller is not known"))
        .why(why)
        .fix("plug it in, or name the controller by device; vmrun host usb lists them")
}

/// The guest would get one of two controllers by chance.
fn twins(at: &str, id: UsbId, first: Bdf, devices: &[&UsbDevice], host: &Host) -> Problem {
    let place = |device: &&UsbDevice| match controller_bdf(device, host) {
        Some(bdf) => format!("at {} behind {bdf}", device.port),
        None => format!("at {} behind a controller that is not on PCI", device.port),
    };
    let places: Vec<_> = devices.iter().map(place).collect();
    let what = format!("{} devices are {id}, on different controllers", devices.len());
    Problem::new(Class::Impossible, at, what)
        .why(format!("they are {}", places.join(", ")))
        .fix(format!("host = \"{first}\"   # in the place of usb_controller_of"))
}

#[cfg(test)]
mod test {
    use super::super::Pci;
    use crate::host::Area;

    #[test]
    fn usb_buses_are_looked_at_only_for_a_controller_that_they_tell() {
        let areas = |text: &str| toml::from_str::<Pci>(text).unwrap().areas().collect::<Vec<_>>();
        assert_eq!(areas("device = \"04:00\""), [Area::Pci, Area::Holders]);
        assert_eq!(areas("usb_controller_of = \"046d:c29b\""), [Area::Pci, Area::Holders, Area::Usb]);
    }
}
