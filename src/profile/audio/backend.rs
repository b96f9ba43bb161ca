//! `-audiodev`: the host's sound system.

use super::{Audio, server};
use crate::plan::{Class, Draft, Origin, Problem};
use crate::profile::capability;
use crate::profile::display::Display;
use crate::profile::scene::Scene;
use crate::unit::Version;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::num::NonZeroU32;

/// A sound system of the host, by QEMU's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Driver {
    /// `PulseAudio`; `PipeWire` serves its clients too.
    Pa,
    /// `PipeWire`; QEMU 8.1 and newer.
    Pipewire,
    /// The kernel's ALSA.
    Alsa,
    /// JACK.
    Jack,
    /// The SPICE viewer, for `display.kind = "spice"`.
    Spice,
    /// SDL.
    Sdl,
    /// A card whose sound goes nowhere.
    None,
}

impl Driver {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pa => "pa",
            Self::Pipewire => "pipewire",
            Self::Alsa => "alsa",
            Self::Jack => "jack",
            Self::Spice => "spice",
            Self::Sdl => "sdl",
            Self::None => "none",
        }
    }
}

/// First QEMU with a `PipeWire` back end; QEMU 8.1 change log.
const PIPEWIRE_SINCE: Version = Version::new(8, 1);

pub(super) fn draft(audio: &Audio, display: &Display, scene: &Scene, draft: &mut Draft) {
    let mut backend = json!({"driver": audio.driver.as_str(), "id": "audio0"});
    judge(audio, display, draft);
    let found = server::name(audio, &mut backend, scene, draft).and_then(|()| has_driver(audio.driver, scene));
    match found {
        Ok(()) => directions(audio, &mut backend, draft),
        Err(problem) if audio.required == Some(false) => {
            backend = json!({"driver": "none", "id": "audio0"});
            draft.contents.env.remove("PIPEWIRE_RUNTIME_DIR");
            draft.warn(Problem { what: format!("{}; the guest's sound goes nowhere", problem.what), ..problem });
        }
        Err(problem) => draft.refuse(problem),
    }
    let argv = &mut draft.contents.argv;
    argv.backend("-audiodev", &backend, Origin::given("audio.driver"));
    if audio.server.is_none() && backend["server"].is_string() {
        let origin = Origin::derived("audio.server", "that of who called sudo, as root has none");
        argv.explain("audio0", origin.read_in("SUDO_UID and /run/user"));
    }
}

fn has_driver(driver: Driver, scene: &Scene) -> Result<(), Problem> {
    if driver != Driver::Pipewire || scene.qemu_is(PIPEWIRE_SINCE) {
        return capability::audio(scene, driver.as_str()).map_or(Ok(()), Err);
    }
    Err(Problem::new(Class::Impossible, "audio.driver", "this QEMU has no PipeWire back end")
        .why(format!("it came with QEMU {PIPEWIRE_SINCE}"))
        .fix("driver = \"pa\"   # PipeWire serves PulseAudio's clients too"))
}

/// Adds what is said of both directions, and of the output alone.
fn directions(audio: &Audio, backend: &mut Value, draft: &mut Draft) {
    let mut both = Map::new();
    if let Some(mixing) = audio.mixing {
        both.insert("mixing-engine".into(), json!(mixing));
        if !mixing {
            // The guest's own format is not QEMU's to fix then; QEMU refuses the one with the other.
            both.insert("fixed-settings".into(), json!(false));
        }
    }
    if let Some(rate) = audio.rate {
        both.insert("frequency".into(), json!(rate));
    }
    let mut out = both.clone();
    let amounts = [
        ("buffer-length", buffer(audio, draft)),
        ("period-length", audio.period_us.map(|us| us.get().into())),
        ("latency", audio.latency_us.map(|us| us.get().into())),
    ];
    out.extend(amounts.into_iter().filter_map(|(name, us)| Some((name.to_owned(), json!(us?)))));
    for (name, direction) in [("in", both), ("out", out)] {
        if !direction.is_empty() {
            backend[name] = Value::Object(direction);
        }
    }
}

/// Length of the buffer in microseconds.
fn buffer(audio: &Audio, draft: &mut Draft) -> Option<u64> {
    match (audio.samples, audio.buffer_us) {
        (Some(_), Some(_)) => {
            let what = "samples and buffer_us both give the length of the buffer";
            draft.refuse(Problem::new(Class::Invalid, "audio.samples", what).fix("leave out one of them"));
            None
        }
        (Some(samples), None) => Some(u64::from(samples.get()) * 1_000_000 / 44_100),
        (None, buffer) => buffer.map(NonZeroU32::get).map(u64::from),
    }
}

fn judge(audio: &Audio, display: &Display, draft: &mut Draft) {
    let Audio { driver, period_us, latency_us, mixing, rate, .. } = audio;
    let name = driver.as_str();
    let mut refuse = |key: &str, what: String, fix: &str| {
        draft.refuse(Problem::new(Class::Invalid, format!("audio.{key}"), what).fix(fix));
    };
    if period_us.is_some() && *driver != Driver::Alsa {
        refuse("period_us", format!("driver = \"{name}\" has no periods"), "buffer_us = 10000");
    }
    if latency_us.is_some() && !matches!(driver, Driver::Pa | Driver::Pipewire) {
        refuse("latency_us", format!("driver = \"{name}\" cannot be asked for a delay"), "buffer_us = 10000");
    }
    if *mixing == Some(false) && rate.is_some() {
        refuse("rate", "rate without mixing; the guest's own rate is used then".into(), "leave out one of them");
    }
    if *driver == Driver::Spice && !display.is_spice() {
        refuse("driver", "driver = \"spice\" without a SPICE display".into(), "[display]\nkind = \"spice\"");
    }
}
