//! `[usb_controller]`: the one USB controller of the guest.

use super::disk_bus::place_among;
use crate::plan::{Class, Draft, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::num::NonZeroU8;

/// The bus of the controller.
pub(super) const BUS: &str = "usb.0";

/// Ports for USB 2 and for USB 3 devices, the most that an xHCI has. QEMU: `hw/usb/hcd-xhci.h`.
const PORTS: u8 = 15;

/// The USB controller. It is there when something needs it, and when this table is.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UsbController {
    /// Which controller the guest sees; `qemu-xhci` unless given, which takes devices of all speeds.
    #[serde(default)]
    model: Model,
    /// Sockets for each speed, 1 to 15; 15 unless given. Only xHCI has a choice. QEMU's `p2` and `p3`.
    ports: Option<NonZeroU8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum Model {
    /// A generic xHCI; Windows 8 and newer, Linux.
    #[default]
    #[serde(rename = "qemu-xhci")]
    QemuXhci,
    /// An NEC xHCI, for Windows 7 with its driver.
    #[serde(rename = "nec-usb-xhci")]
    NecUsbXhci,
    /// USB 2 only: high-speed devices.
    #[serde(rename = "ehci")]
    Ehci,
    /// USB 1 only: for guests before Windows 2000.
    #[serde(rename = "uhci")]
    Uhci,
}

impl UsbController {
    /// Whether it takes high-speed devices only. QEMU: `usb_ehci_attach()`, `hw/usb/hcd-ehci.c`.
    pub(super) fn is_high_speed(&self) -> bool {
        self.model == Model::Ehci
    }
}

/// Adds the controller when its table is given or a key path wants it.
pub(super) fn draft(table: Option<&UsbController>, wanted_by: Option<String>, draft: &mut Draft) {
    let origin = match (table, wanted_by) {
        (Some(_), _) => Origin::given("usb_controller"),
        (None, Some(key)) => Origin::derived(key, "USB devices sit on a controller"),
        (None, None) => return,
    };
    let UsbController { model, ports } = table.cloned().unwrap_or_default();
    let mut device = json!({"driver": model.driver(), "id": "usb"});
    if matches!(model, Model::QemuXhci | Model::NecUsbXhci) {
        let ports = ports.map_or(PORTS, NonZeroU8::get);
        device["p2"] = json!(ports);
        device["p3"] = json!(ports);
    }
    judge(model, ports, draft);
    place_among("usb_controller", device, &origin, draft);
}

fn judge(model: Model, ports: Option<NonZeroU8>, draft: &mut Draft) {
    let Some(ports) = ports else { return };
    let problem = |what: String| Problem::new(Class::Invalid, "usb_controller.ports", what);
    if matches!(model, Model::Ehci | Model::Uhci) {
        let what = format!("the number of ports of {} is fixed", model.driver());
        draft.refuse(problem(what).fix("model = \"qemu-xhci\"   # or leave ports out"));
    } else if ports.get() > PORTS {
        draft.refuse(problem(format!("{ports} ports; an xHCI has at most {PORTS}")).fix(format!("ports = {PORTS}")));
    }
}

impl Model {
    fn driver(self) -> &'static str {
        match self {
            Self::QemuXhci => "qemu-xhci",
            Self::NecUsbXhci => "nec-usb-xhci",
            Self::Ehci => "usb-ehci",
            Self::Uhci => "piix3-usb-uhci",
        }
    }
}
