//! `[[usb]]`: USB devices of the host.

use super::scene::Scene;
use super::usb_controller;
use crate::host::{Host, UsbDevice};
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::{UsbId, UsbPort};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A USB device of the host, by its ids, its socket or its serial number; plugged in later, it comes to the guest later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Usb {
    /// Vendor and product, as `lsusb` prints them. QEMU's `vendorid` and `productid`.
    id: Option<UsbId>,
    /// The socket, as `/sys/bus/usb/devices` names it: whatever is plugged in there. QEMU's `hostbus` and `hostport`.
    port: Option<UsbPort>,
    /// Serial number, for one of several equal devices. It must be plugged in at the start; its socket is then kept.
    serial: Option<String>,
    /// Whether the guest gets it; so that a device can be left out without deleting it. True unless given.
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    /// Whether the guest may reset it; some devices lose their firmware then. True unless given. QEMU's `guest-reset`.
    guest_reset: Option<bool>,
    /// Says that the guest may get the host's last keyboard. False unless given.
    #[serde(default)]
    last_keyboard: bool,
}

fn yes() -> bool {
    true
}

/// How QEMU finds the device.
enum By {
    Id(UsbId),
    Port(UsbPort),
}

impl Usb {
    fn find(&self, key: &str, host: &Host, draft: &mut Draft) -> Option<By> {
        match (self.id, &self.port, &self.serial) {
            (Some(id), None, None) => Some(By::Id(id)),
            (None, Some(port), None) => Some(By::Port(port.clone())),
            (id, None, Some(serial)) => match with_serial(serial, id, host) {
                Some(device) => Some(By::Port(device.port.clone())),
                None => {
                    draft.refuse(no_such_serial(serial, key, host));
                    None
                }
            },
            (None, None, None) => {
                let problem = Problem::new(Class::Invalid, key, "no id, port or serial says which device is meant");
                draft.refuse(problem.fix("id = \"046d:c29b\"   # as lsusb prints it"));
                None
            }
            (Some(_), Some(_), _) | (_, Some(_), Some(_)) => {
                let what = "port and another key both say which device is meant";
                draft.refuse(Problem::new(Class::Invalid, format!("{key}.port"), what).fix("leave out one of them"));
                None
            }
        }
    }

    /// Whether `device` of the host is meant.
    fn means(&self, device: &UsbDevice) -> bool {
        let Self { id, port, serial, enabled, guest_reset: _, last_keyboard: _ } = self;
        *enabled
            && (id.is_some() || port.is_some() || serial.is_some())
            && id.is_none_or(|id| id == device.id)
            && port.as_ref().is_none_or(|port| *port == device.port)
            && serial.as_ref().is_none_or(|serial| device.serial.as_ref() == Some(serial))
    }
}

pub(super) fn draft(devices: &[Usb], scene: &Scene, draft: &mut Draft) {
    for (i, usb) in devices.iter().enumerate().filter(|(_, usb)| usb.enabled) {
        let key = format!("usb[{i}]");
        judge_twins(usb, &key, scene.host, draft);
        let Some(by) = usb.find(&key, scene.host, draft) else { continue };
        let mut device = json!({"driver": "usb-host", "id": format!("usb{i}"), "bus": usb_controller::BUS});
        match by {
            By::Id(id) => {
                device["vendorid"] = json!(id.vendor());
                device["productid"] = json!(id.product());
            }
            By::Port(port) => {
                device["hostbus"] = json!(port.bus());
                device["hostport"] = json!(port.ports());
            }
        }
        if let Some(reset) = usb.guest_reset {
            device["guest-reset"] = json!(reset);
        }
        draft.contents.argv.device(&device, Origin::given(key));
    }
    judge_twice(devices, draft);
    judge_keyboards(devices, scene.host, draft);
}

fn with_serial<'a>(serial: &str, id: Option<UsbId>, host: &'a Host) -> Option<&'a UsbDevice> {
    host.usb.iter().find(|device| device.serial.as_deref() == Some(serial) && id.is_none_or(|id| id == device.id))
}

fn no_such_serial(serial: &str, key: &str, host: &Host) -> Problem {
    let known: Vec<String> = host
        .usb
        .iter()
        .filter_map(|device| {
            Some(format!("{} ({})", device.serial.as_ref()?, device.product.as_deref().unwrap_or("unnamed")))
        })
        .collect();
    let why = if known.is_empty() {
        "no device that is plugged in has one".into()
    } else {
        format!("plugged in are {}", known.join(", "))
    };
    Problem::new(Class::Impossible, format!("{key}.serial"), format!("no USB device has the serial number {serial}"))
        .why(why)
        .fix("plug it in, or name it by id or port, which QEMU waits for")
}

/// QEMU takes the first device with the ids.
fn judge_twins(usb: &Usb, key: &str, host: &Host, draft: &mut Draft) {
    let (Some(id), None) = (usb.id, &usb.serial) else { return };
    let twins: Vec<_> =
        host.usb.iter().filter(|device| device.id == id).map(|device| device.port.to_string()).collect();
    if let [first, _, ..] = &twins[..] {
        draft.warn(
            Problem::new(
                Class::Invalid,
                format!("{key}.id"),
                format!("{} devices are {id}, and the guest gets any one", twins.len()),
            )
            .why(format!("they are plugged in at {}", twins.join(", ")))
            .fix(format!("port = \"{first}\"   # in the place of id")),
        );
    }
}

fn judge_twice(devices: &[Usb], draft: &mut Draft) {
    let enabled = |usb: &&Usb| usb.enabled;
    for (i, usb) in devices.iter().enumerate().filter(|(_, usb)| usb.enabled) {
        let same = |other: &Usb| (other.id, &other.port, &other.serial) == (usb.id, &usb.port, &usb.serial);
        let named = usb.port.is_some() || usb.serial.is_some();
        let first = devices[..i].iter().position(|other| enabled(&other) && same(other)).filter(|_| named);
        if let Some(first) = first {
            let what = format!("usb[{first}] and usb[{i}] are one device");
            draft.refuse(Problem::new(Class::Invalid, format!("usb[{i}]"), what).fix("leave out one of them"));
        }
    }
}

/// Without a keyboard the host cannot be told anything any more, not even to stop the guest.
fn judge_keyboards(devices: &[Usb], host: &Host, draft: &mut Draft) {
    let taker = |device: &UsbDevice| devices.iter().position(|usb| usb.means(device));
    let keyboards: Vec<_> = host.usb.iter().filter(|device| device.keyboard).collect();
    let takers: Option<Vec<usize>> = keyboards.iter().map(|device| taker(device)).collect();
    let Some(&last) = takers.as_ref().and_then(|takers| takers.last()) else { return };
    if takers.iter().flatten().any(|&i| devices[i].last_keyboard) {
        return;
    }
    let names: Vec<_> =
        keyboards.iter().map(|device| device.product.clone().unwrap_or_else(|| device.id.to_string())).collect();
    draft.refuse(
        Problem::new(Class::Impossible, format!("usb[{last}]"), "the guest would get the host's last USB keyboard")
            .why(format!(
                "the host has {}; while the guest runs nothing could be typed on the host",
                names.join(" and ")
            ))
            .fix("last_keyboard = true   # or [[input]] kind = \"evdev\", which both control keys together give back"),
    );
}
