//! `[[usb]]`: USB devices of the host.

use super::scene::Scene;
use super::usb_controller;
use crate::host::{Host, UsbDevice};
use crate::plan::{Access, Class, Draft, Lot, Origin, Problem, UsbFound, UsbWanted, UsbWhich};
use crate::unit::{UsbId, UsbPort};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// A USB device of the host, by its ids, its socket or its serial number; plugged in later, it comes to the guest later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Usb {
    /// Vendor and product, as `lsusb` prints them. QEMU's `vendorid` and `productid`.
    id: Option<UsbId>,
    /// The socket, as `/sys/bus/usb/devices` names it: whatever is plugged in there. QEMU's `hostbus` and `hostport`.
    port: Option<UsbPort>,
    /// Serial number, for one of several equal devices.
    serial: Option<String>,
    /// Whether the guest gets it; so that a device can be left out without deleting it. True unless given.
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    /// Whether the guest is not started while it is not plugged in. False unless given: it comes when it is.
    #[serde(default)]
    required: bool,
    /// Whether the guest may reset it; some devices lose their firmware then. True unless given. QEMU's `guest-reset`.
    guest_reset: Option<bool>,
    /// Says that the guest may get the host's last keyboard. False unless given.
    #[serde(default)]
    last_keyboard: bool,
}

fn yes() -> bool {
    true
}

impl Usb {
    /// What is known of it; notes a problem when that is nothing, or too much.
    fn which(&self, key: &str, draft: &mut Draft) -> Option<UsbWhich> {
        let Self { id, port, serial, .. } = self;
        match (id, port, serial) {
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
            _ => Some(UsbWhich { id: *id, port: port.clone(), serial: serial.clone() }),
        }
    }

    /// Whether `device` of the host is meant.
    fn means(&self, device: &UsbDevice) -> bool {
        let Self { id, port, serial, .. } = self;
        let which = UsbWhich { id: *id, port: port.clone(), serial: serial.clone() };
        self.enabled && which.means(device.id, &device.port, device.serial.as_deref())
    }

    fn draft(&self, i: usize, host: &Host, draft: &mut Draft) {
        let key = format!("usb[{i}]");
        judge_twins(self, &key, host, draft);
        let Some(which) = self.which(&key, draft) else { return };
        let mut device = json!({"driver": "usb-host", "id": format!("usb{i}"), "bus": usb_controller::BUS});
        if let Some(reset) = self.guest_reset {
            device["guest-reset"] = json!(reset);
        }
        let had = |port: &UsbPort| {
            let found = draft.contents.usb.iter().filter_map(|other| other.found.as_ref());
            found.into_iter().any(|found| found.port == *port)
        };
        let found = host.usb.iter().find(|device| self.means(device) && !had(&device.port));
        match found {
            Some(found) => {
                draft.opens(key.as_str(), found.node(), Access::Write, Lot::Device);
                draft.contents.argv.device(&on_command_line(&device, &which, found, host), Origin::given(key.as_str()));
            }
            None if self.required => draft.refuse(not_plugged_in(&which, &key, host)),
            // A device that is not there would have QEMU look for it every two seconds.
            None => {}
        }
        let found = found.map(|device| UsbFound { port: device.port.clone(), id: device.id });
        let (id, last_keyboard) = (format!("usb{i}"), self.last_keyboard);
        draft.contents.usb.push(UsbWanted { at: key, id, which, device, found, last_keyboard });
    }
}

/// The device as QEMU finds it: by its ids when those say which it is, else by its socket.
fn on_command_line(device: &Value, which: &UsbWhich, found: &UsbDevice, host: &Host) -> Value {
    let mut device = device.clone();
    if let Some(id) = which.id.filter(|_| which.serial.is_none()) {
        device["vendorid"] = json!(id.vendor());
        device["productid"] = json!(id.product());
        if host.usb.iter().filter(|other| other.id == id).count() == 1 {
            return device;
        }
    }
    device["hostbus"] = json!(found.port.bus());
    device["hostport"] = json!(found.port.ports());
    device
}

pub(super) fn draft(devices: &[Usb], scene: &Scene, draft: &mut Draft) {
    for (i, usb) in devices.iter().enumerate().filter(|(_, usb)| usb.enabled) {
        usb.draft(i, scene.host, draft);
    }
    judge_twice(devices, draft);
    judge_keyboards(devices, scene.host, draft);
}

fn not_plugged_in(which: &UsbWhich, key: &str, host: &Host) -> Problem {
    let name = |device: &UsbDevice| match &device.product {
        Some(product) => format!("{} at {} ({product})", device.id, device.port),
        None => format!("{} at {}", device.id, device.port),
    };
    let known: Vec<String> = host.usb.iter().map(name).collect();
    let why = if known.is_empty() { "nothing is".into() } else { format!("plugged in are {}", known.join(", ")) };
    Problem::new(Class::Impossible, format!("{key}.required"), format!("USB device {which} is not plugged in"))
        .why(why)
        .fix("plug it in, or leave required out: the guest gets it when it is")
}

/// The first of them is taken.
fn judge_twins(usb: &Usb, key: &str, host: &Host, draft: &mut Draft) {
    let (Some(id), None) = (usb.id, &usb.serial) else { return };
    let twins: Vec<_> =
        host.usb.iter().filter(|device| device.id == id).map(|device| device.port.to_string()).collect();
    if let [first, _, ..] = &twins[..] {
        draft.warn(
            Problem::new(
                Class::Invalid,
                format!("{key}.id"),
                format!("{} devices are {id}, and the guest gets the one at {first}", twins.len()),
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
