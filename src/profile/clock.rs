//! `[clock]`: the real-time clock that the guest reads.

use super::scene::Scene;
use crate::plan::{Draft, Origin};
use schemars::JsonSchema;
use serde::Deserialize;

/// The real-time clock that the guest reads. QEMU's `-rtc`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Clock {
    /// What it shows when the guest starts. Windows expects `localtime`, everything else `utc`, which it is unless given.
    base: Option<Base>,
    /// What drives it: the host's clock as users set it, its clock since boot, or the guest's own running time. QEMU's
    /// choice, `host`, unless given.
    #[serde(rename = "clock")]
    source: Option<Source>,
    /// Makes up for ticks that the guest missed while it did not run, for a Windows whose clock falls behind. QEMU's
    /// choice, `none`, unless given.
    driftfix: Option<Driftfix>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Base {
    Utc,
    Localtime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Source {
    Host,
    Rt,
    Vm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Driftfix {
    None,
    Slew,
}

impl Clock {
    pub(super) fn draft(&self, scene: &Scene, draft: &mut Draft) {
        let Self { base, source, driftfix } = self;
        let argv = &mut draft.contents.argv;
        if let Some(base) = base {
            let base = match base {
                Base::Utc => "utc",
                Base::Localtime => "localtime",
            };
            argv.rtc.set("base", base, Origin::given("clock.base"));
        }
        if let Some(source) = source {
            let clock = match source {
                Source::Host => "host",
                Source::Rt => "rt",
                Source::Vm => "vm",
            };
            argv.rtc.set("clock", clock, Origin::given("clock.clock"));
        }
        let Some(driftfix) = driftfix else { return };
        let fix = match driftfix {
            Driftfix::None => "none",
            Driftfix::Slew => "slew",
        };
        argv.rtc.set("driftfix", fix, Origin::given("clock.driftfix"));
        if *driftfix == Driftfix::Slew && scene.kvm() {
            // Both timers making up for lost ticks would let the guest's clock run ahead.
            let origin = Origin::derived("clock.driftfix", "the clock alone makes up for lost ticks");
            argv.setting("-global", "kvm-pit.lost_tick_policy=discard", origin);
        }
    }
}
