//! `[on.panic_key]`: a chord of keys that stops the guest.

use crate::plan::PanicKey as Planned;
use crate::unit::Key;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Keys on a keyboard of the host that stop the guest as Ctrl-C does: once presses its power button, a third time forces it
/// off, and the card comes back. For a guest that has the screen and does not answer. The keyboard is read beside whatever
/// else reads it; while a guest has it for itself, by `[[usb]]` or by `[[input]]` that grabs it, it says nothing to vmrun.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PanicKey {
    /// Its node, best one of `/dev/input/by-id` that ends with `-event-kbd`.
    device: PathBuf,
    /// What is held down together, in the kernel's names: `["leftctrl", "leftalt", "pause"]`.
    #[schemars(length(min = 1))]
    keys: Vec<Key>,
}

impl PanicKey {
    pub(super) fn planned(&self) -> Planned {
        let Self { device, keys } = self;
        Planned { device: device.clone(), keys: keys.clone() }
    }

    /// Nobody means every key by none.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
