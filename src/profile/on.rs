//! `[on]`: what a reboot or a panic of the guest does.

use crate::plan::{Draft, OnPanic, OnReboot, Origin};
use schemars::JsonSchema;
use serde::Deserialize;

/// What happens when the guest reboots or panics. QEMU's `-action`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct On {
    /// What a reboot of the guest does.
    #[serde(default)]
    reboot: OnReboot,
    /// What a panic of the guest's kernel does, which `pvpanic` reports.
    #[serde(default)]
    panic: OnPanic,
}

impl On {
    /// The same, with a reboot that ends the guest.
    pub(super) fn ending_at_a_reboot(self) -> Self {
        Self { reboot: OnReboot::Exit, ..self }
    }

    pub(super) fn draft(&self, draft: &mut Draft) {
        let Self { reboot, panic } = self;
        draft.contents.ending.on_reboot = *reboot;
        draft.contents.ending.on_panic = *panic;
        let reboot = match reboot {
            OnReboot::Reset => "reset",
            OnReboot::Restart | OnReboot::Exit => "shutdown",
        };
        let panic = match panic {
            OnPanic::Exit => "shutdown",
            OnPanic::Pause => "pause",
        };
        let action = &mut draft.contents.argv.action;
        action.set("reboot", reboot, Origin::given("on.reboot"));
        action.set("shutdown", "poweroff", Origin::always("QEMU ends when the guest powers off"));
        action.set("panic", panic, Origin::given("on.panic"));
    }
}
