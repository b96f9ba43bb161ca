//! `[display]`: an emulated graphics card, and where its picture goes.

use super::disk_bus::place;
use super::scene::Scene;
use crate::plan::{Chipset, Class, Draft, Origin, Problem, Props};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// The emulated display; none unless given, for guests with a card of their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Display {
    /// Where the picture goes.
    #[serde(default)]
    kind: Kind,
    /// Path of the socket, for `kind = "vnc"`.
    path: Option<PathBuf>,
    /// The emulated card; `std` unless given, `none` without a display.
    vga: Option<Vga>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    None,
    Gtk,
    Sdl,
    Vnc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Vga {
    None,
    Std,
    Qxl,
    Virtio,
}

impl Display {
    pub(super) fn draft(&self, scene: &Scene, draft: &mut Draft) {
        let Self { kind, path, vga } = self;
        let origin = || Origin::given("display.kind");
        let name = match kind {
            Kind::Gtk => "gtk",
            Kind::Sdl => "sdl",
            Kind::None | Kind::Vnc => "none",
        };
        draft.contents.argv.backend("-display", &json!({"type": name}), origin());
        match (kind, path) {
            (Kind::Vnc, Some(path)) => {
                let mut vnc = Props::default();
                vnc.head(format!("unix:{}", scene.setting.resolve(path).display()), Origin::given("display.path"));
                draft.contents.argv.backend_props("-vnc", &vnc);
            }
            (Kind::Vnc, None) => {
                let problem = Problem::new(Class::Invalid, "display", "kind = \"vnc\" names no socket");
                draft.refuse(problem.fix("path = \"/run/user/1000/windows.vnc\""));
            }
            (_, Some(_)) => {
                let problem = Problem::new(Class::Invalid, "display.path", "only kind = \"vnc\" takes a path");
                draft.refuse(problem.fix("kind = \"vnc\""));
            }
            (_, None) => {}
        }
        draft_vga(*kind, *vga, draft);
    }
}

fn draft_vga(kind: Kind, vga: Option<Vga>, draft: &mut Draft) {
    let (vga, origin) = match (vga, kind) {
        (Some(vga), _) => (vga, Origin::given("display.vga")),
        (None, Kind::None) => return,
        (None, _) => (Vga::Std, Origin::derived("display.kind", "a display shows a card")),
    };
    let driver = match vga {
        Vga::None => return,
        Vga::Std => "VGA",
        Vga::Qxl => "qxl-vga",
        Vga::Virtio => "virtio-vga",
    };
    let device = json!({"driver": driver, "id": "vga"});
    match draft.slots.chipset() {
        // Device number 1 is kept for it; firmware and guests look for the legacy VGA card on the root bus.
        Chipset::Q35 => {
            let mut device = device;
            device["bus"] = json!("pcie.0");
            device["addr"] = json!("01.0");
            draft.contents.argv.device(&device, origin);
        }
        Chipset::I440fx => place(device, &origin, draft),
    }
}
