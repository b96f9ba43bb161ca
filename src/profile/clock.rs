//! `[clock]`: the real-time clock that the guest reads.

use super::scene::Scene;
use crate::plan::{Class, ClockBase, Draft, GuestClock, Origin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use std::num::NonZeroU64;

/// The real-time clock that the guest reads. QEMU's `-rtc`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Clock {
    /// What it shows when the guest starts. Windows expects `localtime`, everything else `utc`, which it is unless given.
    base: Option<Base>,
    /// Whether it goes on where the guest set it, at the guest's next start, as the clock of a PC does; it does unless
    /// given. Without it the clock starts at `base` each time. QEMU's event `RTC_CHANGE`.
    #[schemars(extend("default" = true))]
    keep: Option<bool>,
    /// What drives it: the host's clock as users set it, its clock since boot, or the guest's own running time. QEMU's
    /// choice, `host`, unless given.
    #[serde(rename = "clock")]
    source: Option<Source>,
    /// Makes up for ticks that the guest missed while it did not run, for a Windows whose clock falls behind. QEMU's
    /// choice, `none`, unless given.
    driftfix: Option<Driftfix>,
    /// What becomes of ticks of the programmable interval timer that the guest missed: told later, or left out; `delay`
    /// unless given, `discard` with `driftfix = "slew"`. Only under KVM. QEMU's `kvm-pit.lost_tick_policy`.
    lost_tick_policy: Option<LostTicks>,
    /// Whether a Linux guest is offered KVM's own clock; it is unless given. QEMU's `kvmclock`.
    kvmclock: Option<bool>,
    /// Frequency of the guest's time stamp counter in Hz; the host's unless given. Another one needs a host CPU that can
    /// scale it. QEMU's `tsc-frequency`.
    tsc_frequency: Option<NonZeroU64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum LostTicks {
    Delay,
    Discard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Base {
    Utc,
    Localtime,
}

impl From<Base> for ClockBase {
    fn from(base: Base) -> Self {
        match base {
            Base::Utc => Self::Utc,
            Base::Localtime => Self::Localtime,
        }
    }
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
        let Self { base, keep, source, driftfix, lost_tick_policy, kvmclock, tsc_frequency } = self;
        if *keep != Some(false) {
            let base = base.map_or(ClockBase::Utc, ClockBase::from);
            // One that was set against another base says nothing of this one.
            let kept = scene.setting.kept.clock().filter(|kept| kept.base == base);
            draft.contents.clock = Some(kept.unwrap_or(GuestClock { base, ahead: None }));
        }
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
        if let Some(driftfix) = driftfix {
            let fix = match driftfix {
                Driftfix::None => "none",
                Driftfix::Slew => "slew",
            };
            argv.rtc.set("driftfix", fix, Origin::given("clock.driftfix"));
        }
        if let Some(on) = kvmclock {
            argv.cpu.switch("kvmclock", *on, Origin::given("clock.kvmclock"));
        }
        if let Some(frequency) = tsc_frequency {
            argv.cpu.set("tsc-frequency", frequency.to_string(), Origin::given("clock.tsc_frequency"));
        }
        draft_lost_ticks(*lost_tick_policy, *driftfix == Some(Driftfix::Slew), scene, draft);
    }
}

fn draft_lost_ticks(given: Option<LostTicks>, slew: bool, scene: &Scene, draft: &mut Draft) {
    let key = "clock.lost_tick_policy";
    let (policy, origin) = match given {
        Some(_) if !scene.kvm() => {
            let what = "lost_tick_policy has no effect without KVM, and is left out";
            return draft.warn(Problem::new(Class::Invalid, key, what).fix("leave lost_tick_policy out"));
        }
        Some(policy) => (policy, Origin::given(key)),
        // Both timers making up for lost ticks would let the guest's clock run ahead.
        None if slew && scene.kvm() => {
            (LostTicks::Discard, Origin::derived("clock.driftfix", "the clock alone makes up for lost ticks"))
        }
        None => return,
    };
    let policy = match policy {
        LostTicks::Delay => "delay",
        LostTicks::Discard => "discard",
    };
    draft.contents.argv.setting("-global", format!("kvm-pit.lost_tick_policy={policy}"), origin);
}
