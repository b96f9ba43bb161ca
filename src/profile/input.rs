//! `[[input]]`: keyboards, mice and tablets.

use super::disk_bus::place;
use super::scene::Scene;
use super::setting::Setting;
use super::usb_controller;
use crate::host::PathFact;
use crate::plan::{Access, Class, Draft, EvdevWanted, Lot, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// An input device of the host (`evdev`), or one that the guest sees. Every guest has a PS/2 keyboard and mouse too;
/// the chipset cannot be without.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    /// What it is: `evdev` takes a device of the host, the others are seen by the guest.
    kind: Kind,
    /// The host's device, for `evdev`; below `/dev/input/by-id`, whose names stay. QEMU's `evdev`.
    device: Option<PathBuf>,
    /// Whether the toggle takes and gives back all other `evdev` devices too; set it on the keyboard. False unless
    /// given.
    grab_all: Option<bool>,
    /// Whether held keys repeat; a guest that repeats keys itself needs none. False unless given.
    repeat: Option<bool>,
    /// Keys that, held together, hand the device over between host and guest; `ctrl-ctrl` (both control keys) unless
    /// given. QEMU's `grab-toggle`.
    grab_toggle: Option<GrabToggle>,
    /// Whether the guest needs the device to start: else one that is not plugged in is left out, with a warning, until it
    /// is. True unless given. One that is pulled out while the guest runs comes back to it either way.
    required: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A device of the host, handed over by a key combination.
    Evdev,
    /// A virtio keyboard; Windows needs a driver.
    VirtioKeyboard,
    /// A virtio mouse.
    VirtioMouse,
    /// A virtio tablet: the pointer follows the viewer's.
    VirtioTablet,
    /// A USB keyboard.
    UsbKbd,
    /// A USB mouse.
    UsbMouse,
    /// A USB tablet: the pointer follows the viewer's.
    UsbTablet,
}

/// QEMU: `GrabToggleKeys`, `qapi/common.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum GrabToggle {
    CtrlCtrl,
    AltAlt,
    ShiftShift,
    MetaMeta,
    Scrolllock,
    CtrlScrolllock,
}

impl GrabToggle {
    fn as_str(self) -> &'static str {
        match self {
            Self::CtrlCtrl => "ctrl-ctrl",
            Self::AltAlt => "alt-alt",
            Self::ShiftShift => "shift-shift",
            Self::MetaMeta => "meta-meta",
            Self::Scrolllock => "scrolllock",
            Self::CtrlScrolllock => "ctrl-scrolllock",
        }
    }
}

impl Kind {
    fn driver(self) -> &'static str {
        match self {
            Self::Evdev => "input-linux",
            Self::VirtioKeyboard => "virtio-keyboard-pci",
            Self::VirtioMouse => "virtio-mouse-pci",
            Self::VirtioTablet => "virtio-tablet-pci",
            Self::UsbKbd => "usb-kbd",
            Self::UsbMouse => "usb-mouse",
            Self::UsbTablet => "usb-tablet",
        }
    }
}

