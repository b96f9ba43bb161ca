//! `[audio]`: a sound card, and where its sound goes.

use super::disk_bus::place;
use super::scene::Scene;
use crate::plan::{Class, Draft, Origin, Problem};
use crate::unit::Version;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::num::NonZeroU32;

/// Sound; QEMU's `-audiodev` and a card.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Audio {
    /// The host's sound system.
    driver: Driver,
    /// Its server, for `driver = "pa"`: `unix:/run/user/1000/pulse/native`.
    server: Option<String>,
    /// The card; `hda` unless given.
    #[serde(default)]
    model: Model,
    /// Length of the output buffer in frames at 44.1 kHz, as `QEMU_PA_SAMPLES` had it.
    samples: Option<NonZeroU32>,
    /// Length of the output buffer in microseconds.
    buffer_us: Option<NonZeroU32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Driver {
    Pa,
    Pipewire,
    Alsa,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Model {
    #[default]
    Hda,
    Ac97,
    Usb,
}

impl Driver {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pa => "pa",
            Self::Pipewire => "pipewire",
            Self::Alsa => "alsa",
            Self::None => "none",
        }
    }
}

/// First QEMU with a `PipeWire` back end; QEMU 8.1 change log.
const PIPEWIRE_SINCE: Version = Version::new(8, 1);

impl Audio {
    pub(super) fn is_usb(&self) -> bool {
        self.model == Model::Usb
    }

    fn buffer(&self, draft: &mut Draft) -> Option<u64> {
        match (self.samples, self.buffer_us) {
            (Some(_), Some(_)) => {
                let what = "samples and buffer_us both give the length of the buffer";
                draft.refuse(Problem::new(Class::Invalid, "audio.samples", what).fix("leave out one of them"));
                None
            }
            (Some(samples), None) => Some(u64::from(samples.get()) * 1_000_000 / 44_100),
            (None, buffer) => buffer.map(|buffer| buffer.get().into()),
        }
    }

    fn draft_backend(&self, scene: &Scene, draft: &mut Draft) {
        let Self { driver, server, model: _, samples: _, buffer_us: _ } = self;
        let mut backend = json!({"driver": driver.as_str(), "id": "audio0"});
        match (driver, server) {
            (Driver::Pa, Some(server)) => backend["server"] = json!(server),
            (_, Some(_)) => {
                let problem = Problem::new(Class::Invalid, "audio.server", "only driver = \"pa\" takes a server");
                draft.refuse(problem.fix("driver = \"pa\""));
            }
            (Driver::Pa, None) => match invoker(scene) {
                Some(uid) => backend["server"] = json!(format!("unix:/run/user/{uid}/pulse/native")),
                None if scene.host.euid == 0 => draft.warn(nobodys_server()),
                None => {}
            },
            (Driver::Pipewire, None) => {
                if let Some(uid) = invoker(scene) {
                    let place = format!("/run/user/{uid}");
                    draft.contents.env.insert("PIPEWIRE_RUNTIME_DIR".into(), place);
                }
            }
            (Driver::Alsa | Driver::None, None) => {}
        }
        if let Some(buffer) = self.buffer(draft) {
            backend["out"] = json!({"buffer-length": buffer});
        }
        if *driver == Driver::Pipewire && !scene.qemu_is(PIPEWIRE_SINCE) {
            draft.refuse(
                Problem::new(Class::Impossible, "audio.driver", "this QEMU has no PipeWire back end")
                    .why(format!("it came with QEMU {PIPEWIRE_SINCE}"))
                    .fix("driver = \"pa\"   # PipeWire serves PulseAudio's clients too"),
            );
        }
        draft.contents.argv.backend("-audiodev", &backend, Origin::given("audio.driver"));
    }
}

pub(super) fn draft(audio: Option<&Audio>, scene: &Scene, draft: &mut Draft) {
    let Some(audio) = audio else { return };
    audio.draft_backend(scene, draft);
    let origin = Origin::given("audio.model");
    match audio.model {
        Model::Hda => {
            place(json!({"driver": "ich9-intel-hda", "id": "hda"}), &origin, draft);
            let codec = json!({"driver": "hda-duplex", "id": "sound", "bus": "hda.0", "audiodev": "audio0"});
            draft.contents.argv.device(&codec, origin);
        }
        Model::Ac97 => place(json!({"driver": "AC97", "id": "sound", "audiodev": "audio0"}), &origin, draft),
        Model::Usb => {
            let device = json!({"driver": "usb-audio", "id": "sound", "bus": "xhci.0", "audiodev": "audio0"});
            draft.contents.argv.device(&device, origin);
        }
    }
}

fn nobodys_server() -> Problem {
    Problem::new(Class::Impossible, "audio.driver", "root has no sound server")
        .why("vmrun was started by root itself, so it does not know whose server is meant")
        .fix("server = \"unix:/run/user/1000/pulse/native\"   # or start it by sudo")
}

/// The user whose sound server is meant, when vmrun runs as root for somebody.
fn invoker(scene: &Scene) -> Option<u32> {
    scene.host.invoker.filter(|_| scene.host.euid == 0)
}
