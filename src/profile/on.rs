//! `[on]`: what a reboot or a panic of the guest does, and a start that shows no sign of life; what a sleep or a shutdown
//! of the host and a chord of keys do to it.

use super::panic_key::{self, PanicKey};
use super::scene::Scene;
use super::setting::Setting;
use crate::plan::{Class, Draft, OnHostShutdown, OnHostSleep, OnPanic, OnReboot, Origin, Problem};
use crate::unit::Period;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// What happens when the guest reboots or panics, QEMU's `-action`, when it does not come to life, and when the host sleeps
/// or shuts down.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct On {
    /// What a reboot of the guest does.
    #[serde(default)]
    reboot: OnReboot,
    /// What a panic of the guest's kernel does, which `pvpanic` reports.
    #[serde(default)]
    panic: OnPanic,
    /// What a sleep of the host does, which logind announces; `suspend` needs `[agent]`. Unless given, `block` with a
    /// passed PCI device and `ignore` without.
    host_sleep: Option<OnHostSleep>,
    /// What a shutdown of the host does, which logind announces.
    #[serde(default)]
    host_shutdown: OnHostShutdown,
    /// How long a start may take to show a sign of life, before the guest is forced off and its card and the desktop come
    /// back: for who sees nothing without the card that the guest has. As long as it likes unless given. Signs are something
    /// written to a disk or to a serial port of `[[serial]]` that vmrun holds (also by firmware), an open `[agent]`, interrupts that a driver
    /// asks of a passed device, and a clock, network card or balloon that a driver sets.
    dead_boot: Option<Period>,
    panic_key: Option<PanicKey>,
}

impl On {
    /// The same, with a reboot that ends the guest.
    pub(super) fn ending_at_a_reboot(self) -> Self {
        Self { reboot: OnReboot::Exit, ..self }
    }

    pub(super) fn paths(&self, setting: &Setting) -> Option<PathBuf> {
        self.panic_key.as_ref().map(|chord| chord.path(setting))
    }

    pub(super) fn draft(&self, scene: &Scene, draft: &mut Draft) {
        let Self { reboot, panic, host_sleep, host_shutdown, dead_boot, panic_key } = self;
        draft.contents.dead_boot = *dead_boot;
        draft.contents.host_sleep = *host_sleep;
        draft.contents.host_shutdown = *host_shutdown;
        if *host_sleep == Some(OnHostSleep::Suspend) && draft.contents.agent.is_none() {
            let what = "nobody in the guest can be told to suspend it";
            let why = "a sleep of the guest is its own doing; its agent is asked for it";
            draft.refuse(Problem::new(Class::Invalid, "on.host_sleep", what).why(why).fix("[agent]"));
        }
        panic_key::draft(panic_key.as_ref(), scene, draft);
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