impl Input {
    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.device.as_deref().map(|device| setting.resolve(device))
    }

    pub(super) fn is_usb(&self) -> bool {
        matches!(self.kind, Kind::UsbKbd | Kind::UsbMouse | Kind::UsbTablet)
    }

    fn draft_evdev(&self, i: usize, device: &Path, scene: &Scene, draft: &mut Draft) {
        let key = format!("input[{i}]");
        let path = scene.setting.resolve(device);
        let at = format!("{key}.device");
        let id = format!("input{i}");
        let mut object = json!({"qom-type": "input-linux", "id": id, "evdev": path});
        if let Some(grab_all) = self.grab_all {
            object["grab_all"] = json!(grab_all);
        }
        if let Some(repeat) = self.repeat {
            object["repeat"] = json!(repeat);
        }
        if let Some(toggle) = self.grab_toggle {
            object["grab-toggle"] = json!(toggle.as_str());
        }
        let found = self.required != Some(false) || *scene.host.path(&path) != PathFact::Missing;
        let wanted = EvdevWanted { at: key.clone(), id, path: path.clone(), object: object.clone(), found };
        draft.contents.evdev.push(wanted);
        if !found {
            return draft.warn(left_out(&path, &at));
        }
        judge_device(&path, &at, scene, draft);
        draft.opens(&at, &path, Access::Write, Lot::Device);
        draft.contents.argv.object(&object, Origin::given(key));
    }

    fn judge_keys(&self, i: usize, draft: &mut Draft) {
        let Self { kind: _, device, grab_all, repeat, grab_toggle, required } = self;
        let rows = [
            ("device", device.is_some()),
            ("grab_all", grab_all.is_some()),
            ("repeat", repeat.is_some()),
            ("grab_toggle", grab_toggle.is_some()),
            ("required", required.is_some()),
        ];
        for (name, _) in rows.into_iter().filter(|(_, given)| *given) {
            let what = format!("only kind = \"evdev\" takes {name}");
            draft.refuse(Problem::new(Class::Invalid, format!("input[{i}].{name}"), what).fix("kind = \"evdev\""));
        }
    }
}

pub(super) fn draft(inputs: &[Input], scene: &Scene, draft: &mut Draft) {
    for (i, input) in inputs.iter().enumerate() {
        let origin = Origin::given(format!("input[{i}]"));
        match (input.kind, &input.device) {
            (Kind::Evdev, Some(device)) => input.draft_evdev(i, device, scene, draft),
            (Kind::Evdev, None) => {
                let problem = Problem::new(Class::Invalid, &origin.key, "kind = \"evdev\" names no device");
                draft.refuse(problem.fix("device = \"/dev/input/by-id/YOUR_KEYBOARD-event-kbd\""));
            }
            (kind, _) => {
                input.judge_keys(i, draft);
                let mut device = json!({"driver": kind.driver(), "id": format!("input{i}")});
                if input.is_usb() {
                    device["bus"] = json!(usb_controller::BUS);
                    draft.contents.argv.device(&device, origin);
                } else {
                    place(device, &origin, draft);
                }
            }
        }
    }
    judge_twice(inputs, scene, draft);
}

fn left_out(path: &Path, at: &str) -> Problem {
    let what = format!("{} is not plugged in, and the guest goes without it", path.display());
    Problem::new(Class::Impossible, at, what).why("it is the guest's when it is plugged in")
}

/// QEMU does not start without the device.
fn judge_device(path: &Path, key: &str, scene: &Scene, draft: &mut Draft) {
    let shown = path.display();
    let problem = match scene.host.path(path) {
        PathFact::Other => return,
        PathFact::Missing => Problem::new(Class::Impossible, key, format!("there is no input device {shown}"))
            .why("it is not plugged in, or has another name")
            .fix("ls /dev/input/by-id   # those that end in -event-kbd and -event-mouse"),
        PathFact::Unreadable(why) => {
            Problem::new(Class::Denied, key, format!("{shown} cannot be looked at")).why(why.clone())
        }
        PathFact::File { .. } | PathFact::Folder { .. } | PathFact::Block => {
            Problem::new(Class::Impossible, key, format!("{shown} is not an input device"))
        }
    };
    draft.refuse(problem);
}

fn judge_twice(inputs: &[Input], scene: &Scene, draft: &mut Draft) {
    let path = |input: &Input| input.paths(scene.setting);
    for (i, input) in inputs.iter().enumerate().filter(|(_, input)| input.device.is_some()) {
        if let Some(first) = inputs[..i].iter().position(|earlier| path(earlier) == path(input)) {
            let what = format!("input[{first}] and input[{i}] are one device");
            draft.refuse(
                Problem::new(Class::Invalid, format!("input[{i}].device"), what).why("only one of them could grab it"),
            );
        }
    }
}
