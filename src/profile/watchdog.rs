//! `[watchdog]`: a card that acts when the guest hangs.

use super::disk_bus::place;
use crate::plan::{Chipset, Class, Draft, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// A watchdog. The guest starts it and must then speak to it, or `action` is taken.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Watchdog {
    /// The card; `i6300esb` unless given.
    #[serde(default)]
    model: Model,
    /// What happens to a guest that hangs; `reset` unless given. QEMU's `-action watchdog=`.
    #[serde(default)]
    action: Action,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Model {
    /// A PCI card of Intel's; Linux has a driver.
    #[default]
    I6300esb,
    /// An ISA card, for old guests.
    Ib700,
    /// The q35's own, which Windows and Linux have drivers for; a machine has it whether or not it may reset the guest.
    Itco,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Action {
    /// The guest is reset.
    #[default]
    Reset,
    /// The guest's power button is pressed.
    Shutdown,
    /// The guest ends at once.
    Poweroff,
    /// The guest stands still, to be looked at.
    Pause,
    /// QEMU says so.
    Debug,
    /// Nothing.
    None,
    /// The guest gets a non-maskable interrupt, and may write a dump.
    InjectNmi,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Shutdown => "shutdown",
            Self::Poweroff => "poweroff",
            Self::Pause => "pause",
            Self::Debug => "debug",
            Self::None => "none",
            Self::InjectNmi => "inject-nmi",
        }
    }
}

pub(super) fn draft(watchdog: Option<&Watchdog>, draft: &mut Draft) {
    let Some(Watchdog { model, action }) = watchdog else { return };
    draft.contents.argv.action.set("watchdog", action.as_str(), Origin::given("watchdog.action"));
    let origin = Origin::given("watchdog.model");
    match model {
        Model::I6300esb => place(json!({"driver": "i6300esb", "id": "watchdog"}), &origin, draft),
        Model::Ib700 => draft.contents.argv.device(&json!({"driver": "ib700", "id": "watchdog"}), origin),
        Model::Itco if draft.slots.chipset() == Chipset::Q35 => {
            // Machines of QEMU before 8.0 have it held. QEMU: `hw/acpi/ich9_tco.c`, `hw/isa/lpc_ich9.c`.
            draft.contents.argv.setting("-global", "ICH9-LPC.noreboot=off", origin);
        }
        Model::Itco => {
            let what = "machine.type = \"pc\" has no watchdog of its own";
            let problem = Problem::new(Class::Invalid, "watchdog.model", what);
            draft.refuse(problem.fix("model = \"i6300esb\"   # or machine.type = \"q35\""));
        }
    }
}
